//! Each bit of what opens a door, changed: the ticket in a stream URL (S04), and what a bot shows (S70).
//!
//! That of a client's token is in `credentials`, that of a link to a file in `files`. What the checks themselves do with every byte and every
//! length is in `landline-auth`; here it is seen that all of them stand before the doors.

use std::time::Duration;

use landline_auth::AccessToken;
use landline_auth::IdentityKeys;
use landline_core::Clock;
use landline_testkit::in_process::keys::key;

use super::World;
use super::raw::{Answer, Ask, Line};
use crate::connector_tokens::{APP, signed_bots};

/// Every text that differs in one bit, and whether it is made of the letters of a token still.
fn with_one_bit_changed(text: &str) -> impl Iterator<Item = (usize, Vec<u8>, bool)> {
    (0..text.len() * 8).map(|bit| {
        let mut changed = text.as_bytes().to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        let letter = changed[bit / 8];
        (bit, changed, letter.is_ascii_alphanumeric() || b"-_.".contains(&letter))
    })
}

/// Shows each of them by a request that is made around it; gives the answers to those that look like a token still.
///
/// What is no text of a token any more may end the request, or the header that it stands in; it opens nothing either.
async fn each_is_refused(world: &World, good: &str, status: u16, ask: impl Fn(&[u8]) -> Ask) -> Vec<Answer> {
    let mut line = Line::open(world.server.address).await;
    let mut answers = Vec::new();
    for (bit, changed, is_a_token) in with_one_bit_changed(good) {
        let ask = ask(&changed);
        if !is_a_token {
            let answer = ask.send(world.server.address).await;
            assert!(matches!(answer.status, 400 | 401 | 403), "bit {bit}: {answer:?}");
            continue;
        }
        line.write(&ask.bytes()).await;
        let answer = line.answer("GET").await.without_its_id();
        assert_eq!(answer.status, status, "bit {bit}: {answer:?}");
        answers.push(answer);
    }
    assert!(answers.len() > good.len() * 3, "{} of {}", answers.len(), good.len() * 8);
    answers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s04_a_ticket_with_any_bit_changed_opens_no_socket() {
    let world = World::start().await;
    let (_, ticket) = world.ann.stream_url.split_once("t=").expect("a ticket");
    let base = format!("{}?t=", world.ann.path("/stream"));
    let ask = |ticket: &[u8]| Ask::upgrade([base.as_bytes(), ticket].concat());

    let answers = each_is_refused(&world, ticket, 403, ask).await;

    assert!(answers.iter().all(|answer| *answer == answers[0]), "which bit it was can be told");
    // None of that has used it up.
    ask(ticket.as_bytes()).send(world.server.address).await.expect(101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s70_a_token_of_a_bot_with_any_bit_changed_opens_nothing() {
    let world = World::of(signed_bots().start().await).await;
    let now = world.server.clock.now();
    let base = format!("http://{}", world.server.address);
    let keys = IdentityKeys::new(key(0), now).expect("keys");
    let token = AccessToken { base: &base, tenant: "botframework.com", app_id: APP };
    let (token, _) = token.sign(&keys, now).expect("a token");
    let path = format!("/connector/v3/conversations/{}/members", world.ann.conversation);
    let ask = |token: &[u8]| Ask::get(&path).header("authorization", [b"Bearer ", token].concat());

    // Bots are told what is wrong, so the answers differ.
    each_is_refused(&world, &token, 401, ask).await;

    ask(token.as_bytes()).send(world.server.address).await.expect(200);
    world.server.clock.advance(Duration::from_secs(3600 + 300));
    ask(token.as_bytes()).send(world.server.address).await.expect(401);
}
