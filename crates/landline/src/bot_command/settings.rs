//! `landline bot settings`: the block on stdout, remarks on stderr.

use serde_json::json;
use url::Url;

use super::{credential, path};
use crate::admin::Admin;
use crate::admin::wire::{Bot, NewCredential, OneBot};
use crate::cli::bot::SettingsFlags;
use crate::exit::WrongConfiguration;
use crate::output;
use crate::settings::{Known, Sdk, block};

/// Where the credential may be, when it is not made anew.
const CREDENTIAL_VARIABLE: &str = "LANDLINE_BOT_CREDENTIAL";

pub(super) async fn run(admin: &Admin, flags: SettingsFlags) -> anyhow::Result<()> {
    if admin.is_json() {
        let problem = "--json is not for settings, which are ready as they are; `landline bot show --json` has the facts";
        return Err(WrongConfiguration(problem.into()).into());
    }
    let name = flags.name.as_str();
    let bot = admin.get(&path(name)).await?.read::<OneBot>()?.bot;
    let credential = if flags.new_credential && bot.app_id.is_some() {
        Some(make_credential(admin, &bot).await?)
    } else {
        std::env::var(CREDENTIAL_VARIABLE).ok().filter(|value| !value.is_empty())
    };
    print(admin, &bot, flags.sdk, flags.port, credential)
}

async fn make_credential(admin: &Admin, bot: &Bot) -> anyhow::Result<String> {
    let answer = admin.post(&format!("{}/credentials", path(&bot.name)), &json!({})).await?;
    let new: NewCredential = answer.read()?;
    let remove = |slot| admin.command(&format!("bot credential remove {} --slot {slot}", bot.name));
    let what = credential::replaced(&bot.credentials, new.slot, &format!("bot {}", bot.name), remove);
    output::note(&format!("made a new credential in slot {}. {what}", new.slot));
    Ok(new.credential.expose().to_owned())
}

/// The block, and what the server is to be told so that it fits.
pub(super) fn print(
    admin: &Admin,
    bot: &Bot,
    sdk: Sdk,
    port: Option<u16>,
    credential: Option<String>,
) -> anyhow::Result<()> {
    let again = admin.command(&format!("bot settings {} --sdk {} --new-credential", bot.name, sdk.name()));
    let port = port.or_else(|| port_of(&bot.endpoint)).unwrap_or(DEFAULT_BOT_PORT);
    let known = Known { bot, port, credential: credential.as_deref(), again: &again };
    if let Some(wanted) = sdk.better_issuer(bot) {
        output::note(&format!(
            "bot {} is shown tokens of the issuer {}, for which {} fetches keys from Microsoft, whatever it is told. This block \
             says {wanted} instead; tell the server too:\n\n  {}\n",
            bot.name,
            bot.issuer.as_deref().unwrap_or("-"),
            sdk.name(),
            admin.command(&format!("bot set {} --issuer {wanted}", bot.name)),
        ));
    }
    let block = block(sdk, &known);
    for remark in &block.remarks {
        output::note(remark);
    }
    output::line(block.text.trim_end())?;
    Ok(())
}

/// Where the samples of all SDKs listen: for a bot behind a proxy, whose endpoint names no port.
const DEFAULT_BOT_PORT: u16 = 3978;

fn port_of(endpoint: &str) -> Option<u16> {
    Url::parse(endpoint).ok()?.port()
}

#[cfg(test)]
mod tests {
    use super::port_of;

    #[test]
    fn the_port_of_a_bot_is_that_of_its_endpoint() {
        assert_eq!(port_of("http://127.0.0.1:3979/api/messages"), Some(3979));
        assert_eq!(port_of("https://bot.example.org/api/messages"), None);
    }
}
