use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;

use super::server::{Answer, Server};
use super::*;
use crate::channel::{Failure, Kind};
use crate::config::{Secret, Tls};

const TIMES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(1));

fn client(url: &str, tls: &Tls) -> Result<Client, TlsError> {
    let headers = BTreeMap::from([("Authorization".to_owned(), Secret::from("Bearer x"))]);
    Client::new(url, &headers, "application/json", "1.2.3", tls, TIMES)
}

fn plain(server: &Server) -> Client {
    client(&server.url("/in?a=b"), &Tls::default()).unwrap()
}

async fn post(client: &mut Client) -> Result<Verdict, Failure> {
    client.post(Bytes::from("{}")).await.map(|answer| answer.verdict())
}

fn words(posted: Result<Verdict, Failure>) -> String {
    let failure = posted.unwrap_err();
    assert_eq!(failure.kind, Kind::Later(None));
    failure.error
}

#[tokio::test]
async fn one_connection_is_kept_and_the_head_is_as_configured() {
    let server = Server::start([]);
    let mut client = plain(&server);
    for _ in 0..5 {
        assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 5);
    assert!(seen.iter().all(|seen| seen.connection == 0), "{seen:?}");
    assert_eq!(seen[0].line, "POST /in?a=b HTTP/1.1");
    for header in [
        "user-agent: pinhole/1.2.3".to_owned(),
        "content-type: application/json".to_owned(),
        "authorization: Bearer x".to_owned(),
        format!("host: {}", server.address),
    ] {
        assert!(seen[0].headers.contains(&header), "{header}: {:?}", seen[0].headers);
    }
}

#[tokio::test]
async fn a_receiver_that_closes_a_kept_connection_costs_nothing() {
    let server = Server::start([Answer::OkThenClose]);
    let mut client = plain(&server);
    for _ in 0..3 {
        assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(server.seen().last().unwrap().connection, 1);
}

#[tokio::test]
async fn refusals_carry_what_the_receiver_wants() {
    let server = Server::start([
        Answer::Status(429, "retry-after: 3\r\n", b"busy".to_vec()),
        Answer::Status(500, "", Vec::new()),
        Answer::Status(405, "", Vec::new()),
        Answer::Status(307, "location: http://127.0.0.1:1/\r\n", Vec::new()),
    ]);
    let mut client = plain(&server);
    let answer = client.post(Bytes::new()).await.unwrap();
    let failure = answer.failure("u", answer.verdict(), "");
    assert_eq!(failure.kind, Kind::Later(Some(Duration::from_secs(3))));
    assert_eq!(post(&mut client).await, Ok(Verdict::Later));
    assert_eq!(post(&mut client).await, Ok(Verdict::Never));
    assert_eq!(
        post(&mut client).await,
        Ok(Verdict::Later),
        "redirects are not followed"
    );
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn whoever_closes_or_is_silent_is_tried_again() {
    let server = Server::start([Answer::Close, Answer::Silence(Duration::from_secs(3))]);
    let mut client = plain(&server);
    assert!(words(post(&mut client).await).contains("no answer"));
    let begun = Instant::now();
    assert!(words(post(&mut client).await).contains("no answer within 1s"));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
}

#[tokio::test]
async fn an_answer_without_an_end_is_cut_off() {
    let server = Server::start([Answer::Endless]);
    let mut client = plain(&server);
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    assert_eq!(server.seen()[1].connection, 1);
}

#[tokio::test]
async fn the_head_counts_where_the_body_breaks_off_or_stalls() {
    let whole = Answer::Status(200, "", Vec::new());
    let (cut, stalled) = (Answer::Half(Duration::ZERO), Answer::Half(Duration::from_secs(10)));
    let server = Server::start([whole, cut, stalled]);
    let mut client = plain(&server);
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    for _ in 0..2 {
        let answer = client.post(Bytes::from("{}")).await.unwrap();
        assert_eq!((answer.verdict(), answer.body), (Verdict::Taken, Bytes::from("ha")));
    }
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    let connections: Vec<usize> = server.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(
        connections,
        [0, 0, 1, 2],
        "nothing is posted twice, and the connection is given up"
    );
}

#[tokio::test]
async fn nobody_there() {
    let mut client = client("http://127.0.0.1:1/", &Tls::default()).unwrap();
    assert!(words(post(&mut client).await).contains("cannot connect: 127.0.0.1:1"));
}

/// An authority, and what it vouches for.
struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn issue(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// A server with a certificate for this name; it wants one of the client where `mutual`.
    fn server(&self, name: &str, mutual: bool) -> Server {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = match mutual {
            true => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                    .build()
                    .unwrap(),
            ),
            false => builder.with_no_client_auth(),
        };
        let (certificate, key) = self.issue(name);
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        Server::start_tls(builder.with_single_cert(chain, key).unwrap())
    }

    fn tls(&self, client: Option<&Self>) -> Tls {
        let mut tls = Tls {
            ca_file: self.path("ca.pem"),
            ..Tls::default()
        };
        if let Some(authority) = client {
            let (certificate, key) = authority.issue("node");
            (tls.certificate, tls.key) = (self.path("cert.pem"), self.path("key.pem"));
            fs::write(&tls.certificate, certificate.pem()).unwrap();
            fs::write(&tls.key, key.serialize_pem()).unwrap();
        }
        tls
    }
}

fn https(server: &Server, host: &str) -> String {
    format!("https://{host}:{}/", server.address.port())
}

#[tokio::test]
async fn a_receiver_is_believed_by_its_authority_and_its_name() {
    let authority = Authority::new();
    let server = authority.server("localhost", false);
    let mut client = client(&https(&server, "localhost"), &authority.tls(None)).unwrap();
    for _ in 0..3 {
        assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    }
    assert!(server.seen().iter().all(|seen| seen.connection == 0));

    let by_address = authority.server("127.0.0.1", false);
    let mut client = self::client(&https(&by_address, "127.0.0.1"), &authority.tls(None)).unwrap();
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));

    // Another name, another authority, the built-in ones.
    for (host, tls) in [
        ("127.0.0.1", authority.tls(None)),
        ("localhost", Authority::new().tls(None)),
        ("localhost", Tls::default()),
    ] {
        // What is not there is told at once, so the file may go.
        let Ok(mut client) = self::client(&https(&server, host), &tls) else {
            continue;
        };
        let error = words(post(&mut client).await);
        assert!(error.contains("certificate"), "{host}: {error}");
    }
    assert_eq!(server.seen().len(), 3, "nothing was told to a stranger");
}

#[tokio::test]
async fn a_receiver_may_want_a_certificate() {
    let authority = Authority::new();
    let server = authority.server("localhost", true);
    let url = https(&server, "localhost");
    let mut client = client(&url, &authority.tls(Some(&authority))).unwrap();
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
    assert_eq!(server.seen()[0].certificates, 1);

    for tls in [authority.tls(None), authority.tls(Some(&Authority::new()))] {
        let mut client = self::client(&url, &tls).unwrap();
        words(post(&mut client).await);
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn certificates_are_read_anew_when_asked_to() {
    let authority = Authority::new();
    let server = authority.server("localhost", true);
    let tls = authority.tls(Some(&Authority::new()));
    let mut client = client(&https(&server, "localhost"), &tls).unwrap();
    words(post(&mut client).await);
    fs::write(&tls.key, "half a fi").unwrap();
    assert!(client.reopen().await.is_err());
    authority.tls(Some(&authority));
    client.reopen().await.unwrap();
    assert_eq!(post(&mut client).await, Ok(Verdict::Taken));
}

#[test]
fn files_that_are_not_what_they_should_be_are_named() {
    let authority = Authority::new();
    let good = authority.tls(Some(&authority));
    let junk = authority.path("junk");
    fs::write(&junk, "junk").unwrap();
    let other = authority.path("other");
    fs::write(&other, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let error = |change: &dyn Fn(&mut Tls)| {
        let mut tls = good.clone();
        change(&mut tls);
        client("https://h/", &tls).err().unwrap().to_string()
    };
    let missing = error(&|tls| tls.ca_file = "/no/such".into());
    assert!(missing.contains("cannot read /no/such"), "{missing}");
    assert!(error(&|tls| tls.ca_file = junk.clone()).contains("junk holds no certificate"));
    assert!(error(&|tls| tls.key = junk.clone()).contains("junk holds no private key"));
    assert!(error(&|tls| tls.key = other.clone()).contains("cannot be used with the key"));
}
