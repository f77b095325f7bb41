//! The token of a bot.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_auth::{
    AccessToken, BotTokenError, CONNECTOR_AUDIENCE, IdentityKeys, JwkSet, TrustedIssuer, verify_bot_token,
};
use landline_protocol::Timestamp;
use landline_testkit::in_process::keys;
use serde_json::Value;

use crate::Target;
use crate::input::{edited, halves, other_reader, split, text};
use crate::signed::NOW;

pub(crate) const TARGET: Target = Target {
    name: "bot_token",
    longest: 4096,
    share: 1,
    claim: "a token that is accepted is, letter by letter, one that a key of its issuer has signed; its claims, read by \
            another reader, name this service, an application and no user, and a time that is not over",
    run,
};

const BASE: &str = "https://bots.example.org";
const OTHER: &str = "https://sts.example.net/tenant/";

static OURS: LazyLock<IdentityKeys> = LazyLock::new(|| IdentityKeys::new(keys::key(0), NOW).expect("keys"));
static KEYS: LazyLock<JwkSet> = LazyLock::new(|| OURS.verifying(NOW));
static THEIRS: LazyLock<IdentityKeys> = LazyLock::new(|| IdentityKeys::new(keys::key(1), NOW).expect("keys"));
static THEIR_KEYS: LazyLock<JwkSet> = LazyLock::new(|| THEIRS.verifying(NOW));
static ISSUERS: LazyLock<[Arc<str>; 1]> = LazyLock::new(|| [OTHER.into()]);
static PAIR: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::from_pkcs8(keys::KEYS[0]).expect("a key"));

static ISSUED: LazyLock<String> = LazyLock::new(|| {
    let token = AccessToken { base: BASE, tenant: "botframework.com", app_id: "app-1" };
    token.sign(&OURS, NOW).expect("a token").0
});

fn verify(said: &str, now: Timestamp) -> Result<landline_auth::BotIdentity, BotTokenError> {
    let trusted = [
        TrustedIssuer::Ours { base: BASE, keys: &KEYS },
        TrustedIssuer::External { issuers: &*ISSUERS, keys: &THEIR_KEYS },
    ];
    verify_bot_token(said, &trusted, now)
}

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 3 {
        0 => forged(&text(rest)),
        1 => forged(&text(&edited(&ISSUED, rest))),
        _ => signed(rest),
    }
}

/// Only what is known to have been signed goes on behind the signature.
fn forged(said: &str) {
    use BotTokenError::{BadSignature, Malformed, UnknownKey, WrongIssuer};
    match verify(said, NOW) {
        Err(Malformed(_) | WrongIssuer | UnknownKey { .. } | BadSignature) => {}
        other => assert_eq!(said, *ISSUED, "not signed by anybody we trust, and {other:?}"),
    }
}

/// A header, a NUL and claims, or claims alone; signed with the key that is published here.
fn signed(said: &[u8]) {
    let (first, second) = halves(said);
    let ours = format!(r#"{{"alg":"RS256","typ":"JWT","kid":"{}"}}"#, OURS.signing(NOW).id());
    let (header, claims) = if second.is_empty() { (ours.as_bytes(), first) } else { (first, second) };
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let mut signature = vec![0; PAIR.public_modulus_len()];
    PAIR.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature)
        .expect("a signature");
    let token = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let Ok(identity) = verify(&token, NOW) else { return };

    let Some(claims) = other_reader(claims) else { return };
    assert_eq!(claims["iss"], identity.issuer);
    assert!(identity.issuer.starts_with(BASE), "signed with our key, and taken for another's");
    assert!(claims["appid"] == identity.app_id || claims["azp"] == identity.app_id);
    assert!(!identity.app_id.is_empty());
    assert!(claims["scp"].is_null(), "it speaks for a user");
    let named = |value: &Value| value == CONNECTOR_AUDIENCE;
    assert!(named(&claims["aud"]) || claims["aud"].as_array().is_some_and(|list| list.iter().any(named)));
    let Some(header) = other_reader(header) else { return };
    assert_eq!(header["alg"], "RS256");
    let end = claims["exp"].as_i64().expect("an end");
    let leeway = Duration::from_secs(300);
    assert!(NOW < Timestamp::from_millis(end.saturating_mul(1000)).plus(leeway), "over, and accepted");
    let after = Timestamp::from_millis(end.saturating_mul(1000)).plus(leeway);
    assert_eq!(verify(&token, after), Err(BotTokenError::Expired));
}
