//! Tokens that nobody would issue, made with the keys of the tests.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use landline_auth::IdentityKeys;
use landline_protocol::Timestamp;
use landline_testkit::in_process::keys::{KEYS, key};
use serde_json::{Value, json};

/// Header and claims, as they are signed.
fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// Signed with one of the keys, whatever the header says.
pub(crate) fn signed(header: &Value, claims: &Value, which: usize) -> String {
    let message = message(header, claims);
    let pair = KeyPair::from_pkcs8(KEYS[which]).expect("a key");
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    pair.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).expect("a signature");
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// With nothing where the signature should be.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", message(header, claims))
}

/// Signed as with a secret that both sides know.
pub(crate) fn hmac_signed(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = message(header, claims);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// The header of a token that one of the keys has signed.
pub(crate) fn header(which: usize) -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": key(which).id()})
}

/// What anybody can know of a key, in every spelling in which a confused server might take it for a secret.
pub(crate) fn public_spellings(which: usize) -> Vec<Vec<u8>> {
    let pair = KeyPair::from_pkcs8(KEYS[which]).expect("a key");
    let public = pair.public_key();
    let pkcs1 = public.as_ref().to_vec();
    let spki: aws_lc_rs::encoding::PublicKeyX509Der<'_> =
        aws_lc_rs::encoding::AsDer::as_der(public).expect("a public key");
    let spki = spki.as_ref().to_vec();
    let pem = |label: &str, der: &[u8], end: &str| {
        let lines: Vec<_> = STANDARD.encode(der).into_bytes().chunks(64).map(<[u8]>::to_vec).collect();
        let body = String::from_utf8(lines.join(&b'\n')).expect("base64");
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----{end}").into_bytes()
    };
    let modulus = public.modulus().big_endian_without_leading_zero().to_vec();
    vec![
        pem("PUBLIC KEY", &spki, ""),
        pem("PUBLIC KEY", &spki, "\n"),
        pem("RSA PUBLIC KEY", &pkcs1, "\n"),
        URL_SAFE_NO_PAD.encode(&modulus).into_bytes(),
        jwk(which).to_string().into_bytes(),
        spki,
        pkcs1,
        modulus,
        key(which).id().as_bytes().to_vec(),
        Vec::new(),
    ]
}

/// The public part of a key, as an issuer publishes it.
pub(crate) fn jwk(which: usize) -> Value {
    let now = Timestamp::from_millis(0);
    let ring = IdentityKeys::new(key(which), now).expect("keys");
    serde_json::to_value(ring.jwks(now)).expect("JSON")["keys"][0].clone()
}

/// The same, with one member exchanged.
pub(crate) fn with(value: &Value, name: &str, to: Value) -> Value {
    let mut value = value.clone();
    value[name] = to;
    value
}
