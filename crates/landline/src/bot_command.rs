//! `landline bot …`: the bots of a running server.
//!
//! Not here: what may be said (`cli::bot`), the blocks of settings (`settings`).

mod bodies;
mod credential;
mod settings;
mod words;

use std::process::ExitCode;

use serde_json::{Value, json};

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
    let suited = if flags.common.issuer.is_none() { suit(admin, &bot, sdk).await } else { Ok(None) };
    // The credential is in the first answer alone: it is shown whatever became of the second.
    let (better, failed) = match suited {
        Ok(better) => (better, None),
        Err(error) => (None, Some(error)),
    };
    if admin.is_json() {
        let mut whole: Value = answer.read()?;
        if let Some(better) = &better {
            whole["bot"] = better.read::<Value>()?["bot"].take();
        }
        admin.show(&Answer::joined(whole.to_string()), |_: NewBot| String::new())?;
    } else {
        let bot = better.map(|better| better.read::<OneBot>()).transpose()?.map_or(bot, |one| one.bot);
        output::note(&format!(
            "added bot {}; its settings are on stdout, its credential among them",
            bot.name
        ));
        let credential = credential.as_ref().map(|shown| shown.expose().to_owned());
        settings::print(admin, &bot, sdk, flags.port, credential)?;
    }
    failed
        .map_or(Ok(()), |error| Err(error.context("the bot was added, but its issuer could not be changed")))
}

/// Gives the bot the issuer that its SDK needs, which depends on what our own address is. `None` when it has it.
async fn suit(admin: &Admin, bot: &Bot, sdk: Sdk) -> anyhow::Result<Option<Answer>> {
    let Some(wanted) = sdk.better_issuer(bot) else { return Ok(None) };
    admin.patch(&path(&bot.name), &json!({ "issuer": wanted })).await.map(Some)
}

async fn set(admin: &Admin, flags: SetFlags) -> anyhow::Result<()> {
    let secret = secret_input::read(
        flags.common.outgoing_secret_env.as_deref(),
        flags.common.outgoing_secret_file.as_deref(),
    )?;
    let answer: Answer = admin.patch(&path(flags.name.as_str()), &change(&flags, secret)?).await?;
    admin.show(&answer, |OneBot { bot }| format!("Changed. {}", described(admin, &bot)))
}
