//! The built server, at its most talkative, through a whole session: no secret on stdout or stderr, in the audit log, in
//! what `/proc` shows to others, or in what the metrics say.

use std::fs;

use rustix::process::Signal;

use crate::process::{PATIENCE, Running, ask, get, json, landline, pause};

const SITE: &str = "canary-of-the-site-0123456789abcdef0123456789";
const ADMIN: &str = "canary-of-the-admin-0123456789abcdef0123456789";
const CREDENTIAL: &str = "canary-of-the-bot-0123456789abcdef0123456789";
const OUTGOING: &str = "canary-of-the-client-secret";
const TEXT: &str = "canary-that-was-said";

#[test]
fn s80_a_session_at_the_most_talkative_level_holds_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let (config, audit) = (folder.path().join("landline.toml"), folder.path().join("log/audit.log"));
    let text = format!(
        "listen = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\nadmin_token = \"{ADMIN}\"\naudit_log = \"log/audit.log\"\n\
         [bots.main]\nendpoint = \"http://127.0.0.1:9/\"\napp_id = \"an-app\"\ncredential = \"{CREDENTIAL}\"\n\
         outgoing = {{ client_secret = \"{OUTGOING}\", token_url = \"http://127.0.0.1:9/token\" }}\n\
         [sites.default]\nbot = \"main\"\nsecret = \"{SITE}\"\n"
    );
    fs::write(&config, text).unwrap();
    let mut command = landline(&["--log-level", "trace", "serve", "--config"]);
    let mut running = Running::start({
        command.arg(&config);
        command
    });
    running.wait_for("-H \"authorization");
    let (public, admin) = (running.public(), running.admin());

    let start = "/v3/directline/conversations";
    let (status, started) = ask(public, "POST", start, SITE, r#"{"user":{"id":"dl_1"}}"#);
    assert_eq!(status, 201, "{started}");
    let started = json(&started);
    let of = |name: &str| started[name].as_str().unwrap().to_owned();
    let (token, conversation) = (of("token"), of("conversationId"));
    let ticket = of("streamUrl").split_once("t=").unwrap().1.to_owned();
    let path = |rest: &str| format!("{start}/{conversation}/{rest}");
    let message = format!(r#"{{"type":"message","text":"{TEXT}","from":{{"id":"dl_1"}}}}"#);
    assert_eq!(ask(public, "POST", &path("activities"), &token, &message).0, 502);
    assert_eq!(ask(public, "POST", &path("upload?userId=dl_1"), &token, TEXT).0, 502);
    let wrong = format!("{SITE}x");
    assert_eq!(ask(public, "POST", start, &wrong, "{}").0, 403);
    assert_eq!(get(public, &format!("/{SITE}?t={ticket}")).0, 404);
    assert_eq!(ask(public, "GET", &path(&format!("stream?t={ticket}x")), "", "").0, 403);
    let msi = format!(
        "/msi/token?api-version=2019-08-01&resource=https://api.botframework.com&client_id={CREDENTIAL}"
    );
    assert_ne!(get(public, &msi).0, 200);
    assert_eq!(ask(admin, "GET", "/admin/v1/bots", SITE, "").0, 401);
    let bot = r#"{"name":"made","endpoint":"http://127.0.0.1:9/","appId":true,"credential":true}"#;
    let (status, made) = ask(admin, "POST", "/admin/v1/bots", ADMIN, bot);
    assert_eq!(status, 201, "{made}");
    let made = json(&made)["credential"].as_str().unwrap().to_owned();
    let metrics = get(admin, "/metrics").1;
    let arguments = fs::read_to_string(format!("/proc/{}/cmdline", running.pid())).unwrap();
    running.signal(Signal::TERM);
    let end = std::time::Instant::now() + PATIENCE;
    while !fs::read_to_string(&audit).is_ok_and(|text| text.contains("\"stopped\"")) {
        assert!(std::time::Instant::now() < end, "it does not end");
        pause();
    }
    let ended = running.ended();

    assert!(ended.stderr.contains("TRACE"), "it is not talkative: {}", ended.stderr);
    let audited = fs::read_to_string(&audit).unwrap();
    assert!(audited.contains("BotAdded"), "{audited}");
    let everything = [ended.stdout, ended.stderr, audited, metrics, arguments];
    // The signature alone is enough to look for: whoever has that has the token.
    let signature = |text: &str| text.rsplit('.').next().unwrap().to_owned();
    let hidden = [SITE, ADMIN, CREDENTIAL, OUTGOING, TEXT].map(str::to_owned);
    for hidden in hidden.into_iter().chain([signature(&token), signature(&ticket), made]) {
        for text in &everything {
            let line = text.lines().find(|line| line.contains(&hidden));
            assert_eq!(line, None, "{hidden}");
        }
    }
}
