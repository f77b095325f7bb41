//! The blocks, whole: what is printed is what people paste.

use super::*;

const APP_ID: &str = "5a4f3f0e-0000-4000-8000-000000000001";

fn bot(app_id: Option<&str>, issuer: &str) -> Bot {
    Bot {
        name: "echo".into(),
        endpoint: "http://127.0.0.1:3978/api/messages".into(),
        app_id: app_id.map(Into::into),
        tenant: Some("botframework.com".into()),
        issuer: Some(issuer.into()),
        delivery: "wait".into(),
        credentials: Vec::new(),
        outgoing: None,
        ca_certificates: None,
        service_url: None,
        base_url: "http://127.0.0.1:3000".into(),
        managed_by: "registry".into(),
    }
}

fn print(sdk: Sdk, bot: &Bot, credential: Option<&str>) -> Block {
    let again = "landline bot settings echo --sdk SDK --new-credential";
    block(sdk, &Known { bot, port: 3978, credential, again })
}

#[track_caller]
fn check(sdk: Sdk, issuer: &str, expected: &str) {
    let block = print(sdk, &bot(Some(APP_ID), issuer), Some("c-r-e-d"));
    assert_eq!(block.text, expected);
    assert!(block.remarks.is_empty(), "{:?}", block.remarks);
}

#[test]
fn botbuilder_js() {
    check(
        Sdk::BotbuilderJs,
        MICROSOFTS_ISSUER,
        "\
# Bot echo of Landline, for botbuilder for JavaScript
# The bot reads it as in the samples: new ConfigurationBotFrameworkAuthentication(process.env)
# Do not set MicrosoftAppPassword beside it
MicrosoftAppType=UserAssignedMsi
MicrosoftAppId=5a4f3f0e-0000-4000-8000-000000000001
MicrosoftAppTenantId=botframework.com
ValidateAuthority=true
ToChannelFromBotLoginUrl=http://127.0.0.1:3000/botframework.com
ToChannelFromBotOAuthScope=https://api.botframework.com
ToBotFromChannelTokenIssuer=https://api.botframework.com
ToBotFromChannelOpenIdMetadataUrl=http://127.0.0.1:3000/v1/.well-known/openidconfiguration
ToBotFromEmulatorOpenIdMetadataUrl=http://127.0.0.1:3000/botframework.com/v2.0/.well-known/openid-configuration
OAuthUrl=http://127.0.0.1:3000
CallerId=urn:botframework:azure
# Where it gets its access tokens, and its credential for that; keep that to yourself
IDENTITY_ENDPOINT=http://127.0.0.1:3000/msi/token
IDENTITY_HEADER=c-r-e-d
PORT=3978
",
    );
}

#[test]
fn botbuilder_python() {
    check(
        Sdk::BotbuilderPython,
        MICROSOFTS_ISSUER,
        "\
# Bot echo of Landline, for botbuilder for Python
# The bot reads it with ConfigurationBotFrameworkAuthentication(SimpleNamespace(**os.environ))
APP_TYPE=UserAssignedMsi
APP_ID=5a4f3f0e-0000-4000-8000-000000000001
APP_TENANTID=botframework.com
VALIDATE_AUTHORITY=true
TO_CHANNEL_FROM_BOT_LOGIN_URL=http://127.0.0.1:3000/botframework.com
TO_CHANNEL_FROM_BOT_OAUTH_SCOPE=https://api.botframework.com
TO_BOT_FROM_CHANNEL_TOKEN_ISSUER=https://api.botframework.com
TO_BOT_FROM_CHANNEL_OPENID_METADATA_URL=http://127.0.0.1:3000/v1/.well-known/openidconfiguration
TO_BOT_FROM_EMULATOR_OPENID_METADATA_URL=http://127.0.0.1:3000/botframework.com/v2.0/.well-known/openid-configuration
OAUTH_URL=http://127.0.0.1:3000
CALLER_ID=urn:botframework:azure
# Where it gets its access tokens, and its credential for that; keep that to yourself
IDENTITY_ENDPOINT=http://127.0.0.1:3000/msi/token
IDENTITY_HEADER=c-r-e-d
PORT=3978
",
    );
}

#[test]
fn agents_js() {
    check(
        Sdk::AgentsJs,
        "http://127.0.0.1:3000",
        "\
# Bot echo of Landline, for the Microsoft 365 Agents SDK for JavaScript
# The bot reads it as in the samples: loadAuthConfigFromEnv()
Connections__serviceConnection__Settings__authType=UserManagedIdentity
Connections__serviceConnection__Settings__clientId=5a4f3f0e-0000-4000-8000-000000000001
Connections__serviceConnection__Settings__tenantId=botframework.com
Connections__serviceConnection__Settings__authorityEndpoint=http://127.0.0.1:3000
Connections__serviceConnection__Settings__issuers=http://127.0.0.1:3000
Connections__serviceConnection__Settings__validateIssuer=true
ConnectionsMap__0__serviceUrl=*
ConnectionsMap__0__connection=serviceConnection
# Where it gets its access tokens, and its credential for that; keep that to yourself
IDENTITY_ENDPOINT=http://127.0.0.1:3000/msi/token
IDENTITY_HEADER=c-r-e-d
PORT=3978
",
    );
}

#[test]
fn agents_python() {
    check(
        Sdk::AgentsPython,
        MICROSOFTS_ISSUER,
        "\
# Bot echo of Landline, for the Microsoft 365 Agents SDK for Python
# The bot reads it as in the samples: load_configuration_from_env(os.environ). Before it starts, it is told where
# the keys of this issuer are:
#   from microsoft_agents.hosting.core.authorization._entra_issuers import BOTFRAMEWORK_JWKS_URIS
#   BOTFRAMEWORK_JWKS_URIS[os.environ[\"LANDLINE_ISSUER\"]] = os.environ[\"LANDLINE_KEYS_URL\"]
CONNECTIONS__SERVICE_CONNECTION__SETTINGS__AUTHTYPE=UserManagedIdentity
CONNECTIONS__SERVICE_CONNECTION__SETTINGS__CLIENTID=5a4f3f0e-0000-4000-8000-000000000001
CONNECTIONS__SERVICE_CONNECTION__SETTINGS__TENANTID=botframework.com
CONNECTIONS__SERVICE_CONNECTION__SETTINGS__ISSUERS=https://api.botframework.com
CONNECTIONS__SERVICE_CONNECTION__SETTINGS__VALIDATE_ISSUER=true
LANDLINE_ISSUER=https://api.botframework.com
LANDLINE_KEYS_URL=http://127.0.0.1:3000/v1/.well-known/keys
# Where it gets its access tokens, and its credential for that; keep that to yourself
IDENTITY_ENDPOINT=http://127.0.0.1:3000/msi/token
IDENTITY_HEADER=c-r-e-d
PORT=3978
",
    );
}

#[test]
fn dotnet() {
    let block = print(Sdk::Dotnet, &bot(Some(APP_ID), MICROSOFTS_ISSUER), Some("c-r-e-d"));
    assert_eq!(
        block.text,
        r#"{
  "CallerId": "urn:botframework:azure",
  "MicrosoftAppId": "5a4f3f0e-0000-4000-8000-000000000001",
  "MicrosoftAppTenantId": "botframework.com",
  "MicrosoftAppType": "UserAssignedMsi",
  "OAuthUrl": "http://127.0.0.1:3000",
  "ToBotFromChannelOpenIdMetadataUrl": "http://127.0.0.1:3000/v1/.well-known/openidconfiguration",
  "ToBotFromChannelTokenIssuer": "https://api.botframework.com",
  "ToBotFromEmulatorOpenIdMetadataUrl": "http://127.0.0.1:3000/botframework.com/v2.0/.well-known/openid-configuration",
  "ToChannelFromBotLoginUrl": "http://127.0.0.1:3000/botframework.com",
  "ToChannelFromBotOAuthScope": "https://api.botframework.com",
  "ValidateAuthority": "true"
}
"#
    );
    check_remarks(&block);
}

#[test]
fn agents_dotnet() {
    let block = print(Sdk::AgentsDotnet, &bot(Some(APP_ID), MICROSOFTS_ISSUER), Some("c-r-e-d"));
    assert_eq!(
        block.text,
        r#"{
  "Connections": {
    "ServiceConnection": {
      "Settings": {
        "AuthType": "UserManagedIdentity",
        "ClientId": "5a4f3f0e-0000-4000-8000-000000000001",
        "Scopes": [
          "https://api.botframework.com/.default"
        ]
      }
    }
  },
  "ConnectionsMap": [
    {
      "Connection": "ServiceConnection",
      "ServiceUrl": "*"
    }
  ],
  "TokenValidation": {
    "Audiences": [
      "5a4f3f0e-0000-4000-8000-000000000001"
    ],
    "AzureBotServiceOpenIdMetadataUrl": "http://127.0.0.1:3000/v1/.well-known/openidconfiguration",
    "Enabled": true,
    "TenantId": "botframework.com",
    "ValidIssuers": [
      "https://api.botframework.com"
    ]
  }
}
"#
    );
    check_remarks(&block);
}

#[track_caller]
fn check_remarks(block: &Block) {
    let remarks = block.remarks.join("\n");
    for words in [
        "IDENTITY_ENDPOINT=http://127.0.0.1:3000/msi/token\n",
        "IDENTITY_HEADER=c-r-e-d\n",
        "do not run it",
        "over https alone",
    ] {
        assert!(remarks.contains(words), "{words} is missing from {remarks}");
    }
}

#[test]
fn every_block_is_what_its_file_holds() {
    for sdk in Sdk::value_variants().iter().copied() {
        for app_id in [Some(APP_ID), None] {
            for credential in [Some("c-r-e-d"), None] {
                let text = print(sdk, &bot(app_id, MICROSOFTS_ISSUER), credential).text;
                match sdk {
                    Sdk::Dotnet | Sdk::AgentsDotnet => {
                        assert!(serde_json::from_str::<serde_json::Value>(&text).unwrap().is_object());
                    }
                    _ => check_dotenv(&text),
                }
                assert!(app_id.is_none() || text.contains(APP_ID), "{sdk:?}: {text}");
            }
        }
    }
}

/// A comment, or a name and a value that no loader needs quotes for.
#[track_caller]
fn check_dotenv(text: &str) {
    for line in text.lines() {
        let Some((name, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) else {
            assert!(line.starts_with("# "), "{line}");
            continue;
        };
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        assert!(!value.contains([' ', '#', '"', '\'', '$', '`', ';', '&', '\\']), "{line}");
    }
}

#[test]
fn the_names_are_those_of_the_command_line() {
    for sdk in Sdk::value_variants() {
        assert_eq!(sdk.to_possible_value().unwrap().get_name(), sdk.name());
    }
}

#[test]
fn a_credential_that_is_not_known_is_left_to_be_filled_in() {
    let text = print(Sdk::BotbuilderJs, &bot(Some(APP_ID), MICROSOFTS_ISSUER), None).text;
    assert!(text.contains("--new-credential\nIDENTITY_HEADER=\n"), "{text}");
    let remarks = print(Sdk::Dotnet, &bot(Some(APP_ID), MICROSOFTS_ISSUER), None).remarks.join("\n");
    assert!(remarks.contains("--new-credential"), "{remarks}");
}

#[test]
fn the_agents_sdk_for_javascript_needs_another_issuer_than_microsofts() {
    let default = bot(Some(APP_ID), "https://API.botframework.com/");
    assert_eq!(Sdk::AgentsJs.better_issuer(&default), Some("http://127.0.0.1:3000"));
    let text = print(Sdk::AgentsJs, &default, None).text;
    assert!(text.contains("issuers=http://127.0.0.1:3000\n"), "{text}");

    assert_eq!(Sdk::AgentsJs.better_issuer(&bot(Some(APP_ID), "https://mine.example.org")), None);
    assert_eq!(Sdk::AgentsJs.better_issuer(&bot(None, MICROSOFTS_ISSUER)), None);
    assert_eq!(Sdk::BotbuilderJs.better_issuer(&default), None);
}

#[test]
fn a_bot_without_an_app_id_needs_next_to_nothing() {
    let anonymous = bot(None, MICROSOFTS_ISSUER);
    assert_eq!(
        print(Sdk::BotbuilderJs, &anonymous, Some("c-r-e-d")).text,
        "\
# Bot echo of Landline, for botbuilder for JavaScript
# It has no app id, so nobody signs in: it takes activities from whoever reaches it. Keep it to yourself
# All of this stays empty
MicrosoftAppId=
MicrosoftAppPassword=
MicrosoftAppType=
MicrosoftAppTenantId=
PORT=3978
"
    );
    let python = print(Sdk::AgentsPython, &anonymous, None).text;
    assert!(python.contains("SETTINGS__ANONYMOUS_ALLOWED=true\n"), "{python}");
    for sdk in Sdk::value_variants() {
        assert!(!print(*sdk, &anonymous, Some("c-r-e-d")).text.contains("c-r-e-d"), "{sdk:?}");
    }
}
