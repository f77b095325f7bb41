//! Tests of what bots are shown and what they show: what was signed reads back, and nothing else is accepted.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_protocol::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::test_keys::key;
use crate::{
    AccessToken, BOT_TOKEN_LEEWAY, BotIdentity, BotTokenError, CONNECTOR_AUDIENCE, ChannelToken, ClientToken,
    IdentityKeys, JwkSet, KeyRing, MAX_BEARER_BYTES, PublishedKeys, RsaKey, TokenKey, TrustedIssuer,
    verify_bot_token,
};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_120);
const BASE: &str = "https://bots.example";
const APP: &str = "00000000-0000-0000-0000-00000000000a";
const ENTRA: &str = "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/";

/// Key 0 is ours, key 1 is that of the external issuer, key 2 is nobody's.
fn keys() -> IdentityKeys {
    IdentityKeys::new(key(0), NOW).unwrap()
}

fn access_token() -> String {
    AccessToken { base: BASE, tenant: "botframework.com", app_id: APP }.sign(&keys(), NOW).unwrap().0
}

fn part(text: &str, which: usize) -> Value {
    let part = text.split('.').nth(which).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn message(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", encode(header), encode(claims))
}

/// A token of these parts, with a right signature of this key.
fn forge(header: &Value, claims: &Value, key: &RsaKey) -> String {
    let message = message(header, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
    format!("{message}.{signature}")
}

fn with(value: &Value, name: &str, to: Value) -> Value {
    let mut value = value.clone();
    value[name] = to;
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    assert!(value.as_object_mut().unwrap().remove(name).is_some());
    value
}

fn verify(text: &str, now: Timestamp) -> Result<BotIdentity, BotTokenError> {
    let ours = keys().verifying(now);
    let external = JwkSet::of([key(1)].iter());
    let issuers = [ENTRA.into()];
    let trusted = [
        TrustedIssuer::Ours { base: BASE, keys: &ours },
        TrustedIssuer::External { issuers: &issuers, keys: &external },
    ];
    verify_bot_token(text, &trusted, now)
}

#[track_caller]
fn check(text: &str, expected: Option<BotTokenError>) {
    assert_eq!(verify(text, NOW).err(), expected, "{text}");
}

#[test]
fn what_is_no_text_is_refused_also_where_nobody_reads_it() {
    let (header, claims) = entra();
    for (of_header, expected) in
        [(true, "it has no header that can be read"), (false, "it has no claims that can be read")]
    {
        let part = |value: &Value, spoiled: bool| {
            let json = with(value, "other", json!("?")).to_string();
            let mut bytes = json.into_bytes();
            if spoiled {
                bytes.iter_mut().filter(|byte| **byte == b'?').for_each(|byte| *byte = 0xe3);
            }
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let signed = |spoiled: bool| {
            let message =
                format!("{}.{}", part(&header, spoiled && of_header), part(&claims, spoiled && !of_header));
            let signature = URL_SAFE_NO_PAD.encode(key(1).sign(message.as_bytes()).unwrap());
            format!("{message}.{signature}")
        };
        check(&signed(false), None);
        check(&signed(true), Some(BotTokenError::Malformed(expected)));
    }
}

/// A token as Entra ID issues it, version 1.
fn entra() -> (Value, Value) {
    let header = json!({"typ": "JWT", "alg": "RS256", "x5t": "x", "kid": key(1).id()});
    let claims = json!({
        "aud": CONNECTOR_AUDIENCE, "iss": ENTRA, "iat": 1_790_000_000, "nbf": 1_790_000_000,
        "exp": 1_790_003_900, "aio": "k2Q", "appid": APP, "appidacr": "1", "idp": ENTRA, "rh": "0.",
        "tid": "d6d49420-f39b-4df7-a1dc-d59a935871db", "uti": "u", "ver": "1.0",
    });
    (header, claims)
}

#[test]
fn what_we_issue_is_accepted_and_says_who_it_is() {
    let text = access_token();
    let issuer = format!("{BASE}/botframework.com/v2.0");
    assert_eq!(verify(&text, NOW), Ok(BotIdentity { app_id: APP.to_owned(), issuer: issuer.clone() }));
    assert_eq!(part(&text, 0), json!({"alg": "RS256", "typ": "JWT", "kid": key(0).id()}));
    assert_eq!(
        part(&text, 1),
        json!({
            "iss": issuer, "aud": "https://api.botframework.com", "iat": 1_790_000_000, "nbf": 1_790_000_000,
            "exp": 1_790_003_600, "appid": APP, "azp": APP, "tid": "botframework.com",
        })
    );
}

#[test]
fn what_a_bot_is_shown() {
    let url = "https://bots.example/connector/";
    let token = ChannelToken { issuer: "https://api.botframework.com", app_id: APP, service_url: url };
    let (text, expires) = token.sign(&keys(), NOW).unwrap();
    assert_eq!(expires, Timestamp::from_millis(1_790_000_600_000));
    assert_eq!(part(&text, 0), json!({"alg": "RS256", "typ": "JWT", "kid": key(0).id()}));
    assert_eq!(
        part(&text, 1),
        json!({
            "iss": "https://api.botframework.com", "aud": APP, "serviceurl": url,
            "nbf": 1_790_000_000, "exp": 1_790_000_600,
        })
    );
    // What we show to a bot opens nothing here, whatever issuer the bot asked for.
    check(&text, Some(BotTokenError::WrongIssuer));
    for issuer in [format!("{BASE}/botframework.com/v2.0"), ENTRA.to_owned()] {
        let (text, _) = ChannelToken { issuer: &issuer, ..token }.sign(&keys(), NOW).unwrap();
        assert!(verify(&text, NOW).is_err(), "{issuer}");
    }
    let ours = format!("{BASE}/botframework.com/v2.0");
    let (text, _) = ChannelToken { issuer: &ours, app_id: CONNECTOR_AUDIENCE, service_url: url }
        .sign(&keys(), NOW)
        .unwrap();
    check(&text, Some(BotTokenError::Malformed("it names no application")));
}

#[test]
fn a_token_of_a_trusted_issuer_is_accepted() {
    let (header, claims) = entra();
    let known = BotIdentity { app_id: APP.to_owned(), issuer: ENTRA.to_owned() };
    for claims in [
        claims.clone(),
        with(&claims, "aud", json!([CONNECTOR_AUDIENCE, "https://other.example"])),
        with(&claims, "aud", json!(APP)),
        with(&without(&claims, "appid"), "azp", json!(APP)),
        with(&claims, "azp", json!(APP)),
        without(&claims, "nbf"),
    ] {
        assert_eq!(verify(&forge(&header, &claims, &key(1)), NOW), Ok(known.clone()), "{claims}");
    }
    // Nobody but us may say that a token for the app itself is one for us: ours never do.
    let ours = access_token();
    let claims = with(&part(&ours, 1), "aud", json!(APP));
    check(&forge(&part(&ours, 0), &claims, &key(0)), Some(BotTokenError::WrongAudience));
}

/// A page where people sign in may share the app id of the bot behind it.
#[test]
fn a_user_of_the_application_is_not_the_bot() {
    let (header, claims) = entra();
    for audience in [APP, CONNECTOR_AUDIENCE] {
        for scope in ["access_as_user", ""] {
            let of_a_user = with(&with(&claims, "aud", json!(audience)), "scp", json!(scope));
            let refused = BotTokenError::Malformed("it speaks for a user of the application");
            check(&forge(&header, &of_a_user, &key(1)), Some(refused));
        }
    }
}

#[test]
fn an_issuer_vouches_for_nobody_else() {
    let (header, claims) = entra();
    let ours = access_token();
    // The external issuer with our name, and we with theirs.
    let posing = with(&claims, "iss", part(&ours, 1)["iss"].clone());
    check(&forge(&header, &posing, &key(1)), Some(BotTokenError::UnknownKey { issuer: 0 }));
    check(&forge(&part(&ours, 0), &posing, &key(1)), Some(BotTokenError::BadSignature));
    let posing = with(&part(&ours, 1), "iss", json!(ENTRA));
    check(&forge(&part(&ours, 0), &posing, &key(0)), Some(BotTokenError::UnknownKey { issuer: 1 }));
    check(&forge(&header, &posing, &key(0)), Some(BotTokenError::BadSignature));
    for iss in [
        "",
        "https://api.botframework.com",
        "https://sts.windows.net/",
        &ENTRA[..ENTRA.len() - 1],
        &ENTRA.to_uppercase(),
        BASE,
        "https://bots.example//v2.0",
        "https://bots.example/a/b/v2.0",
        "https://bots.example.evil/botframework.com/v2.0",
        "https://bots.example/botframework.com/v2.0/",
    ] {
        let claims = with(&claims, "iss", json!(iss));
        check(&forge(&header, &claims, &key(1)), Some(BotTokenError::WrongIssuer));
        check(&forge(&part(&ours, 0), &claims, &key(0)), Some(BotTokenError::WrongIssuer));
    }
}

#[test]
fn two_entries_may_name_one_issuer() {
    let (header, claims) = entra();
    let (one, two) = (JwkSet::of([key(2)].iter()), JwkSet::of([key(1)].iter()));
    let issuers = [ENTRA.into()];
    let external = |keys| TrustedIssuer::External { issuers: &issuers, keys };
    let text = forge(&header, &claims, &key(1));
    let both = [external(&one), external(&two)];
    assert!(verify_bot_token(&text, &both, NOW).is_ok());
    let refused = verify_bot_token(&text, &both[..1], NOW);
    assert_eq!(refused, Err(BotTokenError::UnknownKey { issuer: 0 }));
    assert_eq!(verify_bot_token(&text, &[], NOW), Err(BotTokenError::WrongIssuer));
}

#[test]
fn other_algorithms() {
    let text = access_token();
    let (header, claims) = (part(&text, 0), part(&text, 1));
    let algorithm = BotTokenError::Malformed("another algorithm than RS256");
    for alg in ["none", "None", "NONE", "", "rs256", "HS256", "RS384", "RS512", "PS256", "ES256", "EdDSA"] {
        let header = with(&header, "alg", json!(alg));
        check(&forge(&header, &claims, &key(0)), Some(algorithm));
        check(&format!("{}.", message(&header, &claims)), Some(algorithm));
    }
    let jwk = serde_json::to_value(PublishedKeys::of([key(0)].iter())).unwrap()["keys"][0].clone();
    let n = jwk["n"].as_str().unwrap();
    let modulus = URL_SAFE_NO_PAD.decode(n).unwrap();
    for secret in [n.as_bytes(), &modulus, jwk.to_string().as_bytes(), key(0).id().as_bytes(), b""] {
        for alg in ["HS256", "RS256"] {
            let message = message(&with(&header, "alg", json!(alg)), &claims);
            let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
            let refused = verify(&format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag)), NOW);
            assert!(matches!(refused, Err(BotTokenError::Malformed(_) | BotTokenError::BadSignature)));
        }
    }
    check(&format!("{}.", message(&header, &claims)), Some(BotTokenError::BadSignature));
}

#[test]
fn headers_that_mean_something_else() {
    let text = access_token();
    let (header, claims) = (part(&text, 0), part(&text, 1));
    for kid in ["x", "../../etc/passwd", "' or 1=1", "\0", key(1).id(), key(2).id()] {
        let forged = forge(&with(&header, "kid", json!(kid)), &claims, &key(0));
        check(&forged, Some(BotTokenError::UnknownKey { issuer: 0 }));
    }
    let unnamed = Some(BotTokenError::Malformed("it names no key"));
    for kid in [json!(""), Value::Null, json!("k".repeat(257))] {
        check(&forge(&with(&header, "kid", kid), &claims, &key(0)), unnamed);
    }
    check(&forge(&without(&header, "kid"), &claims, &key(0)), unnamed);
    let kind = Some(BotTokenError::Malformed("another kind of token"));
    check(&forge(&with(&header, "typ", json!("landline-token+jwt")), &claims, &key(0)), kind);
    check(&forge(&with(&header, "typ", json!("jwt")), &claims, &key(0)), None);
    check(&forge(&without(&header, "typ"), &claims, &key(0)), None);
    let critical = with(&header, "crit", json!(["exp"]));
    let unknown = BotTokenError::Malformed("an extension that is not known");
    check(&forge(&critical, &claims, &key(0)), Some(unknown));
    // Where a key travels in the token, or an address of one, it counts for nothing.
    for more in ["jku", "x5u", "x5c", "jwk", "x5t"] {
        let header = with(&header, more, json!("https://evil.example/keys"));
        check(&forge(&header, &claims, &key(0)), None);
        check(&forge(&header, &claims, &key(2)), Some(BotTokenError::BadSignature));
    }
    check(
        &forge(&json!([]), &claims, &key(0)),
        Some(BotTokenError::Malformed("it has no header that can be read")),
    );
    check(
        &forge(&without(&header, "alg"), &claims, &key(0)),
        Some(BotTokenError::Malformed("it has no header that can be read")),
    );
    let twice = format!(r#"{{"alg":"RS256","alg":"RS256","kid":"{}"}}"#, key(0).id());
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(twice), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(key(0).sign(message.as_bytes()).unwrap());
    check(
        &format!("{message}.{signature}"),
        Some(BotTokenError::Malformed("it has no header that can be read")),
    );
}

#[test]
fn claims_that_nobody_issues() {
    let text = access_token();
    let (header, claims) = (part(&text, 0), part(&text, 1));
    for missing in ["iss", "aud", "exp"] {
        check_refused(&forge(&header, &without(&claims, missing), &key(0)), missing);
    }
    for (name, value) in [
        ("exp", json!("1790003600")),
        ("exp", json!(u64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!(1_790_003_600.5)),
        ("exp", json!(i64::MIN)),
        ("exp", Value::Null),
        ("nbf", json!(i64::MAX)),
        ("nbf", json!("1")),
        ("aud", json!([])),
        ("aud", json!("")),
        ("aud", json!({"a": CONNECTOR_AUDIENCE})),
        ("aud", json!("https://api.botframework.com/")),
        ("aud", json!("https://api.botframework.us")),
        ("aud", json!(APP)),
        ("aud", json!([APP])),
        ("appid", json!("")),
        ("appid", json!(7)),
        ("appid", json!([APP])),
        ("azp", json!("another")),
        ("iss", json!([format!("{BASE}/botframework.com/v2.0")])),
    ] {
        check_refused(
            &forge(&header, &with(&claims, name, value.clone()), &key(0)),
            &format!("{name} {value}"),
        );
    }
    let nobody = without(&without(&claims, "appid"), "azp");
    check(&forge(&header, &nobody, &key(0)), Some(BotTokenError::Malformed("it names no application")));
    check_refused(&forge(&header, &json!([claims]), &key(0)), "claims in a list");
    let far = forge(&header, &with(&claims, "exp", json!(i64::MAX)), &key(0));
    check(&far, None);
}

#[track_caller]
fn check_refused(text: &str, what: &str) {
    let refused = verify(text, NOW);
    assert!(refused.is_err(), "{what}: {refused:?}");
}

#[test]
fn clocks_may_lie_five_minutes_apart() {
    let text = access_token();
    let second = |seconds: i64| Timestamp::from_millis(seconds * 1000);
    let (begin, end) = (1_790_000_000, 1_790_003_600);
    for (now, expected) in [
        (second(begin - 300), None),
        (second(end + 299), None),
        (Timestamp::from_millis((end + 300) * 1000 - 1), None),
        (second(end + 300), Some(BotTokenError::Expired)),
        (Timestamp::from_millis(i64::MAX), Some(BotTokenError::Expired)),
        (Timestamp::from_millis((begin - 300) * 1000 - 1), Some(BotTokenError::NotYetValid)),
        (Timestamp::from_millis(i64::MIN), Some(BotTokenError::NotYetValid)),
    ] {
        assert_eq!(verify(&text, now).err(), expected, "{now}");
    }
    assert_eq!(BOT_TOKEN_LEEWAY, Duration::from_secs(300));
}

#[test]
fn expired_is_said_only_of_what_was_signed() {
    let text = access_token();
    let late = Timestamp::from_millis(1_800_000_000_000);
    assert_eq!(verify(&text, late), Err(BotTokenError::Expired));
    let forged = forge(&part(&text, 0), &part(&text, 1), &key(2));
    assert_eq!(verify(&forged, late), Err(BotTokenError::BadSignature));
}

#[test]
fn a_rotation_ends_no_token_unless_it_is_at_once() {
    let text = access_token();
    let soon = Duration::from_secs(60);
    for (ahead, old) in [(soon, Ok(())), (Duration::ZERO, Err(BotTokenError::UnknownKey { issuer: 0 }))] {
        let rotated = keys().rotate(key(1), NOW, ahead).unwrap();
        let now = NOW.plus(soon);
        let known = rotated.verifying(now);
        let trusted = [TrustedIssuer::Ours { base: BASE, keys: &known }];
        let (new, _) = AccessToken { base: BASE, tenant: "t", app_id: APP }.sign(&rotated, now).unwrap();
        assert_eq!(part(&new, 0)["kid"], key(1).id());
        assert!(verify_bot_token(&new, &trusted, now).is_ok());
        assert_eq!(verify_bot_token(&text, &trusted, now).map(drop), old);
    }
}

/// The whole text, bit by bit: the frame is strict, so no other spelling of one token is accepted either.
#[test]
fn every_bit_counts() {
    let text = access_token();
    for at in 0..text.len() {
        for bit in 0..7 {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let other = String::from_utf8(bytes).unwrap();
            assert!(verify(&other, NOW).is_err(), "byte {at}, bit {bit}");
        }
    }
    for cut in 0..text.len() {
        assert!(verify(&text[..cut], NOW).is_err(), "{cut}");
    }
    for other in
        [format!("{text}="), format!("{text}."), format!(".{text}"), format!(" {text}"), format!("{text}\n")]
    {
        assert!(verify(&other, NOW).is_err(), "{other}");
    }
}

#[test]
fn the_parts_of_two_tokens_make_no_third() {
    let (one, two) = (access_token(), forge(&entra().0, &entra().1, &key(1)));
    check(&two, None);
    let parts = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = (parts(&one), parts(&two));
    for mixed in 1..7 {
        let pick = |part: usize| if mixed >> part & 1 == 1 { b[part].clone() } else { a[part].clone() };
        let text = [pick(0), pick(1), pick(2)].join(".");
        assert!(verify(&text, NOW).is_err(), "{mixed}");
    }
}

#[test]
fn what_no_header_could_hold_is_not_looked_at() {
    let (header, claims) = entra();
    let large = |filler: usize| forge(&header, &with(&claims, "groups", json!("g".repeat(filler))), &key(1));
    check(&large(4000), None);
    let text = large(8000);
    assert!(text.len() > MAX_BEARER_BYTES);
    check(&text, Some(BotTokenError::Malformed("it is too long")));
}

#[test]
fn a_clients_token_is_no_bots() {
    let ring = KeyRing::new(TokenKey::from_random(&[7; 32]));
    let token = ClientToken {
        site: "default".parse().unwrap(),
        bot: "main".parse().unwrap(),
        conversation: "0123456789ABCDEFGHIJKL".parse().unwrap(),
        user: None,
        trusted_origins: vec![],
        issued_at: NOW,
        expires: NOW.plus(Duration::from_secs(3600)),
        id: "abcdef".to_owned(),
    };
    check_refused(&token.sign(&ring, NOW).unwrap(), "a client's token");
    assert!(ClientToken::verify(&access_token(), &ring, NOW).is_err());
}

proptest! {
    #[test]
    fn any_app_id_reads_back(app_id in "[ -~]{1,64}", tenant in "[a-z0-9.-]{1,40}", seconds in 0_u64..3600) {
        let (text, _) = AccessToken { base: BASE, tenant: &tenant, app_id: &app_id }.sign(&keys(), NOW).unwrap();
        let read = verify(&text, NOW.plus(Duration::from_secs(seconds)));
        prop_assert_eq!(read.map(|bot| bot.app_id), Ok(app_id));
    }

    #[test]
    fn any_text_is_refused(text in ".*|[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,43}") {
        prop_assert!(verify(&text, NOW).is_err());
    }

    #[test]
    fn any_signed_claims_are_read_or_refused(claims in "\\{(\"(exp|nbf|aud|iss|appid)\":(-?[0-9]{1,20}|null|\"a\"),?){0,5}\\}|.*") {
        let header = part(&access_token(), 0);
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(&claims));
        let signature = key(0).sign(message.as_bytes()).unwrap();
        let text = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        prop_assert!(verify(&text, NOW).is_err());
    }

    #[test]
    fn no_reason_quotes_what_was_presented(mut text in "[A-Za-z0-9_.-]{20,200}") {
        let refused = verify(&text, NOW).unwrap_err();
        text.truncate(12);
        let said = format!("{refused} {refused:?}");
        prop_assert!(!said.contains(&text));
    }
}
