//! A reader of live answers: what it has got of each.

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Answer, Lane};

/// Costs a few numbers, however much there is to read.
#[derive(Debug)]
pub(crate) struct Watching {
    /// Of each live answer: its serial number, and the number of the chunk that the reader got last. One that is not
    /// here began later.
    got: Vec<(u64, u64)>,
    grew: watch::Receiver<u64>,
}

impl Watching {
    /// From now on a change counts as news; look after this.
    pub(crate) fn mark(&mut self) {
        self.grew.borrow_and_update();
    }

    /// Resolves when there is news, or (for ever) not.
    pub(crate) async fn changed(&mut self) {
        if self.grew.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    fn got(&self, answer: &Answer) -> u64 {
        self.got.iter().find(|(serial, _)| *serial == answer.serial).map_or(0, |(_, number)| *number)
    }
}

impl Lane {
    /// Begins to read: each answer that is being written with its newest chunk.
    pub(crate) fn watch(&self) -> Watching {
        let answers = self.answers();
        let unread = |answer: &Answer| u64::from(!answer.ended && answer.newest > 0);
        let got = answers.list.iter().map(|answer| (answer.serial, answer.newest - unread(answer))).collect();
        Watching { got, grew: self.grew.subscribe() }
    }

    /// As if the reader had got all that is there: only what comes is news.
    pub(crate) fn pass_over(&self, watching: &mut Watching) {
        let answers = self.answers();
        watching.got = answers.list.iter().map(|answer| (answer.serial, answer.newest)).collect();
    }

    /// The next chunk for this reader: the one behind its last, or else the newest.
    pub(crate) fn take(&self, watching: &mut Watching, now: Instant) -> Option<Bytes> {
        let answers = self.answers();
        let next = answers
            .list
            .iter()
            .filter(|answer| answer.until > now)
            .filter_map(|answer| {
                let got = watching.got(answer);
                let next = answer.chunks.iter().find(|chunk| chunk.number == got + 1);
                let chunk = next.or_else(|| answer.chunks.back().filter(|newest| newest.number > got))?;
                Some((answer.serial, chunk))
            })
            .min_by_key(|(_, chunk)| chunk.place)
            .map(|(serial, chunk)| (serial, chunk.number, chunk.body.clone()));
        watching.got.retain(|(serial, _)| {
            answers.list.iter().any(|answer| answer.serial == *serial)
                && next.as_ref().is_none_or(|(of, _, _)| of != serial)
        });
        let (serial, number, body) = next?;
        watching.got.push((serial, number));
        Some(body)
    }
}
