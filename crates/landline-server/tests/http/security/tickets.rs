//! The ticket in a stream URL (S13), and tokens in URLs that are not made for it (S17).

use std::time::Duration;

use super::World;
use super::raw::{Ask, Line};
use super::routes;

/// Path and query of a stream URL.
fn path_of(url: &str) -> String {
    format!("/{}", url.splitn(4, '/').nth(3).expect("a path"))
}

#[tokio::test]
async fn s13_a_ticket_opens_one_socket_on_one_conversation_within_a_minute() {
    let world = World::start().await;
    let address = world.server.address;
    let fresh = async || path_of(&world.ann.reconnect("").await.expect(200).text("streamUrl"));

    let path = fresh().await;
    let mut line = Line::open(address).await;
    line.write(&Ask::upgrade(&path).bytes()).await;
    line.answer("GET").await.expect(101);
    Ask::upgrade(&path).send(address).await.refused(403, "TokenExpired");
    // Nor once the first socket is closed.
    drop(line);
    Ask::upgrade(&path).send(address).await.refused(403, "TokenExpired");

    let path = fresh().await;
    let elsewhere = path.replace(&world.ann.conversation, &world.eve.conversation);
    Ask::upgrade(&elsewhere).send(address).await.refused(403, "BadArgument");
    let bob = world.server.person("bob").await;
    let elsewhere = path.replace(&world.ann.conversation, &bob.conversation);
    Ask::upgrade(&elsewhere).send(address).await.refused(403, "BadArgument");
    // What was no handshake has used nothing up.
    Ask::get(&path).send(address).await.refused(426, "NotSupported");
    Ask::upgrade(&path).send(address).await.expect(101);

    let path = fresh().await;
    world.server.clock.advance(Duration::from_secs(60));
    Ask::upgrade(&path).send(address).await.refused(403, "TokenExpired");
}

#[tokio::test]
async fn s13_of_many_at_once_with_one_ticket_one_gets_a_socket() {
    let world = World::start().await;
    let path = path_of(&world.ann.stream_url);
    let asks = (0..16).map(|_| {
        let (path, address) = (path.clone(), world.server.address);
        async move { Ask::upgrade(&path).send(address).await.status }
    });
    let mut statuses = futures_util::future::join_all(asks).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![101], vec![403; 15]].concat());
}

#[tokio::test]
async fn s17_a_token_in_a_query_opens_nothing_and_no_address_is_passed_on() {
    let world = World::start().await;
    let names = world.names_in(routes::Whose::Ann).await;
    let token = &world.ann.token;
    let mut paths = routes::client_api();
    paths.extend(routes::connector_api().iter().map(|path| format!("/connector{path}")));
    for template in paths {
        for method in routes::METHODS {
            let path = names.fill(&template);
            let in_query = format!("{path}?t={token}&token={token}&access_token={token}&secret={token}");
            let answer = Ask::new(method, in_query).send(world.server.address).await;
            assert!(
                matches!(answer.status, 400..=499) || method == "OPTIONS",
                "{method} {template}: {answer:?}"
            );
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"), "{method} {template}");
            assert!(!answer.text().contains(&**token), "{method} {template}");
        }
    }
}
