//! What bots are shown: nothing, our own token, or one that was fetched.

use std::sync::Mutex;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use landline_auth::IDENTITY_PUBLISH_AHEAD;
use serde_json::{Value, json};

use super::*;
use crate::directory::{Hidden, OutgoingCredentials};
use crate::limits::{TOKEN_EARLY, TOKEN_FAILURE_PAUSE};

const SERVICE_URL: &str = "http://127.0.0.1:3000/connector/";
const APP_ID: &str = "11111111-2222-3333-4444-555555555555";

/// A bot and a token endpoint, each a bare socket that keeps what it was sent, and the way to the bot.
struct World {
    transport: HyperBotTransport,
    directory: Arc<Directory>,
    clock: Arc<ManualClock>,
    keys: Arc<Mutex<Arc<IdentityKeys>>>,
    /// The `Authorization` of each request to the bot.
    shown: Arc<Mutex<Vec<String>>>,
    /// What the bot answers.
    bot_says: Arc<Mutex<u16>>,
    /// The bodies of the requests for a token.
    asked: Arc<Mutex<Vec<String>>>,
    /// What the token endpoint answers; `None` for nothing at all.
    endpoint_says: Arc<Mutex<Option<String>>>,
    _raw: [RawBot; 2],
}

fn http(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn token_answer(token: &str, expires_in: impl Into<Value>) -> Option<String> {
    let body = json!({"access_token": token, "token_type": "Bearer", "expires_in": expires_in.into()});
    Some(http("200 OK", &body.to_string()))
}

/// Answers every request with what `says` says, and keeps each.
async fn recording(
    kept: &Arc<Mutex<Vec<String>>>,
    says: impl Fn() -> Option<String> + Clone + Send + Sync + 'static,
) -> RawBot {
    let kept = Arc::clone(kept);
    RawBot::start(move |_, mut stream| {
        let (kept, says) = (Arc::clone(&kept), says.clone());
        async move {
            loop {
                let request = read_request(&mut stream).await;
                if request.is_empty() {
                    return;
                }
                kept.lock().unwrap().push(request);
                let Some(answer) = says() else { return std::future::pending().await };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    })
    .await
}

impl World {
    async fn new(outgoing: bool) -> Self {
        let (shown, asked) = (Arc::default(), Arc::default());
        let bot_says = Arc::new(Mutex::new(200));
        let endpoint_says = Arc::new(Mutex::new(token_answer("first-token", 3600)));
        let status = Arc::clone(&bot_says);
        let raw_bot =
            recording(&shown, move || Some(http(&format!("{} x", *status.lock().unwrap()), ""))).await;
        let says = Arc::clone(&endpoint_says);
        let entra = recording(&asked, move || says.lock().unwrap().clone()).await;
        let directory = directory([(bot(), &format!("http://{}/api/messages", raw_bot.address))]);
        let clock = Arc::new(ManualClock::default());
        let keys = Arc::new(Mutex::new(Arc::new(IdentityKeys::new(key(0), clock.now()).unwrap())));
        let current = Arc::clone(&keys);
        let current: CurrentKeys = Arc::new(move || Arc::clone(&*current.lock().unwrap()));
        let transport = HyperBotTransport::new(
            Arc::clone(&directory),
            Connector::default(),
            current,
            Arc::<ManualClock>::clone(&clock),
        );
        let token_url = format!("http://{}/token", entra.address).parse().unwrap();
        let world = Self {
            transport,
            directory,
            clock,
            keys,
            shown,
            bot_says,
            asked,
            endpoint_says,
            _raw: [raw_bot, entra],
        };
        world.change(|bot| {
            bot.app_id = Some(APP_ID.into());
            bot.outgoing = outgoing.then(|| {
                Arc::new(OutgoingCredentials {
                    token_url,
                    client_secret: Hidden::new("the-secret-of-the-bot".into()),
                    scope: format!("{APP_ID}/.default"),
                })
            });
        });
        world
    }

    fn change(&self, change: impl FnOnce(&mut Bot)) {
        let mut snapshot = Snapshot::clone(&self.directory.snapshot());
        change(Arc::make_mut(snapshot.bots.get_mut(&bot()).unwrap()));
        self.directory.replace(snapshot);
    }

    async fn post(&self) -> Result<u16, BotFailure> {
        self.transport.post(request(bot(), b"{}", LATE)).await.map(|answer| answer.status)
    }

    /// The `Authorization` of the next request.
    async fn shows(&self) -> String {
        self.post().await.unwrap();
        let requests = self.shown.lock().unwrap();
        let lines = requests.last().unwrap().lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        found.next().map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn part(token: &str, number: usize) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()
}

fn claims(header: &str) -> Value {
    serde_json::from_slice(&part(header.strip_prefix("Bearer ").unwrap(), 1)).unwrap()
}

fn key_id(header: &str) -> String {
    let head: Value = serde_json::from_slice(&part(header.strip_prefix("Bearer ").unwrap(), 0)).unwrap();
    assert_eq!(head["alg"], "RS256");
    head["kid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_bot_without_app_id_is_shown_nothing() {
    let world = World::new(true).await;
    world.change(|bot| bot.app_id = None);
    assert_eq!(world.shows().await, "");
    assert_eq!(world.asked(), 0);
}

#[tokio::test]
async fn a_bot_with_app_id_is_shown_who_calls() {
    let world = World::new(false).await;

    let header = world.shows().await;

    let now = world.clock.now().as_seconds();
    let expected = json!({
        "iss": DEFAULT_ISSUER, "aud": APP_ID, "serviceurl": SERVICE_URL, "nbf": now, "exp": now + 600,
    });
    assert_eq!(claims(&header), expected);

    let token = header.strip_prefix("Bearer ").unwrap();
    let (message, _) = token.rsplit_once('.').unwrap();
    let keys = world.keys.lock().unwrap().clone();
    let published = serde_json::to_value(keys.jwks(world.clock.now())).unwrap();
    let published = &published["keys"][0];
    assert_eq!(published["kid"], key_id(&header));
    let number = |name: &str| URL_SAFE_NO_PAD.decode(published[name].as_str().unwrap()).unwrap();
    let verifies = RsaPublicKeyComponents { n: number("n"), e: number("e") }.verify(
        &RSA_PKCS1_2048_8192_SHA256,
        message.as_bytes(),
        &part(token, 2),
    );
    assert!(verifies.is_ok());
}

#[tokio::test]
async fn a_signed_token_serves_for_half_its_life() {
    let world = World::new(false).await;
    let first = world.shows().await;
    for _ in 0..4 {
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(world.shows().await, first, "no signature for each message");
    }
    world.clock.advance(Duration::from_secs(60));
    let second = world.shows().await;
    assert_ne!(second, first);
    world.clock.set_back(Duration::from_secs(3600));
    assert_ne!(world.shows().await, second, "it would not be valid yet");
}

#[tokio::test]
async fn a_token_is_made_for_one_app_id_issuer_service_url_and_key() {
    let world = World::new(false).await;
    let first = world.shows().await;

    world.change(|bot| bot.app_id = Some("other-app".into()));
    assert_eq!(claims(&world.shows().await)["aud"], "other-app");

    world.change(|bot| bot.issuer = "https://landline.example.org".into());
    assert_eq!(claims(&world.shows().await)["iss"], "https://landline.example.org");

    let moved = BotRequest {
        service_url: "https://LandLine.example.org/connector/".into(),
        ..request(bot(), b"{}", LATE)
    };
    world.transport.post(moved).await.unwrap();
    let sent = world.shown.lock().unwrap().last().unwrap().clone();
    let header = sent.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap();
    assert_eq!(claims(header)["serviceurl"], "https://LandLine.example.org/connector/", "byte for byte");

    let rotated =
        world.keys.lock().unwrap().rotate(key(1), world.clock.now(), IDENTITY_PUBLISH_AHEAD).unwrap();
    *world.keys.lock().unwrap() = Arc::new(rotated);
    assert_eq!(key_id(&world.shows().await), key_id(&first), "published, and does not sign yet");
    world.clock.advance(IDENTITY_PUBLISH_AHEAD);
    assert_eq!(key_id(&world.shows().await), key(1).id());
}

#[tokio::test]
async fn a_token_is_fetched_as_the_emulator_does_and_shown_as_long_as_it_lives() {
    let world = World::new(true).await;

    for _ in 0..3 {
        assert_eq!(world.shows().await, "Bearer first-token");
    }

    assert_eq!(world.asked(), 1);
    let asked = world.asked.lock().unwrap()[0].clone();
    assert!(asked.starts_with("POST /token HTTP/1.1\r\n"), "{asked}");
    let form = format!(
        "\r\n\r\ngrant_type=client_credentials&client_id={APP_ID}&client_secret=the-secret-of-the-bot\
         &scope={APP_ID}%2F.default"
    );
    assert!(asked.ends_with(&form), "{asked}");
}

#[tokio::test]
async fn a_fetched_token_is_replaced_shortly_before_its_end() {
    for expires_in in [json!(3600), json!("3600")] {
        let world = World::new(true).await;
        *world.endpoint_says.lock().unwrap() = token_answer("first-token", expires_in);
        world.shows().await;
        *world.endpoint_says.lock().unwrap() = token_answer("second-token", 3600);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(3590) - TOKEN_EARLY).await;
        tokio::time::resume();
        assert_eq!(world.shows().await, "Bearer first-token");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(10)).await;
        tokio::time::resume();
        assert_eq!(world.shows().await, "Bearer second-token");
        assert_eq!(world.asked(), 2);
    }
}

#[tokio::test]
async fn many_at_once_ask_for_one_token() {
    let world = World::new(true).await;
    let all = futures_util::future::join_all((0..50).map(|_| world.post())).await;
    assert!(all.into_iter().all(|status| status == Ok(200)));
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn other_credentials_get_another_token() {
    let world = World::new(true).await;
    world.shows().await;
    *world.endpoint_says.lock().unwrap() = token_answer("second-token", 3600);
    world.change(|bot| {
        let outgoing = Arc::make_mut(bot.outgoing.as_mut().unwrap());
        outgoing.client_secret = Hidden::new("another-secret".into());
    });
    assert_eq!(world.shows().await, "Bearer second-token");
    assert!(world.asked.lock().unwrap()[1].contains("client_secret=another-secret"));
}

#[tokio::test]
async fn a_token_endpoint_that_fails_is_left_alone_for_a_while_and_nothing_is_told_of_it() {
    for answer in [
        http("401 No", r#"{"error":"invalid_client","error_description":"hush"}"#),
        http("500 No", "hush"),
        http("200 OK", r#"{"access_token":"hush" and no JSON"#),
        http("200 OK", r#"{"access_token":"hush","token_type":"mac"}"#),
        http("200 OK", r#"{"access_token":"hush\r\nx: y"}"#),
        http("200 OK", r#"{"access_token":""}"#),
        http("302 Go", "hush"),
        "nonsense".into(),
    ] {
        let world = World::new(true).await;
        *world.endpoint_says.lock().unwrap() = Some(answer.clone());
        for _ in 0..5 {
            let failure = world.post().await.unwrap_err();
            assert!(matches!(failure, BotFailure::NotReached(_)), "it is tried again: {failure:?}");
            let words = format!("{failure:?} {failure}");
            assert!(!words.contains("hush") && !words.contains("the-secret-of-the-bot"), "{words}");
        }
        assert_eq!(world.asked(), 1, "{answer:?}");
        assert!(world.shown.lock().unwrap().is_empty(), "the bot is not called without its token");

        *world.endpoint_says.lock().unwrap() = token_answer("first-token", 3600);
        tokio::time::pause();
        tokio::time::advance(TOKEN_FAILURE_PAUSE).await;
        tokio::time::resume();
        assert_eq!(world.shows().await, "Bearer first-token");
    }
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_costs_the_deadline_and_no_more() {
    let world = World::new(true).await;
    *world.endpoint_says.lock().unwrap() = None;
    let began = Instant::now();
    let both = (
        world.transport.post(request(bot(), b"{}", SOON)),
        world.transport.post(request(bot(), b"{}", SOON)),
    );
    let (first, second) = tokio::join!(both.0, both.1);
    for failure in [first.unwrap_err(), second.unwrap_err()] {
        assert!(matches!(failure, BotFailure::NotReached(_)), "{failure:?}");
    }
    assert!(began.elapsed() < SOON * 3, "{:?}", began.elapsed());

    // Who had no time said nothing of the endpoint.
    *world.endpoint_says.lock().unwrap() = token_answer("first-token", 3600);
    assert_eq!(world.shows().await, "Bearer first-token");
}

#[tokio::test]
async fn a_bot_that_refuses_its_token_gets_one_new_one() {
    for status in [401, 403] {
        let world = World::new(true).await;
        world.shows().await;
        *world.endpoint_says.lock().unwrap() = token_answer("second-token", 3600);
        *world.bot_says.lock().unwrap() = status;

        assert_eq!(world.shows().await, "Bearer first-token");
        for _ in 0..3 {
            assert_eq!(world.shows().await, "Bearer second-token");
        }
        assert_eq!(world.asked(), 2, "not one for each activity");

        // Once it takes one, it may refuse again.
        *world.bot_says.lock().unwrap() = 200;
        world.shows().await;
        *world.endpoint_says.lock().unwrap() = token_answer("third-token", 3600);
        *world.bot_says.lock().unwrap() = status;
        world.shows().await;
        assert_eq!(world.shows().await, "Bearer third-token");
    }
}

#[tokio::test]
async fn nothing_is_kept_of_a_bot_that_went() {
    let world = World::new(true).await;
    world.shows().await;
    let one = Snapshot::clone(&world.directory.snapshot());
    world.transport.shared.authorization.keep(&Snapshot::default());
    world.directory.replace(one);
    world.shows().await;
    assert_eq!(world.asked(), 2);
    assert!(!format!("{:?}", world.transport).contains("first-token"));
}
