//! How much a client may say on a stream, where it is only to listen.
//!
//! Messages over the rate are read later, so that the sender's own line fills up. Whoever goes on like that is no client
//! that has something to say by mistake, and is closed. Messages are of any kind: text, binary, ping, pong; a long one
//! counts as several.
//!
//! Not here: how many bytes are read (`http::meter`), how large a message may be (`limits`).

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{
    STREAM_FLOOD_TIME, STREAM_IN_MESSAGE_BYTES, STREAM_IN_MESSAGES_BURST, STREAM_IN_MESSAGES_PER_SECOND,
};

/// Counts messages against time.
#[derive(Debug, Default)]
pub(super) struct Chatter {
    /// When all messages would have come at the rate that is allowed.
    even_at: Option<Instant>,
    /// Since when it has been too many without a pause.
    over_since: Option<Instant>,
}

impl Chatter {
    /// A message of so many bytes was read. `true`: it has been too many for too long.
    pub(super) fn heard(&mut self, bytes: usize, now: Instant) -> bool {
        let each = Duration::from_secs(1) / STREAM_IN_MESSAGES_PER_SECOND;
        let burst = each * STREAM_IN_MESSAGES_BURST;
        let messages = u32::try_from(bytes / STREAM_IN_MESSAGE_BYTES).unwrap_or(u32::MAX).saturating_add(1);
        let even_at = self.even_at.map_or(now, |even_at| even_at.max(now)) + each.saturating_mul(messages);
        self.even_at = Some(even_at);
        if even_at > now + burst {
            let since = *self.over_since.get_or_insert(now);
            return now >= since + STREAM_FLOOD_TIME;
        }
        if even_at < now + burst / 2 {
            self.over_since = None;
        }
        false
    }

    /// Not before then is the next message read.
    pub(super) fn listen_from(&self, now: Instant) -> Instant {
        // The whole burst, so that one who does not pause is over it with each message.
        let burst = Duration::from_secs(1) / STREAM_IN_MESSAGES_PER_SECOND * STREAM_IN_MESSAGES_BURST;
        self.even_at.and_then(|even_at| even_at.checked_sub(burst)).map_or(now, |from| from.max(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says so many a second for so long, as fast as it is listened to; after how long it is closed.
    async fn says(per_second: f64, time: Duration) -> Option<Duration> {
        let (began, mut chatter) = (Instant::now(), Chatter::default());
        let mut due = began;
        while began.elapsed() < time {
            tokio::time::sleep_until(due.max(chatter.listen_from(Instant::now()))).await;
            if chatter.heard(0, Instant::now()) {
                return Some(began.elapsed());
            }
            due += Duration::from_secs_f64(1.0 / per_second);
        }
        None
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_a_little_is_heard_and_who_goes_on_and_on_is_not() {
        for (per_second, least, most) in [(11.0, 30, 120), (100.0, 10, 20), (100_000.0, 10, 20)] {
            let closed = says(per_second, Duration::from_secs(600)).await.map(|time| time.as_secs());
            assert!(closed.is_some_and(|time| (least..=most).contains(&time)), "{per_second}: {closed:?}");
        }
        for per_second in [0.05, 1.0, 9.5] {
            assert_eq!(says(per_second, Duration::from_secs(600)).await, None, "{per_second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_now_and_then_is_only_slowed() {
        let mut chatter = Chatter::default();
        for _ in 0..20 {
            for _ in 0..STREAM_IN_MESSAGES_BURST + 20 {
                tokio::time::sleep_until(chatter.listen_from(Instant::now())).await;
                assert!(!chatter.heard(0, Instant::now()));
            }
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    }
}
