//! Tests of tokens and tickets together: what was signed reads back, and nothing else is accepted.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_protocol::{Position, Timestamp, UserId};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    ClientToken, KeyRing, MAX_TOKEN_BYTES, NOT_BEFORE_LEEWAY, STREAM_TICKET_TTL, SignError, StreamTicket,
    TokenError, TokenKey, TokenUser,
};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_120);
const HOUR: Duration = Duration::from_secs(3600);
const KEY: [u8; 32] = [7; 32];

fn ring() -> KeyRing {
    KeyRing::new(TokenKey::from_random(&KEY))
}

fn token() -> ClientToken {
    ClientToken {
        site: "default".parse().unwrap(),
        bot: "main".parse().unwrap(),
        conversation: "0123456789ABCDEFGHIJKL".parse().unwrap(),
        user: Some(TokenUser { id: "dl_alice".parse().unwrap(), name: Some("Alice \"A\" Ünï".to_owned()) }),
        trusted_origins: vec!["https://www.example.org".to_owned()],
        issued_at: Timestamp::from_millis(1_789_999_000_000),
        expires: Timestamp::from_millis(1_790_003_600_000),
        id: "abcdef".to_owned(),
    }
}

fn ticket() -> StreamTicket {
    StreamTicket {
        site: "default".parse().unwrap(),
        conversation: "0123456789ABCDEFGHIJKL".parse().unwrap(),
        start: Position::new(42),
        trusted_origins: vec!["https://www.example.org".to_owned()],
        user: Some("dl_alice".parse().unwrap()),
        expires: Timestamp::from_millis(1_790_000_060_000),
        id: "abcdef".to_owned(),
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn part(text: &str, which: usize) -> Value {
    let part = text.split('.').nth(which).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// A JWT of these parts, with a right signature of our key.
fn forge(header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
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

#[test]
fn a_token_and_a_ticket_read_back() {
    let text = token().sign(&ring(), NOW).unwrap();
    assert_eq!(ClientToken::verify(&text, &ring(), NOW), Ok(token()));
    let text = ticket().sign(&ring(), NOW).unwrap();
    assert_eq!(StreamTicket::verify(&text, &ring(), NOW), Ok(ticket()));
}

#[test]
fn what_a_token_says() {
    let text = token().sign(&ring(), NOW).unwrap();
    assert_eq!(
        part(&text, 0),
        json!({"alg": "HS256", "typ": "landline-token+jwt", "kid": ring().signing().id()})
    );
    assert_eq!(
        part(&text, 1),
        json!({
            "bot": "main", "site": "default", "conv": "0123456789ABCDEFGHIJKL",
            "user": "dl_alice", "name": "Alice \"A\" Ünï", "origins": ["https://www.example.org"],
            "nbf": 1_790_000_000, "exp": 1_790_003_600, "iss": "landline", "aud": "landline-client-api",
            "jti": "abcdef", "oat": 1_789_999_000,
        })
    );
}

#[test]
fn a_token_for_nobody_in_particular_has_no_user_claim() {
    let token = ClientToken { user: None, trusted_origins: vec![], ..token() };
    let text = token.sign(&ring(), NOW).unwrap();
    for absent in ["user", "name", "origins"] {
        assert_eq!(part(&text, 1).get(absent), None, "{absent}");
    }
    assert_eq!(ClientToken::verify(&text, &ring(), NOW), Ok(token));
}

/// Text that an earlier release has handed out keeps working. Computed with other means than this crate.
#[test]
fn a_token_and_a_ticket_of_release_0_1_0() {
    assert_eq!(ClientToken::verify(TOKEN_0_1_0, &ring(), NOW), Ok(token()));
    assert_eq!(StreamTicket::verify(TICKET_0_1_0, &ring(), NOW), Ok(ticket()));
    assert_eq!(token().sign(&ring(), NOW).as_deref(), Ok(TOKEN_0_1_0));
    assert_eq!(ticket().sign(&ring(), NOW).as_deref(), Ok(TICKET_0_1_0));
}

const TOKEN_0_1_0: &str = "eyJ0eXAiOiJsYW5kbGluZS10b2tlbitqd3QiLCJhbGciOiJIUzI1NiIsImtpZCI6IjNQdnN6aHEwQk4wIn0.eyJib3QiOiJtYWluIiwic2l0ZSI6ImRlZmF1bHQiLCJjb252IjoiMDEyMzQ1Njc4OUFCQ0RFRkdISUpLTCIsInVzZXIiOiJkbF9hbGljZSIsIm5hbWUiOiJBbGljZSBcIkFcIiDDnG7DryIsIm9yaWdpbnMiOlsiaHR0cHM6Ly93d3cuZXhhbXBsZS5vcmciXSwibmJmIjoxNzkwMDAwMDAwLCJleHAiOjE3OTAwMDM2MDAsImp0aSI6ImFiY2RlZiIsIm9hdCI6MTc4OTk5OTAwMCwiaXNzIjoibGFuZGxpbmUiLCJhdWQiOiJsYW5kbGluZS1jbGllbnQtYXBpIn0.FIaRekJPtn3xa0d_AXYkCZMWrwUpRzOZG9KyVIQZL_A";
const TICKET_0_1_0: &str = "eyJ0eXAiOiJsYW5kbGluZS10aWNrZXQrand0IiwiYWxnIjoiSFMyNTYiLCJraWQiOiIzUHZzemhxMEJOMCJ9.eyJzaXRlIjoiZGVmYXVsdCIsImNvbnYiOiIwMTIzNDU2Nzg5QUJDREVGR0hJSktMIiwic3RhcnQiOjQyLCJ1c2VyIjoiZGxfYWxpY2UiLCJvcmlnaW5zIjpbImh0dHBzOi8vd3d3LmV4YW1wbGUub3JnIl0sIm5iZiI6MTc5MDAwMDAwMCwiZXhwIjoxNzkwMDAwMDYwLCJqdGkiOiJhYmNkZWYiLCJpc3MiOiJsYW5kbGluZSIsImF1ZCI6ImxhbmRsaW5lLXN0cmVhbSJ9.DkCRjhKPlbq2ggeMFQMfOiUTXd5wLY4WjcpcjMCzzWM";

#[test]
fn a_changed_byte_is_refused_at_every_position() {
    for_each_text(|text, accepted| {
        assert!(accepted(text));
        for index in 0..text.len() {
            for other in (0..=127_u8).map(char::from).chain(['é', '\u{2024}', '\u{10ffff}']) {
                let mut changed = text.to_owned();
                changed.replace_range(index..=index, other.encode_utf8(&mut [0; 4]));
                assert_eq!(accepted(&changed), changed == text, "byte {index} to {other:?}");
            }
        }
    });
}

#[test]
fn a_flipped_bit_is_refused_at_every_position() {
    for_each_text(|text, accepted| {
        for bit in 0..text.len() * 8 {
            let mut bytes = text.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // With its highest bit set it is no text any more, and never gets here.
            if let Ok(changed) = str::from_utf8(&bytes) {
                assert!(!accepted(changed), "bit {bit}");
            }
        }
    });
}

#[test]
fn a_byte_more_or_less_is_refused_at_every_position() {
    for_each_text(|text, accepted| {
        for index in 0..=text.len() {
            for more in ["A", "=", ".", "\n", " ", "\0"] {
                let mut changed = text.to_owned();
                changed.insert_str(index, more);
                assert!(!accepted(&changed), "{more:?} at {index}");
            }
            assert_eq!(accepted(&text[..index]), index == text.len(), "cut at {index}");
            assert_eq!(accepted(&text[index..]), index == 0, "cut before {index}");
        }
    });
}

/// Calls the test with a token and with a ticket, and with what accepts them.
fn for_each_text(test: impl Fn(&str, &dyn Fn(&str) -> bool)) {
    let ring = ring();
    test(&token().sign(&ring, NOW).unwrap(), &|text| ClientToken::verify(text, &ring, NOW).is_ok());
    test(&ticket().sign(&ring, NOW).unwrap(), &|text| StreamTicket::verify(text, &ring, NOW).is_ok());
}

#[test]
fn the_parts_of_two_tokens_do_not_mix() {
    let one = token().sign(&ring(), NOW).unwrap();
    let two = ClientToken { conversation: "other".parse().unwrap(), ..token() }.sign(&ring(), NOW).unwrap();
    let (one, two): (Vec<_>, Vec<_>) = (one.split('.').collect(), two.split('.').collect());
    for mixed in [[one[0], two[1], one[2]], [one[0], one[1], two[2]]] {
        let refused = ClientToken::verify(&mixed.join("."), &ring(), NOW);
        assert_eq!(refused, Err(TokenError::Invalid("the signature is wrong")));
    }
}

#[test]
fn a_ticket_is_no_token_and_a_token_no_ticket() {
    let another_kind = TokenError::Invalid("another kind of token");
    let token = token().sign(&ring(), NOW).unwrap();
    let ticket = ticket().sign(&ring(), NOW).unwrap();
    assert_eq!(ClientToken::verify(&ticket, &ring(), NOW), Err(another_kind));
    assert_eq!(StreamTicket::verify(&token, &ring(), NOW), Err(another_kind));

    // Not even with the claims of the one under the header of the other: the audience tells them apart too.
    let all = |a: Value, b: Value| {
        let mut all = a;
        all.as_object_mut().unwrap().extend(b.as_object().unwrap().clone());
        all
    };
    let (of_token, of_ticket) = (part(&token, 1), part(&ticket, 1));
    let forged = forge(&part(&token, 0), &all(of_token.clone(), of_ticket.clone()));
    assert_eq!(ClientToken::verify(&forged, &ring(), NOW), Err(TokenError::Invalid("another audience")));
    let forged = forge(&part(&ticket, 0), &all(of_ticket, of_token));
    assert_eq!(StreamTicket::verify(&forged, &ring(), NOW), Err(TokenError::Invalid("another audience")));
}

#[test]
fn time() {
    let text = token().sign(&ring(), NOW).unwrap();
    let leeway = i64::try_from(NOT_BEFORE_LEEWAY.as_secs()).unwrap();
    check(&text, at(1_790_000_000), None);
    check(&text, Timestamp::from_millis(1_790_003_599_999), None);
    check(&text, at(1_790_003_600), Some(TokenError::Expired));
    check(&text, Timestamp::from_millis(i64::MAX), Some(TokenError::Expired));
    check(&text, at(1_790_000_000 - leeway), None);
    check(&text, Timestamp::from_millis((1_790_000_000 - leeway) * 1000 - 1), Some(TokenError::NotYetValid));
    check(&text, Timestamp::from_millis(i64::MIN), Some(TokenError::NotYetValid));
}

#[test]
fn expired_is_said_only_of_what_was_once_valid() {
    let text = token().sign(&ring(), NOW).unwrap();
    let late = at(1_800_000_000);
    check(&text, late, Some(TokenError::Expired));

    let mut forged = text;
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'E' } else { 'A' });
    check(&forged, late, Some(TokenError::Invalid("the signature is wrong")));
    let elsewhere = KeyRing::new(TokenKey::from_random(&[8; 32]));
    let text = token().sign(&elsewhere, NOW).unwrap();
    check(&text, late, Some(TokenError::Invalid("an unknown key")));
    let text = ticket().sign(&ring(), NOW).unwrap();
    check(&text, late, Some(TokenError::Invalid("another kind of token")));
}

#[test]
fn a_ticket_lives_for_a_minute() {
    let made = Timestamp::from_millis(1_790_000_000_000);
    let text =
        StreamTicket { expires: made.plus(STREAM_TICKET_TTL), ..ticket() }.sign(&ring(), made).unwrap();
    assert!(StreamTicket::verify(&text, &ring(), Timestamp::from_millis(1_790_000_059_999)).is_ok());
    assert_eq!(StreamTicket::verify(&text, &ring(), at(1_790_000_060)), Err(TokenError::Expired));
}

#[test]
fn a_part_of_a_second_is_rounded_up() {
    let token = ClientToken { expires: Timestamp::from_millis(1_790_000_001_001), ..token() };
    let text = token.sign(&ring(), NOW).unwrap();
    check(&text, Timestamp::from_millis(1_790_000_001_999), None);
    check(&text, at(1_790_000_002), Some(TokenError::Expired));
}

#[test]
fn what_would_have_expired_is_not_signed() {
    for late in [NOW, Timestamp::from_millis(0), Timestamp::from_millis(i64::MIN)] {
        let refused = ClientToken { expires: late, ..token() }.sign(&ring(), NOW);
        assert_eq!(refused, Err(SignError::Expired));
        let refused = StreamTicket { expires: late, ..ticket() }.sign(&ring(), NOW);
        assert_eq!(refused, Err(SignError::Expired));
    }
}

#[test]
fn headers_that_mean_something_else() {
    let text = token().sign(&ring(), NOW).unwrap();
    let (header, claims) = (part(&text, 0), part(&text, 1));
    check(&forge(&header, &claims), NOW, None);

    let algorithm = TokenError::Invalid("another algorithm");
    for alg in
        ["none", "None", "NONE", "nOnE", "", "hs256", "HS384", "HS512", "RS256", "ES256", "PS256", "EdDSA"]
    {
        check(&forge(&with(&header, "alg", json!(alg)), &claims), NOW, Some(algorithm));
    }
    let unknown = TokenError::Invalid("an unknown key");
    for kid in ["", "x", "../../etc/passwd", "' or 1=1", "\0"] {
        check(&forge(&with(&header, "kid", json!(kid)), &claims), NOW, Some(unknown));
    }
    let kind = TokenError::Invalid("another kind of token");
    for typ in ["", "JWT", "landline-ticket+jwt", "LANDLINE-TOKEN+JWT", "application/landline-token+jwt"] {
        check(&forge(&with(&header, "typ", json!(typ)), &claims), NOW, Some(kind));
    }
    let foreign = TokenError::Invalid("it has no header that we write");
    for more in ["jku", "x5u", "x5c", "jwk", "x5t", "crit", "cty", "zip", "enc", "b64", "Alg"] {
        check(&forge(&with(&header, more, json!("https://evil.example/keys")), &claims), NOW, Some(foreign));
    }
    for missing in ["alg", "typ", "kid"] {
        check(&forge(&without(&header, missing), &claims), NOW, Some(foreign));
        check(&forge(&with(&header, missing, Value::Null), &claims), NOW, Some(foreign));
        check(&forge(&with(&header, missing, json!(["HS256"])), &claims), NOW, Some(foreign));
    }
    check(&forge(&json!([]), &claims), NOW, Some(foreign));
}

#[test]
fn unsigned_tokens() {
    let text = token().sign(&ring(), NOW).unwrap();
    let header = with(&part(&text, 0), "alg", json!("none"));
    let parts: Vec<_> = text.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(header.to_string());
    check(&format!("{none}.{}.", parts[1]), NOW, Some(TokenError::Invalid("another algorithm")));
    check(&format!("{none}.{}", parts[1]), NOW, Some(TokenError::Invalid("another algorithm")));
    check(&format!("{}.{}.", parts[0], parts[1]), NOW, Some(TokenError::Invalid("the signature is wrong")));
    check(&format!("{}.{}", parts[0], parts[1]), NOW, Some(TokenError::Invalid("it is no token")));
    check(&format!("{text}.{}", parts[2]), NOW, Some(TokenError::Invalid("it is no token")));
    check(&format!(".{text}"), NOW, Some(TokenError::Invalid("it has no header that we write")));
    for nothing in ["", ".", "..", "...", "....", "e30", "e30.e30", "e30.e30.e30"] {
        check(nothing, NOW, Some(TokenError::Invalid("it has no header that we write")));
    }
}

/// Nobody without the key can make these; they show that no claim is taken on trust, and that none panics.
#[test]
fn claims_that_we_do_not_write() {
    let text = token().sign(&ring(), NOW).unwrap();
    let (header, claims) = (part(&text, 0), part(&text, 1));
    for missing in ["bot", "site", "conv", "nbf", "exp", "iss", "aud", "jti", "oat", "user"] {
        check_invalid(&forge(&header, &without(&claims, missing)), missing);
    }
    for (name, value) in [
        ("iss", json!("another")),
        ("aud", json!("landline-stream")),
        ("exp", json!("1790003600")),
        ("exp", json!(i64::MAX)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(1e300)),
        ("exp", json!(1_790_003_600.5)),
        ("exp", json!(-1e18)),
        ("exp", Value::Null),
        ("nbf", json!(i64::MIN)),
        ("nbf", json!([1])),
        ("oat", json!(i64::MAX)),
        ("site", json!("")),
        ("conv", json!("a|b")),
        ("conv", json!("../a")),
        ("user", json!("")),
        ("user", json!({"id": "dl_alice"})),
        ("origins", json!("https://www.example.org")),
    ] {
        check_invalid(&forge(&header, &with(&claims, name, value.clone())), &format!("{name} is {value}"));
    }
    check_invalid(&forge(&header, &json!([claims])), "claims in a list");
}

#[track_caller]
fn check_invalid(text: &str, what: &str) {
    let refused = ClientToken::verify(text, &ring(), NOW);
    assert!(matches!(refused, Err(TokenError::Invalid(_))), "{what}: {refused:?}");
}

#[track_caller]
fn check(text: &str, now: Timestamp, expected: Option<TokenError>) {
    assert_eq!(ClientToken::verify(text, &ring(), now).err(), expected, "{text}");
}

#[test]
fn a_rotation_ends_no_token() {
    let old = token().sign(&ring(), NOW).unwrap();
    let rotated = ring().rotate(TokenKey::from_random(&[8; 32])).unwrap();
    let new = token().sign(&rotated, NOW).unwrap();
    assert_eq!(ClientToken::verify(&old, &rotated, NOW), Ok(token()));
    assert_eq!(ClientToken::verify(&new, &rotated, NOW), Ok(token()));
    check(&new, NOW, Some(TokenError::Invalid("an unknown key")));

    // The id of a key of the ring does not help what another key has signed.
    let header = with(&part(&old, 0), "kid", json!(rotated.signing().id()));
    let forged = forge(&header, &part(&old, 1));
    let refused = ClientToken::verify(&forged, &rotated, NOW);
    assert_eq!(refused, Err(TokenError::Invalid("the signature is wrong")));
}

#[test]
fn a_refresh_keeps_all_but_the_life() {
    let later = NOW.plus(Duration::from_secs(900));
    let refreshed = token().refreshed(later.plus(HOUR), "next".to_owned());
    assert_eq!(refreshed, ClientToken { expires: later.plus(HOUR), id: "next".to_owned(), ..token() });
    let text = refreshed.sign(&ring(), later).unwrap();
    let read = ClientToken::verify(&text, &ring(), later).unwrap();
    assert_eq!(read, ClientToken { expires: at(1_790_004_501), ..refreshed });
}

#[test]
fn a_token_that_no_header_could_hold_is_not_signed() {
    let origins = |count: usize| ClientToken {
        trusted_origins: vec!["https://a.example".to_owned(); count],
        ..token()
    };
    let mut count = 1;
    while let Ok(text) = origins(count).sign(&ring(), NOW) {
        assert!(text.len() <= MAX_TOKEN_BYTES);
        assert_eq!(ClientToken::verify(&text, &ring(), NOW), Ok(origins(count)));
        // Whoever holds a token can get a stream: its ticket is never the longer one.
        let ticket = StreamTicket { trusted_origins: origins(count).trusted_origins, ..ticket() };
        assert!(ticket.sign(&ring(), NOW).is_ok());
        count += 1;
    }
    assert!(count > 100, "{count}");
    assert!(
        matches!(origins(count).sign(&ring(), NOW), Err(SignError::TooLong { actual }) if actual > MAX_TOKEN_BYTES)
    );
    check(&"A".repeat(MAX_TOKEN_BYTES + 1), NOW, Some(TokenError::Invalid("it is too long")));
}

#[test]
fn debug_output_holds_neither_names_nor_ids_of_people() {
    for text in [format!("{:?}", token()), format!("{:?}", ticket())] {
        assert!(!text.to_lowercase().contains("alice"), "{text}");
    }
}

fn tokens() -> impl Strategy<Value = ClientToken> {
    let id = "[0-9A-Za-z_-]{1,64}";
    let user = ("\\PC{1,40}", proptest::option::of(".{0,60}"))
        .prop_map(|(id, name)| TokenUser { id: id.parse().unwrap(), name });
    let origins = proptest::collection::vec(".{0,30}", 0..4);
    (id, id, id, proptest::option::of(user), origins, any::<u32>(), 1..=i64::from(u32::MAX), ".{0,40}")
        .prop_map(|(site, bot, conversation, user, trusted_origins, issued, expires, id)| ClientToken {
            site: site.parse().unwrap(),
            bot: bot.parse().unwrap(),
            conversation: conversation.parse().unwrap(),
            user,
            trusted_origins,
            issued_at: at(i64::from(issued)),
            expires: at(expires),
            id,
        })
}

proptest! {
    #[test]
    fn any_token_reads_back(token in tokens()) {
        let now = Timestamp::from_millis(token.expires.as_millis() - 1);
        let text = token.sign(&ring(), now).unwrap();
        prop_assert_eq!(ClientToken::verify(&text, &ring(), now), Ok(token.clone()));
        prop_assert_eq!(ClientToken::verify(&text, &ring(), token.expires), Err(TokenError::Expired));
        prop_assert!(StreamTicket::verify(&text, &ring(), now).is_err());
    }

    #[test]
    fn any_ticket_reads_back(token in tokens(), start: u64) {
        let user: Option<UserId> = token.user.map(|user| user.id);
        let ticket = StreamTicket {
            site: token.site, conversation: token.conversation, start: Position::new(start),
            trusted_origins: token.trusted_origins, user, expires: token.expires, id: token.id,
        };
        let now = Timestamp::from_millis(ticket.expires.as_millis() - 1);
        let text = ticket.sign(&ring(), now).unwrap();
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)));
        prop_assert_eq!(StreamTicket::verify(&text, &ring(), now), Ok(ticket));
        prop_assert!(ClientToken::verify(&text, &ring(), now).is_err());
    }

    #[test]
    fn any_text_is_refused(text in ".*|[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,43}") {
        prop_assert!(ClientToken::verify(&text, &ring(), NOW).is_err());
        prop_assert!(StreamTicket::verify(&text, &ring(), NOW).is_err());
    }

    #[test]
    fn any_signed_claims_are_read_or_refused(claims in "\\{(\"(exp|nbf|conv|user)\":(-?[0-9]{1,20}|null|\"a\"),?){0,4}\\}|.*") {
        let header = part(&token().sign(&ring(), NOW).unwrap(), 0);
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(&claims));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &KEY);
        let text = format!("{message}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes())));
        prop_assert!(ClientToken::verify(&text, &ring(), NOW).is_err());
    }

    #[test]
    fn no_reason_quotes_what_was_presented(now: i64, mut text in "[A-Za-z0-9_.-]{20,200}") {
        let refused = ClientToken::verify(&text, &ring(), Timestamp::from_millis(now)).unwrap_err();
        text.truncate(12);
        let said = format!("{refused} {refused:?}");
        prop_assert!(!said.contains(&text));
    }
}
