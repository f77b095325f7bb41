//! The blocks for JavaScript and Python: lines `NAME=value` for a `.env` file.
//!
//! They are read alike by `node --env-file=.env`, dotenv, python-dotenv and `set -a; . ./.env`.

use std::borrow::Cow;
use std::fmt::Write;

use super::{CALLER, Known, SCOPE, Sdk, Values};

pub(super) fn text(sdk: Sdk, known: &Known<'_>) -> String {
    let name = &known.bot.name;
    let what = match sdk {
        Sdk::BotbuilderJs => "botbuilder for JavaScript",
        Sdk::BotbuilderPython => "botbuilder for Python",
        Sdk::AgentsJs => "the Microsoft 365 Agents SDK for JavaScript",
        Sdk::AgentsPython => "the Microsoft 365 Agents SDK for Python",
        Sdk::Dotnet | Sdk::AgentsDotnet => "",
    };
    let mut text = format!("# Bot {name} of Landline, for {what}\n");
    match Values::of(sdk, known.bot) {
        Some(values) => signed_in(&mut text, sdk, &values, known),
        None => anonymous(&mut text, sdk),
    }
    set(&mut text, "PORT", &known.port.to_string());
    text
}

fn signed_in(text: &mut String, sdk: Sdk, values: &Values<'_>, known: &Known<'_>) {
    for line in code(sdk) {
        let _ = writeln!(text, "# {line}"); // writing to a String cannot fail
    }
    for (name, value) in names(sdk, values) {
        set(text, name, &value);
    }
    let _ = writeln!(
        text,
        "# Where it gets its access tokens, and its credential for that; keep that to yourself"
    );
    set(text, "IDENTITY_ENDPOINT", &values.identity_endpoint());
    match known.credential {
        Some(credential) => set(text, "IDENTITY_HEADER", credential),
        None => {
            let _ = writeln!(
                text,
                "# Fill in the credential here, or make a new one and have it filled in: {}",
                known.again
            );
            set(text, "IDENTITY_HEADER", "");
        }
    }
}

/// What the code of the bot has to look like, in comments.
fn code(sdk: Sdk) -> &'static [&'static str] {
    match sdk {
        Sdk::BotbuilderJs => &[
            "The bot reads it as in the samples: new ConfigurationBotFrameworkAuthentication(process.env)",
            "Do not set MicrosoftAppPassword beside it",
        ],
        Sdk::BotbuilderPython => {
            &["The bot reads it with ConfigurationBotFrameworkAuthentication(SimpleNamespace(**os.environ))"]
        }
        Sdk::AgentsJs => &["The bot reads it as in the samples: loadAuthConfigFromEnv()"],
        Sdk::AgentsPython => &[
            "The bot reads it as in the samples: load_configuration_from_env(os.environ). Before it starts, it is told where",
            "the keys of this issuer are:",
            "  from microsoft_agents.hosting.core.authorization._entra_issuers import BOTFRAMEWORK_JWKS_URIS",
            "  BOTFRAMEWORK_JWKS_URIS[os.environ[\"LANDLINE_ISSUER\"]] = os.environ[\"LANDLINE_KEYS_URL\"]",
        ],
        Sdk::Dotnet | Sdk::AgentsDotnet => &[],
    }
}

/// The names that the SDK reads, with their values.
fn names(sdk: Sdk, values: &Values<'_>) -> Vec<(&'static str, String)> {
    let Values { app_id, tenant, issuer, base } = values;
    let (app_id, tenant, issuer) = (app_id.to_string(), tenant.to_string(), issuer.to_string());
    let login = format!("{base}/{tenant}");
    match sdk {
        Sdk::BotbuilderJs => vec![
            ("MicrosoftAppType", "UserAssignedMsi".into()),
            ("MicrosoftAppId", app_id),
            ("MicrosoftAppTenantId", tenant),
            ("ValidateAuthority", "true".into()),
            ("ToChannelFromBotLoginUrl", login),
            ("ToChannelFromBotOAuthScope", SCOPE.into()),
            ("ToBotFromChannelTokenIssuer", issuer),
            ("ToBotFromChannelOpenIdMetadataUrl", values.metadata()),
            ("ToBotFromEmulatorOpenIdMetadataUrl", values.tenant_metadata()),
            ("OAuthUrl", base.to_string()),
            ("CallerId", CALLER.into()),
        ],
        Sdk::BotbuilderPython => vec![
            ("APP_TYPE", "UserAssignedMsi".into()),
            ("APP_ID", app_id),
            ("APP_TENANTID", tenant),
            ("VALIDATE_AUTHORITY", "true".into()),
            ("TO_CHANNEL_FROM_BOT_LOGIN_URL", login),
            ("TO_CHANNEL_FROM_BOT_OAUTH_SCOPE", SCOPE.into()),
            ("TO_BOT_FROM_CHANNEL_TOKEN_ISSUER", issuer),
            ("TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL", values.metadata()),
            ("TO_BOT_FROM_EMULATOR_OPENID_METADATA_URL", values.tenant_metadata()),
            ("OAUTH_URL", base.to_string()),
            ("CALLER_ID", CALLER.into()),
        ],
        Sdk::AgentsJs => vec![
            ("Connections__serviceConnection__Settings__authType", "UserManagedIdentity".into()),
            ("Connections__serviceConnection__Settings__clientId", app_id),
            ("Connections__serviceConnection__Settings__tenantId", tenant),
            // Without a tenant behind it: the SDK appends one to make the address of the keys.
            ("Connections__serviceConnection__Settings__authorityEndpoint", base.to_string()),
            ("Connections__serviceConnection__Settings__issuers", issuer),
            // Without it, whoever these keys signed for is let in, also other bots.
            ("Connections__serviceConnection__Settings__validateIssuer", "true".into()),
            ("ConnectionsMap__0__serviceUrl", "*".into()),
            ("ConnectionsMap__0__connection", "serviceConnection".into()),
        ],
        Sdk::AgentsPython => vec![
            ("CONNECTIONS__SERVICE_CONNECTION__SETTINGS__AUTHTYPE", "UserManagedIdentity".into()),
            ("CONNECTIONS__SERVICE_CONNECTION__SETTINGS__CLIENTID", app_id),
            ("CONNECTIONS__SERVICE_CONNECTION__SETTINGS__TENANTID", tenant),
            ("CONNECTIONS__SERVICE_CONNECTION__SETTINGS__ISSUERS", issuer.clone()),
            ("CONNECTIONS__SERVICE_CONNECTION__SETTINGS__VALIDATE_ISSUER", "true".into()),
            ("LANDLINE_ISSUER", issuer),
            ("LANDLINE_KEYS_URL", format!("{base}/v1/.well-known/keys")),
        ],
        Sdk::Dotnet | Sdk::AgentsDotnet => Vec::new(),
    }
}

/// A bot without an app id needs nothing, and nothing else may be left over from before.
fn anonymous(text: &mut String, sdk: Sdk) {
    let empty: &[&str] = match sdk {
        Sdk::BotbuilderJs => {
            &["MicrosoftAppId", "MicrosoftAppPassword", "MicrosoftAppType", "MicrosoftAppTenantId"]
        }
        Sdk::BotbuilderPython => &["APP_ID", "APP_PASSWORD", "APP_TYPE", "APP_TENANTID"],
        Sdk::AgentsJs => &["clientId", "clientSecret", "tenantId"],
        Sdk::AgentsPython | Sdk::Dotnet | Sdk::AgentsDotnet => &[],
    };
    let _ = writeln!(
        text,
        "# It has no app id, so nobody signs in: it takes activities from whoever reaches it. Keep it to yourself"
    );
    if sdk == Sdk::AgentsPython {
        set(text, "CONNECTIONS__SERVICE_CONNECTION__SETTINGS__ANONYMOUS_ALLOWED", "true");
        return;
    }
    let _ = writeln!(text, "# All of this stays empty");
    for name in empty {
        set(text, name, "");
    }
}

fn set(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "{name}={}", quoted(value));
}

/// As all who read it take it for one value. What was made here needs no quotes; a name that the operator chose might.
fn quoted(value: &str) -> Cow<'_, str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,*?".contains(c);
    if value.chars().all(plain) { value.into() } else { format!("'{value}'").into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_needs_quotes_has_them() {
        for plain in ["", "*", "llc_0aZ", "http://127.0.0.1:3000/msi/token", "5a4f-0"] {
            assert_eq!(quoted(plain), plain);
        }
        for (value, shown) in [("a#b", "'a#b'"), ("$HOME", "'$HOME'"), ("a;b", "'a;b'")] {
            assert_eq!(quoted(value), shown);
        }
    }
}
