//! What every handler is given.

use std::sync::Arc;
use std::time::Duration;

use landline_core::{Clock, Conversations, Entropy};
use landline_protocol::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::client_api::{Places, UsedTickets};
use crate::connector_api::attachments::room::BodyRoom;
use crate::directory::Directory;
use crate::files::Links;
use crate::identity::Identity;
use crate::overload::Overload;
use crate::public_url::PublicUrl;
use crate::telemetry::Metrics;
use crate::token_keys::TokenKeys;

/// A cheap handle to everything that handlers share.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// See the fields.
pub struct Parts {
    /// The domain.
    pub conversations: Conversations,
    /// Bots and sites.
    pub directory: Arc<Directory>,
    /// Who is who among bots.
    pub identity: Arc<Identity>,
    /// Signs tokens and tickets.
    pub key_ring: TokenKeys,
    /// Makes links to files, and knows its own.
    pub(crate) links: Arc<Links>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Makes ids.
    pub entropy: Arc<dyn Entropy>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// How this server is reached from outside.
    pub public_url: PublicUrl,
    /// How long a token can be refreshed, counted from its first issue.
    pub token_max_age: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// For the bodies in which bots send files.
    pub(crate) bot_file_room: BodyRoom,
    /// The stream tickets that have opened a socket.
    pub(crate) used_tickets: UsedTickets,
    /// Bounds of streams.
    pub stream: StreamLimits,
    /// Cancelled when the server is to stop: no new sends, no new streams. What was accepted goes on, and bots are
    /// heard.
    pub draining: CancellationToken,
    /// Cancelled when nothing that was accepted is under way any more: streams say goodbye, held polls answer.
    pub closing: CancellationToken,
    /// Who has to wait, and who has to go away.
    pub(crate) overload: Overload,
    /// Places for uploads that are being read.
    pub(crate) uploads: Places,
    /// The sends that were let in and are not answered.
    pub sends: TaskTracker,
    /// Streams run here, so that a stop waits for their last frames.
    pub tasks: TaskTracker,
}

/// Bounds of streams that tests choose otherwise.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// How often a stream shows that it lives, and asks whether the client does.
    pub idle: Duration,
    /// How long one frame may take to leave.
    pub frame_timeout: Duration,
}

impl App {
    /// Puts it together.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// Resolves when every send that was let in is answered, and every delivery is over.
    pub async fn quiet(&self) {
        self.0.sends.close();
        self.0.sends.wait().await;
        self.0.conversations.deliveries_over().await;
    }

    /// A name for one token or ticket that no other one has.
    pub fn unique_id(&self) -> String {
        let mut bytes = [0; 16];
        self.0.entropy.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }
}

impl std::ops::Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("directory", &self.directory).finish_non_exhaustive()
    }
}
