//! What leaves a trace: refusals, and what operators do (S81).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{Call, Reply, SECRET, SOON, TestServer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::World;
use super::routes::{METHODS, admin_api};

/// A server with an audit log in a file.
struct Audited {
    world: World,
    path: PathBuf,
    _folder: TempDir,
}

impl Audited {
    async fn start() -> Self {
        Self::behind("10.0.0.0/8").await
    }

    /// The same, with these proxies to be believed.
    async fn behind(proxies: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("audit.log");
        let log = path.clone();
        let builder = TestServer::builder().configure(move |config| {
            config.audit_log = Some(log);
            config.trusted_proxies = vec![proxies.parse().expect("a network")];
        });
        Self { world: World::of(builder.start().await).await, path, _folder: folder }
    }

    fn records(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.path).expect("the audit log");
        text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
    }

    /// Waits until there are so many of a kind; they are written behind the answers.
    async fn wait_for(&self, event: &str, count: usize) -> Vec<Value> {
        let end = Instant::now() + SOON;
        loop {
            let records: Vec<_> = self.records().into_iter().filter(|r| r["event"] == event).collect();
            if records.len() >= count {
                return records;
            }
            assert!(Instant::now() < end, "{} of {count} {event}: {records:?}", records.len());
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// How many answers of each status the metrics have counted.
    async fn counted(&self) -> BTreeMap<u16, u64> {
        let page = Call::new(self.world.server.admin, Method::GET, "/metrics").send().await.expect(200);
        let page = String::from_utf8(page.body.to_vec()).expect("UTF-8");
        let mut counted = BTreeMap::new();
        for line in page.lines().filter_map(|line| line.strip_prefix("landline_requests_total{")) {
            let (labels, count) = line.rsplit_once("} ").expect("a count");
            let status = labels.split("status=\"").nth(1).and_then(|rest| rest.split('"').next());
            let status = status.and_then(|status| status.parse().ok()).expect("a status");
            *counted.entry(status).or_default() += count.parse::<u64>().expect("a number");
        }
        counted
    }
}

/// Refusals of every kind, with the listener, route and site that their record names.
async fn refusals(world: &World) -> Vec<(Reply, &'static str, &'static str, Option<&'static str>)> {
    let World { server, ann, eve } = world;
    let activities = "/v3/directline/conversations/{conversation}/activities";
    let stream = "/v3/directline/conversations/{conversation}/stream";
    let stream_path =
        |ticket: &str| format!("/v3/directline/conversations/{}/stream?t={ticket}", ann.conversation);
    let mut all = Vec::new();
    let mut add = |reply, listener, route, site| all.push((reply, listener, route, site));
    let start = server.post("/v3/directline/conversations").send().await;
    add(start, "public", "/v3/directline/conversations", None);
    let wrong = server.post("/v3/directline/tokens/generate").bearer(&format!("{SECRET}x")).send().await;
    add(wrong, "public", "/v3/directline/tokens/generate", None);
    let of_ann = server.get(&ann.path("/activities"));
    let other_token = of_ann.bearer(&eve.token).send().await;
    add(other_token, "public", activities, Some("other"));
    add(server.get(&stream_path("")).send().await, "public", stream, None);
    add(server.get(&stream_path("x")).send().await, "public", stream, None);
    let bound = json!({"trustedOrigins": ["https://good.example"]});
    let bound = server.operator().token(&bound).await;
    let elsewhere = server.post("/v3/directline/tokens/refresh").bearer(&bound);
    let elsewhere = elsewhere.origin("https://evil.example").send().await;
    add(elsewhere, "public", "/v3/directline/tokens/refresh", Some("default"));
    let bot = server.post("/connector/v3/conversations").send().await;
    add(bot, "public", "/connector/v3/conversations", None);
    let identity = server
        .get("/msi/token?api-version=2019-08-01&resource=https://api.botframework.com&client_id=x")
        .header("x-identity-header", "x")
        .send()
        .await;
    add(identity, "public", "/msi/token", None);
    let admin = Call::new(server.admin, Method::GET, "/admin/v1/bots").bearer(SECRET).send().await;
    add(admin, "admin", "/admin/v1/bots", None);
    server.clock.advance(Duration::from_secs(24 * 3600));
    add(ann.poll("").await, "public", activities, None);
    let refused = Opening::default().open(&ann.stream_url).await.expect_err("it is too old");
    add(*refused, "public", stream, None);
    all
}

#[tokio::test]
async fn s81_each_refusal_is_counted_and_told_once() {
    let audited = Audited::start().await;
    let refusals = refusals(&audited.world).await;
    let records = audited.wait_for("denied", refusals.len()).await;

    assert_eq!(records.len(), refusals.len(), "{records:#?}");
    let mut statuses = BTreeMap::new();
    for (reply, listener, route, site) in &refusals {
        let id = reply.header("x-request-id");
        let found: Vec<_> = records.iter().filter(|record| record["request"] == id).collect();
        assert_eq!(found.len(), 1, "{id} at {route}: {records:#?}");
        let record = found[0];
        assert!([401, 403].contains(&reply.status), "{route}: {}", reply.status);
        assert_eq!(record["status"], reply.status, "{record}");
        assert_eq!((&record["listener"], &record["route"]), (&json!(listener), &json!(route)), "{record}");
        assert_eq!(record["address"], "127.0.0.1", "{record}");
        assert_eq!(record.get("site").and_then(Value::as_str), *site, "{record}");
        let code = reply.json()["error"]["code"].clone();
        // The endpoint for App Services answers as that does.
        if code.is_string() && *route != "/msi/token" {
            assert_eq!(record["code"], code, "{record}");
        }
        *statuses.entry(reply.status).or_insert(0) += 1;
    }
    let counted = audited.counted().await;
    for (status, count) in statuses {
        assert_eq!(counted.get(&status), Some(&count), "{status}: {counted:?}");
    }
    let text = std::fs::read_to_string(&audited.path).expect("the audit log");
    for hidden in [SECRET, &audited.world.ann.token, &audited.world.eve.token, "evil.example"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

/// The address that is written down is the one that is counted by, too.
#[tokio::test]
async fn s43_nobody_but_a_proxy_says_where_a_request_comes_from() {
    let claims = [
        ("x-forwarded-for", "203.0.113.9", "203.0.113.9"),
        ("x-forwarded-for", "192.0.2.1, 203.0.113.9", "203.0.113.9"),
        ("x-forwarded-for", "192.0.2.1, 203.0.113.9, 127.0.0.2", "203.0.113.9"),
        ("forwarded", "for=192.0.2.1, for=203.0.113.9;proto=https", "203.0.113.9"),
        ("x-real-ip", "203.0.113.9", "127.0.0.1"),
        ("true-client-ip", "203.0.113.9", "127.0.0.1"),
        ("cf-connecting-ip", "203.0.113.9", "127.0.0.1"),
        ("x-client-ip", "203.0.113.9", "127.0.0.1"),
    ];
    for (proxies, believed) in [("10.0.0.0/8", false), ("127.0.0.0/8", true)] {
        let audited = Audited::behind(proxies).await;
        let mut expected = Vec::new();
        for (name, value, meant) in claims {
            let call = audited.world.server.post("/v3/directline/conversations").header(name, value);
            let reply = call.bearer("unknown").send().await.expect(403);
            let from = if believed { meant } else { "127.0.0.1" };
            expected.push((reply.header("x-request-id").to_owned(), from, format!("{name}: {value}")));
        }
        let records = audited.wait_for("denied", expected.len()).await;
        for (id, from, claim) in expected {
            let record = records.iter().find(|record| record["request"] == *id).expect("a record");
            assert_eq!(record["address"], from, "{claim}, where {proxies} is believed");
        }
    }
}

#[tokio::test]
async fn s81_a_flood_of_refusals_is_a_few_lines_that_say_how_many() {
    let audited = Audited::start().await;
    const FLOOD: u64 = 500;
    for _ in 0..FLOOD {
        audited.world.server.post("/v3/directline/conversations").bearer("x").send().await;
    }
    let path = audited.path.clone();
    // The end of the server tells what was counted so far.
    audited.world.server.stop().await.expect("a good end");
    let text = std::fs::read_to_string(path).expect("the audit log");
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let of = |event: &str| records.iter().filter(|record| record["event"] == event).collect::<Vec<_>>();
    let told = of("denied").len() as u64;
    let more = of("denied-more");
    let counted: u64 = more.iter().map(|record| record["forbidden"].as_u64().expect("a count")).sum();
    assert_eq!(told + counted, FLOOD, "{more:?}");
    assert!(told < FLOOD / 3, "{told} lines");
    assert!(more.iter().all(|record| record["address"] == "127.0.0.1"), "{more:?}");
    assert_eq!(of("lost").len(), 0);
}

#[tokio::test]
async fn s81_each_call_of_an_operator_is_a_record() {
    let audited = Audited::start().await;
    let server = &audited.world.server;
    let mut calls = Vec::new();
    for template in admin_api().into_iter().filter(|path| path.starts_with("/admin/v1")) {
        for method in METHODS {
            let conversation = &audited.world.ann.conversation;
            let path = template.replace("{name}", "thing").replace("{slot}", "2");
            let path = path.replace("{conversation}", conversation);
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let path = path.strip_prefix("/admin/v1").expect("it is below that").to_owned();
            let reply = server.admin(method.clone(), &path).json(&json!({})).send().await;
            calls.push((template.clone(), method, reply));
        }
    }
    let nothing = server.admin(Method::GET, "/nothing").send().await;
    calls.push(("unmatched".into(), Method::GET, nothing));
    assert!(calls.len() > 120, "{}", calls.len());

    let records = audited.wait_for("operator", calls.len()).await;

    assert_eq!(records.len(), calls.len());
    for (template, method, reply) in calls {
        let id = reply.header("x-request-id");
        let found: Vec<_> = records.iter().filter(|record| record["request"] == id).collect();
        assert_eq!(found.len(), 1, "{method} {template}: {found:?}");
        let record = found[0];
        assert_eq!(record["status"], reply.status, "{record}");
        assert_eq!(record["method"], method.as_str(), "{record}");
        assert_eq!(record["by"], "admin-token", "{record}");
        assert_eq!(record["address"], "127.0.0.1", "{record}");
        let route = record["route"].as_str().expect("a route");
        assert!(template.ends_with(route) || route == template, "{template}: {record}");
        let named = template.matches('{').count();
        assert_eq!(record["target"].as_array().map_or(0, Vec::len), named, "{record}");
    }
}

#[tokio::test]
async fn s81_what_an_operator_has_changed_is_in_the_record() {
    let audited = Audited::start().await;
    let server = &audited.world.server;
    let post = async |path: &str, body: Value| server.admin(Method::POST, path).json(&body).send().await;
    let bot = json!({"name": "added", "endpoint": "http://127.0.0.1:9/", "appId": true, "credential": true});
    let credential = post("/bots", bot.clone()).await.expect(201).text("credential");
    post("/bots", bot).await.expect(409);
    let secret = post("/sites", json!({"name": "shop", "bot": "added"})).await.expect(201).text("secret");
    post("/sites/shop/secrets", json!({})).await.expect(201);
    server.admin(Method::DELETE, "/sites/shop/secrets/1").send().await.expect(204);
    post("/keys/tokens", json!({})).await.expect(200);
    let conversation = format!("/conversations/{}", audited.world.ann.conversation);
    server.admin(Method::DELETE, &conversation).send().await.expect(204);
    server.admin(Method::GET, "/sites/lls_a-secret-in-the-wrong-place").send().await.expect(404);

    let records = audited.wait_for("operator", 8).await;

    let changes: Vec<_> =
        records.iter().map(|record| record.get("changes").cloned().unwrap_or_default()).collect();
    assert_eq!(changes[0], json!([{"change": "BotAdded", "what": "added"}]));
    assert_eq!((&changes[1], &records[1]["status"]), (&Value::Null, &json!(409)));
    assert_eq!(changes[2], json!([{"change": "SiteAdded", "what": "shop"}]));
    assert_eq!(changes[3], json!([{"change": "SecretAdded", "what": "shop"}]));
    assert_eq!(changes[4], json!([{"change": "SecretRemoved", "what": "shop"}]));
    assert_eq!(records[4]["target"], json!(["shop", "1"]));
    assert_eq!(changes[5][0]["change"], "TokenKeyRotated");
    assert_eq!(changes[6][0]["change"], "ConversationDeleted");
    assert_eq!(records[7]["target"], json!(["(not a name)"]));
    let text = std::fs::read_to_string(&audited.path).expect("the audit log");
    for hidden in [&*credential, &*secret, "wrong-place"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn the_start_and_the_end_of_a_server_are_in_the_log() {
    let audited = Audited::start().await;
    let started = audited.wait_for("started", 1).await.remove(0);
    assert_eq!(started["listen"], audited.world.server.address.to_string());
    let same = Audited::start().await.wait_for("started", 1).await.remove(0);
    assert!(started["config"].as_str().expect("a digest").starts_with("sha256:"), "{started}");
    assert_ne!(started["config"], same["config"], "another file of the log is another configuration");
    let path = audited.path.clone();
    audited.world.server.stop().await.expect("a good end");
    let text = std::fs::read_to_string(path).expect("the audit log");
    assert!(text.ends_with("\"event\":\"stopped\",\"why\":\"as asked\"}\n"), "{text}");
}
