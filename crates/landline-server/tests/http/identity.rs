//! By which keys bots know this server: what is published, and where.

use std::time::Duration;

use landline_testkit::in_process::keys::key;
use landline_testkit::in_process::{Reply, TestServer};
use serde_json::{Value, json};

use crate::{looks_like_a_refusal, marked};

const TENANTS: [&str; 3] = ["botframework.com", "d6d49420-f39b-4df7-a1dc-d59a935871db", "a"];

async fn get(server: &TestServer, path: &str) -> Reply {
    server.get(path).send().await
}

#[tokio::test]
async fn the_same_keys_stand_at_all_three_places() {
    let server = TestServer::start().await;
    let keys = get(&server, "/v1/.well-known/keys").await.expect(200);
    marked(&keys);
    let published = keys.json();
    assert_eq!(published["keys"].as_array().map(Vec::len), Some(1));
    assert_eq!(published["keys"][0]["kid"], key(0).id());
    assert_eq!(published["keys"][0]["endorsements"], json!(["directline", "webchat"]));
    assert!(published["keys"][0].get("d").is_none(), "a private key: {published}");

    let document = get(&server, "/v1/.well-known/openidconfiguration").await.expect(200);
    marked(&document);
    let base = format!("http://{}", server.address);
    assert_eq!(document.text("issuer"), "https://api.botframework.com");
    assert_eq!(document.text("jwks_uri"), format!("{base}/v1/.well-known/keys"));

    for tenant in TENANTS {
        let again = get(&server, &format!("/{tenant}/discovery/v2.0/keys")).await.expect(200);
        assert_eq!(again.json(), published);
        let document = get(&server, &format!("/{tenant}/v2.0/.well-known/openid-configuration")).await;
        let document = document.expect(200);
        let as_of_an_adfs =
            get(&server, &format!("/{tenant}/.well-known/openid-configuration")).await.expect(200);
        assert_eq!(as_of_an_adfs.json(), document.json());
        assert_eq!(document.text("issuer"), format!("{base}/{tenant}/v2.0"));
        assert_eq!(document.text("jwks_uri"), format!("{base}/{tenant}/discovery/v2.0/keys"));
        assert_eq!(document.text("token_endpoint"), format!("{base}/{tenant}/oauth2/v2.0/token"));
    }
}

#[tokio::test]
async fn bots_are_told_the_address_by_which_they_reach_this_server() {
    let server = TestServer::builder()
        .configure(|config| {
            config.connector_url = Some("https://bots.example:8443/line/".parse().expect("a URL"));
        })
        .start()
        .await;
    let document = get(&server, "/v1/.well-known/openidconfiguration").await.expect(200);
    assert_eq!(document.text("jwks_uri"), "https://bots.example:8443/line/v1/.well-known/keys");
    assert_eq!(server.service_url.split("/connector/").next(), Some("https://bots.example:8443/line"));
}

#[tokio::test]
async fn the_keys_outlive_the_process() {
    let server = TestServer::start().await;
    let before: Value = get(&server, "/v1/.well-known/keys").await.expect(200).json();
    let server = server.restarted().await;
    server.clock.advance(Duration::from_secs(3600));
    assert_eq!(get(&server, "/v1/.well-known/keys").await.expect(200).json(), before);
}

#[tokio::test]
async fn what_is_no_tenant_and_no_method() {
    let server = TestServer::start().await;
    for tenant in ["a%2Fb", "%22", "..", "%F0%9F%98%80", "-"] {
        let path = format!("/{tenant}/v2.0/.well-known/openid-configuration");
        looks_like_a_refusal(&get(&server, &path).await, 404, "ResourceNotFound");
    }
    looks_like_a_refusal(&server.post("/v1/.well-known/keys").send().await, 405, "NotSupported");
    looks_like_a_refusal(&get(&server, "/a/oauth2/v2.0/token").await, 405, "NotSupported");
}

/// The first segment of these paths may be anything, also that of another API.
#[tokio::test]
async fn no_path_of_a_tenant_hides_another_route() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for (path, status) in [
        ("/v3/directline/conversations", 405),
        (&*format!("/v3/directline/conversations/{}", ann.conversation), 401),
        ("/v3/directline/discovery/v2.0/keys", 404),
        ("/connector/v3/conversations/x/activities", 405),
        ("/msi/token", 400),
        ("/v1/discovery/v2.0/keys", 200),
        ("/v3/discovery/v2.0/keys", 200),
        ("/connector/discovery/v2.0/keys", 200),
    ] {
        assert_eq!(get(&server, path).await.status, status, "{path}");
    }
}
