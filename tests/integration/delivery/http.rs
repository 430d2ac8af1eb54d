//! Receivers over HTTP.

use std::fs;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

use super::receiver::{Receiver, free_port};
use super::{Node, mark, printed, until};
use crate::lab::turn::Turn;

#[test]
fn a_receiver_that_is_down_at_first_gets_every_alert_as_it_was_printed() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    // By a name, which has to be resolved.
    let node = Node::new(&format!(
        "[delivery.http]\nenabled = true\nurl = \"http://localhost:{port}/in\"\nretry.first = \"100ms\"\n\
         headers = {{ Authorization = \"Bearer hush\" }}\n"
    ));
    let agent = node.start();
    mark("one");
    let one = printed(&agent, "one");
    let failing = node.account(&agent, "http", |http| http.failing);
    assert!(failing.last_error.unwrap().contains("refused"));
    assert_eq!(failing.waiting, 1);
    let receiver = Receiver::start(port, None);
    mark("two");
    let two = printed(&agent, "two");
    let got = until("both alerts", &agent, || {
        let got = receiver.got();
        (got.len() >= 2).then_some(got)
    });
    let bodies: Vec<_> = got.iter().map(|got| got.body.clone()).collect();
    assert_eq!(bodies, [one, two.clone()]);
    let head = &got[0].head;
    assert_eq!(head[0], "POST /in HTTP/1.1");
    for line in ["content-type: application/json", "authorization: Bearer hush"] {
        assert!(
            head.iter().any(|got| got.eq_ignore_ascii_case(line)),
            "{line}: {head:?}"
        );
    }
    // What Falcosidekick reads (falcosecurity/falcosidekick, types/types.go).
    for (key, kind) in [
        ("output", "string"),
        ("priority", "string"),
        ("rule", "string"),
        ("time", "string"),
        ("source", "string"),
        ("hostname", "string"),
        ("output_fields", "object"),
        ("tags", "array"),
    ] {
        let value = &two[key];
        let is = if value.is_string() {
            "string"
        } else if value.is_object() {
            "object"
        } else {
            "array"
        };
        assert_eq!(is, kind, "{key}: {two}");
    }
    node.account(&agent, "http", |http| http.delivered == 2 && !http.failing);
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert!(!stopped.stderr.contains("hush"), "{}", stopped.stderr);
    let told = &stopped.summary().unwrap()["delivery"];
    assert_eq!((&told["handed_over"], &told["lost"]), (&2.into(), &0.into()), "{told}");
    assert_eq!(told["channels"]["http"]["delivered"], 2, "{told}");
    assert_eq!(told["running"], true, "{told}");
}

#[test]
fn what_waits_at_the_end_is_delivered_within_the_grace() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    let node = Node::new(&format!(
        "delivery.grace = \"8s\"\n[delivery.http]\nenabled = true\nurl = \"http://127.0.0.1:{port}/\"\nretry.first = \"100ms\"\n\
         retry.longest = \"200ms\"\n"
    ));
    let agent = node.start();
    mark("late");
    node.account(&agent, "http", |http| http.failing);
    let receiver = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_secs(1));
        Receiver::start(port, None)
    });
    let stopped = agent.stop().unwrap();
    assert!(stopped.status.success(), "{}\n{}", stopped.status, stopped.stderr);
    assert_eq!(receiver.join().unwrap().got().len(), 1, "{}", stopped.stderr);
    assert_eq!(
        stopped.summary().unwrap()["delivery"]["channels"]["http"]["delivered"],
        1
    );
}

#[test]
fn a_queue_on_disk_outlives_the_agent() {
    let _turn = Turn::take().unwrap();
    let port = free_port();
    let node = Node::new(&format!(
        "delivery.grace = \"0s\"\n[delivery.http]\nenabled = true\nurl = \"http://127.0.0.1:{port}/\"\nretry.first = \"100ms\"\n\
         queue.directory = \"RUN/queue\"\n"
    ));
    let agent = node.start();
    for word in ["one", "two", "three"] {
        mark(word);
    }
    printed(&agent, "three");
    node.account(&agent, "http", |http| http.waiting == 3);
    let stopped = agent.stop().unwrap();
    let told = &stopped.summary().unwrap()["delivery"]["channels"]["http"];
    assert_eq!((&told["waiting"], &told["dropped"]), (&3.into(), &0.into()), "{told}");
    let receiver = Receiver::start(port, None);
    let agent = node.start();
    until("what waited", &agent, || (receiver.got().len() == 3).then_some(()));
    assert!(agent.stop().unwrap().status.success());
}

#[test]
fn both_ends_prove_who_they_are_and_a_new_certificate_is_read_on_sighup() {
    let _turn = Turn::take().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let issue = || {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.signed_by(&key, &authority).unwrap(), key)
    };
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let (certificate, key) = issue();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.build().unwrap())
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let port = free_port();
    let receiver = Receiver::start(port, Some(Arc::new(config)));
    let node = Node::new(&format!(
        "[delivery.http]\nenabled = true\nurl = \"https://localhost:{port}/\"\nretry.first = \"100ms\"\nretry.longest = \"200ms\"\n\
         tls.ca_file = \"RUN/ca.crt\"\ntls.certificate = \"RUN/tls.crt\"\ntls.key = \"RUN/tls.key\"\n"
    ));
    let put = |name: &str, text: &str| fs::write(node.run(name), text).unwrap();
    put("ca.crt", &authority.pem());
    // Somebody whom nobody vouches for.
    let stranger = rcgen::generate_simple_self_signed(vec!["stranger".to_owned()]).unwrap();
    put("tls.crt", &stranger.cert.pem());
    put("tls.key", &stranger.signing_key.serialize_pem());
    let agent = node.start();
    mark("refused");
    node.account(&agent, "http", |http| http.failing && http.waiting == 1);
    assert_eq!(receiver.got().len(), 0);
    let (certificate, key) = issue();
    put("tls.crt", &certificate.pem());
    put("tls.key", &key.serialize_pem());
    nix::sys::signal::kill(agent.pid(), nix::sys::signal::Signal::SIGHUP).unwrap();
    until("the alert", &agent, || (receiver.got().len() == 1).then_some(()));
    assert_eq!(receiver.got()[0].body, printed(&agent, "refused"));
    assert!(agent.stop().unwrap().status.success());
}
