//! What stands behind `Authorization`: the header, and the token in it.

use std::sync::LazyLock;
use std::time::Duration;

use landline_auth::{ClientToken, StreamTicket, TokenError, TokenUser, bearer};
use landline_protocol::Timestamp;

use crate::Target;
use crate::input::{edited, halves, split, text};
use crate::signed::{NOW, RING, has_the_form_of_a_token, header, with_hmac};

pub(crate) const TARGET: Target = Target {
    name: "token",
    longest: 4096,
    share: 1,
    claim: "a header gives one visible credential or none; a token that is accepted is, letter by letter, one that \
            was signed here and whose time has come and is not over; signed again, it says the same; it is no ticket",
    run,
};

const KIND: &str = "landline-token+jwt";

/// What there is to forge: with and without a user and origins, and one that has expired.
static ISSUED: LazyLock<Vec<String>> = LazyLock::new(|| {
    let plain = ClientToken {
        site: "default".parse().expect("a name"),
        bot: "main".parse().expect("a name"),
        conversation: "0123456789ABCDEFGHIJKL".parse().expect("an id"),
        user: None,
        trusted_origins: Vec::new(),
        issued_at: NOW,
        expires: NOW.plus(Duration::from_secs(1800)),
        id: "0123456789abcdef0123456789abcdef".to_owned(),
    };
    let user = TokenUser { id: "dl_anna".parse().expect("an id"), name: Some("Anna".to_owned()) };
    let origins = vec!["https://www.example.org".to_owned(), "http://localhost:8080".to_owned()];
    let full = ClientToken { user: Some(user), trusted_origins: origins, ..plain.clone() };
    let earlier = Timestamp::from_millis(NOW.as_millis() - 3_600_000);
    let expired = ClientToken { expires: earlier.plus(Duration::from_secs(1800)), ..plain.clone() };
    [(plain, NOW), (full, NOW), (expired, earlier)]
        .iter()
        .map(|(token, then)| token.sign(&RING, *then).expect("a token"))
        .collect()
});

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 4 {
        0 => of_a_header(rest),
        1 => of_a_text(rest),
        2 => {
            let issued = &ISSUED[usize::from(kind / 4) % ISSUED.len()];
            of_a_text(&edited(issued, rest));
        }
        _ => of_claims(rest),
    }
}

fn of_a_header(said: &[u8]) {
    let said = text(said);
    let Ok(credential) = bearer(Some(&said)) else { return };
    assert!(!credential.is_empty() && credential.bytes().all(|byte| byte.is_ascii_graphic()));
    assert!(said.len() <= landline_auth::MAX_BEARER_BYTES);
    let (scheme, given) = said.split_once(' ').expect("a scheme");
    assert!(scheme.eq_ignore_ascii_case("bearer"));
    assert_eq!(given.trim_matches(' '), credential);
    of_a_text(credential.as_bytes());
}

/// Nobody but this server has the key.
fn of_a_text(said: &[u8]) {
    let said = text(said);
    match ClientToken::verify(&said, &RING, NOW) {
        Ok(_) | Err(TokenError::Expired | TokenError::NotYetValid) => {
            assert!(ISSUED.contains(&said), "not signed here, and taken for it: {said:?}");
        }
        Err(TokenError::Invalid(_)) => {}
    }
}

/// What only somebody with the key could make: a header, a NUL and claims, or claims alone.
fn of_claims(said: &[u8]) {
    let (first, second) = halves(said);
    let token = match second {
        [] => with_hmac(header(KIND).as_bytes(), first),
        claims => with_hmac(first, claims),
    };
    let Ok(read) = ClientToken::verify(&token, &RING, NOW) else { return };
    assert!(has_the_form_of_a_token(&token));
    assert!(read.expires > NOW, "over, and accepted");
    assert!(StreamTicket::verify(&token, &RING, NOW).is_err(), "a token is no ticket");
    let again = read.sign(&RING, NOW).expect("what was read can be signed");
    assert_eq!(ClientToken::verify(&again, &RING, NOW).expect("signed just now"), read);
    let later = ClientToken::verify(&token, &RING, read.expires);
    assert_eq!(later, Err(TokenError::Expired), "its time is over to the millisecond");
}
