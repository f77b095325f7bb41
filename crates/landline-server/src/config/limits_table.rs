//! The keys below `[limits]`: one row each, from which both the reading and the example are made.
//!
//! Those of how often what may come stand in `overload`.

mod overload;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::units::{parse_size, parse_time, show_size, show_time};
use super::{ConfigError, Limits};

/// One key.
pub(super) struct Row {
    pub(super) key: &'static str,
    /// What it bounds.
    pub(super) about: &'static str,
    /// What goes wrong when it is too low, and when it is too high.
    pub(super) extremes: &'static str,
    kind: Kind,
}

/// How its value is spelled, where it is kept, and between what it must lie.
enum Kind {
    Count(fn(&mut Limits) -> Place<'_>, RangeInclusive<u64>),
    Size(fn(&mut Limits) -> Place<'_>, RangeInclusive<u64>),
    Time(fn(&mut Limits) -> &mut Duration, RangeInclusive<Duration>),
}

/// A number in the limits.
enum Place<'a> {
    Usize(&'a mut usize),
    U64(&'a mut u64),
    U32(&'a mut u32),
}

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
const GIB: u64 = 1024 * MIB;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const DAY: Duration = secs(24 * 3600);

/// All of them, in the order of the example.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(&overload::ROWS)
}

static ROWS: [Row; 29] = [
    Row {
        key: "activity_size",
        about: "the largest activity that a client or a bot may send",
        extremes: "too low: large cards are refused with 413; too high: one client can fill memory and disk",
        kind: Kind::Size(|l| Place::Usize(&mut l.domain.activity_bytes), KIB..=MIB),
    },
    Row {
        key: "bot_deadline",
        about: "how long a bot has to answer one activity",
        extremes: "too low: slow bots give 504; too high: the stock clients give up first, after 20 s",
        kind: Kind::Time(|l| &mut l.domain.bot_deadline, Duration::from_millis(100)..=secs(600)),
    },
    Row {
        key: "bot_answer_size",
        about: "how much of a bot's HTTP answer is read",
        extremes: "too low: answers with many activities are refused; too high: a mad bot can fill memory",
        kind: Kind::Size(|l| Place::Usize(&mut l.domain.bot_answer_bytes), KIB..=64 * MIB),
    },
    Row {
        key: "page_activities",
        about: "how many activities one page of history holds",
        extremes: "too low: history takes many requests; too high: one request is slow and large",
        kind: Kind::Count(|l| Place::Usize(&mut l.domain.page_records), 1..=1000),
    },
    Row {
        key: "page_size",
        about: "at what size a page of history ends",
        extremes: "too low: as above; too high: memory per open stream, which holds one page",
        kind: Kind::Size(|l| Place::Usize(&mut l.domain.page_bytes), KIB..=2 * MIB),
    },
    Row {
        key: "sockets_per_conversation",
        about: "how many sockets may be open on one conversation; the newest over it is turned away",
        extremes: "too low: the stock client, which opens its next socket before it closes the last, is cut off; \
                   too high: one token can hold many connections",
        kind: Kind::Count(|l| Place::Usize(&mut l.domain.sockets_per_conversation), 2..=10_000),
    },
    Row {
        key: "idempotency_window",
        about: "for how long a repeated send is recognised",
        extremes: "too low: a late retry becomes a second message; too high: space on the disk",
        kind: Kind::Time(|l| &mut l.domain.idempotency_window, secs(60)..=DAY.saturating_mul(365)),
    },
    Row {
        key: "order_grace",
        about: "how long an activity waits for the bot's answer to the one before it in the same conversation",
        extremes: "0s: two quick activities may reach the bot in the wrong order; too high: a slow bot gets slower",
        kind: Kind::Time(|l| &mut l.domain.order_grace, Duration::ZERO..=secs(600)),
    },
    Row {
        key: "kept_activities",
        about: "how many activities one conversation keeps; older ones expire",
        extremes: "too low: clients that come back miss some; too high: a conversation without end fills the disk",
        kind: Kind::Count(|l| Place::U64(&mut l.domain.kept_activities), 10..=1_000_000_000),
    },
    Row {
        key: "file_size",
        about: "the largest file that a client or a bot may send",
        extremes: "too low: photos are refused with 413; too high: one upload takes long and fills the disk; files of \
                   bots, which are text in JSON, end at 16MiB",
        kind: Kind::Size(|l| Place::U64(&mut l.domain.file_bytes), KIB..=100 * GIB),
    },
    Row {
        key: "conversation_files",
        about: "how many files one conversation keeps at a time",
        extremes: "too low: uploads into long conversations are refused with 413; too high: much to write with each upload",
        kind: Kind::Count(|l| Place::Usize(&mut l.domain.conversation_files), 1..=10_000),
    },
    Row {
        key: "conversation_files_size",
        about: "the size of all files of one conversation; no smaller than file_size",
        extremes: "too low: as above; too high: whoever has one token can fill the site's share",
        kind: Kind::Size(|l| Place::U64(&mut l.domain.conversation_files_bytes), KIB..=1024 * GIB),
    },
    Row {
        key: "site_files_size",
        about: "the size of all files of one site; no smaller than conversation_files_size",
        extremes: "too low: uploads are refused with 413 until older files are over; too high: files fill the disk",
        kind: Kind::Size(|l| Place::U64(&mut l.domain.site_files_bytes), KIB..=1024 * 1024 * GIB),
    },
    Row {
        key: "file_life",
        about: "how long a file is kept, unless its site says otherwise; never longer than its conversation",
        extremes: "too low: links to files in the history lead nowhere; too high: the disk fills",
        kind: Kind::Time(|l| &mut l.domain.file_life, secs(60)..=DAY.saturating_mul(3650)),
    },
    Row {
        key: "connections",
        about: "how many connections may be open, sockets included; at the cap, each new one takes the place of the one \
                that rests longest",
        extremes: "too low: clients are turned away; too high: the process runs out of descriptors (see ulimit -n)",
        kind: Kind::Count(|l| Place::Usize(&mut l.server.connections), 1..=1_000_000),
    },
    Row {
        key: "connections_per_address",
        about: "how many of them may come from one address (IPv6: from one /64); 0 is any number; trusted_proxies, \
                127.0.0.1 and ::1 are not counted",
        extremes: "too low: an office behind one address is turned away; too high: a few machines can take all places",
        kind: Kind::Count(|l| Place::Usize(&mut l.server.connections_per_address), 0..=1_000_000),
    },
    Row {
        key: "header_timeout",
        about: "how long a client may take to send the head of a request",
        extremes: "too low: slow lines are cut; too high: slow attackers hold connections",
        kind: Kind::Time(|l| &mut l.server.header_timeout, secs(1)..=secs(600)),
    },
    Row {
        key: "idle_timeout",
        about: "how long a connection is kept open for its next request",
        extremes: "too low: a proxy that keeps its connections for longer now and then loses a request; too high: \
                   connections for nothing",
        kind: Kind::Time(|l| &mut l.server.idle_timeout, secs(1)..=secs(3600)),
    },
    Row {
        key: "handshake_timeout",
        about: "how long a client may take for the handshake of TLS",
        extremes: "too low: clients on slow lines do not get in; too high: slow attackers hold connections",
        kind: Kind::Time(|l| &mut l.server.handshake_timeout, secs(1)..=secs(600)),
    },
    Row {
        key: "body_timeout",
        about: "how long a client may take to send the body of a request, besides a second for each KiB of it",
        extremes: "too low: slow lines are cut; too high: slow attackers hold connections",
        kind: Kind::Time(|l| &mut l.server.body_timeout, secs(1)..=secs(3600)),
    },
    Row {
        key: "write_timeout",
        about: "how long a client may take nothing of what is sent to it, or less than 1 KiB a second, before its \
                connection is closed",
        extremes: "too low: slow lines are cut; too high: clients that read nothing hold memory",
        kind: Kind::Time(|l| &mut l.server.write_timeout, secs(1)..=secs(600)),
    },
    Row {
        key: "stream_frame_timeout",
        about: "how long one frame of a stream may take to leave before the stream is closed",
        extremes: "as above; whoever is cut off resumes without loss",
        kind: Kind::Time(|l| &mut l.server.stream_frame_timeout, secs(1)..=secs(600)),
    },
    Row {
        key: "stream_idle",
        about: "how often a stream shows that it lives; a client that answers three times nothing is closed",
        extremes: "too low: traffic for nothing; too high: proxies drop lines that are silent for 30 s or 60 s",
        kind: Kind::Time(|l| &mut l.server.stream_idle, secs(1)..=secs(600)),
    },
    Row {
        key: "token_max_age",
        about: "how long a token can be refreshed, counted from its first issue; then the page needs a new one",
        extremes: "too low: who chats for long is cut off; too high: a token that was stolen can be kept alive for as long",
        kind: Kind::Time(|l| &mut l.server.token_max_age, secs(60)..=DAY.saturating_mul(3650)),
    },
    Row {
        key: "drain",
        about: "how long a shutdown waits for requests that are under way; no shorter than bot_deadline",
        extremes: "too low: sends that wait for the bot are cut off; too high: a restart takes long",
        kind: Kind::Time(|l| &mut l.server.drain, secs(1)..=secs(3600)),
    },
    Row {
        key: "store_cache",
        about: "memory for blocks of the store that were read",
        extremes: "too low: clients that come back wait for the disk; too high: memory",
        kind: Kind::Size(|l| Place::U64(&mut l.store.cache_bytes), MIB..=1024 * GIB),
    },
    Row {
        key: "disk_reserve",
        about: "free space on the disk below which nothing new is accepted; reads and deletes go on",
        extremes: "too low: work in the background finds a full disk, and the store has to stop; too high: wasted space",
        kind: Kind::Size(|l| Place::U64(&mut l.store.reserve_bytes), MIB..=1024 * GIB),
    },
    Row {
        key: "audit_log_size",
        about: "at which size the file of audit_log is put aside and a new one begun",
        extremes: "too low: little is kept; too high: the disk fills",
        kind: Kind::Size(|l| Place::U64(&mut l.server.audit_log_bytes), 64 * KIB..=GIB),
    },
    Row {
        key: "audit_log_files",
        about: "how many files of audit_log that were put aside are kept",
        extremes: "as above",
        kind: Kind::Count(|l| Place::Usize(&mut l.server.audit_log_files), 1..=1000),
    },
];

impl Row {
    /// The default as it stands in the example.
    pub(super) fn default_text(&self) -> String {
        self.show(&mut Limits::default())
    }

    /// The value in TOML.
    fn show(&self, limits: &mut Limits) -> String {
        match &self.kind {
            Kind::Count(place, _) => place(limits).get().to_string(),
            Kind::Size(place, _) => format!("{:?}", show_size(place(limits).get())),
            Kind::Time(place, _) => format!("{:?}", show_time(*place(limits))),
        }
    }

    fn set(&self, limits: &mut Limits, value: &toml::Value) -> Result<(), String> {
        match &self.kind {
            Kind::Count(place, range) => {
                let count = value.as_integer().and_then(|count| u64::try_from(count).ok());
                let count = count.ok_or("write a whole number, without quotes")?;
                place(limits).set(within(count, range, u64::to_string)?)
            }
            Kind::Size(place, range) => {
                let size = parse_size(value.as_str().ok_or("write a size in quotes, such as \"256KiB\"")?)?;
                place(limits).set(within(size, range, |size| show_size(*size))?)
            }
            Kind::Time(place, range) => {
                let time = parse_time(value.as_str().ok_or("write a time in quotes, such as \"15s\"")?)?;
                *place(limits) = within(time, range, |time| show_time(*time))?;
                Ok(())
            }
        }
    }
}

impl Place<'_> {
    fn get(self) -> u64 {
        match self {
            Self::Usize(place) => *place as u64,
            Self::U64(place) => *place,
            Self::U32(place) => u64::from(*place),
        }
    }

    fn set(self, value: u64) -> Result<(), String> {
        match self {
            Self::Usize(place) => {
                *place = usize::try_from(value).map_err(|_| "too large for this machine")?
            }
            Self::U64(place) => *place = value,
            Self::U32(place) => *place = u32::try_from(value).map_err(|_| "too large")?,
        }
        Ok(())
    }
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    show: impl Fn(&T) -> String,
) -> Result<T, String> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(format!("{} is out of range; write {} to {}", show(&value), show(range.start()), show(range.end())))
}

/// Reads the table; what is not in it has its default.
pub(super) fn resolve(table: &BTreeMap<String, toml::Value>) -> Result<Limits, ConfigError> {
    let mut limits = Limits::default();
    for (key, value) in table {
        let at = format!("limits.{key}");
        let Some(row) = rows().find(|row| row.key == key) else {
            let known: Vec<_> = rows().map(|row| row.key).collect();
            return Err(ConfigError::new(
                at,
                format!("there is no such limit; those that exist: {}", known.join(", ")),
            ));
        };
        row.set(&mut limits, value).map_err(|problem| ConfigError::new(at, problem))?;
    }
    let (drain, deadline) = (limits.server.drain, limits.domain.bot_deadline);
    if drain < deadline {
        let (drain, deadline) = (show_time(drain), show_time(deadline));
        let problem = format!(
            "{drain} is shorter than bot_deadline ({deadline}), so a shutdown would cut off accepted sends"
        );
        return Err(ConfigError::new("limits.drain", problem));
    }
    check_files(&limits.domain)?;
    Ok(limits)
}

/// What fits into the larger has to fit into the smaller, or the smaller decides and nobody sees why.
fn check_files(limits: &landline_core::Limits) -> Result<(), ConfigError> {
    let sizes = [
        ("file_size", limits.file_bytes),
        ("conversation_files_size", limits.conversation_files_bytes),
        ("site_files_size", limits.site_files_bytes),
    ];
    match sizes.windows(2).find(|pair| pair[1].1 < pair[0].1) {
        Some([(inner, least), (outer, size)]) => {
            let (least, size) = (show_size(*least), show_size(*size));
            let problem = format!("{size} is less than {inner} ({least}); make it as large at the least");
            Err(ConfigError::new(format!("limits.{outer}"), problem))
        }
        _ => Ok(()),
    }
}
