//! Taking a new pair when the files have changed, on a signal or by looking every now and then; and saying in time that
//! a certificate ends.
//!
//! What is compared is what the files hold, not when they were written: links that are switched over (certbot,
//! Kubernetes) count as much as a file that was copied.

use std::sync::Arc;

use landline_core::Clock;
use landline_protocol::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::pair::{CERTIFICATE, Pair};
use super::{Tls, advice, read};
use crate::config::ConfigError;
use crate::limits::{CERTIFICATE_REMINDER, TLS_FILES_POLL, TLS_FILES_SETTLE};
use crate::telemetry::CertificateReload;

/// What a look at the files found.
enum Found {
    /// What is in use already.
    Same,
    /// Another pair, which is no worse.
    New(Pair),
    /// Nothing that could be used.
    Bad(ConfigError),
}

impl Tls {
    /// Looks at the files now and then, and whenever `asked`, until `shutdown`.
    pub(crate) async fn keep_fresh(
        self,
        clock: Arc<dyn Clock>,
        asked: Arc<Notify>,
        shutdown: CancellationToken,
    ) {
        tokio::select! {
            () = self.look_forever(&*clock, &asked) => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn look_forever(&self, clock: &dyn Clock, asked: &Notify) {
        let mut reported = None;
        // The start has said what there was to say.
        let mut reminded = clock.now();
        loop {
            let by_request = tokio::select! {
                () = sleep(TLS_FILES_POLL) => false,
                () = asked.notified() => true,
            };
            let now = clock.now();
            match self.look(now).await {
                Found::Same => {
                    reported = None;
                    if by_request {
                        info!("Read the certificate again; it is the one in use");
                    }
                }
                Found::New(pair) => {
                    reported = None;
                    reminded = now;
                    self.replace(pair, now);
                }
                Found::Bad(why) => {
                    // Once for each trouble, not for each look.
                    if by_request || reported.as_ref() != Some(&why) {
                        self.metrics.certificate_reloaded(CertificateReload::Failed);
                        error!("The new certificate cannot be used, and the old one goes on: {why}");
                    }
                    reported = Some(why);
                }
            }
            if reminded.plus(CERTIFICATE_REMINDER) <= now {
                reminded = now;
                self.remind(now);
            }
        }
    }

    /// A pair is written file by file, so what does not fit is looked at once more before it counts.
    async fn look(&self, now: Timestamp) -> Found {
        match self.look_once(now).await {
            Found::Bad(_) => {
                sleep(TLS_FILES_SETTLE).await;
                self.look_once(now).await
            }
            found => found,
        }
    }

    async fn look_once(&self, now: Timestamp) -> Found {
        let pair = match read(&self.files).await {
            Ok(pair) => pair,
            Err(why) => return Found::Bad(why),
        };
        let current = Arc::clone(&self.current.borrow());
        if pair.content == current.content {
            return Found::Same;
        }
        if current.is_good_at(now) && !pair.is_good_at(now) {
            let (from, until) = (pair.from, pair.until);
            let problem = format!(
                "it is good from {from} to {until} and not now, and the one in use is; give one that clients accept"
            );
            return Found::Bad(ConfigError::new(CERTIFICATE, problem));
        }
        Found::New(pair)
    }

    fn replace(&self, pair: Pair, now: Timestamp) {
        let until = pair.until;
        let worth_a_look = advice::validity(&self.files, &pair, now);
        self.metrics.certificate_ends(until);
        self.metrics.certificate_reloaded(CertificateReload::Good);
        self.current.send_replace(Arc::new(pair));
        info!(until = %until, "New connections get the new certificate, which is good until {until}");
        if let Some(problem) = worth_a_look {
            warn!("{problem}");
        }
    }

    fn remind(&self, now: Timestamp) {
        let current = Arc::clone(&self.current.borrow());
        let Some(problem) = advice::validity(&self.files, &current, now) else { return };
        if current.is_good_at(now) {
            warn!("{problem}");
        } else {
            error!("{problem}");
        }
    }
}
