//! The commands for a running server, against one: what is changed works at once, and what is printed can be used.

use std::net::SocketAddr;

use tempfile::TempDir;

use crate::process::{Ended, Running, ask, json, landline, post_form, run};

const GENERATE: &str = "/v3/directline/tokens/generate";

/// A server without bots and sites.
pub(crate) struct Server {
    running: Running,
    pub(crate) data: String,
    _folder: TempDir,
}

impl Server {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data").display().to_string();
        let running = serve(&data);
        Self { running, data, _folder: folder }
    }

    fn again(self) -> Self {
        let Self { running, data, _folder } = self;
        running.signal(rustix::process::Signal::TERM);
        assert_eq!(running.ended().code, Some(0));
        Self { running: serve(&data), data, _folder }
    }

    fn run(&self, line: &str) -> Ended {
        run(&line.split(' ').chain(["--data", &self.data]).collect::<Vec<_>>())
    }

    /// Runs a command that works; gives its stdout.
    #[track_caller]
    pub(crate) fn works(&self, line: &str) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.stderr);
        ended.stdout
    }

    /// Runs one that does not; gives its stderr.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, code: i32) -> String {
        let ended = self.run(line);
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        assert_eq!(ended.stdout, "", "{line}");
        ended.stderr
    }

    fn add_bot(&self) -> serde_json::Value {
        json(&self.works("bot add echo --endpoint http://127.0.0.1:9/api/messages --json"))
    }

    pub(crate) fn public(&self) -> SocketAddr {
        self.running.public()
    }

    /// What a site's server gets for a secret.
    fn generate(&self, secret: &str) -> u16 {
        ask(self.running.public(), "POST", GENERATE, secret, "{}").0
    }

    /// What a bot gets for a credential, asking as a managed identity does.
    fn access_token(&self, app_id: &str, credential: &str) -> u16 {
        let body = format!(
            "grant_type=client_credentials&client_id={app_id}&client_secret={credential}&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
        );
        let path = "/botframework.com/oauth2/v2.0/token";
        post_form(self.running.public(), path, &body)
    }
}

fn serve(data: &str) -> Running {
    let mut running = Running::start(landline(&[
        "serve",
        "--data",
        data,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ]));
    running.wait_for("commands");
    running
}

/// The word in a text that begins with this.
#[track_caller]
pub(crate) fn word(text: &str, begin: &str) -> String {
    let found = text.split([' ', '\n', '=']).find(|word| word.starts_with(begin));
    found.unwrap_or_else(|| panic!("no {begin} in {text}")).to_owned()
}

#[test]
fn an_empty_server_says_what_to_do_and_so_do_empty_lists() {
    let mut server = Server::start();
    server.running.wait_for("site add SITE");
    let printed = server.running.stdout.clone();
    for words in ["neither a bot nor a site", "landline bot add BOT --endpoint http", &server.data] {
        assert!(printed.contains(words), "{words} is missing from {printed}");
    }
    assert!(server.works("bot list").contains("landline bot add NAME --endpoint http"));
    assert!(server.works("site list").contains("landline site add NAME --bot BOT"));
    assert_eq!(server.works("outbox list"), "Nothing waits\n");
    assert_eq!(json(&server.works("bot list --json")), serde_json::json!({"bots": []}));
}

#[test]
fn a_bot_and_a_site_are_added_used_and_removed_while_the_server_runs() {
    let server = Server::start();
    let added = server.works("bot add echo --endpoint http://127.0.0.1:9/api/messages");
    assert!(added.contains("is not shown again") && added.contains("bot settings echo --sdk"), "{added}");
    let credential =
        added.lines().map(str::trim).find(|line| line.len() >= 32 && !line.contains(' ')).unwrap();
    let shown = json(&server.works("bot show echo --json"));
    let app_id = shown["bot"]["appId"].as_str().unwrap();
    assert_eq!(server.access_token(app_id, credential), 200);

    let added =
        server.works("site add shop --bot echo --token-lifetime 30m --empty-watermark new --retention 90d");
    assert!(server.works("site set shop --files conversation").contains("files            conversation"));
    assert!(server.works("site set shop --files default").contains("as the limits say"));
    assert!(added.contains("is not shown again"), "{added}");
    let secret = word(&added, "lls_");
    assert_eq!(server.generate(&secret), 200);

    let (bots, sites) = (server.works("bot list"), server.works("site list"));
    assert!(bots.contains("echo  http://127.0.0.1:9/api/messages") && bots.contains(app_id), "{bots}");
    assert!(sites.contains("shop  echo") && sites.contains("30m") && sites.contains("90d"), "{sites}");
    for shown in [bots, sites, server.works("bot show echo"), server.works("site show shop")] {
        assert!(!shown.contains(credential) && !shown.contains(&secret), "{shown}");
    }

    let server = server.again();
    assert!(server.running.stdout.contains("(signs in)"), "{}", server.running.stdout);
    assert!(!server.running.stdout.contains("lls_"), "{}", server.running.stdout);
    assert_eq!(server.generate(&secret), 200, "it is still there after a restart");

    let (_, answer) = ask(server.running.public(), "POST", GENERATE, &secret, "{}");
    let token = json(&answer)["token"].as_str().unwrap().to_owned();
    let refused = server.fails("bot remove echo", 1);
    assert!(refused.contains("shop"), "{refused}");
    assert!(server.works("site remove shop").contains("Removed site shop"));
    assert_eq!(server.generate(&secret), 403);
    let (status, said) = ask(server.running.public(), "POST", "/v3/directline/conversations", &token, "{}");
    assert_eq!(status, 403, "its tokens do not work either: {said}");
    assert!(server.works("bot remove echo").contains("Removed bot echo"));
    assert_eq!(server.access_token(app_id, credential), 401);
    assert!(server.works("bot list").contains("There is no bot yet"));
}

#[test]
fn enhanced_authentication_is_switched_on_and_off() {
    let server = Server::start();
    server.add_bot();
    server.works("site add old --bot echo");
    let added = "site add shop --bot echo --enhanced-authentication --trusted-origin https://a.example";
    let secret = word(&server.works(added), "lls_");
    let user = |id: &str| {
        let body = format!("{{\"user\":{{\"id\":\"{id}\"}}}}");
        ask(server.public(), "POST", GENERATE, &secret, &body).0
    };
    assert_eq!((user("ann"), user("dl_ann")), (400, 200));
    let list = server.works("site list");
    let enhanced = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap().contains("  yes  ");
    assert!(enhanced("shop") && !enhanced("old"), "{list}");

    let set =
        server.works("site set shop --trusted-origin https://B.example/ --trusted-origin http://localhost:1");
    assert!(set.contains("enhanced         on"), "{set}");
    assert!(set.contains("trusted origins  https://b.example, http://localhost:1\n"), "{set}");
    let set = server.works("site set shop --enhanced-authentication=false");
    assert!(set.contains("enhanced         off") && set.contains("trusted origins  any ("), "{set}");
    assert_eq!(user("ann"), 200);
    let set = server.works("site set shop --enhanced-authentication=true");
    assert!(set.contains("https://b.example"), "the list was kept: {set}");

    let server = server.again();
    assert!(server.works("site show shop").contains("trusted origins  https://b.example"));
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let server = Server::start();
    server.add_bot();
    server.works("site add shop --bot echo");
    for (line, code, words) in [
        ("bot show gone", 1, "landline bot list --data"),
        ("site remove gone", 1, "landline site list --data"),
        ("bot add echo --endpoint http://127.0.0.1:9/", 1, "echo"),
        ("bot add other --endpoint http://169.254.169.254/", 2, "endpoint"),
        ("site add other --bot gone", 2, "there is no bot gone"),
        ("site set shop --token-lifetime forever", 2, "tokenLifetime"),
        ("site set shop --enhanced-authentication", 2, "at least one origin"),
        ("site add other --bot echo --enhanced-authentication", 2, "at least one origin"),
        ("site set shop --trusted-origin https://a.example/chat", 2, "without a path"),
        ("secret remove shop --slot 1", 1, "last"),
        ("bot new-address echo", 1, "app id"),
    ] {
        let said = server.fails(line, code);
        assert!(said.contains(words), "{line}: {said}");
    }
}

#[test]
fn secrets_are_changed_without_a_gap() {
    let server = Server::start();
    server.add_bot();
    let first = word(&server.works("site add shop --bot echo"), "lls_");

    let added = server.works("secret add shop");
    assert!(
        added.contains("in slot 2") && added.contains("landline secret remove shop --slot 1 --data"),
        "{added}"
    );
    let second = word(&added, "lls_");
    assert_eq!((server.generate(&first), server.generate(&second)), (200, 200));

    let replacing = server.works("secret add shop");
    assert!(replacing.contains("in slot 1") && replacing.contains("replaces the older one"), "{replacing}");
    let third = word(&replacing, "lls_");
    assert_eq!((server.generate(&first), server.generate(&second), server.generate(&third)), (403, 200, 200));

    assert!(server.works("secret remove shop --slot 2").contains("slot 2"));
    assert_eq!((server.generate(&second), server.generate(&third)), (403, 200));
    let listed = server.works("secret list shop");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(!listed.contains("lls_"), "{listed}");
}

#[test]
fn credentials_of_a_bot_are_changed_without_a_gap() {
    let server = Server::start();
    let bot = server.add_bot();
    let app_id = bot["bot"]["appId"].as_str().unwrap();
    let first = bot["credential"].as_str().unwrap();
    let added = json(&server.works("bot credential add echo --json"));
    assert_eq!(added["slot"], 2);
    let second = added["credential"].as_str().unwrap();
    assert_eq!((server.access_token(app_id, first), server.access_token(app_id, second)), (200, 200));
    assert!(server.works("bot credential remove echo --slot 1").contains("slot 1"));
    assert_eq!((server.access_token(app_id, first), server.access_token(app_id, second)), (401, 200));
}

#[test]
fn settings_are_filled_in_and_their_credential_works() {
    let server = Server::start();
    let bot = server.add_bot();
    let app_id = bot["bot"]["appId"].as_str().unwrap();
    let base = format!("http://{}", server.running.public());

    let ended = server.run("bot settings echo --sdk botbuilder-js --new-credential --port 3999");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    for line in [
        format!("MicrosoftAppId={app_id}"),
        format!("IDENTITY_ENDPOINT={base}/msi/token"),
        format!("ToBotFromChannelOpenIdMetadataUrl={base}/v1/.well-known/openidconfiguration"),
        "PORT=3999".into(),
    ] {
        assert!(ended.stdout.lines().any(|found| found == line), "{line} is missing from {}", ended.stdout);
    }
    let credential = ended.stdout.lines().find_map(|line| line.strip_prefix("IDENTITY_HEADER=")).unwrap();
    assert_eq!(server.access_token(app_id, credential), 200);
    assert!(ended.stderr.contains("slot 2") && !ended.stderr.contains(credential), "{}", ended.stderr);

    let mut command =
        landline(&["bot", "settings", "echo", "--sdk", "agents-python", "--data", &server.data]);
    let output = command.env("LANDLINE_BOT_CREDENTIAL", "my-0wn").output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\nIDENTITY_HEADER=my-0wn\n"));

    let dotnet = server.run("bot settings echo --sdk dotnet");
    assert_eq!(json(&dotnet.stdout)["MicrosoftAppId"], app_id);
    assert!(dotnet.stderr.contains("IDENTITY_ENDPOINT"), "{}", dotnet.stderr);
}

#[test]
fn a_bot_is_added_and_configured_in_one_step() {
    let server = Server::start();
    let ended = server.run("bot add echo --endpoint http://127.0.0.1:9/ --sdk agents-js");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let base = format!("http://{}", server.running.public());
    assert!(ended.stdout.contains(&format!("issuers={base}\n")), "{}", ended.stdout);
    let bot = json(&server.works("bot show echo --json"));
    assert_eq!(bot["bot"]["issuer"], base);
    let credential = ended.stdout.lines().find_map(|line| line.strip_prefix("IDENTITY_HEADER=")).unwrap();
    assert_eq!(server.access_token(bot["bot"]["appId"].as_str().unwrap(), credential), 200);
}

#[test]
fn a_bot_without_an_app_id() {
    let server = Server::start();
    let added = server.works("bot add echo --endpoint http://127.0.0.1:9/ --anonymous");
    assert!(added.contains("has no app id") && added.contains("bot settings echo --sdk SDK"), "{added}");
    assert!(server.works("bot new-address echo").contains("new address"));
    let shown = server.works("bot show echo");
    assert!(!shown.contains("/connector/"), "the address is a credential: {shown}");
    let block = server.works("bot settings echo --sdk botbuilder-js");
    assert!(block.contains("MicrosoftAppId=\n"), "{block}");

    let refused = server.fails("bot credential add echo", 2);
    assert!(refused.contains("landline bot set echo --new-app-id"), "{refused}");

    let changed = server.works("bot set echo --new-app-id --delivery queued --tenant contoso");
    assert!(
        changed.contains("app id") && changed.contains("queued") && changed.contains("contoso"),
        "{changed}"
    );
    let changed = server.works("bot set echo --tenant default --delivery wait");
    assert!(changed.contains("botframework.com") && changed.contains("wait"), "{changed}");

    server.works("bot credential add echo");
    let refused = server.fails("bot set echo --anonymous", 2);
    let first = "landline bot credential remove echo --slot 1";
    assert!(refused.contains(first), "it says what to do first: {refused}");
    server.works(first.trim_start_matches("landline "));
    assert!(!server.works("bot set echo --anonymous").contains("app id"));
}

#[test]
fn keys_are_listed_and_rotated() {
    let server = Server::start();
    server.add_bot();
    let secret = word(&server.works("site add shop --bot echo"), "lls_");
    let before = json(&server.works("key list --json"));
    let kids = |keys: &serde_json::Value, kind: &str| keys[kind].as_array().unwrap().len();
    assert_eq!((kids(&before, "identity"), kids(&before, "tokens")), (1, 1), "{before}");

    let (status, answer) = ask(server.running.public(), "POST", GENERATE, &secret, "{}");
    assert_eq!(status, 200);
    let token = json(&answer)["token"].as_str().unwrap().to_owned();
    assert!(server.works("key rotate --tokens").contains("go on working until they expire"));
    let conversations = "/v3/directline/conversations";
    let (status, said) = ask(server.running.public(), "POST", conversations, &token, "{}");
    assert_eq!(status, 201, "a token that was issued before goes on working: {said}");

    let rotated = server.works("key rotate");
    assert!(rotated.contains("published, signs from"), "{rotated}");
    let listed = server.works("key rotate --now");
    assert!(listed.contains("revoked the older ones") && listed.contains("Restart the bots"), "{listed}");
    assert!(!listed.contains("signs from 2"), "the one that had not signed yet goes too: {listed}");
    let after = json(&server.works("key list --json"));
    assert_eq!((kids(&after, "identity"), kids(&after, "tokens")), (1, 2), "{after}");
    assert_ne!(after["identity"][0]["kid"], before["identity"][0]["kid"], "revoked");
}

#[test]
fn another_server_is_named_by_its_address() {
    let server = Server::start();
    let file = std::fs::read_to_string(std::path::Path::new(&server.data).join("admin.json")).unwrap();
    let file = json(&file);
    let (url, token) = (file["url"].as_str().unwrap(), file["token"].as_str().unwrap());
    let output = landline(&["bot", "add", "echo", "--endpoint", "http://127.0.0.1:9/", "--admin", url])
        .env("LANDLINE_ADMIN_TOKEN", token)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains(&format!("--admin {url}")) && !said.contains(token), "{said}");

    let output =
        landline(&["bot", "list", "--admin", url]).env("LANDLINE_ADMIN_TOKEN", "wr0ng").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_the_configuration_file_says_is_changed_there() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let running = Running::serve(&data, &[]);
    let ended = run(&["bot", "set", "main", "--delivery", "queued", "--data", &data]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("configuration file"), "{}", ended.stderr);
    let listed = run(&["bot", "list", "--data", &data]).stdout;
    assert!(listed.contains("main") && listed.contains("configuration file"), "{listed}");
    drop(running);

    // It was killed, so its file is left over.
    let ended = run(&["bot", "list", "--data", &data]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("no server runs over"), "{}", ended.stderr);
}
