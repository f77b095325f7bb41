//! The `t` of a stream URL, as it comes in a query.

use std::sync::LazyLock;
use std::time::Duration;

use landline_auth::{ClientToken, StreamTicket, TokenError};
use landline_protocol::Position;
use landline_server::fuzzing;

use crate::Target;
use crate::input::{edited, halves, split, text};
use crate::signed::{NOW, RING, header, with_hmac};

pub(crate) const TARGET: Target = Target {
    name: "ticket",
    longest: 4096,
    share: 1,
    claim: "a ticket that is accepted is, letter by letter, one that was signed here and is in its time; signed \
            again, it says the same; it is no token; a query gives the ticket that stands in it",
    run,
};

const KIND: &str = "landline-ticket+jwt";

static ISSUED: LazyLock<String> = LazyLock::new(|| {
    let ticket = StreamTicket {
        site: "default".parse().expect("a name"),
        conversation: "0123456789ABCDEFGHIJKL".parse().expect("an id"),
        start: Position::new(7),
        user: Some("dl_anna".parse().expect("an id")),
        trusted_origins: vec!["https://www.example.org".to_owned()],
        expires: NOW.plus(Duration::from_secs(60)),
        id: "0123456789abcdef0123456789abcdef".to_owned(),
    };
    ticket.sign(&RING, NOW).expect("a ticket")
});

fn run(data: &[u8]) {
    let (kind, rest) = split(data);
    match kind % 4 {
        0 => of_a_query(rest),
        1 => of_a_text(&text(rest)),
        2 => of_a_text(&text(&edited(&ISSUED, rest))),
        _ => of_claims(rest),
    }
}

fn of_a_query(said: &[u8]) {
    let said = text(said);
    if let Some(ticket) = fuzzing::parameter(Some(&said), "t") {
        assert!(ticket.len() <= 3 * said.len(), "a parameter is no longer than its query says");
        of_a_text(&ticket);
    }
    let with_ours = format!("watermark=1&t={}&{said}", *ISSUED);
    assert_eq!(fuzzing::parameter(Some(&with_ours), "t").as_deref(), Some(&**ISSUED), "the first one counts");
}

fn of_a_text(said: &str) {
    match StreamTicket::verify(said, &RING, NOW) {
        Ok(_) | Err(TokenError::Expired | TokenError::NotYetValid) => {
            assert_eq!(said, *ISSUED, "not signed here, and taken for it");
        }
        Err(TokenError::Invalid(_)) => {}
    }
}

fn of_claims(said: &[u8]) {
    let (first, second) = halves(said);
    let ticket = match second {
        [] => with_hmac(header(KIND).as_bytes(), first),
        claims => with_hmac(first, claims),
    };
    let Ok(read) = StreamTicket::verify(&ticket, &RING, NOW) else { return };
    assert!(read.expires > NOW, "over, and accepted");
    assert!(ClientToken::verify(&ticket, &RING, NOW).is_err(), "a ticket is no token");
    let again = read.sign(&RING, NOW).expect("what was read can be signed");
    assert_eq!(StreamTicket::verify(&again, &RING, NOW).expect("signed just now"), read);
    assert_eq!(StreamTicket::verify(&ticket, &RING, read.expires), Err(TokenError::Expired));
}
