//! The domain in this process, over the memory engine: bot, clock, randomness and disk are the test's.
//!
//! Time is the runtime's: in a test with `start_paused = true` nothing waits for real.

mod blobs;
mod bot;
mod clock;
mod directory;
mod disk;
mod observer;

use std::sync::Arc;
use std::time::Duration;

use landline_core::store::Created;
use landline_core::store::memory::{MemoryBlobs, MemoryStore};
use landline_core::{
    Begin, BotSendError, ClientSend, Conversations, DeliveryMode, Limits, Parts, Seen, SendError,
    StartConversation, Unavailable,
};
use landline_protocol::{Activity, BotName, ChannelAccount, ConversationId, Position};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

pub use blobs::{BlobCall, BlobFault, FaultyBlobs, PlainLinks};
pub use bot::{Behaviour, ScriptedBot};
pub use clock::{ManualClock, SeededEntropy};
pub use directory::Bots;
pub use disk::{Fault, FaultyStore};
pub use observer::Ends;

/// A domain and everything around it.
#[derive(Debug)]
pub struct World {
    pub conversations: Conversations,
    pub bot: Arc<ScriptedBot>,
    pub clock: Arc<ManualClock>,
    pub disk: Arc<FaultyStore>,
    /// The bytes of files.
    pub blobs: Arc<FaultyBlobs>,
    /// Which bots there are; at first the one called "bot", in `wait` mode.
    pub bots: Arc<Bots>,
    pub observer: Arc<Ends>,
    pub tasks: TaskTracker,
    limits: Limits,
    /// What is random in another process is something else.
    seed: u64,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// With the default bounds.
    pub fn new() -> Self {
        Self::with(Limits::default())
    }

    pub fn with(limits: Limits) -> Self {
        let disk = Arc::new(FaultyStore::new(Arc::new(MemoryStore::new())));
        let clock = Arc::<ManualClock>::default();
        let blobs = Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::new(Arc::clone(&clock) as _))));
        Self::over(disk, blobs, clock, Arc::default(), Arc::new(ScriptedBot::default()), limits, 1)
    }

    /// With the one bot in `queued` mode.
    pub fn queued() -> Self {
        let world = Self::new();
        world.bots.set("bot", DeliveryMode::Queued);
        world
    }

    fn over(
        disk: Arc<FaultyStore>,
        blobs: Arc<FaultyBlobs>,
        clock: Arc<ManualClock>,
        bots: Arc<Bots>,
        bot: Arc<ScriptedBot>,
        limits: Limits,
        seed: u64,
    ) -> Self {
        let (tasks, observer) = (TaskTracker::new(), Arc::new(Ends::default()));
        let conversations = Conversations::new(Parts {
            store: Arc::clone(&disk) as _,
            blobs: Arc::clone(&blobs) as _,
            file_links: Arc::new(PlainLinks),
            bots: Arc::clone(&bot) as _,
            directory: Arc::clone(&bots) as _,
            clock: Arc::clone(&clock) as _,
            entropy: Arc::new(SeededEntropy::new(seed)),
            limits: limits.clone(),
            tasks: tasks.clone(),
            observer: Arc::clone(&observer) as _,
        });
        Self { conversations, bot, clock, disk, blobs, bots, observer, tasks, limits, seed }
    }

    /// Another process over the same data: what was only in memory is gone. The bot remembers.
    pub fn restarted(&self) -> Self {
        Self::over(
            Arc::clone(&self.disk),
            Arc::clone(&self.blobs),
            Arc::clone(&self.clock),
            Arc::clone(&self.bots),
            Arc::clone(&self.bot),
            self.limits.clone(),
            self.seed + 1,
        )
    }

    /// The process dies, and another one is started over the same data; to the same bot. What was under way in the old
    /// one neither ends nor writes anything.
    pub fn killed(&self) -> Self {
        Self::over(
            Arc::new(self.disk.cut_off()),
            Arc::new(self.blobs.cut_off()),
            Arc::clone(&self.clock),
            Arc::clone(&self.bots),
            Arc::clone(&self.bot),
            self.limits.clone(),
            self.seed + 1,
        )
    }

    /// As [`Self::restarted`], with another bot: what the process that died still does to the old one is not seen.
    pub fn restarted_with_another_bot(&self) -> Self {
        Self::over(
            Arc::clone(&self.disk),
            Arc::clone(&self.blobs),
            Arc::clone(&self.clock),
            Arc::clone(&self.bots),
            Arc::default(),
            self.limits.clone(),
            self.seed + 1,
        )
    }

    /// Starts a conversation for a user.
    pub async fn start(&self, id: &str, user: Option<&str>) -> ConversationId {
        let conversation = id.parse().expect("an id");
        let created = self.conversations.start(start(id, user)).await.expect("a start");
        assert_eq!(created, Created::New);
        conversation
    }

    /// Sends a text as a user, under a client's own name for it where one is given.
    pub async fn say(
        &self,
        to: &ConversationId,
        user: &str,
        text: &str,
        key: Option<&str>,
    ) -> Result<String, SendError> {
        let mut activity = json!({"type": "message", "text": text, "from": {"id": user}});
        if let Some(key) = key {
            activity["channelData"] = json!({"clientActivityID": key});
        }
        self.send(to, activity).await
    }

    /// Sends any activity as a client whose token names no user.
    pub async fn send(&self, to: &ConversationId, activity: Value) -> Result<String, SendError> {
        let activity = Activity::parse(activity.to_string().as_bytes()).expect("an activity");
        let send = ClientSend { conversation: to.clone(), user: None, activity, idempotency_key: None };
        self.conversations.send_from_client(send).await
    }

    /// Says something as the bot.
    pub async fn bot_says(
        &self,
        to: &ConversationId,
        activity: Value,
        reply_to: Option<&str>,
    ) -> Result<String, BotSendError> {
        let activity = Activity::parse(activity.to_string().as_bytes()).expect("an activity");
        self.conversations.send_from_bot(&bot_name(), to, activity, reply_to).await
    }

    /// Everything that clients can see behind a position, and the last watermark.
    pub async fn history(
        &self,
        of: &ConversationId,
        after: u64,
    ) -> Result<(Vec<Value>, Position), Unavailable> {
        let begin = self.conversations.begin(of, Begin::After(Position::new(after))).await?;
        let mut follower = self.conversations.follow(of, begin).await?;
        let mut all = Vec::new();
        loop {
            let page = follower.history().await?;
            if page.at_end {
                return Ok((all, page.watermark));
            }
            all.extend(
                page.activities
                    .iter()
                    .map(|seen: &Seen| serde_json::from_slice::<Value>(&seen.activity).expect("JSON")),
            );
        }
    }

    /// The texts of everything that clients can see.
    pub async fn texts(&self, of: &ConversationId) -> Vec<String> {
        let (all, _) = self.history(of, 0).await.expect("a history");
        all.iter().filter_map(|activity| activity["text"].as_str().map(str::to_owned)).collect()
    }

    /// Lets everything that is under way end.
    pub async fn settle(&self) {
        self.settle_within(Duration::from_secs(120)).await;
    }

    /// As [`Self::settle`]; what is in the outbox may take longer.
    pub async fn settle_within(&self, time: Duration) {
        self.tasks.close();
        tokio::time::timeout(time, self.tasks.wait()).await.expect("tasks end");
        self.tasks.reopen();
    }
}

/// The one bot of a [`World`].
pub fn bot_name() -> BotName {
    "bot".parse().expect("a name")
}

/// A start on the one site of a [`World`].
pub fn start(id: &str, user: Option<&str>) -> StartConversation {
    let user = user.map(|id| ChannelAccount { id: id.parse().expect("a user id"), name: None });
    StartConversation {
        conversation: id.parse().expect("an id"),
        site: "default".parse().expect("a name"),
        bot: bot_name(),
        user,
        locale: None,
    }
}
