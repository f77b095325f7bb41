//! The OpenID documents: where keys are published and tokens are issued.
//!
//! Sources: OpenID Connect Discovery 1.0, section 3, for the names. SDKs of bots read `jwks_uri` of the first
//! document; MSAL reads the second, and refuses one without `issuer`, `authorization_endpoint` and `token_endpoint`.

use serde::Serialize;

use crate::access_token::issuer;

/// Who calls a bot, where its operator says nothing else.
pub const DEFAULT_CHANNEL_ISSUER: &str = "https://api.botframework.com";

/// An OpenID document, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenIdMetadata {
    issuer: String,
    authorization_endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
    jwks_uri: String,
    id_token_signing_alg_values_supported: [&'static str; 1],
    token_endpoint_auth_methods_supported: &'static [&'static str],
    response_types_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    grant_types_supported: &'static [&'static str],
}

impl OpenIdMetadata {
    /// `/v1/.well-known/openidconfiguration`: by which keys a bot knows this server. `base` is its URL, without a
    /// slash at its end.
    ///
    /// The keys are a sibling of the document: one SDK does not read `jwks_uri` and puts `keys` in its place.
    pub fn of_channel(base: &str) -> Self {
        Self {
            token_endpoint: None,
            jwks_uri: format!("{base}/v1/.well-known/keys"),
            token_endpoint_auth_methods_supported: &["private_key_jwt"],
            grant_types_supported: &[],
            ..Self::of_tenant(base, "botframework.com").issued_by(DEFAULT_CHANNEL_ISSUER)
        }
    }

    /// `/{tenant}/v2.0/.well-known/openid-configuration`: where a bot of the tenant gets its tokens.
    pub fn of_tenant(base: &str, tenant: &str) -> Self {
        Self {
            issuer: issuer(base, tenant),
            // There is none: nobody logs in here. Clients want it named nevertheless.
            authorization_endpoint: format!("{base}/{tenant}/oauth2/v2.0/authorize"),
            token_endpoint: Some(format!("{base}/{tenant}/oauth2/v2.0/token")),
            jwks_uri: format!("{base}/{tenant}/discovery/v2.0/keys"),
            id_token_signing_alg_values_supported: ["RS256"],
            token_endpoint_auth_methods_supported: &["client_secret_post", "client_secret_basic"],
            response_types_supported: ["token"],
            subject_types_supported: ["public"],
            grant_types_supported: &["client_credentials"],
        }
    }

    fn issued_by(self, issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_bots_read() {
        let document = serde_json::to_value(OpenIdMetadata::of_channel("https://bots.example")).unwrap();
        assert_eq!(document["issuer"], "https://api.botframework.com");
        assert_eq!(document["jwks_uri"], "https://bots.example/v1/.well-known/keys");
        assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
        assert_eq!(document.get("token_endpoint"), None);
    }

    #[test]
    fn what_clients_of_the_token_endpoint_read() {
        let document =
            serde_json::to_value(OpenIdMetadata::of_tenant("https://bots.example", "botframework.com"))
                .unwrap();
        for (name, path) in [
            ("issuer", "/v2.0"),
            ("authorization_endpoint", "/oauth2/v2.0/authorize"),
            ("token_endpoint", "/oauth2/v2.0/token"),
            ("jwks_uri", "/discovery/v2.0/keys"),
        ] {
            assert_eq!(document[name], Value::from(format!("https://bots.example/botframework.com{path}")));
        }
    }
}
