//! What a bot writes for a file that it has uploaded: the address at which the Connector API has it, for the bot alone; or
//! for one that it was sent: the link that it was given, which expires, and has the address by which bots reach this server.
//! Before either is logged, it becomes what stands in a log for the file, so that whoever reads the log gets a link that
//! works.
//!
//! Invariant: no client ever sees such an address, in which the capability of the bot may stand. One that leads to no file
//! (any more) leads nowhere. Where the capability stands in anything else that the bot says (in a text, in the reference
//! to a conversation that SDKs put into events), it is taken out of it.
//!
//! Source: the SDKs build it of the serviceUrl, with one slash or two behind it: `v3/attachments/{id}/views/{view}`.

use std::collections::BTreeMap;
use std::sync::Arc;

use landline_protocol::{Activity, BotName, ConversationId, FileId, exchange_texts};

use crate::bot_send::BotSendError;
use crate::conversations::{Conversations, NotLogged, Unavailable};
use crate::limits::{LINKED_FILES, LINKED_GROWTH_BYTES};
use crate::store::View;
use crate::update::UpdateError;

/// Where in an activity an address may stand: attachments, and what else holds pictures.
const LINKING: [&str; 3] = ["attachments", "suggestedActions", "value"];

/// Every such address has this in it, if no character of it is escaped.
const PATH: &str = "v3/attachments/";

/// Every link that was given out has this in it.
const GIVEN_OUT: &str = "/files/";

/// Where what is not there leads to.
const NOWHERE: &str = "about:blank";

/// What stands in place of a capability.
const HIDDEN: &str = "hidden";

/// Why the addresses in an activity cannot be exchanged.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OwnLinksError {
    #[error("{0}")]
    TooMuch(String),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<OwnLinksError> for BotSendError {
    fn from(error: OwnLinksError) -> Self {
        match error {
            OwnLinksError::TooMuch(why) => Self::NotAllowed(why),
            OwnLinksError::Unavailable(error) => NotLogged::from(error).into(),
        }
    }
}

impl From<OwnLinksError> for UpdateError {
    fn from(error: OwnLinksError) -> Self {
        match error {
            OwnLinksError::TooMuch(why) => Self::NotAllowed(why),
            OwnLinksError::Unavailable(error) => error.into(),
        }
    }
}

/// The addresses of one bot, and what becomes of those that were found so far.
pub(crate) struct OwnLinks<'a> {
    conversations: &'a Conversations,
    bot: &'a BotName,
    /// The base of what the bot is told; `None` for a bot that is not there any more.
    base: Option<Arc<str>>,
    capability: Option<Arc<str>>,
    known: BTreeMap<Named, String>,
}

/// What an address leads to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    File(ConversationId, FileId, View),
    Nothing,
}

impl Conversations {
    pub(crate) fn own_links<'a>(&'a self, bot: &'a BotName) -> OwnLinks<'a> {
        let profile = self.bot(bot).map(|profile| (profile.service_url, profile.capability));
        let (base, capability) = profile.unzip();
        OwnLinks { conversations: self, bot, base, capability: capability.flatten(), known: BTreeMap::new() }
    }
}

impl OwnLinks<'_> {
    /// Exchanges the addresses in an activity of the bot, and takes out of it what no client may see.
    pub(crate) async fn exchange(&mut self, activity: &mut Activity) -> Result<(), OwnLinksError> {
        // The SDKs write it into everything that they send, and nobody is shown it.
        activity.properties_mut().remove("serviceUrl");
        self.exchange_addresses(activity).await?;
        let Some(capability) = &self.capability else { return Ok(()) };
        if activity.properties_mut().replace_text(capability, HIDDEN) {
            tracing::warn!(
                bot = %self.bot,
                "Bot {} writes its serviceUrl into an activity; clients see \"{HIDDEN}\" where it is secret",
                self.bot
            );
        }
        Ok(())
    }

    async fn exchange_addresses(&mut self, activity: &mut Activity) -> Result<(), OwnLinksError> {
        let Some(base) = self.base.clone() else { return Ok(()) };
        for property in LINKING {
            let Some(json) = activity.properties().get(property) else { continue };
            if ![PATH, GIVEN_OUT, "\\"].iter().any(|part| json.contains(part)) {
                continue;
            }
            let mut found = Vec::new();
            exchange_texts(json, |text| {
                found.extend(self.named(text, &base));
                None
            });
            self.look_up(found).await?;
            let linked = |text: &str| self.known.get(&self.named(text, &base)?).cloned();
            let Some(linked) = exchange_texts(json, linked) else { continue };
            if linked.len() > json.len() + LINKED_GROWTH_BYTES {
                let problem = format!("{property}: it links its files so often that it grows too long");
                return Err(OwnLinksError::TooMuch(problem));
            }
            // JSON in which a text was exchanged for another is JSON.
            let _ = activity.properties_mut().set_json(property, linked.as_bytes());
        }
        Ok(())
    }

    fn named(&self, text: &str, base: &str) -> Option<Named> {
        let given_out = || self.conversations.file_links().given_out(text);
        named(text, base).or_else(|| given_out().map(|(of, file, view)| Named::File(of, file, view)))
    }

    async fn look_up(&mut self, found: Vec<Named>) -> Result<(), OwnLinksError> {
        for named in found {
            if self.known.contains_key(&named) {
                continue;
            }
            if self.known.len() >= LINKED_FILES {
                let problem = format!("the activities link more than {LINKED_FILES} files, the limit");
                return Err(OwnLinksError::TooMuch(problem));
            }
            let link = self.link(&named).await?;
            if link.is_none() {
                tracing::warn!(bot = %self.bot, "Bot {} links a file that is not there, or not any more", self.bot);
            }
            self.known.insert(named, link.unwrap_or_else(|| NOWHERE.to_owned()));
        }
        Ok(())
    }

    async fn link(&self, named: &Named) -> Result<Option<String>, Unavailable> {
        let Named::File(conversation, file, view) = named else { return Ok(None) };
        match self.conversations.file_of_bot(self.bot, conversation, file).await {
            Ok(file) => {
                let file = file.filter(|file| file.view(*view).is_some());
                Ok(file.map(|file| self.conversations.file_links().logged(conversation, &file, *view)))
            }
            Err(Unavailable::NotFound | Unavailable::Damaged(_)) => Ok(None),
            Err(error @ Unavailable::Store(_)) => Err(error),
        }
    }
}

/// What a text leads to, if it is an address of this bot.
fn named(text: &str, base: &str) -> Option<Named> {
    let rest = text.strip_prefix(base.trim_end_matches('/'))?.strip_prefix('/')?;
    let rest = rest.strip_prefix('/').unwrap_or(rest).strip_prefix(PATH)?;
    let file = || {
        let (id, view) = rest.split_once("/views/")?;
        let (conversation, file) = id.split_once('.')?;
        Some(Named::File(conversation.parse().ok()?, file.parse().ok()?, View::parse(view)?))
    };
    Some(file().unwrap_or(Named::Nothing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_known_with_one_slash_and_with_two() {
        let file = || Some(Named::File("c".parse().unwrap(), "f".parse().unwrap(), View::Thumbnail));
        for (text, expected) in [
            ("http://h/connector/x/v3/attachments/c.f/views/thumbnail", file()),
            ("http://h/connector/x//v3/attachments/c.f/views/thumbnail", file()),
            ("http://h/connector/x///v3/attachments/c.f/views/thumbnail", None),
            ("http://h/connector/xv3/attachments/c.f/views/thumbnail", None),
            ("http://h/connector/y/v3/attachments/c.f/views/thumbnail", None),
            (" http://h/connector/x/v3/attachments/c.f/views/thumbnail", None),
            ("http://h/connector/x/v3/conversations/c", None),
            ("http://h/connector/x/v3/attachments/", Some(Named::Nothing)),
            ("http://h/connector/x/v3/attachments/c.f/views/big", Some(Named::Nothing)),
            ("http://h/connector/x/v3/attachments/c.f/views/thumbnail?x", Some(Named::Nothing)),
            ("http://h/connector/x/v3/attachments/f/views/original", Some(Named::Nothing)),
            ("http://h/connector/x/v3/attachments/../f.g/views/original", Some(Named::Nothing)),
        ] {
            assert_eq!(named(text, "http://h/connector/x/"), expected, "{text}");
        }
    }
}
