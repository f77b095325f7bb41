//! Accepting connections, also while the machine is short of descriptors.
//!
//! Invariant: no error of `accept` ends the loop. One that concerns a single connection is skipped; one that concerns
//! the machine is waited out, and the connections that are open go on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::limits::{ACCEPT_BACKOFF_MAX, ACCEPT_BACKOFF_MIN, SHED_LOG_INTERVAL};

/// The machine has no descriptor, or no memory, for another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutOfDescriptors;

/// Gives the next connection.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    backoff: Duration,
    /// When the log last said that it cannot.
    said_at: Option<Instant>,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, backoff: ACCEPT_BACKOFF_MIN, said_at: None }
    }

    /// Cancel safe: a connection is returned or still in the kernel's queue.
    ///
    /// # Errors
    /// EMFILE, ENFILE, ENOBUFS, ENOMEM: trying at once would only burn the processor. [`Acceptor::pause`] before the
    /// next attempt.
    pub(super) async fn next(&mut self) -> Result<(TcpStream, SocketAddr), OutOfDescriptors> {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.backoff = ACCEPT_BACKOFF_MIN;
                    return Ok(accepted);
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!(%error, "A connection was gone before it was accepted");
                }
                Err(error) => {
                    let now = Instant::now();
                    if self.said_at.is_none_or(|said_at| now > said_at + SHED_LOG_INTERVAL) {
                        self.said_at = Some(now);
                        warn!(%error, "Cannot accept connections ({error}); trying again and again");
                    }
                    return Err(OutOfDescriptors);
                }
            }
        }
    }

    /// Waits, longer each time that nothing was accepted in between.
    pub(super) async fn pause(&mut self) {
        tokio::time::sleep(self.backoff).await;
        self.backoff = (self.backoff * 2).min(ACCEPT_BACKOFF_MAX);
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}
