//! What runs within the trap. Ignored, because it means nothing elsewhere.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt as _;
use hyper::Method;
use landline_testkit::bot::{Bot, Mode};
use landline_testkit::in_process::{BotActor, Builder, Person, SECRET, TestServer, start};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::hosts;
use super::trap::{HERE, METADATA, Trap};
use crate::form::{Form, PNG, upload_form};

/// Where somebody wants us to go.
const URLS: [&str; 14] = [
    "http://trap.test/x",
    "https://trap.test/x",
    "http://trap.test:8080/x",
    "//trap.test/x",
    "HTTP://TRAP.TEST/x",
    "http://10.1.2.3/x",
    "http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "http://0xa9fea9fe/",
    "http://[::ffff:169.254.169.254]/",
    "http://127.0.0.1:80/",
    "ftp://trap.test/x",
    "file:///etc/passwd",
    "/etc/passwd",
    "data:text/html;base64,PGltZyBzcmM9Imh0dHA6Ly90cmFwLnRlc3QvIj4=",
];

/// An activity that names it wherever a URL may stand.
fn activity(url: &str) -> Value {
    let card = json!({
        "title": "t", "images": [{"url": url, "tap": {"type": "openUrl", "value": url}}], "image": {"url": url},
        "media": [{"url": url}], "buttons": [{"type": "openUrl", "title": "b", "value": url, "image": url}],
        "connectionName": url, "tokenExchangeResource": {"uri": url}, "tap": {"type": "signin", "value": url},
    });
    let kinds = ["hero", "thumbnail", "audio", "video", "animation", "signin", "oauth", "receipt"];
    let cards = kinds.map(|kind| {
        let kind = format!("application/vnd.microsoft.card.{kind}");
        json!({"contentType": kind, "content": card, "contentUrl": url, "thumbnailUrl": url})
    });
    let mut attachments = vec![
        json!({"contentType": "image/png", "contentUrl": url, "thumbnailUrl": url, "name": "x.png"}),
        json!({"contentType": "text/html", "contentUrl": url}),
        json!({"contentType": url, "contentUrl": url, "name": url}),
        json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": {
            "type": "AdaptiveCard", "backgroundImage": url, "body": [{"type": "Image", "url": url}],
            "actions": [{"type": "Action.Http", "url": url}], "refresh": {"action": {"url": url}},
        }}),
    ];
    attachments.extend(cards);
    json!({
        "type": "message", "text": url, "speak": format!("<audio src=\"{url}\"/>"), "serviceUrl": url,
        "callbackUrl": url, "callerId": url, "channelId": url, "locale": url, "attachments": attachments,
        "from": {"id": "ann", "iconUrl": url, "image": url}, "recipient": {"id": url, "iconUrl": url},
        "conversation": {"id": url, "tenantId": url}, "value": {"url": url}, "channelData": {"webhook": url, "url": url},
        "entities": [{"type": "x", "url": url}], "relatesTo": {"serviceUrl": url, "bot": {"id": url}},
        "suggestedActions": {"actions": [{"type": "openUrl", "image": url, "value": url}]},
    })
}

async fn send_everything(server: &TestServer, ann: &Person, bot: &BotActor, url: &str) {
    let activity = activity(url);
    ann.send(&activity).send().await;
    for kind in ["event", "invoke", "conversationUpdate", "typing", "installationUpdate"] {
        let mut other = activity.clone();
        other["type"] = kind.into();
        ann.send(&other).send().await;
    }
    upload_form(ann, Form::default().activity(&activity).file("x.png", "image/png", PNG)).send().await;
    upload_form(ann, Form::default().activity(&activity)).send().await;
    upload_form(ann, Form::default().file(url, url, PNG)).send().await;
    let body = json!({
        "user": {"id": "ann", "name": url, "iconUrl": url}, "trustedOrigins": [url], "serviceUrl": url, "callbackUrl": url,
        "bot": {"id": url}, "locale": url, "webhook": url, "streamUrl": url,
    });
    server.post("/v3/directline/tokens/generate").bearer(SECRET).json(&body).send().await;
    server.post("/v3/directline/tokens/refresh").bearer(&ann.token).json(&body).send().await;
    start(server.address, SECRET).json(&body).send().await;
    start(server.address, &ann.token).json(&body).send().await;
    ann.call(Method::GET, &format!("?watermark=&url={}", url.replace('/', "%2F"))).send().await;
    ann.call(Method::GET, "/activities").header("referer", url).header("origin", url).send().await;
    ann.call(Method::GET, "/activities")
        .header("x-forwarded-host", "trap.test")
        .header("x-original-url", url)
        .send()
        .await;

    bot.send(&ann.conversation, &activity).send().await;
    let said = bot.send(&ann.conversation, &json!({"type": "message", "text": "a"})).send().await;
    if said.status == 200 {
        let id = said.text("id");
        bot.reply(&ann.conversation, &id, &activity).send().await;
        let path = format!("/v3/conversations/{}/activities/{}", ann.conversation, id.replace('|', "%7C"));
        bot.at(Method::PUT, &path).json(&activity).send().await;
    }
    let create = json!({
        "bot": {"id": "main"}, "members": [{"id": "ann", "iconUrl": url}], "activity": activity, "channelData": {"url": url},
        "topicName": url, "serviceUrl": url,
    });
    bot.at(Method::POST, "/v3/conversations").json(&create).send().await;
    let file =
        json!({"type": "image/png", "name": url, "originalBase64": "AQID", "contentUrl": url, "url": url});
    bot.at(Method::POST, &format!("/v3/conversations/{}/attachments", ann.conversation))
        .json(&file)
        .send()
        .await;
    let history = json!({"activities": [activity]});
    bot.at(Method::POST, &format!("/v3/conversations/{}/activities/history", ann.conversation))
        .json(&history)
        .send()
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a network of its own, started by the tests beside it"]
async fn no_url_that_somebody_sends_is_fetched() {
    let trap = Trap::set(Box::new(|_, _| vec![HERE])).await;
    let bot = Bot::start(Mode::Echo).await.expect("a bot");
    let server = TestServer::builder().http_bot(&bot.endpoint()).start().await;
    let ann = server.person("ann").await;
    let actor = server.bot_actor();

    for url in URLS {
        send_everything(&server, &ann, &actor, url).await;
    }

    let history = ann.history().await;
    assert!(history.len() > 20 * URLS.len() / 4, "too little was taken: {}", history.len());
    let text = serde_json::to_string(&history).expect("text");
    assert!(!text.contains("root:"), "a file of this machine was read");
    let seen = trap.seen();
    assert!(seen.connected.is_empty() && seen.asked.is_empty(), "{seen:?}");

    // It would have been seen.
    TcpStream::connect("trap.test:80").await.expect("the trap");
    TcpStream::connect("169.254.169.254:8080").await.expect("the trap");
    let both = async {
        while trap.seen().connected.len() < 2 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), both).await.expect("two connections in the trap");
    assert_eq!((trap.seen().connected.len(), trap.seen().asked), (2, vec!["trap.test".to_owned()]));
}

/// The host, and what becomes of a message for a bot there. `None` where no URL can hold it.
fn deliver_to(host: &'static str) -> Option<impl Future<Output = (&'static str, u16)>> {
    // As in a registry of an older release: nobody has checked it when it was saved.
    let endpoint: url::Url = format!("http://{host}/api/messages").parse().ok()?;
    Some(async move {
        let server = impatient().http_bot(endpoint.as_str()).start().await;
        let started =
            start(server.address, SECRET).json(&json!({"user": {"id": "ann"}})).send().await.expect(201);
        let path = format!("/v3/directline/conversations/{}/activities", started.text("conversationId"));
        let message = json!({"type": "message", "text": "a", "from": {"id": "ann"}});
        (host, server.post(&path).bearer(SECRET).json(&message).send().await.status)
    })
}

/// How many servers run at a time.
const AT_ONCE: usize = 24;

/// A server that does not try for long to reach a bot.
fn impatient() -> Builder {
    TestServer::builder().configure(|config| config.limits.domain.bot_deadline = Duration::from_secs(2))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a network of its own, started by the tests beside it"]
async fn no_forbidden_host_is_connected_to() {
    let trap = Trap::set(Box::new(|_, _| vec![HERE])).await;
    let never: Vec<_> =
        hosts().filter(|(kind, _)| *kind == "never").filter_map(|(_, host)| deliver_to(host)).collect();
    let tried = never.len();
    let mut statuses = futures_util::stream::iter(never).buffer_unordered(AT_ONCE);
    while let Some((host, status)) = statuses.next().await {
        assert_eq!(status, 502, "{host}");
    }
    assert!(tried >= 100, "{tried}");
    assert!(trap.seen().connected.is_empty(), "{:?}", trap.seen());

    // They would have come out here, as others do; but for IPv6, which not every machine has.
    let others = hosts().filter(|(kind, host)| *kind != "never" && !host.contains('['));
    let others: Vec<_> = others.filter_map(|(_, host)| deliver_to(host)).collect();
    let tried = others.len();
    let mut statuses = futures_util::stream::iter(others).buffer_unordered(AT_ONCE);
    while let Some((host, status)) = statuses.next().await {
        assert_eq!(status, 200, "{host}");
    }
    assert!(trap.seen().connected.len() >= tried && tried >= 30, "{tried}");
    assert!(trap.seen().asked.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a network of its own, started by the tests beside it"]
async fn a_name_leads_where_it_was_checked_to_lead() {
    let metadata = Ipv4Addr::new(169, 254, 169, 254);
    let trap = Trap::set(Box::new(move |name, times| match name {
        "flip.test" if times % 2 == 1 => vec![HERE],
        "flip.test" => vec![metadata],
        "both.test" => vec![metadata, HERE, Ipv4Addr::UNSPECIFIED],
        "metadata.google.internal" => vec![metadata],
        _ => vec![Ipv4Addr::UNSPECIFIED],
    }))
    .await;
    for (name, statuses) in [
        ("flip.test", [200, 502, 200, 502, 200, 502]),
        ("both.test", [200; 6]),
        ("metadata.google.internal", [502; 6]),
        ("zero.test", [502; 6]),
    ] {
        // The start tells the bot of the new user, which would be the first look-up.
        let server = impatient().http_bot(&format!("http://{HERE}/")).start().await;
        let ann = server.person("ann").await;
        let again = server.restarted_as(|config| {
            config.bots[0].endpoint = format!("http://{name}/api/messages").parse().expect("a URL");
        });
        let again = again.await;
        let ann = ann.at(again.address);
        let mut got = Vec::new();
        for number in 0..statuses.len() {
            let before = trap.seen();
            let sent = ann
                .send(&json!({"type": "message", "text": number.to_string(), "from": {"id": "ann"}}))
                .send()
                .await;
            got.push(sent.status);
            let asked = trap.seen().asked.len() - before.asked.len();
            assert!(asked >= 1, "{name}: nothing is kept of an answer");
        }
        assert!(!trap.seen().connected.iter().any(|at| at.ip() == METADATA), "{:?}", trap.seen());
        if name != "flip.test" {
            assert_eq!(got, statuses, "{name}");
        }
    }
    let seen = trap.seen();
    assert!(seen.connected.iter().all(|at| at.ip() == IpAddr::V4(HERE)), "{seen:?}");
    let times = |name: &str| seen.asked.iter().filter(|asked| *asked == name).count();
    assert!(times("flip.test") >= 6 && times("metadata.google.internal") >= 6, "{seen:?}");
}
