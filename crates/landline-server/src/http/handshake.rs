//! The handshake of TLS on a connection that was accepted.
//!
//! Invariants: it ends within its limit, however little comes; the connection counts under the caps meanwhile; one that
//! fails is counted and costs no line in the log above `debug`.
//!
//! A client that speaks plain HTTP is told so in plain HTTP: TLS has no words that it would understand.
//!
//! Not here: which certificate is shown (`crate::tls`).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use landline_protocol::{ErrorBody, ErrorCode};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::debug;

use super::connection::Held;
use crate::limits::{REFUSED_DISCARD_BYTES, REFUSED_DISCARD_TIME};
use crate::telemetry::{Metrics, TlsHandshake};

/// Why a connection is not served.
struct Ended {
    outcome: TlsHandshake,
    why: String,
}

/// The connection with TLS on it; `None` where there is none to serve.
pub(super) async fn handshake<T: Send + Unpin + 'static>(
    stream: Held<T>,
    server: Arc<ServerConfig>,
    limit: Duration,
    metrics: Option<&Metrics>,
) -> Option<TlsStream<Held<T>>> {
    let done = timeout(limit, shake_hands(stream, server)).await;
    let done = done.unwrap_or_else(|_| {
        Err(Ended { outcome: TlsHandshake::TimedOut, why: format!("not done within {limit:?}") })
    });
    let outcome = done.as_ref().map_or_else(|ended| ended.outcome, |_| TlsHandshake::Done);
    if let Some(metrics) = metrics {
        metrics.handshake_ended(outcome);
    }
    done.inspect_err(|ended| debug!(why = ended.why, "A handshake of TLS came to nothing: {}", ended.why))
        .ok()
}

async fn shake_hands<T: Send + Unpin + 'static>(
    stream: Held<T>,
    server: Arc<ServerConfig>,
) -> Result<TlsStream<Held<T>>, Ended> {
    match stream.first_byte().await {
        Ok(Some(first)) if begins_http(first) => {
            tell_in_plain_http(stream).await;
            Err(Ended { outcome: TlsHandshake::PlainHttp, why: "the client speaks plain http".to_owned() })
        }
        Ok(Some(_)) => TlsAcceptor::from(server).accept(stream).await.map_err(|error| Ended {
            outcome: if is_departure(&error) { TlsHandshake::Left } else { TlsHandshake::Failed },
            why: error.to_string(),
        }),
        Ok(None) => Err(Ended { outcome: TlsHandshake::Left, why: "the client said nothing".to_owned() }),
        Err(error) => Err(Ended { outcome: TlsHandshake::Left, why: error.to_string() }),
    }
}

/// A method is letters; a record of TLS begins with 22, its predecessor with 128.
fn begins_http(first: u8) -> bool {
    first.is_ascii_alphabetic()
}

fn is_departure(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
}

/// Answers whatever was asked. What is not read of the question is read and thrown away for a moment, because a
/// connection that is closed with something unread is reset, and the answer is lost with it.
async fn tell_in_plain_http<T: Send + Unpin + 'static>(mut stream: Held<T>) {
    let answer = plain_answer();
    let tell = async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        let mut piece = [0; 4096];
        let mut left = REFUSED_DISCARD_BYTES;
        while left > 0 {
            match stream.read(&mut piece).await? {
                0 => break,
                count => left = left.saturating_sub(count),
            }
        }
        Ok::<_, io::Error>(())
    };
    // Whether it heard is the client's affair.
    let _ = timeout(REFUSED_DISCARD_TIME, tell).await;
}

fn plain_answer() -> String {
    let said = ErrorBody::new(
        ErrorCode::BadArgument,
        "this port speaks https and wss, and the request came over plain http: write https:// in its address",
    );
    // A struct of texts is always JSON.
    let body = serde_json::to_string(&said).unwrap_or_default();
    // Pages of other origins get to read it, as they do all refusals.
    format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\
         cache-control: no-store\r\naccess-control-allow-origin: *\r\n\r\n{body}",
        StatusCode::BAD_REQUEST,
        body.len()
    )
}
