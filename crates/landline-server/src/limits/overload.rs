//! How often what may come, how many may wait for their turn, and when memory runs short.

use std::time::Duration;

/// How often what may come, in the long run, by whom it is counted. After a rest, what comes in [`BURST_SECONDS`] may
/// come at once. Zero: as often as you like.
///
/// The defaults are what no honest user comes near, whatever their size: they end a flood, they do not sell a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rates {
    /// How long a request that is over a rate is held back before it is refused. Default 10 s: the stock client gives
    /// up after 20 s of silence.
    pub delay: Duration,
    /// Sends and uploads of the clients of one site, a second. Default 2000; a site may say otherwise.
    pub site_sends: u32,
    /// Starts of conversations of one site, a second. Default 1000; a site may say otherwise.
    pub site_starts: u32,
    /// Tokens issued and refreshed for one site, a second. Default 2000; a site may say otherwise.
    pub site_tokens: u32,
    /// Uploads to one site, a second. Default 200; a site may say otherwise.
    pub site_uploads: u32,
    /// Polls of the conversations of one site, a second. Default 10,000: as many visitors whose clients poll, and do not
    /// stream. A site may say otherwise.
    pub site_polls: u32,
    /// Sends and uploads from one address, by tokens, a second. Default 1000.
    pub address_sends: u32,
    /// Starts from one address, by tokens, a second. Default 200: a company behind one address starts its day.
    pub address_starts: u32,
    /// Tokens refreshed from one address, a second. Default 1000.
    pub address_tokens: u32,
    /// Uploads from one address, by tokens, a second. Default 100.
    pub address_uploads: u32,
    /// Wrong secrets from one address, a *minute*. Default 20.
    pub failed_authentications: u32,
    /// Sends and uploads of one user of a site, in all conversations, a second. Default 1000: some sites
    /// give all their visitors the same name.
    pub user_sends: u32,
    /// Starts of one user of a site, a second. Default 200; as above.
    pub user_starts: u32,
    /// Sends and uploads to one conversation, a second. Default 100.
    pub conversation_sends: u32,
    /// Polls of one conversation, a second. Default 50: eight readers, each some times a second.
    pub conversation_polls: u32,
    /// Reconnects to one conversation, a second. Default 10.
    pub conversation_reconnects: u32,
    /// Calls of one bot, a second. Default 5000.
    pub bot_calls: u32,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            delay: Duration::from_secs(10),
            site_sends: 2000,
            site_starts: 1000,
            site_tokens: 2000,
            site_uploads: 200,
            site_polls: 10_000,
            address_sends: 1000,
            address_starts: 200,
            address_tokens: 1000,
            address_uploads: 100,
            failed_authentications: 20,
            user_sends: 1000,
            user_starts: 200,
            conversation_sends: 100,
            conversation_polls: 50,
            conversation_reconnects: 10,
            bot_calls: 5000,
        }
    }
}

impl Rates {
    /// No limit at all: for whoever measures what the server can do.
    pub fn off() -> Self {
        Self {
            delay: Self::default().delay,
            site_sends: 0,
            site_starts: 0,
            site_tokens: 0,
            site_uploads: 0,
            site_polls: 0,
            address_sends: 0,
            address_starts: 0,
            address_tokens: 0,
            address_uploads: 0,
            failed_authentications: 0,
            user_sends: 0,
            user_starts: 0,
            conversation_sends: 0,
            conversation_polls: 0,
            conversation_reconnects: 0,
            bot_calls: 0,
        }
    }
}

/// The highest rate that can be set, a second.
pub const RATE_MAX: u32 = 1_000_000;

/// After a rest, as much may come at once as otherwise in so many seconds.
pub const BURST_SECONDS: u32 = 10;

/// How many requests that are over a rate may be held back at a time, of all keys together. Each holds its connection.
pub const DELAYED_REQUESTS: usize = 4096;

/// How many of these may be of one site, or of one bot, or of those who show wrong secrets: who floods leaves places for
/// others.
pub const DELAYED_PER_OWNER: usize = 1024;

/// How many of these one key may have, so that a flooded conversation leaves places for the rest of its site.
pub const DELAYED_PER_KEY: u32 = 512;

/// Of how many keys (sites, addresses, users, conversations) one limit keeps apart how often they came; some hundred
/// bytes each. Only those count that came lately.
pub const LIMITED_KEYS: usize = 16_384;

/// How many lanes all further ones share.
pub const SHARED_LANES: usize = 64;

/// How many keys are looked at for each that is new, to forget those that have not come lately.
pub const LIMITED_KEYS_LOOKED_AT: usize = 4;

/// From how much of the memory on, in percent, what begins has to wait, and is then refused.
pub const MEMORY_SHORT_PERCENT: u64 = 80;

/// From how much on no new stream is opened, and those are closed that have waited longest for their clients.
pub const MEMORY_FULL_PERCENT: u64 = 95;

/// The same as [`MEMORY_SHORT_PERCENT`], for the whole process, of what the machine has or its control group allows.
pub const PROCESS_SHORT_PERCENT: u64 = 90;

/// How often it is looked whether there is enough again, and what the process takes.
pub const MEMORY_LOOK: Duration = Duration::from_millis(100);

/// What an upload holds while it is read, in bytes, as it counts.
pub const UPLOAD_HELD_BYTES: usize = 64 * 1024;
