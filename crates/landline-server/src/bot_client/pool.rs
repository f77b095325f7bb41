//! Connections to one bot that wait for the next request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::line::Line;
use crate::limits::BOT_IDLE_CONNECTIONS;

/// At most [`BOT_IDLE_CONNECTIONS`], each with the moment from which on it is of no use any more.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// A plain lock: held for a few instructions, never across an `await`.
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    lines: Vec<(Line, Instant)>,
    closed: bool,
}

impl Pool {
    /// The connection that was used last, if one is still of use.
    pub(super) fn take(&self, now: Instant) -> Option<Line> {
        let mut idle = self.lock();
        idle.lines.retain(|(_, expires)| *expires > now);
        idle.lines.pop().map(|(line, _)| line)
    }

    /// Keeps a connection, unless there are enough.
    pub(super) fn put(&self, line: Line, expires: Instant) {
        let mut idle = self.lock();
        if !idle.closed && idle.lines.len() < BOT_IDLE_CONNECTIONS {
            idle.lines.push((line, expires));
        }
    }

    pub(super) fn drop_expired(&self, now: Instant) {
        self.lock().lines.retain(|(_, expires)| *expires > now);
    }

    /// Keeps nothing from now on.
    pub(super) fn close(&self) {
        let mut idle = self.lock();
        idle.closed = true;
        idle.lines.clear();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().lines.len()
    }

    /// A panic elsewhere leaves a list of connections as good as any.
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
