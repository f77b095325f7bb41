//! `landline secret …`: the secrets of a site.

use std::process::ExitCode;

use serde_json::json;

use crate::admin::Admin;
use crate::admin::wire::{NewSecret, OneSite, Site};
use crate::bot_command::replaced;
use crate::cli::site::{SecretAction, SecretArguments};
use crate::site_command::path;
use crate::table::table;

pub(crate) async fn run(arguments: SecretArguments) -> anyhow::Result<ExitCode> {
    let admin = Admin::find(&arguments.target)?;
    match arguments.action {
        SecretAction::List(of) => {
            let answer = admin.get(&path(of.site.as_str())).await?;
            admin.show(&answer, |OneSite { site }| listed(&admin, &site))?;
        }
        SecretAction::Add(of) => add(&admin, of.site.as_str()).await?,
        SecretAction::Remove { site, slot } => {
            admin.delete(&format!("{}/secrets/{slot}", path(site.as_str()))).await?;
            admin.done(&format!(
                "Removed the secret in slot {slot} of site {site}; it does not work any more. Tokens that it issued go on \
                 working until they expire"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn add(admin: &Admin, site: &str) -> anyhow::Result<()> {
    let before = admin.get(&path(site)).await?.read::<OneSite>()?.site.secrets;
    let answer = admin.post(&format!("{}/secrets", path(site)), &json!({})).await?;
    admin.show(&answer, |new: NewSecret| {
        let remove = |slot| admin.command(&format!("secret remove {site} --slot {slot}"));
        let what = replaced(&before, new.slot, &format!("site {site}"), remove);
        format!(
            "A new secret of site {site}, in slot {}. Keep it; it is not shown again:\n\n  {}\n\n{what}",
            new.slot,
            new.secret.expose(),
        )
    })
}

fn listed(admin: &Admin, site: &Site) -> String {
    if site.secrets.is_empty() {
        let command = admin.command(&format!("secret add {}", site.name));
        return format!("Site {} has no secret. Make one:\n\n  {command}", site.name);
    }
    let since = |created: &Option<String>| created.clone().unwrap_or_else(|| "- (configuration file)".into());
    let rows: Vec<_> =
        site.secrets.iter().map(|slot| [slot.slot.to_string(), since(&slot.created)]).collect();
    table(["SLOT", "SINCE"], &rows)
}
