//! The order of deliveries in one conversation: each begins when the one before it is over, or has taken too long.
//!
//! Invariant: a place in the queue that is given up (its append found nothing to log, or has to be made again) holds
//! nobody up and lets nobody overtake: whoever is behind it waits for whoever was before it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// The place of one delivery among those of its conversation. The one behind it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    /// `None` once it was waited for.
    before: Option<Before>,
    over: watch::Sender<Option<Before>>,
}

/// Somebody else's place. The channel closes when that one is over; when it was given up, it says first who was before.
#[derive(Clone, Debug)]
pub(crate) struct Before(watch::Receiver<Option<Before>>);

impl Before {
    /// Who is to be waited for now; `None` where everybody is over. Keeps the chain as short as those who wait.
    fn who(self) -> Option<Self> {
        let mut who = self;
        loop {
            let given_up = who.0.borrow().clone();
            match given_up {
                Some(before) => who = before,
                None if who.0.has_changed().is_err() => return None,
                None => return Some(who),
            }
        }
    }
}

impl Turn {
    /// Lines up behind the last one.
    pub(crate) fn behind(last: &mut Option<Before>) -> Self {
        let (over, next) = watch::channel(None);
        Self { before: last.replace(Before(next)).and_then(Before::who), over }
    }

    /// A delivery that waits for nobody and for which nobody waits.
    pub(crate) fn alone() -> Self {
        Self::behind(&mut None)
    }

    pub(super) async fn wait(&mut self, at_most: Duration) {
        let mut before = self.before.take();
        let everybody = async {
            while let Some(mut who) = before.and_then(Before::who) {
                // An error means over; a change, that it was given up.
                let _ = who.0.changed().await;
                before = Some(who);
            }
        };
        // Out of time: it goes all the same.
        let _ = timeout(at_most, everybody).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.over.send_replace(Some(before));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Whether it would go at once.
    async fn goes(turn: &mut Turn) -> bool {
        timeout(Duration::from_secs(1), turn.wait(LONG)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn each_waits_for_the_one_before() {
        let mut last = None;
        let (mut first, mut second) = (Turn::behind(&mut last), Turn::behind(&mut last));
        assert!(goes(&mut first).await);
        let wait = async { second.wait(LONG).await };
        let over = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(first);
        };
        let began = tokio::time::Instant::now();
        tokio::join!(wait, over);
        assert_eq!(began.elapsed(), Duration::from_secs(5));
        assert!(goes(&mut Turn::behind(&mut None)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_up_holds_nobody_up_and_lets_nobody_overtake() {
        let mut last = None;
        let first = Turn::behind(&mut last);
        let given_up = Turn::behind(&mut last);
        let mut waited_before = Turn::behind(&mut last);
        drop(given_up);
        let mut waited_after = Turn::behind(&mut last);
        drop(Turn::behind(&mut last));
        let mut came_later = Turn::behind(&mut last);
        assert!(!goes(&mut waited_before).await);
        drop(first);
        drop(waited_before);
        assert!(goes(&mut waited_after).await);
        drop(waited_after);
        assert!(goes(&mut came_later).await);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_ever() {
        let mut last = None;
        let _hangs = Turn::behind(&mut last);
        let began = tokio::time::Instant::now();
        Turn::behind(&mut last).wait(Duration::from_secs(3)).await;
        assert_eq!(began.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_million_that_are_given_up_leave_no_chain_behind() {
        let mut last = None;
        let first = Turn::behind(&mut last);
        for _ in 0..1_000_000 {
            drop(Turn::behind(&mut last));
        }
        assert!(!goes(&mut Turn::behind(&mut last)).await);
        drop(first);
        assert!(goes(&mut Turn::behind(&mut last)).await);
    }
}
