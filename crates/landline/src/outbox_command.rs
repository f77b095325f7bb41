//! `landline outbox …`: what waits for bots with queued delivery.

use std::process::ExitCode;

use anyhow::bail;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::admin::wire::{Count, Entry};
use crate::admin::{Admin, Answer};
use crate::cli::outbox::{OutboxAction, OutboxArguments, Which};
use crate::limits::OUTBOX_PAGES;
use crate::table::table;

/// What all pages hold together.
#[derive(Deserialize)]
struct Entries {
    entries: Vec<Entry>,
}

/// A page, its entries as they are.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    entries: Vec<Box<RawValue>>,
    continuation_token: Option<String>,
}

/// All pages as one.
#[derive(Serialize)]
struct Joined {
    entries: Vec<Box<RawValue>>,
}

pub(crate) async fn run(arguments: OutboxArguments) -> anyhow::Result<ExitCode> {
    let admin = Admin::find(&arguments.target)?;
    match arguments.action {
        OutboxAction::List { bot, parked } => {
            let answer = all_pages(&admin, bot.as_ref().map(|bot| bot.as_str()), parked).await?;
            admin.show(&answer, |Entries { entries }| listed(&admin, &entries))?;
        }
        OutboxAction::Retry(which) => {
            let answer = admin.post("/outbox/retry", &body_of(&which)).await?;
            admin.show(&answer, |Count { count }| {
                counted(&admin, &which, count, "goes to its bot now", "go to their bot now")
            })?;
        }
        OutboxAction::Drop(which) => {
            let answer = admin.post("/outbox/drop", &body_of(&which)).await?;
            let one = "is not given to its bot any more; it stays in its conversation";
            let many = "are not given to their bot any more; they stay in their conversations";
            admin.show(&answer, |Count { count }| counted(&admin, &which, count, one, many))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn body_of(which: &Which) -> Value {
    match (&which.activity, &which.bot) {
        (Some(activity), _) => json!({ "activityId": activity.to_string() }),
        (None, bot) => json!({ "bot": bot.as_ref().map(|bot| bot.as_str()), "state": "parked" }),
    }
}

/// Turns pages until there are no more, and makes one answer of them.
async fn all_pages(admin: &Admin, bot: Option<&str>, parked: bool) -> anyhow::Result<Answer> {
    let mut entries = Vec::new();
    let mut next = None;
    for _ in 0..OUTBOX_PAGES {
        let page: Page = admin.get(&path(bot, parked, next.as_deref())).await?.read()?;
        entries.extend(page.entries);
        next = page.continuation_token;
        if next.is_none() {
            return Ok(Answer::joined(serde_json::to_string(&Joined { entries })?));
        }
    }
    bail!("the outbox has more than {OUTBOX_PAGES} pages; name a bot with --bot")
}

fn path(bot: Option<&str>, parked: bool, next: Option<&str>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("bot", bot), ("state", parked.then_some("parked")), ("continuationToken", next)] {
        if let Some(value) = value {
            query.append_pair(key, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { "/outbox".into() } else { format!("/outbox?{query}") }
}

fn listed(admin: &Admin, entries: &[Entry]) -> String {
    if entries.is_empty() {
        return "Nothing waits".into();
    }
    let rows: Vec<_> = entries
        .iter()
        .map(|entry| {
            let last = entry.last_status.map_or_else(|| "-".into(), |status| status.to_string());
            let due = entry.due.clone().unwrap_or_else(|| "-".into());
            let attempts = entry.attempts.to_string();
            [
                entry.activity_id.clone(),
                entry.bot.clone(),
                entry.state.clone(),
                attempts,
                last,
                entry.since.clone(),
                due,
            ]
        })
        .collect();
    let mut text =
        table(["ACTIVITY", "BOT", "STATE", "ATTEMPTS", "LAST STATUS", "SINCE", "NEXT ATTEMPT"], &rows);
    if let Some(parked) = entries.iter().find(|entry| entry.state == "parked") {
        text.push_str(&format!(
            "\nWhat is parked waits for you. Give it to the bot again, or never:\n\n  {}\n  {}\n",
            admin.command(&format!("outbox retry --bot {}", parked.bot)),
            admin.command(&format!("outbox drop --bot {}", parked.bot)),
        ));
    }
    text
}

fn counted(admin: &Admin, which: &Which, count: u64, one: &str, many: &str) -> String {
    match count {
        0 => {
            // What is queued for a bot is not meant by its name, so there may be something in the list all the same.
            let nothing = match &which.bot {
                Some(bot) => format!("Nothing is parked for bot {bot}"),
                None => "It does not wait any more".into(),
            };
            format!("{nothing}, so nothing was done. What waits: {}", admin.command("outbox list"))
        }
        1 => format!("1 activity {one}"),
        _ => format!("{count} activities {many}"),
    }
}
