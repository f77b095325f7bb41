//! What is too old is forgotten: whole conversations some time after their last activity, and the oldest activities of
//! very long ones.

use std::collections::HashMap;
use std::time::Duration;

use landline_protocol::{ConversationId, Position, SiteName, Timestamp};

use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::facts::Facts;
use crate::limits::LIST_PAGE;
use crate::store::{AppendError, Head, StoreError};

/// How long after its last activity a conversation is kept, per site.
#[derive(Clone, Debug)]
pub struct Retention {
    /// Where a site has its own.
    pub sites: HashMap<SiteName, Duration>,
    /// For all others, such as sites that are not configured any more.
    pub default: Duration,
}

impl Conversations {
    /// Forgets a conversation and its files; its readers are told that it is gone.
    ///
    /// What keeps the files may fail: the conversation is gone all the same, and the next sweep takes the files. Runs to
    /// its end also when the caller goes away.
    ///
    /// # Errors
    /// [`NotLogged`]; a repeat is safe.
    pub async fn delete(&self, conversation: &ConversationId) -> Result<(), NotLogged> {
        let (this, conversation) = (self.clone(), conversation.clone());
        let deleted = self.tasks().spawn(async move {
            let site = this.topic(&conversation).await.ok().map(|topic| topic.door().facts().site.clone());
            this.delete_log(&conversation).await?;
            if let Err(error) = this.remove_files_of(&conversation, site.as_ref()).await {
                tracing::warn!(
                    conversation.id = %conversation, %error,
                    "The files of {conversation} could not be removed with it; the next sweep tries again"
                );
            }
            Ok(())
        });
        deleted.await.unwrap_or_else(|_| {
            Err(NotLogged::Unknown(StoreError("the task that deleted it has failed".into())))
        })
    }

    /// Forgets a conversation. Its files are garbage from then on.
    async fn delete_log(&self, conversation: &ConversationId) -> Result<(), NotLogged> {
        // What is queued behind the deletion would find a conversation that was begun anew under the old id.
        let topic = self.hub().alive(conversation);
        if let Some(topic) = &topic {
            topic.set_closed(true);
        }
        let deleted = self.store().delete(conversation).await;
        match (&deleted, topic) {
            (Ok(()) | Err(AppendError::Unknown(_)), _) => self.hub().forget(conversation),
            (Err(_), Some(topic)) => topic.set_closed(false),
            (Err(_), None) => {}
        }
        Ok(deleted?)
    }

    /// Looks at every conversation once. Returns how many were forgotten.
    ///
    /// # Errors
    /// Where the store cannot list them; one that is damaged is passed over.
    pub async fn sweep(&self, retention: &Retention) -> Result<u64, StoreError> {
        let mut after = None;
        let mut forgotten = 0;
        let mut files_answer = true;
        loop {
            let page = self.store().conversations(after, LIST_PAGE).await?;
            let Some(last) = page.last() else { return Ok(forgotten) };
            after = Some(last.clone());
            for conversation in page {
                match self.sweep_one(&conversation, retention, &mut files_answer).await {
                    Ok(true) => forgotten += 1,
                    Ok(false) => {}
                    Err(error) => tracing::warn!(conversation.id = %conversation, %error, "Not swept"),
                }
            }
        }
    }

    async fn sweep_one(
        &self,
        conversation: &ConversationId,
        retention: &Retention,
        files_answer: &mut bool,
    ) -> Result<bool, NotLogged> {
        let head = self.store().head(conversation).await.map_err(Unavailable::from)?;
        let facts = Facts::from_bytes(conversation, &head.facts).map_err(Unavailable::from)?;
        if retention.is_over(&facts.site, head.last_time, self.now()) {
            self.delete_log(conversation).await?;
            if *files_answer && !facts.files.is_empty() {
                // One that does not answer is not waited for again and again; the sweep of files repairs it.
                let removed = self.remove_files_of(conversation, Some(&facts.site)).await;
                *files_answer = removed.is_ok();
            }
            return Ok(true);
        }
        if let Some(up_to) = too_many(&head, self.limits().kept_activities) {
            self.store().expire(conversation, up_to).await?;
        }
        Ok(false)
    }
}

/// Up to where to forget, so that only so many are kept.
fn too_many(head: &Head, kept: u64) -> Option<Position> {
    let up_to = Position::new(head.last.get().saturating_sub(kept));
    (up_to > head.expired_through).then_some(up_to)
}

impl Retention {
    /// Whether a conversation of that site, last spoken in then, is over now.
    fn is_over(&self, site: &SiteName, last: Timestamp, now: Timestamp) -> bool {
        last.plus(*self.sites.get(site).unwrap_or(&self.default)) < now
    }
}
