//! `landline key …`: the keys that tokens are signed with.

use std::process::ExitCode;

use serde_json::json;

use crate::admin::Admin;
use crate::admin::wire::Keys;
use crate::cli::key::{KeyAction, KeyArguments};
use crate::table::table;

pub(crate) async fn run(arguments: KeyArguments) -> anyhow::Result<ExitCode> {
    let admin = Admin::find(&arguments.target)?;
    let (answer, what) = match arguments.action {
        KeyAction::List => (admin.get("/keys").await?, ""),
        KeyAction::Rotate { tokens: true, .. } => (
            admin.post("/keys/tokens", &json!({})).await?,
            "Made a new key for the tokens of clients, which signs from now on. Tokens that were issued go on working until \
             they expire.\n\n",
        ),
        KeyAction::Rotate { now: true, .. } => (
            admin.post("/keys/identity?now=true", &json!({})).await?,
            "Made a new identity key, which signs from now on, and revoked the older ones: tokens that they have signed are \
             refused. Restart the bots: those that keep keys or tokens refuse activities, or are refused, until they fetch \
             new ones.\n\n",
        ),
        KeyAction::Rotate { .. } => (
            admin.post("/keys/identity", &json!({})).await?,
            "Made a new identity key. It is published now and signs when every bot had a day to fetch it; nothing else is to \
             be done.\n\n",
        ),
    };
    admin.show(&answer, |keys: Keys| format!("{what}{}", listed(&keys)))?;
    Ok(ExitCode::SUCCESS)
}

fn listed(keys: &Keys) -> String {
    let rows: Vec<_> = keys
        .identity
        .iter()
        .map(|key| {
            let state = match key.state.as_str() {
                "signing" => "signs".into(),
                "next" => format!("published, signs from {}", key.signs_from),
                "published" => "signed before, still published".into(),
                other => other.to_owned(),
            };
            [key.kid.clone(), key.created.clone(), state]
        })
        .collect();
    let identity = table(["KEY", "MADE", "STATE"], &rows);
    let rows: Vec<_> = keys
        .tokens
        .iter()
        .map(|key| [key.kid.clone(), key.created.clone().unwrap_or_else(|| "-".into())])
        .collect();
    let tokens = table(["KEY", "MADE"], &rows);
    format!("Identity keys, for bots\n\n{identity}\nToken keys, for clients; the newest signs\n\n{tokens}")
}
