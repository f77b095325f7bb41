//! What an issuer publishes: its keys, and the document that says where they are.

use std::sync::LazyLock;

use landline_auth::{AccessToken, IdentityKeys, JwkSet, MAX_JWKS_KEYS, TrustedIssuer, verify_bot_token};
use landline_testkit::in_process::keys;
use serde_json::Value;

use crate::Target;
use crate::signed::NOW;

pub(crate) const TARGET: Target = Target {
    name: "jwks",
    longest: 16 * 1024,
    share: 1,
    claim: "a key set that is accepted is JSON for another reader, has a key and no more than the limit, and lets a token \
            through only where it holds the key that signed it, under the name that the token gives",
    run,
};

const BASE: &str = "https://bots.example.org";

static OURS: LazyLock<IdentityKeys> = LazyLock::new(|| IdentityKeys::new(keys::key(0), NOW).expect("keys"));
static PUBLISHED: LazyLock<Value> = LazyLock::new(|| serde_json::to_value(OURS.jwks(NOW)).expect("JSON"));
static ISSUED: LazyLock<String> = LazyLock::new(|| {
    let token = AccessToken { base: BASE, tenant: "botframework.com", app_id: "app-1" };
    token.sign(&OURS, NOW).expect("a token").0
});

fn run(json: &[u8]) {
    let Ok(set) = JwkSet::from_json(json) else { return };
    assert!(!set.is_empty() && set.len() <= MAX_JWKS_KEYS);
    let value: Value = serde_json::from_slice(json).expect("JSON for another reader");
    let published = value["keys"].as_array().expect("a list");
    assert!(set.len() <= published.len());
    if verify_bot_token(&ISSUED, &[TrustedIssuer::Ours { base: BASE, keys: &set }], NOW).is_ok() {
        let ours = &PUBLISHED["keys"][0];
        let plain = |text: &Value| text.as_str().unwrap_or_default().trim_end_matches('=').to_owned();
        let is_ours =
            |key: &&Value| key["kid"] == ours["kid"] && plain(&key["n"]).ends_with(&*plain(&ours["n"]));
        assert!(published.iter().any(|key| is_ours(&key)), "a signature of a key that is not in the set");
    }
}
