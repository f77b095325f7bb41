//! `landline bot …`: the bots of a running server.
//!
//! Not here: what may be said (`cli::bot`), the blocks of settings (`settings`).

mod bodies;
mod credential;
mod settings;
mod words;

use std::process::ExitCode;

use serde_json::json;

use self::bodies::{addition, change};
pub(crate) use self::credential::replaced;
use self::words::{added, described, listed};
pub(crate) use self::words::{defined_in, slots};
use crate::admin::wire::{Bot, Bots, NewBot, OneBot};
use crate::admin::{Admin, Answer};
use crate::cli::bot::{AddFlags, BotAction, BotArguments, SetFlags};
use crate::settings::Sdk;
use crate::{output, secret_input};

pub(crate) async fn run(arguments: BotArguments) -> anyhow::Result<ExitCode> {
    let admin = Admin::find(&arguments.target)?;
    match arguments.action {
        BotAction::List => {
            let answer = admin.get("/bots").await?;
            admin.show(&answer, |Bots { bots }| listed(&admin, &bots))?;
        }
        BotAction::Show(named) => {
            let answer = admin.get(&path(named.name.as_str())).await?;
            admin.show(&answer, |OneBot { bot }| described(&admin, &bot))?;
        }
        BotAction::Add(flags) => add(&admin, *flags).await?,
        BotAction::Set(flags) => set(&admin, *flags).await?,
        BotAction::Remove(named) => {
            let name = named.name;
            admin.delete(&path(name.as_str())).await?;
            admin.done(&format!(
                "Removed bot {name}: nothing is sent to it any more, and what it shows is refused. Its conversations stay \
                 until their time is over"
            ))?;
        }
        BotAction::Credential(action) => credential::run(&admin, action).await?,
        BotAction::NewAddress(named) => {
            let answer = admin.post(&format!("{}/capability", path(named.name.as_str())), &json!({})).await?;
            admin.show(&answer, |OneBot { bot }| {
                format!(
                    "Bot {} has a new address to answer to, which it is told with the next activity; the old one does not \
                     work any more",
                    bot.name
                )
            })?;
        }
        BotAction::Settings(flags) => settings::run(&admin, flags).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a bot is in the admin API. Names of bots are safe in a path.
fn path(name: &str) -> String {
    format!("/bots/{name}")
}

async fn add(admin: &Admin, flags: AddFlags) -> anyhow::Result<()> {
    let secret = secret_input::read(
        flags.common.outgoing_secret_env.as_deref(),
        flags.common.outgoing_secret_file.as_deref(),
    )?;
    let answer = admin.post("/bots", &addition(&flags, secret)?).await?;
    let Some(sdk) = flags.sdk else {
        return admin.show(&answer, |new: NewBot| added(admin, &new));
    };
    let NewBot { bot, credential } = answer.read()?;
    let bot = if flags.common.issuer.is_none() { suit(admin, bot, sdk).await? } else { bot };
    if admin.is_json() {
        // The credential is in this answer alone.
        return admin.show(&answer, |_: NewBot| String::new());
    }
    output::note(&format!("added bot {}; its settings are on stdout, its credential among them", bot.name));
    settings::print(admin, &bot, sdk, flags.port, credential.as_ref().map(|shown| shown.expose().to_owned()))
}

/// Gives the bot the issuer that its SDK asks for, which depends on what our own address is.
async fn suit(admin: &Admin, bot: Bot, sdk: Sdk) -> anyhow::Result<Bot> {
    let Some(wanted) = sdk.better_issuer(&bot) else { return Ok(bot) };
    let answer = admin.patch(&path(&bot.name), &json!({ "issuer": wanted })).await?;
    Ok(answer.read::<OneBot>()?.bot)
}

async fn set(admin: &Admin, flags: SetFlags) -> anyhow::Result<()> {
    let secret = secret_input::read(
        flags.common.outgoing_secret_env.as_deref(),
        flags.common.outgoing_secret_file.as_deref(),
    )?;
    let answer: Answer = admin.patch(&path(flags.name.as_str()), &change(&flags, secret)?).await?;
    admin.show(&answer, |OneBot { bot }| format!("Changed. {}", described(admin, &bot)))
}
