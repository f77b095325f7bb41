//! Every bound of the domain, with its name and its reason. Those that an operator may change are in
//! [`Limits`]; the rest are constants.

use std::time::Duration;

/// Bounds that an operator may change; the defaults are what the hosted service does, where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest activity that a client or a bot may send, in bytes of JSON. Default 256 KiB.
    pub activity_bytes: usize,
    /// How long a bot has to answer, from the moment at which its activity was accepted. Default 15 s.
    pub bot_deadline: Duration,
    /// How much of a bot's answer is read, in bytes. Default 1 MiB.
    pub bot_answer_bytes: usize,
    /// How many activities a page of history holds at the most. Default 100.
    pub page_records: usize,
    /// At how many bytes a page of history ends. Default 1 MiB.
    pub page_bytes: usize,
    /// How many sockets may be open on one conversation. Default 8.
    pub sockets_per_conversation: usize,
    /// For how long a repeated send is recognised. Default 24 h.
    pub idempotency_window: Duration,
    /// How long an activity waits for the bot's answer to the one before it in the same conversation, before it is
    /// sent all the same. Default 3 s; zero gives up order for speed.
    pub order_grace: Duration,
    /// How many activities one conversation keeps; older ones expire. Default 100,000.
    pub kept_activities: u64,
    /// The largest file, in bytes. Default 4 MiB, as the hosted service has it.
    pub file_bytes: u64,
    /// How many files one conversation keeps at a time. Default 256.
    pub conversation_files: usize,
    /// How many bytes the files of one conversation have together. Default 256 MiB.
    pub conversation_files_bytes: u64,
    /// How many bytes the files of one site have together. Default 10 GiB.
    pub site_files_bytes: u64,
    /// How long a file is kept, unless its site says otherwise. Default 24 h, as the hosted service has it.
    pub file_life: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            activity_bytes: 256 * 1024,
            bot_deadline: Duration::from_secs(15),
            bot_answer_bytes: 1024 * 1024,
            page_records: 100,
            page_bytes: 1024 * 1024,
            sockets_per_conversation: 8,
            idempotency_window: Duration::from_secs(24 * 3600),
            order_grace: Duration::from_secs(3),
            kept_activities: 100_000,
            file_bytes: 4 * 1024 * 1024,
            conversation_files: 256,
            conversation_files_bytes: 256 * 1024 * 1024,
            site_files_bytes: 10 * 1024 * 1024 * 1024,
            file_life: Duration::from_secs(24 * 3600),
        }
    }
}

/// The longest that a poll may be held open (`wait=`). The stock client gives up after 20 s of silence.
pub const MAX_POLL_WAIT: Duration = Duration::from_secs(19);

/// How many pages of which clients see nothing (what was changed again since) are read for one request. A bot that
/// writes its answers word by word leaves many of them; whoever asks gets a watermark behind these, and asks again.
pub(crate) const PAGES_THAT_SHOW_NOTHING: usize = 16;

/// How many of a conversation's newest records are kept in memory while it is alive.
pub(crate) const RING_RECORDS: usize = 64;

/// How many bytes of a conversation's newest records are kept in memory: enough for a page of ordinary messages.
pub(crate) const RING_BYTES: usize = 64 * 1024;

/// How many bytes the rings of all conversations hold together; over it, readers are served from the store.
pub(crate) const ALL_RINGS_BYTES: usize = 128 * 1024 * 1024;

/// From how many live conversations on those are let go that nobody uses just now.
pub(crate) const IDLE_TOPICS: usize = 20_000;

/// The same when half of [`ALL_RINGS_BYTES`] is taken.
pub(crate) const IDLE_TOPICS_WHEN_SHORT: usize = 1_000;

/// How many transient activities (typing) may wait for one reader; older ones are dropped.
pub(crate) const TRANSIENT_LANE: usize = 8;

/// How many chunks of a live answer are kept for readers that are a little behind; one that is further behind goes on
/// with the newest.
pub(crate) const LIVE_ANSWER_CHUNKS: usize = 8;

/// How many bytes of chunks of one live answer are kept: the newest one always fits, whatever its size.
pub(crate) const LIVE_ANSWER_BYTES: usize = 512 * 1024;

/// How many live answers of one conversation are remembered, those that have ended included; over it, the one that was
/// heard of least lately is forgotten.
pub(crate) const LIVE_ANSWERS_PER_CONVERSATION: usize = 16;

/// The same for all conversations together; over it, new ones are not shown before they are complete.
pub(crate) const ALL_LIVE_ANSWERS: usize = 10_000;

/// How many bytes the chunks of all live answers hold together; over it, chunks are lost.
pub(crate) const ALL_LIVE_BYTES: usize = 64 * 1024 * 1024;

/// After how long without a chunk a live answer is forgotten. Longer than stock bots think between two chunks.
pub(crate) const LIVE_ANSWER_TIMEOUT: Duration = Duration::from_secs(120);

/// The longest name that a bot may give to a live answer, in bytes.
pub(crate) const MAX_STREAM_ID_BYTES: usize = 256;

/// Of how many changes a reader remembers that it got them already, in the place of what they change.
pub(crate) const GIVEN_CHANGES: usize = 256;

/// How often the newest content of an activity is looked for that is replaced while it is read.
pub(crate) const NEWEST_TRIES: usize = 8;

/// How soon a waiting reader looks into the log without having been woken; doubled each time up to
/// [`FOLLOW_POLL_MAX`], so that ten thousand idle sockets cost little.
pub(crate) const FOLLOW_POLL_MIN: Duration = Duration::from_secs(1);

/// How long a lost wake-up can cost at the most.
pub(crate) const FOLLOW_POLL_MAX: Duration = Duration::from_secs(16);

/// Of how many users a bot is told by `conversationUpdate` in one conversation.
pub(crate) const MAX_MEMBERS: usize = 256;

/// How many activities a bot may upload at a time.
pub const MAX_TRANSCRIPT_ACTIVITIES: usize = 500;

/// How many bytes a bot may upload at a time; each activity is also bound by [`Limits::activity_bytes`].
pub const MAX_TRANSCRIPT_BYTES: usize = 1024 * 1024;

/// How many of its conversations a bot is told at a time.
pub(crate) const LISTED_CONVERSATIONS: usize = 100;

/// How many members of them all, about.
pub(crate) const LISTED_MEMBERS: usize = 2_000;

/// At how many conversations is looked for that, those of other bots included.
pub(crate) const LISTING_LOOKS_AT: usize = 2_048;

/// The longest name of a member that is kept, in bytes.
pub(crate) const MAX_MEMBER_NAME_BYTES: usize = 256;

/// How often an append is made again because another one came first. Each time, at least one other got through.
pub(crate) const APPEND_TRIES: usize = 32;

/// How many activities a bot may put into one HTTP answer.
pub(crate) const MAX_ANSWER_ACTIVITIES: usize = 100;

/// How many events a bot may put into one answer that goes on; a text that is shown word by word has some hundreds.
pub(crate) const MAX_ANSWER_EVENTS: usize = 10_000;

/// How long an answer may go on.
pub(crate) const ANSWER_EVENTS_TIME: Duration = Duration::from_secs(15 * 60);

/// How long an answer may still go on when the server stops.
pub(crate) const ANSWER_EVENTS_STOP: Duration = Duration::from_secs(5);

/// How many deliveries to one bot may be under way; over it, sends are refused before they are logged.
pub(crate) const DELIVERIES_PER_BOT: u32 = 4096;

/// The pause before an attempt that provably did not reach the bot is made again; doubled each time up to
/// [`RETRY_PAUSE_MAX`].
pub(crate) const RETRY_PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest such pause: a bot that comes back is found within it.
pub(crate) const RETRY_PAUSE_MAX: Duration = Duration::from_secs(2);

/// How many deliveries that a crash left untried are made at the same time after the start.
pub(crate) const RECOVERED_DELIVERIES: usize = 32;

/// How often it is looked for conversations whose time is over.
pub const SWEEP_INTERVAL: Duration = Duration::from_secs(3600);

/// How long after the start it is first looked for them: those who come back to a server that was restarted go first.
pub const FIRST_SWEEP: Duration = Duration::from_secs(60);

/// How many conversations or pending deliveries are listed at a time.
pub(crate) const LIST_PAGE: usize = 256;

/// The longest `Idempotency-Key` or `clientActivityID` that is looked at, in bytes; a longer one is refused.
pub(crate) const MAX_IDEMPOTENCY_KEY_BYTES: usize = 512;

/// The pauses between the first attempts at an entry of the outbox.
pub(crate) const OUTBOX_PAUSES: [Duration; 6] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(30),
    Duration::from_secs(120),
    Duration::from_secs(600),
    Duration::from_secs(1800),
];

/// All later pauses; also the longest that a bot can ask for.
pub(crate) const OUTBOX_PAUSE_MAX: Duration = Duration::from_secs(3600);

/// When the pauses together would be longer than this, an entry of the outbox is given up.
pub(crate) const OUTBOX_TIME: Duration = Duration::from_secs(24 * 3600);

/// How many attempts at one bot may be under way for the outbox. A bot that hangs holds so many activities in memory.
pub(crate) const OUTBOX_ATTEMPTS_PER_BOT: usize = 64;

/// How many conversations are looked at at the same time for what is first in their outbox.
pub(crate) const OUTBOX_LOOKS: usize = 32;

/// How long the outbox leaves a conversation alone when the store does not answer.
pub(crate) const OUTBOX_STORE_PAUSE: Duration = Duration::from_secs(5);

/// How many entries of the outbox are looked at for one page of what an operator asked for.
pub(crate) const OUTBOX_SCAN: usize = 2048;

/// How many files one upload may have.
pub const FILES_PER_UPLOAD: usize = 10;

/// How much larger than [`Limits::activity_bytes`] an activity may be that comes with files, for the thumbnails in it that
/// become links: stock Web Chat makes them of up to some 65 KB of text.
pub const THUMBNAILS_BYTES: usize = FILES_PER_UPLOAD * 128 * 1024;

/// How much larger an activity may become by each file that is put into it: a link with the longest name, all of its
/// characters escaped, and a type.
pub(crate) const BYTES_PER_ATTACHED_FILE: usize = 4 * 1024;

/// How many different files the activities that a bot hands in at a time may link.
pub(crate) const LINKED_FILES: usize = 128;

/// How much longer what a bot says may become when its addresses of files become links.
pub(crate) const LINKED_GROWTH_BYTES: usize = 256 * 1024;

/// How long the store of files may take to answer, for each piece.
pub(crate) const BLOB_WAIT: Duration = Duration::from_secs(30);

/// How many stored files are listed at a time, to be compared with what their conversations say.
pub(crate) const FILES_SWEPT_AT_ONCE: usize = 1024;

/// How long the deletion of a conversation waits for its files to go; what is left then is swept later.
pub(crate) const REMOVE_FILES_WAIT: Duration = Duration::from_secs(60);

/// How long the bytes of a file stay when its time is over, for whoever looked just before.
pub const FILE_GRACE: Duration = Duration::from_secs(60);

/// How long nobody touches a file of which it is not known whether it was logged: longer than any store that cannot tell
/// at once takes to find out.
pub(crate) const UNDECIDED_FILES: Duration = Duration::from_secs(600);
