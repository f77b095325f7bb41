//! How requests to a cloud go over the wire: HTTP/1.1 over the same TLS as everything else here.
//!
//! Invariants: every wait ends (connect, answer, silence within an answer); of what is held in memory as a whole, so much and
//! no more is read; redirects are not followed, so no request and no
//! credential goes anywhere but to where the operator and the provider's rules say; without TLS only where the
//! operator has allowed it; sockets are opened by `landline_outbound`, so a link-local address is never asked for anything,
//! credentials of the machine included.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderValue, Method, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_rustls::{DefaultServerNameResolver, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use landline_outbound::{AddressPolicy, NoAuthorities, TcpConnector, Trust};
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use tokio::time::{Sleep, sleep, timeout};

use crate::limits::{
    CLOUD_ANSWER_TIMEOUT, CLOUD_CONNECT_TIMEOUT, CLOUD_IDLE_CONNECTIONS, CLOUD_IDLE_TIMEOUT,
    CLOUD_SILENCE_TIMEOUT, CLOUD_TEXT_BYTES,
};

/// Gives a bucket, and whoever hands out credentials for it, a client.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    pub(super) addresses: Arc<AddressPolicy>,
    pub(super) trust: Trust,
}

#[derive(Debug)]
struct Service(Client<HttpsConnector<TcpConnector>, HttpRequestBody>);

#[derive(Debug, thiserror::Error)]
#[error("no answer within {0:?}")]
struct Silent(Duration);

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let trusted = self.trust.load_now().map_err(no_roots)?;
        // As the library spells it; also `true` where it asks this very machine for credentials.
        let plain = options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|told| told == "true");
        let tcp = TcpConnector::new(Arc::clone(&self.addresses), connect_timeout(options));
        let names = Arc::new(DefaultServerNameResolver::default());
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(CLOUD_IDLE_TIMEOUT)
            .pool_max_idle_per_host(CLOUD_IDLE_CONNECTIONS)
            .build(HttpsConnector::new(tcp, trusted, !plain, names));
        Ok(HttpClient::new(Service(client)))
    }
}

/// Where there is no machine to ask for credentials, the library does not want to wait for long.
fn connect_timeout(options: &ClientOptions) -> Duration {
    let told = options.get_config_value(&ClientConfigKey::ConnectTimeout);
    let seconds = told.and_then(|told| told.strip_suffix('s')?.trim().parse().ok());
    seconds.map_or(CLOUD_CONNECT_TIMEOUT, Duration::from_secs).min(CLOUD_CONNECT_TIMEOUT)
}

fn no_roots(error: NoAuthorities) -> object_store::Error {
    object_store::Error::Generic { store: "TLS", source: error.into() }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let agent = HeaderValue::from_static(concat!("landline/", env!("CARGO_PKG_VERSION")));
        request.headers_mut().insert(USER_AGENT, agent);
        let asks_for_bytes = asks_for_bytes(request.method(), request.uri());
        let answer = timeout(CLOUD_ANSWER_TIMEOUT, self.0.request(request)).await;
        let answer = answer
            .map_err(|_| HttpError::new(HttpErrorKind::Timeout, Silent(CLOUD_ANSWER_TIMEOUT)))?
            .map_err(|error| {
                HttpError::new(if error.is_connect() { HttpErrorKind::Connect } else { kind(&error) }, error)
            })?;
        let left = (!asks_for_bytes || !answer.status().is_success()).then_some(CLOUD_TEXT_BYTES);
        Ok(answer.map(|body| HttpResponseBody::new(Patient { body, silence: None, left })))
    }
}

/// Whether the answer is the bytes of a blob, which are handed on as they come. The library holds every other answer in
/// memory: lists, tokens, errors.
fn asks_for_bytes(method: &Method, uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    let lists = ["list-type=", "comp=list", "prefix="].iter().any(|list| query.contains(list));
    method == Method::GET && !lists
}

/// How far a request came decides whether it is repeated: what was surely not done is, and what may have been done is only where
/// doing it twice is the same as once. The library knows which these are.
fn kind(error: &(dyn Error + 'static)) -> HttpErrorKind {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            if error.is_closed() || error.is_incomplete_message() || error.is_body_write_aborted() {
                return HttpErrorKind::Interrupted;
            }
            if error.is_timeout() {
                return HttpErrorKind::Timeout;
            }
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return match error.kind() {
                io::ErrorKind::TimedOut => HttpErrorKind::Timeout,
                _ => HttpErrorKind::Interrupted,
            };
        }
        cause = error.source();
    }
    HttpErrorKind::Unknown
}

/// An answer that may be silent for so long and no longer.
struct Patient {
    body: Incoming,
    /// Runs while something is waited for.
    silence: Option<Pin<Box<Sleep>>>,
    /// How many bytes it may still have; `None` for the bytes of a blob.
    left: Option<usize>,
}

#[derive(Debug, thiserror::Error)]
#[error("its answer is over the limit of {CLOUD_TEXT_BYTES} bytes")]
struct TooLarge;

impl Patient {
    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), HttpError> {
        let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) else { return Ok(()) };
        let rest = left.checked_sub(data.len());
        *left = rest.ok_or_else(|| HttpError::new(HttpErrorKind::Decode, TooLarge))?;
        Ok(())
    }
}

impl Body for Patient {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            self.silence = None;
            return Poll::Ready(frame.map(|frame| {
                let frame = frame.map_err(|error| HttpError::new(kind(&error), error))?;
                self.count(&frame).map(|()| frame)
            }));
        }
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep(CLOUD_SILENCE_TIMEOUT)));
        ready!(silence.as_mut().poll(cx));
        Poll::Ready(Some(Err(HttpError::new(HttpErrorKind::Timeout, Silent(CLOUD_SILENCE_TIMEOUT)))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
