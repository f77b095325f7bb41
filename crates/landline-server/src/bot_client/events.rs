//! An answer that goes on, as `text/event-stream`. The line is its own until its end, and is not used again.
//!
//! Not here: what the events mean, and how long all of it may take (`landline_core`).

use std::collections::VecDeque;

use futures_util::stream;
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use hyper::body::Incoming;
use landline_core::{BotEvent, BotEvents, BotFailure};
use tokio::time::timeout;

use super::event_parser::EventParser;
use super::line::Line;
use crate::limits::{BOT_EVENTS_BYTES, BOT_EVENTS_IDLE};

/// Whether what follows this head is a stream of events.
pub(super) fn are_events(head: &HeaderMap) -> bool {
    let Some(said) = head.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = said.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

struct Reading {
    line: Line,
    body: Incoming,
    parser: EventParser,
    /// Complete, and not handed out.
    ready: VecDeque<BotEvent>,
    /// How many bytes may still come.
    left: usize,
}

/// Hands out events until the end of the body. Each may have up to `max` bytes.
pub(super) fn events(line: Line, body: Incoming, max: usize) -> BotEvents {
    let parser = EventParser::new(max);
    let reading = Reading { line, body, parser, ready: VecDeque::new(), left: BOT_EVENTS_BYTES };
    BotEvents::new(stream::unfold(Some(reading), |reading| async {
        let mut reading = reading?;
        match reading.next().await {
            Ok(Some(event)) => Some((Ok(event), Some(reading))),
            Ok(None) => None,
            Err(failure) => Some((Err(failure), None)),
        }
    }))
}

impl Reading {
    async fn next(&mut self) -> Result<Option<BotEvent>, BotFailure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let next = self.line.next_piece(&mut self.body);
            let piece = match timeout(BOT_EVENTS_IDLE, next).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Ok(None),
                Ok(Err(failure)) => return Err(failure.after_sending()),
                Err(_) => return Err(BotFailure::TimedOut),
            };
            self.left = self.left.checked_sub(piece.len()).ok_or_else(|| {
                BotFailure::BadAnswer(format!("its events are over the limit of {BOT_EVENTS_BYTES} bytes"))
            })?;
            let Self { parser, ready, .. } = self;
            parser.read(&piece, |event| ready.push_back(event)).map_err(|_| {
                BotFailure::BadAnswer("one of its events is over the limit of an answer".into())
            })?;
        }
    }
}
