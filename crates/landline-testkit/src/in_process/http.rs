//! One HTTP request on a connection of its own, and the whole answer.
//!
//! The answer is kept as it came, so that a test can look at every header and byte.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::handshake;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use hyper::{HeaderMap, Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::inside::{is_guarded_in_browsers, tells_nothing_of_the_inside};
use super::openapi;

/// A request that takes longer fails the test.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// A request that is not sent yet.
#[derive(Debug)]
pub struct Call {
    address: SocketAddr,
    request: hyper::http::request::Builder,
    body: Bytes,
    chunk_bytes: Option<usize>,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Call {
    pub fn new(address: SocketAddr, method: Method, path: &str) -> Self {
        let request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
        Self { address, request, body: Bytes::new(), chunk_bytes: None }
    }

    /// Whether the HTTP client can send such a path.
    pub fn is_path(path: &str) -> bool {
        path.parse::<hyper::Uri>().is_ok()
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// A header whose value is not text.
    #[must_use]
    pub fn raw_header(mut self, name: &str, value: &[u8]) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// Replaces the host that the request names; `None` leaves it out.
    #[must_use]
    pub fn host(mut self, host: Option<&str>) -> Self {
        if let Some(headers) = self.request.headers_mut() {
            headers.remove(HOST);
            if let Some(host) = host {
                headers.insert(HOST, host.parse().expect("a host"));
            }
        }
        self
    }

    #[must_use]
    pub fn bearer(self, credential: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {credential}"))
    }

    #[must_use]
    pub fn origin(self, origin: &str) -> Self {
        self.header(ORIGIN.as_str(), origin)
    }

    /// A body of type JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.json_text(body.to_string())
    }

    /// A body that says it is JSON.
    #[must_use]
    pub fn json_text(self, body: impl Into<Bytes>) -> Self {
        self.header(CONTENT_TYPE.as_str(), "application/json").body(body)
    }

    /// A body of no type.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends the body in chunks, its length not announced.
    #[must_use]
    pub fn chunked(mut self, chunk_bytes: usize) -> Self {
        self.chunk_bytes = Some(chunk_bytes);
        self
    }

    /// Sends it. Panics when there is no answer.
    pub async fn send(self) -> Reply {
        let what = format!("{:?} {:?}", self.request.method_ref(), self.request.uri_ref());
        match self.try_send().await {
            Ok(reply) => reply,
            Err(error) => panic!("{what} got no answer: {error}"),
        }
    }

    /// Sends it; the line may break.
    ///
    /// # Errors
    /// Without an answer, whatever the reason.
    pub async fn try_send(self) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        timeout(CALL_TIMEOUT, self.exchange()).await?
    }

    async fn exchange(self) -> Result<Reply, Box<dyn std::error::Error + Send + Sync>> {
        let body: BoxBody<Bytes, std::convert::Infallible> = match self.chunk_bytes {
            None => Full::new(self.body).boxed(),
            Some(size) => {
                let chunks: Vec<_> =
                    self.body.chunks(size).map(|c| Ok(Frame::data(Bytes::copy_from_slice(c)))).collect();
                StreamBody::new(stream::iter(chunks)).boxed()
            }
        };
        let request = self.request.body(body)?;
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            let reply = Reply { status: head.status.as_u16(), headers: head.headers, body };
            tells_nothing_of_the_inside(reply.status, &reply.headers, &reply.body);
            is_guarded_in_browsers(&reply.headers);
            openapi::check(&method, &path, &reply);
            Ok(reply)
        };
        tokio::pin!(exchange);
        tokio::select! {
            biased;
            reply = &mut exchange => reply,
            _ = connection => exchange.await,
        }
    }
}

impl Reply {
    /// The body as JSON. Panics where it is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{} is not JSON: {error}: {:?}", self.status, self.body))
    }

    /// A text in the body.
    #[track_caller]
    pub fn text(&self, name: &str) -> String {
        let json = self.json();
        json[name].as_str().unwrap_or_else(|| panic!("no {name:?} in {} {json}", self.status)).to_owned()
    }

    /// A header as text; empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and the code of the error envelope; empty where there is none.
    pub fn refusal(&self) -> (u16, String) {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        (self.status, json["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// Asserts a status; the answer is part of the complaint.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// Asserts a refusal, and that it looks as every refusal must.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Self {
        assert_eq!(self.refusal(), (status, code.to_owned()), "{}", String::from_utf8_lossy(&self.body));
        self
    }

    /// The texts of the activities in the body.
    #[track_caller]
    pub fn texts(&self) -> Vec<String> {
        super::socket::texts_of(&self.json())
    }
}
