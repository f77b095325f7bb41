//! How often what may come, and how much memory that may take.

use std::time::Duration;

use super::{GIB, Kind, Place, Row, secs};
use crate::limits::RATE_MAX;

/// As many as the largest count of any limit.
const MOST: u64 = RATE_MAX as u64;

pub(super) static ROWS: [Row; 18] = [
    Row {
        key: "memory",
        about: "how much memory bodies, uploads, pages on their way to clients and the newest records of conversations may \
                take together; from 80 % on, starts, sends and uploads wait, and are then refused with 429; 0B is no cap",
        extremes: "too low: ordinary days are slow; too high: the system ends the process",
        kind: Kind::Size(|l| Place::U64(&mut l.server.memory_bytes), 0..=1024 * GIB),
    },
    Row {
        key: "throttle_delay",
        about: "how long a request that is over a rate waits for its turn before it is refused with 429",
        extremes: "0s: refused at once; too high: the stock client gives up after 20 s of silence",
        kind: Kind::Time(|l| &mut l.server.rates.delay, Duration::ZERO..=secs(15)),
    },
    Row {
        key: "site_sends_per_second",
        about: "how many activities the clients of one site may send a second, uploads included, unless the site says otherwise; for this and all of the following: what comes in ten seconds may come at once, what is over that waits, for throttle_delay at the most, and is then refused with 429; 0 is no limit",
        extremes: "too low: honest sends are late; too high: one site can keep the machine busy",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.site_sends), 0..=MOST),
    },
    Row {
        key: "site_starts_per_second",
        about: "how many conversations of one site may be started a second, unless the site says otherwise",
        extremes: "too low: visitors wait for their chat; too high: whoever gets tokens can fill the disk",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.site_starts), 0..=MOST),
    },
    Row {
        key: "site_tokens_per_second",
        about: "how many tokens of one site may be issued and refreshed a second, unless the site says otherwise",
        extremes: "as above",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.site_tokens), 0..=MOST),
    },
    Row {
        key: "site_uploads_per_second",
        about: "how many uploads may come to one site a second, unless the site says otherwise",
        extremes: "too low: files are late; too high: one site can keep the disk busy",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.site_uploads), 0..=MOST),
    },
    Row {
        key: "site_polls_per_second",
        about: "how often the conversations of one site may be polled a second, all together; a poll is never refused: one that is over a rate is answered late, or with nothing new",
        extremes: "too low: polling clients are slow; too high: one site can keep the machine busy",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.site_polls), 0..=MOST),
    },
    Row {
        key: "address_sends_per_second",
        about: "how many activities may come with tokens from one address a second (of IPv6: from one /64); a loopback address and whoever shows the secret of a site are not counted by address",
        extremes: "too low: a company behind one address is slowed down; too high: one machine can send what a site may",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.address_sends), 0..=MOST),
    },
    Row {
        key: "address_starts_per_second",
        about: "how many conversations may be started with tokens from one address a second",
        extremes: "as above",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.address_starts), 0..=MOST),
    },
    Row {
        key: "address_tokens_per_second",
        about: "how many tokens may be refreshed from one address a second",
        extremes: "as above",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.address_tokens), 0..=MOST),
    },
    Row {
        key: "address_uploads_per_second",
        about: "how many uploads may come with tokens from one address a second",
        extremes: "as above",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.address_uploads), 0..=MOST),
    },
    Row {
        key: "failed_authentications_per_minute",
        about: "how often a minute one address may show a wrong secret and hear so at once; a right one is never held back",
        extremes: "too low: a service with an old secret gets 429 instead of 403; too high: secrets that people made up can be guessed",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.failed_authentications), 0..=MOST),
    },
    Row {
        key: "user_sends_per_second",
        about: "how many activities one user of a token may send a second, in all conversations",
        extremes: "too low: sites that give all visitors one name are slowed down; too high: one user can send what a site may",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.user_sends), 0..=MOST),
    },
    Row {
        key: "user_starts_per_second",
        about: "how many conversations one user of a token may start a second",
        extremes: "as above",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.user_starts), 0..=MOST),
    },
    Row {
        key: "conversation_sends_per_second",
        about: "how many activities clients may send to one conversation a second",
        extremes: "too low: clients that send in bulk are slowed down; too high: whoever has one token can send what a site may",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.conversation_sends), 0..=MOST),
    },
    Row {
        key: "conversation_polls_per_second",
        about: "how often one conversation may be polled a second; none is refused, as with site_polls_per_second",
        extremes: "too low: polling clients are slow; too high: whoever has one token can keep the machine busy",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.conversation_polls), 0..=MOST),
    },
    Row {
        key: "conversation_reconnects_per_second",
        about: "how often clients may reconnect to one conversation a second",
        extremes: "too low: clients on bad lines wait; too high: as above",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.conversation_reconnects), 0..=MOST),
    },
    Row {
        key: "bot_calls_per_second",
        about: "how often one bot may call the Connector API a second",
        extremes: "too low: answers of busy bots are late; too high: a mad bot can keep the machine busy",
        kind: Kind::Count(|l| Place::U32(&mut l.server.rates.bot_calls), 0..=MOST),
    },
];
