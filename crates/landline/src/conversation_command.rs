//! `landline conversation …`: the conversations of a running server.

use std::process::ExitCode;

use anyhow::bail;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::form_urlencoded;

use crate::admin::wire::{Conversation, File, OneConversation};
use crate::admin::{Admin, Answer};
use crate::cli::conversation::{ConversationAction, ConversationArguments};
use crate::limits::CONVERSATION_PAGES;
use crate::table::{facts, table};

/// What all pages hold together.
#[derive(Deserialize)]
struct Conversations {
    conversations: Vec<Conversation>,
    #[serde(default)]
    damaged: Vec<String>,
}

/// A page, its entries as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    conversations: Vec<Box<RawValue>>,
    #[serde(default)]
    damaged: Vec<String>,
    continuation_token: Option<String>,
}

/// All pages as one.
#[derive(Default, Serialize)]
struct Joined {
    conversations: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<String>,
}

pub(crate) async fn run(arguments: ConversationArguments) -> anyhow::Result<ExitCode> {
    let admin = Admin::find(&arguments.target)?;
    match arguments.action {
        ConversationAction::List { bot, site } => {
            let (bot, site) = (bot.as_ref().map(|bot| bot.as_str()), site.as_ref().map(|site| site.as_str()));
            let answer = all_pages(&admin, bot, site).await?;
            admin.show(&answer, |all: Conversations| listed(&all))?;
        }
        ConversationAction::Show(which) => {
            let answer = admin.get(&path(which.id.as_str())).await?;
            admin.show(&answer, |OneConversation { conversation }| described(&conversation))?;
        }
        ConversationAction::Delete { which, purge } => {
            let id = which.id;
            admin.delete(&path(id.as_str())).await?;
            admin.done(&format!(
                "Deleted conversation {id} and everything in it; nobody gets at it any more"
            ))?;
            if purge {
                purged(&admin).await?;
            }
        }
        ConversationAction::Purge => purged(&admin).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn purged(admin: &Admin) -> anyhow::Result<()> {
    admin.purge().await?;
    admin.done("Purged: what was deleted stands in no file of the data folder any more")
}

/// Ids of conversations are safe in a path.
fn path(id: &str) -> String {
    format!("/conversations/{id}")
}

/// Turns pages until there are no more, and makes one answer of them.
async fn all_pages(admin: &Admin, bot: Option<&str>, site: Option<&str>) -> anyhow::Result<Answer> {
    let mut all = Joined::default();
    let mut next = None;
    for _ in 0..CONVERSATION_PAGES {
        let page: Page = admin.get(&list_path(bot, site, next.as_deref())).await?.read()?;
        all.conversations.extend(page.conversations);
        all.damaged.extend(page.damaged);
        next = page.continuation_token;
        if next.is_none() {
            return Ok(Answer::joined(serde_json::to_string(&all)?));
        }
    }
    bail!(
        "there are more than {CONVERSATION_PAGES} pages of conversations; name a bot or a site with --bot, --site"
    )
}

fn list_path(bot: Option<&str>, site: Option<&str>, next: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("bot", bot), ("site", site), ("continuationToken", next)] {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/conversations".into() } else { format!("/conversations?{query}") }
}

fn listed(all: &Conversations) -> String {
    let mut text = if all.conversations.is_empty() {
        "There is none\n".to_owned()
    } else {
        let row = |one: &Conversation| {
            [
                one.id.clone(),
                one.site.clone(),
                one.bot.clone(),
                one.members.to_string(),
                one.activities.to_string(),
                one.files.to_string(),
                one.created.clone(),
                one.last_activity.clone(),
            ]
        };
        let rows: Vec<_> = all.conversations.iter().map(row).collect();
        table(
            ["CONVERSATION", "SITE", "BOT", "MEMBERS", "ACTIVITIES", "FILES", "STARTED", "LAST ACTIVITY"],
            &rows,
        )
    };
    if !all.damaged.is_empty() {
        text.push_str(&format!(
            "\nThese are damaged, and 503 to everybody; stop the server and see what `landline check` says:\n\n  {}\n",
            all.damaged.join("\n  ")
        ));
    }
    text
}

fn described(one: &Conversation<Vec<File>>) -> String {
    let files = |file: &File| {
        let until = file.until.clone().unwrap_or_else(|| "the conversation ends".to_owned());
        format!("{} ({} bytes, {}, until {until})", file.name, file.size, file.id)
    };
    let files: Vec<_> = one.files.iter().map(files).collect();
    let lines = [
        ("site", one.site.clone()),
        ("bot", one.bot.clone()),
        ("started", one.created.clone()),
        ("last activity", one.last_activity.clone()),
        ("members", one.members.to_string()),
        ("activities", one.activities.to_string()),
        ("files", if files.is_empty() { "none".to_owned() } else { files.join(", ") }),
    ];
    format!("Conversation {}\n{}", one.id, facts(&lines))
}
