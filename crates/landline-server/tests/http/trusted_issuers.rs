//! Tokens of an issuer that the operator trusts, which is a server of its own: here one that counts who asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use landline_auth::BOT_TOKEN_LEEWAY;
use landline_core::Clock;
use landline_server::config::{KeysAt, TrustedIssuer};
use landline_testkit::in_process::keys::FOREIGN;
use landline_testkit::in_process::{Builder, Person, Reply, TestServer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::forge::{header, jwk, signed, with};

const APP: &str = "00000000-0000-0000-0000-00000000000a";
const OTHER_APP: &str = "00000000-0000-0000-0000-00000000000b";
const ISSUER: &str = "https://sts.windows.net/d6d49420-f39b-4df7-a1dc-d59a935871db/";

/// The key with which the issuer signs; no server of a test gets it.
const ITS_KEY: usize = FOREIGN;

/// An issuer that publishes its keys.
struct Stub {
    url: String,
    asked: Arc<AtomicUsize>,
    hangs: Arc<AtomicBool>,
    _stop: DropGuard,
}

impl Stub {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (asked, hangs) = (Arc::new(AtomicUsize::default()), Arc::new(AtomicBool::default()));
        let stop = CancellationToken::new();
        let running = serve(listener, url.clone(), Arc::clone(&asked), Arc::clone(&hangs));
        let stopped = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "ends with the test")]
        tokio::spawn(async move { stopped.run_until_cancelled(running).await });
        Self { url, asked, hangs, _stop: stop.drop_guard() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn keys(&self) -> KeysAt {
        KeysAt::Keys(format!("{}/keys", self.url).parse().expect("a URL"))
    }
}

async fn serve(listener: TcpListener, url: String, asked: Arc<AtomicUsize>, hangs: Arc<AtomicBool>) {
    let mut hanging = Vec::new();
    loop {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut request = [0; 4096];
        let length = stream.read(&mut request).await.unwrap_or_default();
        if hangs.load(Ordering::SeqCst) {
            asked.fetch_add(1, Ordering::SeqCst);
            hanging.push(stream);
            continue;
        }
        let body = if request[..length].starts_with(b"GET /keys ") {
            asked.fetch_add(1, Ordering::SeqCst);
            // Entra ID writes no `alg`, and more than anybody needs.
            let mut key = with(&jwk(ITS_KEY), "x5t", json!("x"));
            key.as_object_mut().expect("a key").remove("alg");
            json!({"keys": [{"kty": "EC", "kid": "e", "crv": "P-256", "x": "x", "y": "y"}, key]})
        } else {
            json!({"issuer": ISSUER, "jwks_uri": format!("{url}/keys"), "tenant_region_scope": "EU"})
        };
        let body = body.to_string();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}

fn trusting(keys: KeysAt) -> Builder {
    TestServer::builder().configure(|config| {
        config.bots[0].app_id = Some(APP.into());
        config.bots[1].app_id = Some(OTHER_APP.into());
        let issuers = vec!["https://login.example/v2.0".into(), ISSUER.into()];
        config.trusted_issuers =
            vec![TrustedIssuer { name: "entra".into(), issuers, keys, bots: None, ca_certificates: None }];
    })
}

/// As Entra ID writes them, version 1.
fn claims(server: &TestServer) -> Value {
    let now = server.clock.now().as_seconds();
    json!({
        "aud": "https://api.botframework.com", "iss": ISSUER, "iat": now, "nbf": now, "exp": now + 3900,
        "aio": "k2Q", "appid": APP, "appidacr": "1", "idp": ISSUER, "rh": "0.",
        "tid": "d6d49420-f39b-4df7-a1dc-d59a935871db", "uti": "u", "ver": "1.0",
    })
}

async fn say(server: &TestServer, ann: &Person, token: &str) -> Reply {
    let path = format!("/connector/v3/conversations/{}/activities", ann.conversation);
    server.post(&path).bearer(token).json(&json!({"type": "message", "text": "a"})).send().await
}

#[tokio::test]
async fn a_token_of_a_trusted_issuer_is_accepted() {
    let stub = Stub::start().await;
    let metadata = KeysAt::Metadata(format!("{}/openid", stub.url).parse().expect("a URL"));
    for keys in [stub.keys(), metadata] {
        let server = trusting(keys).start().await;
        let (asked, ann) = (stub.asked(), server.person("ann").await);
        let claims = claims(&server);
        assert_eq!(stub.asked(), asked, "before a token needs them");
        let mut version_2 = with(&with(&claims, "ver", json!("2.0")), "azp", json!(APP));
        version_2.as_object_mut().expect("claims").remove("appid");
        for claims in [
            claims.clone(),
            version_2,
            with(&claims, "aud", json!(APP)),
            with(&claims, "iss", json!("https://login.example/v2.0")),
        ] {
            say(&server, &ann, &signed(&header(ITS_KEY), &claims, ITS_KEY)).await.expect(200);
        }
        assert_eq!(ann.texts().await.len(), 4);
        assert_eq!(stub.asked(), asked + 1, "one fetch for all of them");

        for (wrong, status) in [
            (with(&claims, "iss", json!(ISSUER.trim_end_matches('/'))), 401),
            (with(&claims, "aud", json!("https://graph.microsoft.com")), 401),
            (with(&claims, "aud", json!(OTHER_APP)), 401),
            (with(&claims, "exp", json!(1)), 401),
            (with(&claims, "appid", json!("nobody")), 403),
            (with(&claims, "appid", json!(OTHER_APP)), 404),
        ] {
            say(&server, &ann, &signed(&header(ITS_KEY), &wrong, ITS_KEY)).await.expect(status);
        }
        // Our own key does not speak for the issuer, nor theirs for us.
        say(&server, &ann, &signed(&header(0), &claims, 0)).await.expect(401);
        let ours = with(&claims, "iss", json!(format!("http://{}/botframework.com/v2.0", server.address)));
        say(&server, &ann, &signed(&header(ITS_KEY), &ours, ITS_KEY)).await.expect(401);
        assert_eq!(ann.texts().await.len(), 4);
        server.clock.advance(Duration::from_secs(3900) + BOT_TOKEN_LEEWAY);
        say(&server, &ann, &signed(&header(ITS_KEY), &claims, ITS_KEY)).await.expect(401);
    }
}

#[tokio::test]
async fn an_issuer_with_a_list_of_bots_speaks_for_no_other() {
    let stub = Stub::start().await;
    let vouching = |bot: &'static str| {
        trusting(stub.keys()).configure(move |config| {
            let bot = if bot == "main" { config.bots[0].name.clone() } else { bot.parse().expect("a name") };
            config.trusted_issuers[0].bots = Some(vec![bot]);
        })
    };
    for (bot, status) in [("main", 200), ("elsewhere", 401)] {
        let server = vouching(bot).start().await;
        let ann = server.person("ann").await;
        let token = signed(&header(ITS_KEY), &claims(&server), ITS_KEY);
        say(&server, &ann, &token).await.expect(status);
        assert_eq!(ann.texts().await.len(), usize::from(status == 200));
        // Our own tokens need nobody to vouch for them.
        say(&server, &ann, &own_token(&server)).await.expect(200);
    }
}

/// One that this server would give the bot.
fn own_token(server: &TestServer) -> String {
    let now = server.clock.now();
    let keys =
        landline_auth::IdentityKeys::new(landline_testkit::in_process::keys::key(0), now).expect("keys");
    let base = format!("http://{}", server.address);
    let token = landline_auth::AccessToken { base: &base, tenant: "botframework.com", app_id: APP };
    token.sign(&keys, now).expect("a token").0
}

/// A thousand tokens, each naming another key that nobody has.
fn storm(server: &TestServer, ann: &Person) -> JoinSet<u16> {
    let mut storm = JoinSet::new();
    for number in 0..1000 {
        let header = with(&header(ITS_KEY), "kid", json!(format!("unknown {number}")));
        let claims = claims(server);
        let path = format!("/connector/v3/conversations/{}/activities", ann.conversation);
        let call = server.post(&path).json(&json!({"type": "message", "text": "a"}));
        // Not worth a real signature: it is never looked at.
        let token = crate::forge::hmac_signed(&header, &claims, b"whatever");
        storm.spawn(async move { call.bearer(&token).send().await.status });
    }
    storm
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_unknown_keys_causes_one_fetch() {
    let stub = Stub::start().await;
    let server = trusting(stub.keys()).start().await;
    let ann = server.person("ann").await;

    let storm = storm(&server, &ann);
    let good = say(&server, &ann, &signed(&header(ITS_KEY), &claims(&server), ITS_KEY)).await;
    ann.say("I am served").await;

    good.expect(200);
    assert!(storm.join_all().await.into_iter().all(|status| status == 401));
    assert_eq!(stub.asked(), 1);
    assert_eq!(ann.texts().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_hangs_holds_up_nobody_else() {
    let stub = Stub::start().await;
    let server = trusting(stub.keys()).start().await;
    let ann = server.person("ann").await;
    let own = own_token(&server);
    stub.hangs.store(true, Ordering::SeqCst);

    let storm = storm(&server, &ann);
    let others = async {
        for _ in 0..20 {
            ann.say("from ann").await;
            say(&server, &ann, &own).await.expect(200);
        }
    };
    tokio::time::timeout(Duration::from_secs(4), others).await.expect("nobody waits for the issuer");

    assert!(storm.join_all().await.into_iter().all(|status| status == 401));
    assert_eq!(stub.asked(), 1);
    // What does not come is not asked for again at once, and what comes later is taken.
    say(&server, &ann, &signed(&header(ITS_KEY), &claims(&server), ITS_KEY)).await.expect(401);
    assert_eq!(stub.asked(), 1);
}
