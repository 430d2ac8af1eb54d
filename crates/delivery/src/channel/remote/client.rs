//! The connection and what is posted over it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Request, Response, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::discretion::Discretion;
use super::{Answer, TlsError, tls};
use crate::channel::{Failure, Kind, resolve};
use crate::config::{Secret, Tls};

/// How much of an answer is read, in bytes. Of a longer one the connection is given up.
const BODY_LIMIT: usize = 64 << 10;
/// The largest head of an answer, in bytes.
const HEAD_LIMIT: usize = 32 << 10;

/// See the module.
pub(in crate::channel) struct Client {
    discretion: Discretion,
    host: String,
    port: u16,
    path: Uri,
    headers: HeaderMap,
    tls: Option<Arc<ClientConfig>>,
    tls_settings: Tls,
    connect_timeout: Duration,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

/// Why nothing came back.
enum PostError {
    /// There is no connection.
    Connect(io::Error),
    /// It failed before the head of an answer came.
    Exchange(hyper::Error),
    /// It took too long.
    TimedOut,
}

impl Client {
    /// A client for an address that was validated. Connects with the first request.
    pub(in crate::channel) fn new(
        url: &str,
        headers: &BTreeMap<String, Secret>,
        content_type: &'static str,
        version: &str,
        tls_settings: &Tls,
        (connect_timeout, timeout): (Duration, Duration),
    ) -> Result<Self, TlsError> {
        let uri: Uri = url.parse().unwrap_or_default();
        let is_tls = uri.scheme_str() == Some("https");
        let mut fields = HeaderMap::new();
        let agent = format!("pinhole/{version}");
        for (name, value) in [
            (USER_AGENT, agent.as_str()),
            (CONTENT_TYPE, content_type),
            (HOST, uri.authority().map_or("", |authority| authority.as_str())),
        ] {
            if let Ok(value) = HeaderValue::from_str(value) {
                fields.insert(name, value);
            }
        }
        for (name, value) in headers {
            if let (Ok(name), Ok(mut value)) = (
                HeaderName::try_from(name.as_str()),
                HeaderValue::from_str(value.expose()),
            ) {
                value.set_sensitive(true);
                fields.insert(name, value);
            }
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            discretion: Discretion::new(&uri, url, headers),
            host: uri.host().unwrap_or_default().to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            path: path.parse().unwrap_or_default(),
            headers: fields,
            tls: is_tls.then(|| tls::client(tls_settings)).transpose()?,
            tls_settings: tls_settings.clone(),
            connect_timeout,
            timeout,
            connection: None,
        })
    }

    /// How the receiver and what it says are told.
    pub(in crate::channel) fn discretion(&self) -> &Discretion {
        &self.discretion
    }

    /// Reads certificates and keys anew, and connects anew with the next request. What cannot be read leaves all as it is.
    pub(in crate::channel) async fn reopen(&mut self) -> Result<(), String> {
        if self.tls.is_some() {
            let settings = self.tls_settings.clone();
            let read = spawn_blocking(move || tls::client(&settings)).await;
            let read = read.map_err(|error| error.to_string())?;
            self.tls = Some(read.map_err(|error| error.to_string())?);
        }
        self.connection = None;
        Ok(())
    }

    /// Posts a body and tells what the answer means.
    pub(in crate::channel) async fn post(&mut self, body: Bytes) -> Result<Answer, Failure> {
        // A connection that was kept may have been closed by the receiver at the same moment: that is nobody's failure, and worth
        // one more attempt at once. The receiver may have taken the first, so this can deliver twice.
        if let Some(connection) = self.connection.take()
            && !connection.is_closed()
        {
            match self.exchange(connection, body.clone()).await {
                Err(PostError::Exchange(_)) => {}
                answer => return answer.map_err(|error| self.failure(&error)),
            }
        }
        let connecting = timeout(self.connect_timeout, self.connect()).await;
        let posted = match connecting {
            Ok(Ok(connection)) => self.exchange(connection, body).await,
            Ok(Err(error)) => Err(PostError::Connect(error)),
            Err(_) => Err(PostError::Connect(io::ErrorKind::TimedOut.into())),
        };
        posted.map_err(|error| self.failure(&error))
    }

    async fn exchange(&mut self, mut connection: SendRequest<Full<Bytes>>, body: Bytes) -> Result<Answer, PostError> {
        let mut request = Request::post(self.path.clone())
            .body(Full::new(body))
            .unwrap_or_default();
        *request.headers_mut() = self.headers.clone();
        let deadline = Instant::now() + self.timeout;
        let exchanged = timeout_at(deadline, async {
            // It may still be on its way from the last answer to being ready.
            connection.ready().await?;
            connection.send_request(request).await
        });
        let (head, mut body) = exchanged
            .await
            .map_err(|_| PostError::TimedOut)?
            .map_err(PostError::Exchange)?
            .into_parts();
        // The head says what became of the alerts. What goes wrong with the body costs the connection, and sends nothing twice.
        let mut read = Vec::new();
        let is_whole = timeout_at(deadline, read_body(&mut body, &mut read)).await;
        if is_whole.unwrap_or(false) {
            self.connection = Some(connection);
        }
        Ok(Answer::new(&Response::from_parts(head, ()), read.into()))
    }

    async fn connect(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = resolve::connect(&self.host, self.port, self.connect_timeout).await?;
        let Some(tls) = &self.tls else {
            return handshake(stream).await;
        };
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await?;
        handshake(stream).await
    }

    fn failure(&self, error: &PostError) -> Failure {
        let words = match error {
            PostError::Connect(error) => format!("cannot connect: {error}"),
            PostError::Exchange(error) => format!("no answer: {}", chain(error)),
            PostError::TimedOut => {
                let time = humantime::format_duration(self.timeout);
                format!("no answer within {time}")
            }
        };
        Failure {
            taken: 0,
            kind: Kind::Later(None),
            error: format!("{}: {words}", self.discretion.url()),
        }
    }
}

/// Speaks HTTP over a stream. The connection works on a task of its own, which ends with it.
async fn handshake<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        // What goes wrong here, the request under way is told.
        let _ = connection.await;
    });
    Ok(sender)
}

/// Reads the body as far as the limit, and as far as it comes. True where that was all of it.
async fn read_body<B>(body: &mut B, read: &mut Vec<u8>) -> bool
where
    B: Body<Data = Bytes> + Unpin,
{
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        if let Ok(data) = frame.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > BODY_LIMIT {
            return false;
        }
    }
    true
}

/// An error and what it came from: hyper's own words alone say little.
fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        words = format!("{words}: {error}");
        source = error.source();
    }
    words
}
