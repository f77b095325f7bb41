//! One connection to a bot, used by one attempt at a time.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::ext::on_informational;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::client::legacy::connect::Connection as _;
use landline_core::{BotFailure, with_causes};

use super::watch::{Watch, WatchHandle, Watched};
use crate::limits::{BOT_ANSWER_HEAD_BYTES, BOT_ANSWER_HEADERS};

/// A connection that is up.
pub(crate) struct Line {
    sender: SendRequest<Full<Bytes>>,
    /// hyper's half that moves the bytes; `None` once it has ended. Polled only while a request is on the line.
    driver: Option<Pin<Box<Driver>>>,
    pub(super) watch: Arc<Watch>,
}

type Driver = Connection<MaybeHttpsStream<Watched>, Full<Bytes>>;

/// Why a request came to nothing on this line. Whether any of it was sent is the watch's to say.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineFailure {
    #[error("no answer in time")]
    TimedOut,
    #[error("{0}")]
    Broken(String),
    #[error("{0}")]
    BadAnswer(String),
}

impl LineFailure {
    /// What it means when the bot got at least a byte.
    pub(crate) fn after_sending(self) -> BotFailure {
        match self {
            Self::TimedOut => BotFailure::TimedOut,
            Self::Broken(why) => BotFailure::Broken(why),
            Self::BadAnswer(why) => BotFailure::BadAnswer(why),
        }
    }

    /// An answer that is no HTTP is a bad one; everything else that hyper reports is a line that broke.
    fn of(error: &hyper::Error) -> Self {
        let words = with_causes(error);
        if error.is_parse() || breaks_the_rules_of_http(error) {
            Self::BadAnswer(words)
        } else {
            Self::Broken(words)
        }
    }
}

/// Bad chunks are reported as an input/output error about data, as opposed to one about the line.
fn breaks_the_rules_of_http(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            return matches!(io.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput);
        }
        cause = inner.source();
    }
    false
}

impl Line {
    pub(super) async fn open(stream: MaybeHttpsStream<Watched>) -> Result<Self, hyper::Error> {
        let mut extras = http::Extensions::new();
        stream.connected().get_extras(&mut extras);
        let watch = extras.remove::<WatchHandle>().map(|handle| handle.0).unwrap_or_default();
        let (sender, driver) = Builder::new()
            .max_buf_size(BOT_ANSWER_HEAD_BYTES)
            .max_headers(BOT_ANSWER_HEADERS)
            .handshake(stream)
            .await?;
        Ok(Self { sender, driver: Some(Box::pin(driver)), watch })
    }

    /// Sends a request and reads the head of the answer. Dropping the future leaves the line unusable, as does
    /// dropping the body before its end.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, LineFailure> {
        let watch = Arc::clone(&self.watch);
        on_informational(&mut request, move |_| watch.interim());
        let Self { sender, driver, .. } = self;
        drive(driver, sender.send_request(request)).await.map_err(|error| LineFailure::of(&error))
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(super) async fn next_piece(&mut self, body: &mut Incoming) -> Result<Option<Bytes>, LineFailure> {
        loop {
            let Some(frame) = drive(&mut self.driver, body.frame()).await else { return Ok(None) };
            let frame = frame.map_err(|error| LineFailure::of(&error))?;
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            } // trailers
        }
    }

    /// The answer's body, which may have up to `max` bytes.
    pub(crate) async fn read_whole(&mut self, body: &mut Incoming, max: usize) -> Result<Bytes, LineFailure> {
        let too_large = || LineFailure::BadAnswer(format!("its body is over the limit of {max} bytes"));
        if body.size_hint().lower() > max as u64 {
            return Err(too_large());
        }
        let mut read = BytesMut::new();
        while let Some(piece) = self.next_piece(body).await? {
            if read.len() + piece.len() > max {
                return Err(too_large());
            }
            read.extend_from_slice(&piece);
        }
        Ok(read.freeze())
    }

    /// Whether another request can be sent; ask when the body was read to its end.
    pub(super) fn is_reusable(&mut self) -> bool {
        // The driver has to see the end of the answer before the line can be used again.
        let ready = drive(&mut self.driver, self.sender.ready()).now_or_never();
        matches!(ready, Some(Ok(()))) && self.driver.is_some()
    }
}

/// Polls both: what is waited for, and the driver without which it would never come.
async fn drive<F: Future>(driver: &mut Option<Pin<Box<Driver>>>, waited_for: F) -> F::Output {
    let mut waited_for = pin!(waited_for);
    poll_fn(|cx| {
        if let Poll::Ready(output) = waited_for.as_mut().poll(cx) {
            return Poll::Ready(output);
        }
        // When the driver ends, well or not, it has told what is waited for, which is asked once more.
        if let Some(running) = driver
            && running.as_mut().poll(cx).is_ready()
        {
            *driver = None;
        }
        waited_for.as_mut().poll(cx)
    })
    .await
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("watch", &self.watch).finish_non_exhaustive()
    }
}
