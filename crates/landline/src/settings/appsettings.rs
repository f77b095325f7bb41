//! The blocks for .NET: an `appsettings.json`.
//!
//! JSON has no comments, and the identity variables are read from the environment alone, so those are remarks.

use serde_json::{Value, json};

use super::{Block, CALLER, Known, SCOPE, Sdk, Values};

/// Said with every block for .NET.
const NOT_RUN: &str =
    "this block follows the documentation of the SDK; Landline's tests, which have no .NET, do not run it";

pub(super) fn botbuilder(known: &Known<'_>) -> Block {
    let Some(values) = Values::of(Sdk::Dotnet, known.bot) else {
        return anonymous(json!({
            "MicrosoftAppType": "", "MicrosoftAppId": "", "MicrosoftAppPassword": "", "MicrosoftAppTenantId": ""
        }));
    };
    let text = json!({
        "MicrosoftAppType": "UserAssignedMsi",
        "MicrosoftAppId": values.app_id,
        "MicrosoftAppTenantId": values.tenant,
        "ValidateAuthority": "true",
        "ToChannelFromBotLoginUrl": format!("{}/{}", values.base, values.tenant),
        "ToChannelFromBotOAuthScope": SCOPE,
        "ToBotFromChannelTokenIssuer": values.issuer,
        "ToBotFromChannelOpenIdMetadataUrl": values.metadata(),
        "ToBotFromEmulatorOpenIdMetadataUrl": values.tenant_metadata(),
        "OAuthUrl": values.base,
        "CallerId": CALLER,
    });
    signed_in(text, &values, known)
}

pub(super) fn agents(known: &Known<'_>) -> Block {
    let Some(values) = Values::of(Sdk::AgentsDotnet, known.bot) else {
        return anonymous(json!({ "TokenValidation": { "Enabled": false } }));
    };
    let text = json!({
        "TokenValidation": {
            "Enabled": true,
            "Audiences": [values.app_id],
            "TenantId": values.tenant,
            "ValidIssuers": [values.issuer],
            "AzureBotServiceOpenIdMetadataUrl": values.metadata(),
        },
        "Connections": {
            "ServiceConnection": {
                "Settings": {
                    "AuthType": "UserManagedIdentity",
                    "ClientId": values.app_id,
                    "Scopes": [format!("{SCOPE}/.default")],
                },
            },
        },
        "ConnectionsMap": [{ "ServiceUrl": "*", "Connection": "ServiceConnection" }],
    });
    signed_in(text, &values, known)
}

fn signed_in(settings: Value, values: &Values<'_>, known: &Known<'_>) -> Block {
    let header = known.credential.unwrap_or("(the credential)");
    let mut environment = format!(
        "this is appsettings.json. The bot also needs these two in its environment, to get its access tokens:\n\n  \
         IDENTITY_ENDPOINT={}\n  IDENTITY_HEADER={header}\n",
        values.identity_endpoint()
    );
    if known.credential.is_none() {
        environment.push_str(&format!("\n  A new credential, filled in: {}\n", known.again));
    }
    let mut remarks = vec![environment, NOT_RUN.into()];
    if !values.base.starts_with("https:") {
        remarks.push(format!(
            "the SDK fetches keys over https alone, and {} is not; put a proxy with https in front and set connector_url (or \
             public_url) to its address",
            values.base
        ));
    }
    Block { text: pretty(&settings), remarks }
}

fn anonymous(settings: Value) -> Block {
    let words = "the bot has no app id, so nobody signs in: it takes activities from whoever reaches it; keep it to yourself";
    Block { text: pretty(&settings), remarks: vec![words.into(), NOT_RUN.into()] }
}

fn pretty(settings: &Value) -> String {
    format!("{settings:#}\n")
}
