//! Accepting connections, also while the machine is short of descriptors.
//!
//! Invariant: no error of `accept` ends the loop. One that concerns a single connection is skipped; one that concerns
//! the machine is waited out, and the connections that are open go on.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, warn};

use crate::limits::{ACCEPT_BACKOFF_MAX, ACCEPT_BACKOFF_MIN};

/// Gives the next connection, whatever it takes.
#[derive(Debug)]
pub(super) struct Acceptor {
    listener: TcpListener,
    backoff: Duration,
}

impl Acceptor {
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, backoff: ACCEPT_BACKOFF_MIN }
    }

    /// Cancel safe: a connection is returned or still in the kernel's queue.
    pub(super) async fn next(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok(accepted) => {
                    self.backoff = ACCEPT_BACKOFF_MIN;
                    return accepted;
                }
                Err(error) if concerns_one_connection(&error) => {
                    debug!(%error, "A connection was gone before it was accepted");
                }
                Err(error) => {
                    // EMFILE, ENFILE, ENOBUFS, ENOMEM: trying at once would only burn the processor.
                    warn!(%error, "Cannot accept connections ({error}); trying again in {:?}", self.backoff);
                    tokio::time::sleep(self.backoff).await;
                    self.backoff = (self.backoff * 2).min(ACCEPT_BACKOFF_MAX);
                }
            }
        }
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
