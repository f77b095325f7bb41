//! `landline site …`: the sites of a running server.

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::admin::Admin;
use crate::admin::wire::{NewSite, OneSite, Site, Sites};
use crate::bot_command::{defined_in, slots};
use crate::cli::site::{CommonFlags, EmptyWatermark, SetFlags, SiteAction, SiteArguments};
use crate::exit::WrongConfiguration;
use crate::table::{facts, table};

pub(crate) async fn run(arguments: SiteArguments) -> anyhow::Result<ExitCode> {
    let admin = Admin::find(&arguments.target)?;
    match arguments.action {
        SiteAction::List => {
            let answer = admin.get("/sites").await?;
            admin.show(&answer, |Sites { sites }| listed(&admin, &sites))?;
        }
        SiteAction::Show(named) => {
            let answer = admin.get(&path(named.name.as_str())).await?;
            admin.show(&answer, |OneSite { site }| described(&site))?;
        }
        SiteAction::Add { name, bot, common } => {
            let mut body = body_of(&common);
            body.insert("name".into(), name.as_str().into());
            body.insert("bot".into(), bot.as_str().into());
            let answer = admin.post("/sites", &Value::Object(body)).await?;
            admin.show(&answer, |new: NewSite| added(&admin, &new))?;
        }
        SiteAction::Set(flags) => set(&admin, &flags).await?,
        SiteAction::Remove(named) => {
            let name = named.name;
            admin.delete(&path(name.as_str())).await?;
            admin.done(&format!(
                "Removed site {name}: its secrets and the tokens that they issued do not work any more. Its conversations stay \
                 in the data folder until their time is over"
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a site is in the admin API. Names of sites are safe in a path.
pub(crate) fn path(name: &str) -> String {
    format!("/sites/{name}")
}

async fn set(admin: &Admin, flags: &SetFlags) -> anyhow::Result<()> {
    let mut body = body_of(&flags.common);
    if let Some(bot) = &flags.bot {
        body.insert("bot".into(), bot.as_str().into());
    }
    if body.is_empty() {
        let problem = "say what to change; `landline site set --help` shows what can be changed";
        return Err(WrongConfiguration(problem.into()).into());
    }
    let answer = admin.patch(&path(flags.name.as_str()), &Value::Object(body)).await?;
    admin.show(&answer, |OneSite { site }| format!("Changed. {}", described(&site)))
}

fn body_of(flags: &CommonFlags) -> Map<String, Value> {
    let empty_watermark = flags.empty_watermark.map(|empty| match empty {
        EmptyWatermark::History => "history".to_owned(),
        EmptyWatermark::New => "new".to_owned(),
    });
    let files = flags.files.as_ref().map(|files| if files == "default" { Value::Null } else { json!(files) });
    // A list that is not named stays as it is.
    let origins = Some(&flags.trusted_origins).filter(|origins| !origins.is_empty());
    [
        ("tokenLifetime", flags.token_lifetime.as_ref().map(|time| json!(time))),
        ("emptyWatermark", empty_watermark.map(|empty| json!(empty))),
        ("retention", flags.retention.as_ref().map(|time| json!(time))),
        ("files", files),
        ("enhancedAuthentication", flags.enhanced_authentication.map(|on| json!(on))),
        ("trustedOrigins", origins.map(|origins| json!(origins))),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}

fn listed(admin: &Admin, sites: &[Site]) -> String {
    if sites.is_empty() {
        return format!(
            "There is no site yet, so no client can come in. Add one:\n\n  {}",
            admin.command("site add NAME --bot BOT")
        );
    }
    let rows: Vec<_> = sites
        .iter()
        .map(|site| {
            [
                site.name.clone(),
                site.bot.clone(),
                site.secrets.len().to_string(),
                site.token_lifetime.clone(),
                site.empty_watermark.clone(),
                site.retention.clone(),
                if site.enhanced_authentication { "yes".into() } else { "no".into() },
                defined_in(&site.managed_by).into(),
            ]
        })
        .collect();
    table(
        ["NAME", "BOT", "SECRETS", "TOKENS LIVE", "EMPTY WATERMARK", "KEPT FOR", "ENHANCED", "DEFINED IN"],
        &rows,
    )
}

fn described(site: &Site) -> String {
    let lines = [
        ("bot", site.bot.clone()),
        ("secrets", slots(&site.secrets)),
        ("token lifetime", site.token_lifetime.clone()),
        ("empty watermark", site.empty_watermark.clone()),
        ("retention", site.retention.clone()),
        ("files", site.files.clone().unwrap_or_else(|| "as the limits say".to_owned())),
        ("enhanced", if site.enhanced_authentication { "on".into() } else { "off".into() }),
        ("trusted origins", trusted_origins(site)),
        ("defined in", defined_in(&site.managed_by).into()),
    ];
    format!("Site {}\n{}", site.name, facts(&lines))
}

fn trusted_origins(site: &Site) -> String {
    let origins = site.trusted_origins.join(", ");
    match (origins.is_empty(), site.enhanced_authentication) {
        (true, _) => "any".to_owned(),
        (false, true) => origins,
        (false, false) => format!("any (with enhanced authentication: {origins})"),
    }
}

fn added(admin: &Admin, new: &NewSite) -> String {
    let Site { name, bot, .. } = &new.site;
    format!(
        "Added site {name} in front of bot {bot}. Its secret, made just now; keep it, it is not shown again:\n\n  {}\n\nIt is \
         for your site's server, never for a page: with it, that server asks for a token for each visitor\n(POST \
         /v3/directline/tokens/generate with `authorization: Bearer SECRET`). To change it without a gap:\n\n  {}\n",
        new.secret.expose(),
        admin.command(&format!("secret add {name}")),
    )
}
