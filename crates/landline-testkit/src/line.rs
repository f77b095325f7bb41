//! One kept-alive HTTP/1.1 connection, one request at a time.
//!
//! It keeps apart what a test of durability must know: a request that provably never left ([`LineError::NotSent`])
//! and one that may have been taken ([`LineError::Unknown`]).
//!
//! Nothing runs in the background: the connection is driven while a request is under way.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{Connection, SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::wire::{Trust, Wire};

/// A request that took longer is given up; above the server's own 15 s for a bot, so that its 504 is seen.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Nothing happened.
    #[error("not sent: {0}")]
    NotSent(String),
    /// It may have happened.
    #[error("outcome unknown: {0}")]
    Unknown(String),
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A connection to one address, opened when needed, and again when it broke.
#[derive(Debug)]
pub struct Line {
    address: SocketAddr,
    trust: Trust,
    open: Option<Open>,
}

/// What moves the bytes of a connection while a request is under way.
type Driver = Pin<Box<Connection<TokioIo<Wire>, Full<Bytes>>>>;

#[derive(Debug)]
struct Open {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once the connection has ended.
    driver: Option<Driver>,
}

impl Line {
    pub fn new(address: SocketAddr) -> Self {
        Self::trusting(address, Trust::default())
    }

    /// With TLS, where that is what the trust is for.
    pub fn trusting(address: SocketAddr, trust: Trust) -> Self {
        Self { address, trust, open: None }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends one request and reads the whole answer. A JSON body is `Some`; `bearer` goes into `Authorization`.
    ///
    /// # Errors
    /// See [`LineError`]. A kept connection that turns out to be dead before the request left is replaced once.
    pub async fn request(
        &mut self,
        method: Method,
        path: &str,
        bearer: Option<&str>,
        json: Option<Bytes>,
    ) -> Result<Answer, LineError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.to_string());
        if let Some(bearer) = bearer {
            request = request.header(hyper::header::AUTHORIZATION, format!("Bearer {bearer}"));
        }
        if json.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(Full::new(json.unwrap_or_default()))
            .map_err(|error| LineError::NotSent(error.to_string()))?;
        self.exchange(request).await
    }

    /// Sends any request and reads the whole answer.
    ///
    /// # Errors
    /// As [`Self::request`].
    pub async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, LineError> {
        match timeout(REQUEST_TIMEOUT, Box::pin(self.send(request))).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                self.open = None;
                Err(error)
            }
            Err(_) => {
                self.open = None;
                Err(LineError::Unknown(format!("no answer within {REQUEST_TIMEOUT:?}")))
            }
        }
    }

    async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Answer, LineError> {
        if let Some(mut kept) = self.open.take() {
            match kept.send(request).await {
                Ok(answer) => {
                    self.open = Some(kept);
                    return Ok(answer);
                }
                Err((Some(unsent), _)) => request = unsent,
                Err((None, error)) => return Err(LineError::Unknown(error)),
            }
        }
        let mut fresh = Open::connect(self.address, &self.trust).await?;
        let answer = fresh.send(request).await.map_err(|(unsent, error)| match unsent {
            Some(_) => LineError::NotSent(error),
            None => LineError::Unknown(error),
        })?;
        self.open = Some(fresh);
        Ok(answer)
    }
}

impl Open {
    async fn connect(address: SocketAddr, trust: &Trust) -> Result<Self, LineError> {
        let not_sent = |error: &dyn std::fmt::Display| LineError::NotSent(error.to_string());
        let stream = trust.connect(address).await.map_err(|error| not_sent(&error))?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| not_sent(&error))?;
        Ok(Self { sender, driver: Some(Box::pin(driver)) })
    }

    /// On failure gives the request back if nothing of it was sent.
    async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, (Option<Request<Full<Bytes>>>, String)> {
        let Self { sender, driver } = self;
        let exchange = async {
            let sent = sender.try_send_request(request).await.map_err(|mut error| {
                let unsent = error.take_message();
                (unsent, error.error().to_string())
            })?;
            let (head, body) = sent.into_parts();
            let body = body.collect().await.map_err(|error| (None, error.to_string()))?.to_bytes();
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        tokio::pin!(exchange);
        if let Some(running) = driver.as_mut() {
            tokio::select! {
                biased;
                answer = &mut exchange => return answer,
                _ = running => {}
            }
        }
        // The connection ended. Only when it is dropped does the exchange learn what became of its request.
        *driver = None;
        exchange.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

    #[tokio::test]
    async fn a_refused_connection_is_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut line = Line::new(listener.local_addr().unwrap());
        drop(listener);

        let error = line.request(Method::GET, "/", None, None).await.unwrap_err();

        assert!(matches!(error, LineError::NotSent(_)), "{error}");
    }

    #[tokio::test]
    async fn a_cut_after_the_request_is_unknown() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut line = Line::new(listener.local_addr().unwrap());
        let peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = [0; 512];
            assert!(stream.read(&mut head).await.unwrap() > 0);
        };

        let (answer, ()) = tokio::join!(line.request(Method::POST, "/", None, Some("{}".into())), peer);

        assert!(matches!(answer, Err(LineError::Unknown(_))), "{answer:?}");
    }

    #[tokio::test]
    async fn a_connection_closed_while_idle_is_replaced() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut line = Line::new(listener.local_addr().unwrap());
        let (answered, mut close) = tokio::sync::mpsc::channel(1);
        let peer = async {
            for _ in 0..2 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = [0; 512];
                assert!(stream.read(&mut head).await.unwrap() > 0);
                stream.write_all(ANSWER).await.unwrap();
                close.recv().await.unwrap();
            }
        };
        let requests = async {
            for _ in 0..2 {
                let asked = line.request(Method::POST, "/", None, Some("{}".into()));
                let answer = timeout(Duration::from_secs(5), asked).await.expect("no hanging").unwrap();
                assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"hi"[..]));
                answered.send(()).await.unwrap();
                // The peer's end of the connection closes before the next request.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };

        tokio::join!(requests, peer);
    }
}
