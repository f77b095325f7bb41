//! The admin API: keys are listed and exchanged, and what older ones have signed goes on working.

use std::time::Duration;

use hyper::Method;
use landline_core::Clock;
use landline_testkit::in_process::{Socket, TestServer};
use serde_json::{Value, json};

use crate::admin::refused;
use crate::connector_tokens::{APP, credential, signed_bots};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn column(keys: &Value, list: &str, name: &str) -> Vec<String> {
    let keys = keys[list].as_array().expect("an array");
    keys.iter().map(|key| key[name].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn a_new_identity_key_is_published_a_day_before_it_signs() {
    let server = TestServer::start().await;
    let keys = async || server.admin(Method::GET, "/keys").send().await.expect(200).json();
    let before = keys().await;
    assert_eq!(column(&before, "identity", "state"), ["signing"]);

    let after = server.admin(Method::POST, "/keys/identity").send().await.expect(200).json();

    assert_eq!(after, keys().await);
    assert_eq!(column(&after, "identity", "state"), ["signing", "next"]);
    let created = column(&after, "identity", "created");
    let signs = column(&after, "identity", "signsFrom");
    assert_eq!(signs[0], created[0]);
    assert!(signs[1] > created[1], "{after}");
    let documents = server.get("/v1/.well-known/keys").send().await.expect(200).json();
    let published: Vec<_> =
        documents["keys"].as_array().expect("keys").iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(json!(published), json!(column(&after, "identity", "kid")), "bots see both");
    server.clock.advance(DAY);
    assert_eq!(column(&keys().await, "identity", "state"), ["published", "signing"]);

    let at_once = server.admin(Method::POST, "/keys/identity?now=true").send().await.expect(200).json();
    assert_eq!(column(&at_once, "identity", "state"), ["signing"], "{at_once}");
    for query in ["now=1", "now=yes", "later=true", "now=true&now=true"] {
        let reply = server.admin(Method::POST, &format!("/keys/identity?{query}")).send().await;
        refused(&reply, 400, "BadArgument", "");
    }
    let body = server.admin(Method::POST, "/keys/identity").json(&json!({"now": true})).send().await;
    refused(&body, 400, "BadArgument", "now is not known here");
    assert_eq!(keys().await, at_once);
}

#[tokio::test]
async fn a_rotation_at_once_ends_what_the_older_identity_keys_have_signed() {
    let server = signed_bots().start().await;
    let ann = server.person("ann").await;
    let path = format!("/connector/v3/conversations/{}/activities", ann.conversation);
    let says = async |token: &str| {
        let said = json!({"type": "message", "text": "from the bot"});
        server.post(&path).bearer(token).json(&said).send().await.status
    };
    let query = format!("api-version=2019-08-01&resource=https://api.botframework.com&client_id={APP}");
    let token = async || {
        let call = server.get(&format!("/msi/token?{query}"));
        call.header("x-identity-header", credential().expose()).send().await.expect(200).text("access_token")
    };
    let published = async || {
        let keys = server.get("/v1/.well-known/keys").send().await.expect(200).json();
        column(&keys, "keys", "kid")
    };
    let rotate = async |query: &str| {
        server.admin(Method::POST, &format!("/keys/identity{query}")).send().await.expect(200).json()
    };
    let old = token().await;
    rotate("").await;
    server.clock.advance(DAY);
    assert_eq!((published().await.len(), says(&token().await).await), (2, 200), "a day later");
    let old_but_good = token().await;

    let at_once = rotate("?now=true").await;

    assert_eq!(published().await, column(&at_once, "identity", "kid"));
    assert_eq!(published().await.len(), 1, "only the new one");
    assert_eq!(says(&old).await, 401);
    assert_eq!(says(&old_but_good).await, 401);
    assert_eq!(says(&token().await).await, 200, "of the new key");
}

#[tokio::test]
async fn a_new_token_key_signs_and_ends_nobodys_chat() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let before = server.admin(Method::GET, "/keys").send().await.expect(200).json();

    let after = server.admin(Method::POST, "/keys/tokens").send().await.expect(200).json();

    let (old, new) = (column(&before, "tokens", "kid"), column(&after, "tokens", "kid"));
    assert_eq!((old.len(), new.len()), (1, 2));
    assert_eq!(old[0], new[0]);
    ann.say("with the old token").await;
    assert_eq!(Socket::open(&ann.stream_url).await.texts(1).await, ["with the old token"]);
    let fresh = server.person("bob").await;
    let head = |token: &str| token.split('.').next().expect("a head").to_owned();
    assert_ne!(head(&fresh.token), head(&ann.token), "signed with another key");
    fresh.say("with the new one").await;

    // So often that there is no room for one more beside the key which signed ann's token.
    for _ in 0..6 {
        server.admin(Method::POST, "/keys/tokens").send().await.expect(200);
    }
    let full = server.admin(Method::GET, "/keys").send().await.expect(200).json();
    let reply = server.admin(Method::POST, "/keys/tokens").send().await;
    let until = server.clock.now().plus(Duration::from_secs(3600 + 60));
    refused(&reply, 409, "Conflict", &format!("may be in use until {until}; rotate again then"));
    assert_eq!(
        server.admin(Method::GET, "/keys").send().await.expect(200).json(),
        full,
        "nothing was changed"
    );
    ann.say("still here").await;
    server.clock.advance(Duration::from_secs(3600 + 60));
    let fresh = server.person("eve").await;
    server.admin(Method::POST, "/keys/tokens").send().await.expect(200);
    ann.poll("").await.refused(403, "BadArgument");
    let kept = server.admin(Method::GET, "/keys").send().await.expect(200).json();
    assert_eq!(column(&kept, "tokens", "kid").len(), 8, "bounded");
    assert!(column(&kept, "tokens", "created").iter().all(|created| created.ends_with('Z')));
    fresh.say("still").await;
}
