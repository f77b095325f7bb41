//! From flags to what the admin API is sent.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use crate::cli::bot::{AddFlags, CommonFlags, Delivery, SetFlags};
use crate::exit::WrongConfiguration;
use crate::limits::CERTIFICATES_BYTES;

/// Stands for "as it is when nothing is said".
const DEFAULT: &str = "default";

/// For `bot add`.
pub(super) fn addition(flags: &AddFlags, secret: Option<String>) -> anyhow::Result<Value> {
    let names_outgoing = flags.common.outgoing_token_url.is_some() || flags.common.outgoing_scope.is_some();
    if names_outgoing && secret.is_none() {
        let problem = "--outgoing-token-url and --outgoing-scope need the bot's own secret for them too: name the environment \
                       variable that holds it with --outgoing-secret-env, or the file with --outgoing-secret-file";
        return Err(WrongConfiguration(problem.into()).into());
    }
    let mut body = common(&flags.common, secret)?;
    body.insert("name".into(), flags.name.as_str().into());
    body.insert("endpoint".into(), flags.endpoint.as_str().into());
    if !flags.anonymous {
        let app_id = flags.app_id.as_deref().map_or(Value::Bool(true), Value::from);
        body.insert("appId".into(), app_id);
        body.insert("credential".into(), (!flags.no_credential).into());
    }
    // The default is what happens without the key.
    body.retain(|_, value| !value.is_null());
    Ok(Value::Object(body))
}

/// For `bot set`.
pub(super) fn change(flags: &SetFlags, secret: Option<String>) -> anyhow::Result<Value> {
    let mut body = common(&flags.common, secret)?;
    if let Some(endpoint) = &flags.endpoint {
        body.insert("endpoint".into(), endpoint.as_str().into());
    }
    let app_id = match &flags.app_id {
        Some(app_id) => Some(Value::from(app_id.as_str())),
        None if flags.new_app_id => Some(Value::Bool(true)),
        None if flags.anonymous => Some(Value::Null),
        None => None,
    };
    if let Some(app_id) = app_id {
        body.insert("appId".into(), app_id);
    }
    if flags.no_outgoing {
        body.insert("outgoing".into(), Value::Null);
    }
    if body.is_empty() {
        let problem = "say what to change; `landline bot set --help` shows what can be changed";
        return Err(WrongConfiguration(problem.into()).into());
    }
    Ok(Value::Object(body))
}

fn common(flags: &CommonFlags, secret: Option<String>) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    for (key, value) in [("tenant", &flags.tenant), ("issuer", &flags.issuer)] {
        if let Some(value) = value {
            let value = if value == DEFAULT { Value::Null } else { value.as_str().into() };
            body.insert(key.into(), value);
        }
    }
    if let Some(delivery) = flags.delivery {
        let word = match delivery {
            Delivery::Wait => "wait",
            Delivery::Queued => "queued",
        };
        body.insert("delivery".into(), word.into());
    }
    if let Some(path) = &flags.ca_certificates {
        let value = if path == Path::new(DEFAULT) { Value::Null } else { read_certificates(path)?.into() };
        body.insert("caCertificates".into(), value);
    }
    let outgoing = [
        ("tokenUrl", flags.outgoing_token_url.as_ref().map(|url| url.as_str().to_owned())),
        ("scope", flags.outgoing_scope.clone()),
        ("clientSecret", secret),
    ];
    let outgoing: Map<_, _> =
        outgoing.into_iter().filter_map(|(key, value)| Some((key.to_owned(), json!(value?)))).collect();
    if outgoing.is_empty() {
        return Ok(body);
    }
    body.insert("outgoing".into(), Value::Object(outgoing));
    Ok(body)
}

/// The text of a file of certificates; a pipe will do.
fn read_certificates(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("cannot read {shown}"))?;
    let mut text = String::new();
    let read = file.take(CERTIFICATES_BYTES + 1).read_to_string(&mut text);
    if read.with_context(|| format!("cannot read {shown}"))? as u64 > CERTIFICATES_BYTES {
        bail!(
            "{shown} holds more than {CERTIFICATES_BYTES} bytes; leave out authorities that this bot does not need, or name \
             the file in the configuration of the server"
        );
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::bot::BotAction;
    use crate::cli::{Arguments, Command};

    fn body(line: &str, secret: Option<&str>) -> Value {
        let Command::Bot(bot) = Arguments::try_parse_from(line.split(' ')).unwrap().command else {
            panic!("no bot command")
        };
        match bot.action {
            BotAction::Add(flags) => addition(&flags, secret.map(Into::into)).unwrap(),
            BotAction::Set(flags) => change(&flags, secret.map(Into::into)).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bot_signs_in_unless_it_is_anonymous() {
        let add = "landline bot add echo --endpoint http://localhost/m";
        assert_eq!(
            body(add, None),
            json!({"name": "echo", "endpoint": "http://localhost/m", "appId": true, "credential": true})
        );
        assert_eq!(
            body(&format!("{add} --anonymous --delivery queued"), None),
            json!({"name": "echo", "endpoint": "http://localhost/m", "delivery": "queued"})
        );
        assert_eq!(
            body(&format!("{add} --app-id a-1 --no-credential --tenant t --issuer default"), None),
            json!({"name": "echo", "endpoint": "http://localhost/m", "appId": "a-1", "credential": false, "tenant": "t"})
        );
        assert_eq!(
            body(
                &format!(
                    "{add} --outgoing-scope s --outgoing-token-url http://login/ --outgoing-secret-env X"
                ),
                Some("sss")
            )["outgoing"],
            json!({"scope": "s", "tokenUrl": "http://login/", "clientSecret": "sss"})
        );
    }

    #[test]
    fn only_what_is_named_is_changed() {
        let set = "landline bot set echo";
        assert_eq!(body(&format!("{set} --delivery wait"), None), json!({"delivery": "wait"}));
        assert_eq!(
            body(&format!("{set} --issuer default --tenant default --anonymous --no-outgoing"), None),
            json!({"issuer": null, "tenant": null, "appId": null, "outgoing": null})
        );
        assert_eq!(body(&format!("{set} --new-app-id"), None), json!({"appId": true}));
        assert_eq!(
            body(&format!("{set} --outgoing-secret-env X"), Some("s")),
            json!({"outgoing": {"clientSecret": "s"}})
        );
    }
}
