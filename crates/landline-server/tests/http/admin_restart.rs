//! What the admin API has changed is there after a restart, on disk; and what the file then says counts.

use std::path::Path;
use std::sync::Arc;

use hyper::Method;
use landline_auth::{MAX_IDENTITY_KEYS, RsaKey};
use landline_core::SystemClock;
use landline_server::SystemEntropy;
use landline_server::app::{self, Running, StartOptions};
use landline_server::config::Config;
use landline_testkit::in_process::{Call, TestServer};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::admin::ENDPOINT;

/// A real server on a folder, reached as the commands reach it: by `admin.json`.
struct OnDisk {
    running: Running,
    shutdown: CancellationToken,
    token: String,
}

impl OnDisk {
    async fn start(folder: &Path, text: &str) -> anyhow::Result<Self> {
        let text = format!("data = \"data\"\n{text}\n[limits]\ndisk_reserve = \"1MiB\"\n");
        let config = Config::parse(&text, folder, &|_| None)?;
        let shutdown = CancellationToken::new();
        let options = StartOptions {
            config,
            public: TcpListener::bind("127.0.0.1:0").await?,
            admin: TcpListener::bind("127.0.0.1:0").await?,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            make_identity_key: Arc::new(RsaKey::generate),
            extra_routes: Default::default(),
            reload: Arc::default(),
            shutdown: shutdown.clone(),
        };
        let running = app::start(options).await?;
        let file: Value = serde_json::from_slice(&std::fs::read(folder.join("data/admin.json"))?)?;
        assert_eq!(file["url"], format!("http://{}", running.admin_addr));
        let token = file["token"].as_str().expect("a token").to_owned();
        Ok(Self { running, shutdown, token })
    }

    fn admin(&self, method: Method, path: &str) -> Call {
        Call::new(self.running.admin_addr, method, &format!("/admin/v1{path}")).bearer(&self.token)
    }

    async fn get(&self, path: &str) -> Value {
        self.admin(Method::GET, path).send().await.expect(200).json()
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.finished().await.expect("a good end");
    }
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data/admin.json");
    let before = OnDisk::start(folder.path(), "").await.expect("a start");
    let token = before.token.clone();
    let post =
        async |path: &str, body: Value| before.admin(Method::POST, path).json(&body).send().await.expect(201);
    let full = json!({
        "name": "full", "endpoint": ENDPOINT, "appId": true, "tenant": "t", "issuer": "https://i.example",
        "delivery": "queued", "credential": true, "outgoing": {"clientSecret": "s~1", "scope": "x"},
    });
    let credential = post("/bots", full).await.text("credential");
    post("/bots", json!({"name": "plain", "endpoint": ENDPOINT})).await;
    post("/bots", json!({"name": "gone", "endpoint": ENDPOINT})).await;
    let secret =
        post("/sites", json!({"name": "one", "bot": "full", "tokenLifetime": "5m"})).await.text("secret");
    let second = post("/sites/one/secrets", json!({})).await.text("secret");
    post("/sites", json!({"name": "gone", "bot": "gone"})).await;
    for path in ["/sites/gone", "/bots/gone"] {
        before.admin(Method::DELETE, path).send().await.expect(204);
    }
    before.admin(Method::POST, "/keys/tokens").send().await.expect(200);
    before.admin(Method::POST, "/keys/identity").send().await.expect(200);
    let everything = async |server: &OnDisk| {
        let bots = server.get("/bots").await.to_string();
        // The port is another one after the restart.
        let bots = bots.replace(&server.running.public_addr.to_string(), "ADDRESS");
        (bots, server.get("/sites").await, server.get("/keys").await)
    };
    let seen = everything(&before).await;
    let capability = |server: &OnDisk| {
        let snapshot = server.running.directory.snapshot();
        let url = snapshot.bots[&"plain".parse().expect("a name")].service_url.expose().to_string();
        url.split('/').nth(4).expect("a capability").to_owned()
    };
    let plain = capability(&before);
    before.stop().await;
    assert!(!file.exists(), "removed at an orderly stop");

    let after = OnDisk::start(folder.path(), "").await.expect("a start");

    assert_ne!(after.token, token, "made at each start");
    after.admin(Method::GET, "/bots").send().await.expect(200);
    Call::new(after.running.admin_addr, Method::GET, "/admin/v1/bots")
        .bearer(&token)
        .send()
        .await
        .expect(401);
    assert_eq!(everything(&after).await, seen);
    assert_eq!(capability(&after), plain);
    let snapshot = after.running.directory.snapshot();
    let bot = &snapshot.bots[&"full".parse().expect("a name")];
    assert!(bot.credentials.accepts(&credential));
    let outgoing = bot.outgoing.as_ref().expect("outgoing credentials");
    assert_eq!(outgoing.client_secret.expose(), "s~1");
    for secret in [&secret, &second] {
        assert!(snapshot.site_by_secret(secret).is_some_and(|site| site.name.as_str() == "one"));
    }
    // And goes on being changed.
    after.admin(Method::DELETE, "/sites/one/secrets/1").send().await.expect(204);
    let change = json!({"endpoint": "http://127.0.0.1:8/"});
    after.admin(Method::PATCH, "/bots/full").json(&change).send().await.expect(200);
    after.stop().await;
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_admin_file() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("data/admin.json");
    std::fs::create_dir(folder.path().join("data")).expect("a folder");
    let mode = |path: &Path| std::fs::metadata(path).expect("a file").permissions().mode() & 0o777;

    let server = OnDisk::start(folder.path(), "").await.expect("a start");
    assert_eq!(mode(&file), 0o600);
    assert!(server.token.len() >= 32);
    // As after a crash: what is left over, and half written, is replaced.
    server.stop().await;
    for name in ["admin.json", "admin.json.new"] {
        let left = folder.path().join("data").join(name);
        std::fs::write(&left, "{").expect("a file");
        std::fs::set_permissions(&left, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    }
    let fixed = "a-token-of-the-operator-0123456789abcdef";
    let server = OnDisk::start(folder.path(), &format!("admin_token = \"{fixed}\"")).await.expect("a start");
    assert_eq!((mode(&file), server.token.as_str()), (0o600, fixed));
    assert!(!folder.path().join("data/admin.json.new").exists());
    server.stop().await;
}

#[tokio::test]
async fn where_a_name_stands_in_both_the_file_counts() {
    let before = TestServer::start().await;
    let add =
        async |path: &str, body: Value| before.admin(Method::POST, path).json(&body).send().await.expect(201);
    add("/bots", json!({"name": "twice", "endpoint": ENDPOINT, "appId": "of-the-registry"})).await;
    let secret = add("/sites", json!({"name": "twice", "bot": "twice"})).await.text("secret");

    let shadowed = before
        .restarted_as(|config| {
            let mut bot = config.bots[0].clone();
            bot.name = "twice".parse().expect("a name");
            let mut site = config.sites[0].clone();
            site.name = "twice".parse().expect("a name");
            site.bot = bot.name.clone();
            (site.secret, site.second_secret) = (None, None);
            config.bots.push(bot);
            config.sites.push(site);
        })
        .await;
    let get = async |server: &TestServer, path: &str| {
        server.admin(Method::GET, path).send().await.expect(200).json()
    };
    assert_eq!(get(&shadowed, "/bots/twice").await["bot"]["managedBy"], "file");
    assert!(get(&shadowed, "/bots/twice").await["bot"].get("appId").is_none());
    assert_eq!(get(&shadowed, "/sites/twice").await["site"]["managedBy"], "file");
    shadowed.operator_with(&secret).generate(&json!({})).send().await.refused(403, "BadArgument");
    // A secret that was made here, for a site of the file that names none, is exchanged here.
    let own = shadowed.admin(Method::POST, "/sites/twice/secrets").send().await.expect(201);
    shadowed.operator_with(&own.text("secret")).token(&json!({})).await;
    for path in ["/bots/twice", "/sites/twice"] {
        let reply = shadowed.admin(Method::DELETE, path).send().await;
        crate::admin::refused(&reply, 409, "Conflict", "defined in the configuration file");
    }

    let again = before.restarted().await;
    assert_eq!(get(&again, "/bots/twice").await["bot"]["appId"], "of-the-registry");
    again.operator_with(&secret).token(&json!({})).await;
    again.operator_with(&own.text("secret")).generate(&json!({})).send().await.refused(403, "BadArgument");
}

#[tokio::test]
async fn an_app_id_that_stands_in_both_stops_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = OnDisk::start(folder.path(), "").await.expect("a start");
    let body = json!({"name": "added", "endpoint": ENDPOINT, "appId": "the-app"});
    server.admin(Method::POST, "/bots").json(&body).send().await.expect(201);
    server.stop().await;

    let text = format!("[bots.written]\nendpoint = \"{ENDPOINT}\"\napp_id = \"the-app\"");
    let error = OnDisk::start(folder.path(), &text).await.err().expect("a refusal").to_string();

    assert!(error.contains("written") && error.contains("added") && error.contains("same app id"), "{error}");
    OnDisk::start(folder.path(), "").await.expect("as before").stop().await;
}

#[tokio::test]
async fn too_many_identity_keys_are_refused_and_the_ring_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = OnDisk::start(folder.path(), "").await.expect("a start");
    // Here, because these keys are really made.
    for _ in 1..MAX_IDENTITY_KEYS {
        server.admin(Method::POST, "/keys/identity").send().await.expect(200);
    }
    let before = server.get("/keys").await;
    let reply = server.admin(Method::POST, "/keys/identity").send().await;
    crate::admin::refused(&reply, 409, "Conflict", "the limit is");
    assert_eq!(server.get("/keys").await, before);
    assert_eq!(before["identity"].as_array().map(Vec::len), Some(MAX_IDENTITY_KEYS));
    server.stop().await;
}
