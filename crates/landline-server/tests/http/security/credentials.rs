//! Credentials that are absent, garbled, altered, too old, or of another kind (S01 to S17).

use super::World;
use super::raw::Ask;

/// Every route of the client API that wants a credential: method and path.
fn doors(conversation: &str) -> Vec<(&'static str, String)> {
    let base = format!("/v3/directline/conversations/{conversation}");
    vec![
        ("POST", "/v3/directline/tokens/generate".into()),
        ("POST", "/v3/directline/tokens/refresh".into()),
        ("POST", "/v3/directline/conversations".into()),
        ("GET", base.clone()),
        ("GET", format!("{base}/activities")),
        ("POST", format!("{base}/activities")),
        ("POST", format!("{base}/upload?userId=ann")),
    ]
}

#[tokio::test]
async fn s01_without_a_credential_no_door_opens() {
    let world = World::start().await;
    for (method, path) in doors(&world.ann.conversation) {
        let answer = Ask::new(method, &path).send(world.server.address).await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".into()), "{method} {path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{method} {path}");
    }
    assert!(world.ann.history().await.is_empty());
    assert!(world.eve.history().await.is_empty());
}
