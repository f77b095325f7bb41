//! No log line, at any level, and no metric holds a credential of a bot, a token that it got or showed, or a capability.
//!
//! A program of its own with one test: what is logged at which level is decided once per process.

use hyper::Method;
use landline_auth::BotCredential;
use landline_testkit::in_process::logs::Logs;
use landline_testkit::in_process::{Call, OTHER_SECRET, TestServer, message};
use serde_json::json;

const APP: &str = "00000000-0000-0000-0000-00000000000a";
const WRONG_CREDENTIAL: &str = "a-wrong-credential";
const WRONG_CAPABILITY: &str = "a-guessed-capability";

#[tokio::test]
async fn nothing_by_which_a_bot_is_known_is_logged() {
    let logs = Logs::capture();
    let credential = BotCredential::from_random(&[1; 32]);
    // The first bot has an app id, the second has a capability.
    let server = TestServer::builder()
        .configure(|config| {
            config.bots[0].app_id = Some(APP.into());
            config.bots[0].credential = Some(credential.clone());
        })
        .start()
        .await;
    let query = format!("api-version=2019-08-01&resource=https://api.botframework.com&client_id={APP}");
    let msi = |credential: &str| {
        server.get(&format!("/msi/token?{query}")).header("x-identity-header", credential).send()
    };
    let oauth = |credential: &str| {
        let form = format!(
            "grant_type=client_credentials&scope=https://api.botframework.com/.default&client_id={APP}&client_secret={credential}"
        );
        let call = server.post("/botframework.com/oauth2/v2.0/token").body(form);
        call.header("content-type", "application/x-www-form-urlencoded").send()
    };
    let token = msi(credential.expose()).await.expect(200).text("access_token");
    oauth(credential.expose()).await.expect(200);
    msi(WRONG_CREDENTIAL).await.expect(401);
    oauth(WRONG_CREDENTIAL).await.expect(401);

    let ann = server.person("ann").await;
    let bob = server.other_operator().person("bob").await;
    let say = |base: &str, conversation: &str| {
        server.post(&format!("{base}/v3/conversations/{conversation}/activities")).json(&message("x", "a"))
    };
    // The last letter of a signature is one of four.
    let last = if token.ends_with('A') { 'Q' } else { 'A' };
    let forged = format!("{}{last}", &token[..token.len() - 1]);
    assert_ne!(forged, token);
    say("/connector", &ann.conversation).bearer(&token).send().await.expect(200);
    say("/connector", &ann.conversation).bearer(&forged).send().await.expect(401);
    say("/connector", &bob.conversation).bearer(&token).send().await.expect(404);
    let capability = server.other_service_url.split('/').nth(4).expect("a capability").to_owned();
    say(&format!("/connector/{capability}"), &bob.conversation).send().await.expect(200);
    say(&format!("/connector/{WRONG_CAPABILITY}"), &bob.conversation).send().await.expect(404);
    let as_the_sdks_do = json!({"type": "message", "text": "hi", "serviceUrl": server.other_service_url});
    let told = json!({"type": "message", "text": format!("I am at {}", server.other_service_url)});
    for activity in [as_the_sdks_do, told] {
        let route = format!("/connector/{capability}/v3/conversations/{}/activities", bob.conversation);
        server.post(&route).json(&activity).send().await.expect(200);
    }
    let metrics = Call::new(server.admin, Method::GET, "/metrics").send().await.expect(200);
    let metrics = String::from_utf8(metrics.body.to_vec()).expect("UTF-8");
    server.stop().await.expect("a good end");

    let logged = logs.text();
    for said in ["Issued a token", "Refused a token", "Refused a call of a bot"] {
        assert!(logged.contains(said), "nothing was captured of {said:?}: {logged}");
    }
    let warnings =
        logged.lines().filter(|line| line.contains("writes its serviceUrl into an activity")).count();
    assert_eq!(warnings, 1, "for what the SDKs do with every activity, nobody is warned: {logged}");
    for refusal in logged.lines().filter(|line| line.contains("Refused a token")) {
        assert!(refusal.contains("DEBUG"), "anybody can ask, so as to fill the log: {refusal}");
    }
    assert!(metrics.contains(r#"landline_bot_tokens_refused_total{way="ClientCredentials"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"landline_bots_refused_total{reason="Capability"} 1"#), "{metrics}");
    let signature = token.rsplit('.').next().expect("a signature");
    let claims = token.split('.').nth(1).expect("claims");
    for text in [&logged, &metrics] {
        for hidden in [
            credential.expose(),
            WRONG_CREDENTIAL,
            WRONG_CAPABILITY,
            OTHER_SECRET,
            &capability,
            claims,
            &signature[..20],
        ] {
            let line = text.lines().find(|line| line.contains(hidden));
            assert_eq!(line, None, "{hidden}");
        }
    }
}
