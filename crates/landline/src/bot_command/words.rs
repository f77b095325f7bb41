//! How bots are described to a person.

use crate::admin::Admin;
use crate::admin::wire::{Bot, NewBot, Slot};
use crate::settings::Sdk;
use crate::table::{facts, table};

/// For `bot list`.
pub(super) fn listed(admin: &Admin, bots: &[Bot]) -> String {
    if bots.is_empty() {
        return format!(
            "There is no bot yet. Add one:\n\n  {}",
            admin.command("bot add NAME --endpoint http://127.0.0.1:3978/api/messages")
        );
    }
    let rows: Vec<_> = bots
        .iter()
        .map(|bot| {
            [
                bot.name.clone(),
                bot.endpoint.clone(),
                bot.app_id.clone().unwrap_or_else(|| "- (anonymous)".into()),
                bot.credentials.len().to_string(),
                bot.delivery.clone(),
                defined_in(&bot.managed_by).into(),
            ]
        })
        .collect();
    table(["NAME", "ENDPOINT", "APP ID", "CREDENTIALS", "DELIVERY", "DEFINED IN"], &rows)
}

/// For `bot show`.
pub(super) fn described(admin: &Admin, bot: &Bot) -> String {
    let mut lines = vec![("endpoint", bot.endpoint.clone()), ("delivery", bot.delivery.clone())];
    match &bot.app_id {
        None => lines.push(("signs in", "no; it is known by the serviceUrl that it is told".into())),
        Some(app_id) => {
            lines.push(("app id", app_id.clone()));
            lines.push(("tenant", bot.tenant.clone().unwrap_or_default()));
            lines.push(("issuer", bot.issuer.clone().unwrap_or_default()));
            lines.push(("service url", bot.service_url.clone().unwrap_or_default()));
            lines.push(("credentials", slots(&bot.credentials)));
        }
    }
    if let Some(outgoing) = &bot.outgoing {
        lines.push(("shown tokens of", format!("{} (scope {})", outgoing.token_url, outgoing.scope)));
    }
    if let Some(pem) = &bot.ca_certificates {
        let many = pem.matches("-----BEGIN CERTIFICATE-----").count();
        lines.push(("certificates", format!("of {many} authorities of its own, and of no others")));
    }
    lines.push(("defined in", defined_in(&bot.managed_by).into()));
    let mut text = format!("Bot {}\n{}", bot.name, facts(&lines));
    if bot.app_id.is_some() && bot.credentials.is_empty() && bot.managed_by != "file" {
        text.push_str(&format!(
            "\nIt has no credential to get access tokens with. Make one:\n\n  {}\n",
            admin.command(&format!("bot credential add {}", bot.name))
        ));
    }
    text
}

/// For `bot add`.
pub(super) fn added(admin: &Admin, new: &NewBot) -> String {
    let bot = &new.bot;
    let name = &bot.name;
    let mut text = format!("Added bot {name}\n\n");
    match (&bot.app_id, &new.credential) {
        (Some(app_id), Some(credential)) => text.push_str(&format!(
            "Its app id is {app_id}. Its credential, made just now; keep it, it is not shown again:\n\n  {}\n\nThe settings for \
             the bot, ready to paste. The credential is filled in if it is in LANDLINE_BOT_CREDENTIAL; with\n--new-credential, \
             another one is made and filled in.\nSDK is one of {}:\n\n  {}\n\n",
            credential.expose(),
            Sdk::all_names(),
            admin.command(&format!("bot settings {name} --sdk SDK")),
        )),
        (Some(app_id), None) => text.push_str(&format!(
            "Its app id is {app_id}. It has no credential: it gets its access tokens elsewhere, from an issuer that the \
             configuration trusts.\n\n"
        )),
        (None, _) => text.push_str(&format!(
            "It has no app id: it takes activities from whoever reaches it, so keep its endpoint to yourself. In its settings, \
             nothing\nhas to be set but what the SDK asks for in this case:\n\n  {}\n\n",
            admin.command(&format!("bot settings {name} --sdk SDK")),
        )),
    }
    text.push_str(&format!(
        "A site lets clients in to it:\n\n  {}\n",
        admin.command(&format!("site add NAME --bot {name}"))
    ));
    text
}

/// Which slots are taken, and since when.
pub(crate) fn slots(slots: &[Slot]) -> String {
    let described: Vec<_> = slots
        .iter()
        .map(|slot| match &slot.created {
            Some(created) => format!("slot {} (since {created})", slot.slot),
            None => format!("slot {}", slot.slot),
        })
        .collect();
    if described.is_empty() { "none".into() } else { described.join(", ") }
}

/// Where something is changed.
pub(crate) fn defined_in(managed_by: &str) -> &str {
    match managed_by {
        "file" => "configuration file",
        "registry" => "data folder",
        other => other,
    }
}
