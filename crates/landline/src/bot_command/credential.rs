//! `landline bot credential …`.

use serde_json::json;

use super::path;
use crate::admin::Admin;
use crate::admin::wire::{NewCredential, OneBot, Slot};
use crate::cli::bot::CredentialAction;
use crate::exit::WrongConfiguration;

pub(super) async fn run(admin: &Admin, action: CredentialAction) -> anyhow::Result<()> {
    match action {
        CredentialAction::Add(named) => {
            let name = named.name.as_str();
            let bot = admin.get(&path(name)).await?.read::<OneBot>()?.bot;
            if bot.app_id.is_none() {
                let problem = format!(
                    "bot {name} has no app id, so it has nothing to show a credential for; to make it sign in: {}",
                    admin.command(&format!("bot set {name} --new-app-id"))
                );
                return Err(WrongConfiguration(problem).into());
            }
            let answer = admin.post(&format!("{}/credentials", path(name)), &json!({})).await?;
            admin.show(&answer, |new: NewCredential| {
                let remove = |slot| admin.command(&format!("bot credential remove {name} --slot {slot}"));
                let what = replaced(&bot.credentials, new.slot, &format!("bot {name}"), remove);
                format!(
                    "A new credential of bot {name}, in slot {}. Keep it; it is not shown again:\n\n  {}\n\n{what}",
                    new.slot,
                    new.credential.expose(),
                )
            })
        }
        CredentialAction::Remove { name, slot } => {
            let name = name.as_str();
            admin.delete(&format!("{}/credentials/{slot}", path(name))).await?;
            admin.done(&format!(
                "Removed the credential in slot {slot} of bot {name}; it does not work any more. Access tokens that were got \
                 with it live for up to an hour"
            ))
        }
    }
}

/// What became of those that were there before.
pub(crate) fn replaced(before: &[Slot], slot: u8, whose: &str, remove: impl Fn(u8) -> String) -> String {
    if before.iter().any(|old| old.slot == slot) {
        return format!("It replaces the older one of {whose}, which does not work any more");
    }
    match before.first() {
        Some(other) => format!(
            "The one in slot {} works as well. When the new one is in use everywhere, remove the old one:\n\n  {}",
            other.slot,
            remove(other.slot)
        ),
        None => format!("It is the only one of {whose}"),
    }
}
