//! A bot puts what was said elsewhere into its conversation: a transcript, all of it or nothing.
//!
//! Who said it, and when, is kept as it is given, so that clients see the past as it was: it is the bot's own
//! conversation, and nobody else's is touched. Nobody becomes a member by it, and the bot gets none of it.
//!
//! Ids are ours, as ever; what replies to something in the same transcript still does.

use std::collections::HashMap;

use landline_protocol::{Activity, BotName, ConversationId, Timestamp};

use crate::append::{Draft, Entry};
use crate::bot_send::{BotSendError, audience_of};
use crate::conversations::{Conversations, NotLogged};
use crate::limits::MAX_TRANSCRIPT_ACTIVITIES;
use crate::store::StoreError;

impl Conversations {
    /// Logs a transcript in order, in one write. Returns the id of its last activity. *Typing* is no history, and is
    /// passed over.
    ///
    /// Runs to its end also when the caller goes away.
    ///
    /// # Errors
    /// [`BotSendError`]; nothing was logged but where it says that this is not known.
    pub async fn upload_history(
        &self,
        bot: &BotName,
        conversation: &ConversationId,
        mut transcript: Vec<Activity>,
    ) -> Result<String, BotSendError> {
        let topic = self.topic_of(bot, conversation).await.map_err(NotLogged::from)?;
        if transcript.len() > MAX_TRANSCRIPT_ACTIVITIES {
            let count = transcript.len();
            let problem = format!("activities: {count}, the limit is {MAX_TRANSCRIPT_ACTIVITIES} at a time");
            return Err(BotSendError::NotAllowed(problem));
        }
        let mut links = self.own_links(bot);
        for activity in &mut transcript {
            links.exchange(activity).await?;
        }
        let mut drafts = drafts(transcript, bot, self.now())?.into_iter();
        let first = drafts.next().ok_or(BotSendError::Missing("activities"))?;
        let entry = Entry { more: drafts.collect(), ..Entry::of(first) };
        let this = self.clone();
        let logged = self.tasks().spawn(async move { this.log_entry(&topic, &entry).await });
        logged.await.unwrap_or_else(|_| {
            Err(NotLogged::Unknown(StoreError("the task that logged it has failed".into())).into())
        })
    }
}

fn drafts(transcript: Vec<Activity>, bot: &BotName, now: Timestamp) -> Result<Vec<Draft>, BotSendError> {
    let mut drafts = Vec::new();
    let mut by_old_id = HashMap::new();
    for mut activity in transcript {
        let kind = activity.kind().ok_or(BotSendError::Missing("activities.type"))?;
        if kind == "typing" {
            continue;
        }
        if activity.from_id().is_none() {
            activity.set_from(bot.as_str(), "bot");
        }
        let said = activity.timestamp().filter(|said| *said <= now);
        let replies_to = activity.reply_to_id().and_then(|id| by_old_id.get(&id).copied());
        // Its ids are of another place: what they name there is something else here.
        activity.properties_mut().remove("replyToId");
        by_old_id.extend(activity.id().map(|id| (id, drafts.len())));
        drafts.push(Draft { said, replies_to, ..Draft::of_bot(activity, audience_of(&kind)) });
    }
    Ok(drafts)
}
