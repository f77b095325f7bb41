//! What is accepted, what is refused, and with which words.

use super::*;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";

const SMALLEST: &str = r#"
[bots.main]
endpoint = "http://localhost:3978/api/messages"
[sites.default]
bot = "main"
"#;

fn no_environment(_: &str) -> Option<String> {
    None
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new("/etc/landline"), &no_environment)
}

/// The smallest file with more in its one site.
fn with_site(lines: &str) -> String {
    format!("{SMALLEST}{lines}\n")
}

/// A file of one bot with more in it.
fn with_bot(lines: &str) -> String {
    format!("[bots.main]\nendpoint = \"http://localhost:3978/api/messages\"\n{lines}\n")
}

/// The smallest file with more at its top.
fn with_top(lines: &str) -> String {
    format!("{lines}\n{SMALLEST}")
}

fn with_limits(lines: &str) -> String {
    format!("{SMALLEST}[limits]\n{lines}\n")
}

#[track_caller]
fn refused(text: &str, at: &str, words: &str) {
    let shown = parse(text).expect_err(text).to_string();
    assert!(shown.starts_with(&format!("{at}: ")), "{shown:?} does not begin with {at:?}");
    assert!(shown.contains(words), "{shown:?} does not say {words:?}");
}

/// Equal but for secrets, which cannot be compared.
fn facts(config: &Config) -> String {
    format!("{config:#?}")
}

#[test]
fn the_smallest_file_has_every_default() {
    let config = parse(SMALLEST).unwrap();

    assert_eq!(config.listen, "127.0.0.1:3000".parse().unwrap());
    assert_eq!(config.admin, "127.0.0.1:3001".parse().unwrap());
    assert_eq!(config.data, Path::new("/etc/landline/./landline-data"));
    assert_eq!(config.files, FilesAt::Folder("/etc/landline/./landline-data/files".into()));
    assert_eq!(config.limits, Limits::default());
    let site = &config.sites[0];
    assert!(site.secret.is_none() && site.second_secret.is_none());
    assert_eq!(site.token_lifetime, Duration::from_secs(3600));
    assert_eq!(site.retention, Duration::from_secs(30 * 24 * 3600));
    assert!(site.empty_watermark_is_history);
    assert_eq!(site.files, None);
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn the_example_is_the_defaults() {
    let example = parse(&Config::example()).unwrap();
    assert_eq!(facts(&example), facts(&parse(SMALLEST).unwrap()));
}

#[test]
fn the_example_holds_every_key_and_what_stands_behind_a_hash_works_too() {
    let example = Config::example();
    for row in limits_table::rows() {
        assert!(
            example.contains(&format!("\n{} = {}\n", row.key, row.default_text())),
            "{} is missing",
            row.key
        );
    }
    let uncommented: String = example
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            // A key, not a sentence; secrets by file and by value contradict the one by variable.
            Some(key)
                if key.contains(" = ")
                    && !["secret_file", "secret =", "admin_token_file", "admin_token ="]
                        .iter()
                        .any(|other| key.starts_with(other)) =>
            {
                key
            }
            _ => line,
        })
        .map(|line| format!("{line}\n"))
        .collect();
    let value = |name: &str| format!("{name:_<32}");
    let environment = |name: &str| name.starts_with("LANDLINE_").then(|| value(name));
    let folder = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap().cert.pem();
    for name in ["bot-ca.pem", "issuer-ca.pem", "company-ca.pem"] {
        std::fs::write(folder.path().join(name), &authority).unwrap();
    }
    // Over http:// nobody shows a certificate.
    let uncommented = uncommented.replace("http://localhost:3978", "https://localhost:3978");
    let config = Config::parse(&uncommented, folder.path(), &environment).unwrap();
    assert_eq!(config.bots[0].ca_certificates.as_ref().unwrap().pem(), authority);
    assert!(config.trusted_issuers[0].ca_certificates.is_some());
    assert!(config.outbound.addresses.check([10, 20, 0, 1].into()).is_err());
    assert!(config.outbound.addresses.check([10, 20, 0, 2].into()).is_ok());
    assert_eq!(config.public_url.unwrap().as_str(), "https://bots.example.org/");
    assert_eq!(config.files.to_string(), "s3://chat-files/landline");
    assert_eq!(config.sites[0].files, Some(FileLife::Conversation));
    assert_eq!(config.trusted_proxies.len(), 1);
    assert!(config.sites[0].secret.is_some() && config.sites[0].second_secret.is_some());
    assert!(config.admin_token.is_some());
    assert_eq!(config.trusted_issuers.len(), 1);
    let bot = &config.bots[0];
    assert!(bot.app_id.is_some() && bot.credential.is_some() && bot.second_credential.is_some());
    assert_eq!(bot.outgoing.as_ref().unwrap().client_secret.expose(), value("LANDLINE_BOT_PASSWORD"));
}

#[test]
fn unknown_keys_are_named() {
    refused(&with_top("listne = \"127.0.0.1:1\""), "line 1", "listne");
    refused(&with_site("secrets = \"x\""), "line 6", "secrets");
    refused("[bots.main]\nendpoint = \"http://b\"\nport = 1\n", "line 3", "port");
    refused(&with_limits("activity_bytes = 1"), "limits.activity_bytes", "activity_size");
}

#[test]
fn bots_and_sites_have_to_fit() {
    refused("[sites.default]\nbot = \"main\"\n", "sites.default.bot", "[bots.main]");
    refused(&SMALLEST.replace("bot = \"main\"", "bot = \"other\""), "sites.default.bot", "name one of: main");
    refused(&SMALLEST.replace("bots.main", "bots.\"a b\""), "bots.a b", "letters, digits");
    refused(&SMALLEST.replace("[bots.main]", "[bots]"), "line 3", "such as [bots.main]");
}

#[test]
fn bots_and_sites_may_all_come_later() {
    for text in ["", "[bots.main]\nendpoint = \"http://localhost/\"\n"] {
        let config = parse(text).unwrap();
        assert!(config.sites.is_empty());
    }
}

#[test]
fn a_bot_with_an_app_id() {
    let bot = |lines: &str| parse(&with_bot(lines)).map(|mut config| config.bots.remove(0));
    let plain = bot("").unwrap();
    assert_eq!((&*plain.tenant, &*plain.issuer), ("botframework.com", "https://api.botframework.com"));
    assert!(plain.app_id.is_none() && plain.credential.is_none() && plain.outgoing.is_none());
    assert_eq!(plain.delivery, DeliveryMode::Wait);

    let full = bot(&format!(
        "app_id = \"an-app\"\ntenant = \"t.example\"\nissuer = \"http://127.0.0.1:3000\"\ndelivery = \"queued\"\n\
         credential = \"{SECRET}\"\nsecond_credential = \"{OTHER}\"\noutgoing.client_secret = \"x~y\""
    ))
    .unwrap();
    assert_eq!(full.app_id.as_deref(), Some("an-app"));
    assert_eq!((&*full.tenant, &*full.issuer), ("t.example", "http://127.0.0.1:3000"));
    assert_eq!(full.delivery, DeliveryMode::Queued);
    let digest = |text: &str| Some(SiteSecret::from_text(text).unwrap().digest());
    assert_eq!(full.credential.as_ref().map(BotCredential::digest), digest(SECRET));
    assert_eq!(full.second_credential.as_ref().map(BotCredential::digest), digest(OTHER));
    let outgoing = full.outgoing.unwrap();
    let default = "https://login.microsoftonline.com/botframework.com/oauth2/v2.0/token";
    assert_eq!(outgoing.token_url.as_str(), default);
    assert_eq!((outgoing.client_secret.expose(), outgoing.scope.as_str()), ("x~y", "an-app/.default"));
}

#[test]
fn settings_of_bots_that_cannot_be_are_refused() {
    for (lines, at, words) in [
        ("app_id = \"a b\"", "app_id", "1 to 128 visible"),
        ("app_id = \"\"", "app_id", "1 to 128 visible"),
        ("tenant = \"a/b\"", "tenant", "stands in paths"),
        ("issuer = \"api.botframework.com\"", "issuer", "https://"),
        ("delivery = \"later\"", "delivery", "\"queued\""),
        ("app_id = \"x\"\ncredential = \"short\"", "credential", "at least 32"),
        ("app_id = \"x\"\ncredential_env = \"NOT_SET\"", "credential_env", "NOT_SET is not set"),
        ("second_credential = \"0123456789abcdef0123456789abcdef\"", "second_credential", "app_id"),
        ("outgoing.client_secret = \"x\"", "outgoing", "app_id"),
        ("app_id = \"x\"\n[bots.main.outgoing]", "outgoing.client_secret", "missing"),
        ("app_id = \"x\"\noutgoing = { client_secret = \"\" }", "outgoing.client_secret", "visible"),
        (
            "app_id = \"x\"\noutgoing = { client_secret = \"x\", token_url = \"http://169.254.169.254/\" }",
            "outgoing.token_url",
            "link-local",
        ),
        ("app_id = \"x\"\noutgoing = { client_secret = \"x\", scope = \"\" }", "outgoing.scope", "visible"),
    ] {
        refused(&with_bot(lines), &format!("bots.main.{at}"), words);
    }
    refused(&with_bot("password = \"x\""), "line 3", "password");
    refused(&with_bot("outgoing = { secret = \"x\" }"), "line 3", "secret");
    let twins = with_bot("app_id = \"x\"\n[bots.twin]\nendpoint = \"http://localhost/\"\napp_id = \"X\"");
    refused(&twins, "bots.twin.app_id", "bots main and twin have the same app id");
}

#[test]
fn trusted_issuers() {
    let entra = |lines: &str| format!("[trusted_issuers.entra]\n{lines}\n");
    let keys = "keys_url = \"https://x.example/keys\"";
    let config = parse(&entra(&format!("issuers = [\"https://a/\", \"https://b/\"]\n{keys}"))).unwrap();
    let [entra_read] = &config.trusted_issuers[..] else { panic!("one") };
    assert_eq!(
        entra_read.issuers.iter().map(|text| &**text).collect::<Vec<_>>(),
        ["https://a/", "https://b/"]
    );
    assert_eq!(entra_read.keys, KeysAt::Keys("https://x.example/keys".parse().unwrap()));

    let issuers = "issuers = [\"https://a/\"]";
    refused(&entra(&format!("issuers = []\n{keys}")), "trusted_issuers.entra.issuers", "1 to 16");
    refused(&entra(&format!("issuers = [\"a\"]\n{keys}")), "trusted_issuers.entra.issuers", "https://");
    refused(&entra(issuers), "trusted_issuers.entra", "one of keys_url and openid_metadata_url");
    let both = format!("{issuers}\n{keys}\nopenid_metadata_url = \"https://x.example/\"");
    refused(&entra(&both), "trusted_issuers.entra", "one of keys_url and openid_metadata_url");
    let forbidden = format!("{issuers}\nkeys_url = \"http://169.254.169.254/\"");
    refused(&entra(&forbidden), "trusted_issuers.entra.keys_url", "link-local");
    let twice =
        format!("{}[trusted_issuers.other]\n{issuers}\n{keys}\n", entra(&format!("{issuers}\n{keys}")));
    refused(&twice, "trusted_issuers.other.issuers", "another table");
}

#[test]
fn an_issuer_vouches_for_the_bots_of_its_list() {
    let table = |name: &str, more: &str| {
        format!(
            "[trusted_issuers.{name}]\nissuers = [\"https://{name}/\"]\nkeys_url = \"https://{name}/\"\n{more}\n"
        )
    };
    let listed = "bots = [\"main\", \"added-later\"]";
    let config = parse(&table("a", listed)).unwrap();
    let bots = config.trusted_issuers[0].bots.as_ref().unwrap();
    assert_eq!(bots.iter().map(BotName::as_str).collect::<Vec<_>>(), ["main", "added-later"]);
    assert!(parse(&table("a", "")).unwrap().trusted_issuers[0].bots.is_none());
    refused(&table("a", "bots = []"), "trusted_issuers.a.bots", "take the key out");
    refused(&table("a", "bots = [\"a b\"]"), "trusted_issuers.a.bots", "no name of a bot");

    let warned = |text: &str| parse(text).unwrap().warnings().join("\n");
    assert!(warned(&table("a", "")).is_empty(), "with one issuer there is nobody else to tell from");
    let two = |second: &str| warned(&format!("{}{}", table("a", listed), table("b", second)));
    assert!(two("").contains("trusted_issuers.b: whoever can sign there"));
    assert!(two(listed).is_empty());
}

#[test]
fn the_admin_token() {
    assert!(parse("").unwrap().admin_token.is_none());
    let config = parse(&format!("admin_token = \"{SECRET}\"")).unwrap();
    assert_eq!(config.admin_token.unwrap().expose(), SECRET);
    refused("admin_token = \"short\"", "admin_token", "at least 32");
    refused("admin_token_env = \"NOT_SET\"", "admin_token_env", "NOT_SET");
}

#[test]
fn addresses_of_bots_are_checked() {
    for (endpoint, words) in [
        ("localhost:3978", "http://"),
        ("/api/messages", "no URL"),
        ("http://169.254.169.254/", "link-local"),
        ("http://[fe80::1]/", "link-local"),
        ("http://u:p@bot/", "user name"),
    ] {
        let text = SMALLEST.replace("http://localhost:3978/api/messages", endpoint);
        refused(&text, "bots.main.endpoint", words);
    }
}

#[test]
fn secrets_come_from_three_places() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), format!("{SECRET}\n")).unwrap();
    let environment = |name: &str| (name == "SITE_SECRET").then(|| SECRET.to_owned());
    for line in [
        format!("secret = \"{SECRET}\""),
        "secret_file = \"secret\"".into(),
        "secret_env = \"SITE_SECRET\"".into(),
    ] {
        let text = with_site(&format!("{line}\nsecond_{}", line.replace(SECRET, OTHER)));
        let config = Config::parse(&text, folder.path(), &environment).unwrap();
        let expected = SiteSecret::from_text(SECRET).unwrap();
        let site = &config.sites[0];
        assert_eq!(site.secret.as_ref().unwrap().digest(), expected.digest(), "{line}");
        assert!(site.second_secret.is_some(), "{line}");
    }
}

#[test]
fn secrets_that_cannot_be_are_refused() {
    refused(&with_site("secret = \"short\""), "sites.default.secret", "at least 32");
    refused(&with_site("secret_env = \"NOT_SET\""), "sites.default.secret_env", "NOT_SET is not set");
    refused(&with_site("secret_file = \"/does/not/exist\""), "sites.default.secret_file", "/does/not/exist");
    let two = format!("secret = \"{SECRET}\"\nsecret_env = \"X\"");
    refused(&with_site(&two), "sites.default.secret", "use one of");
    let two = format!("second_secret = \"{SECRET}\"\nsecond_secret_file = \"X\"");
    refused(&with_site(&two), "sites.default.second_secret", "use one of");
}

#[test]
fn nobody_shares_a_secret() {
    let more =
        |lines: &str| format!("{SMALLEST}secret = \"{SECRET}\"\nsecond_secret = \"{OTHER}\"\n{lines}\n");
    assert!(parse(&more("")).is_ok());
    for key in ["secret", "second_secret"] {
        let site = format!("[sites.elsewhere]\nbot = \"main\"\n{key} = \"{OTHER}\"");
        refused(&more(&site), &format!("sites.elsewhere.{key}"), "a secret of sites.default");
    }
    for key in ["credential", "second_credential"] {
        let bot =
            format!("[bots.other]\nendpoint = \"http://localhost/\"\napp_id = \"x\"\n{key} = \"{SECRET}\"");
        refused(&more(&bot), "sites.default.secret", "a secret of bots.other");
        let twin = bot.replace("other", "third").replace("\"x\"", "\"y\"");
        refused(&format!("{bot}\n{twin}"), &format!("bots.third.{key}"), "a secret of bots.other");
    }
    let admin = format!("admin_token = \"{SECRET}\"\n{}", more(""));
    refused(&admin, "sites.default.secret", "a secret of the admin API");
    let problem = parse(&admin).unwrap_err();
    assert!(!format!("{problem} {problem:?}").contains(SECRET));
}

#[test]
fn neither_errors_nor_debug_output_hold_a_secret() {
    for line in [
        "secret = \"canary-canary\"",
        "secret = canary-canary",
        "secret = \"canary-canary",
        "secret = [\"canary-canary\"]",
        "secret = { canary-canary = 1 }",
        "secret = \"canary-canary\" x",
        "secret = \"\"\"canary-canary",
    ] {
        let shown = parse(&with_site(line)).unwrap_err();
        assert!(!format!("{shown} {shown:?}").contains("canary"), "{line}: {shown}");
    }
    for line in [
        "credential = \"canary canary\"",
        "credential = canary-canary",
        "app_id = \"x\"\ncredential = \"canary-canary\"",
        "outgoing.client_secret = \"canary\"",
        "app_id = \"x\"\noutgoing.client_secret = \"canary canary\"",
        "app_id = \"x\"\noutgoing.client_secret = [\"canary\"]",
        "app_id = \"x\"\noutgoing = { client_secret = \"canary\", scope = \"\" }",
    ] {
        let shown = parse(&with_bot(line)).unwrap_err();
        assert!(!format!("{shown} {shown:?}").contains("canary"), "{line}: {shown}");
    }
    let shown = parse("admin_token = \"canary\"").unwrap_err();
    assert!(!format!("{shown} {shown:?}").contains("canary"), "{shown}");
    let secrets = format!("app_id = \"x\"\ncredential = \"{SECRET}\"\noutgoing.client_secret = \"canary\"");
    let config = parse(&format!("admin_token = \"{OTHER}\"\n{}", with_bot(&secrets))).unwrap();
    let shown = format!("{config:?}");
    assert!(!shown.contains(SECRET) && !shown.contains(OTHER) && !shown.contains("canary"), "{shown}");

    let number = parse(&with_site("secret = 1234567890123")).unwrap_err();
    assert!(!number.to_string().contains("123456789"), "{number}");

    let config = parse(&with_site(&format!("secret = \"{SECRET}\""))).unwrap();
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn addresses_and_networks() {
    refused(&with_top("listen = \"localhost\""), "listen", "127.0.0.1:3000");
    refused(&with_top("admin = \"1.2.3.4\""), "admin", "127.0.0.1:3000");
    refused(&with_top("listen = \"127.0.0.1:9\"\nadmin = \"127.0.0.1:9\""), "admin", "another port");
    refused(&with_top("trusted_proxies = [\"10.0.0.0/99\"]"), "trusted_proxies", "10.0.0.0/8");
    for url in ["ftp://x/", "https://x/?q=1", "https://u@x/", "https://x/#f", "bots.example.org"] {
        let shown = parse(&with_top(&format!("public_url = \"{url}\""))).unwrap_err().to_string();
        assert!(shown.starts_with("public_url: "), "{url}: {shown}");
    }
    let config = parse(&with_top("trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.1\", \"::1\"]")).unwrap();
    assert_eq!(config.trusted_proxies.len(), 3);
    assert!(config.trusted_proxies[1].contains(&"192.0.2.1".parse::<std::net::IpAddr>().unwrap()));
}

#[test]
fn times_of_sites() {
    refused(&with_site("token_lifetime = \"500ms\""), "sites.default.token_lifetime", "1s or more");
    refused(&with_site("token_lifetime = \"999d\""), "sites.default.token_lifetime", "365d or less");
    refused(&with_site("token_lifetime = \"3600\""), "sites.default.token_lifetime", "15s");
    refused(&with_site("token_lifetime = 3600"), "line 6", "string");
    refused(&with_site("retention = \"1s\""), "sites.default.retention", "1m or more");
    refused(&with_site("empty_watermark = \"old\""), "sites.default.empty_watermark", "\"new\"");
    refused(&with_site("files = \"1s\""), "sites.default.files", "1m or more");
    refused(&with_site("files = \"for ever\""), "sites.default.files", "\"conversation\"");
    let config = parse(&with_site("files = \"conversation\"")).unwrap();
    assert_eq!(config.sites[0].files, Some(FileLife::Conversation));
    let config = parse(&with_site("empty_watermark = \"new\"\nretention = \"90d\"")).unwrap();
    assert!(!config.sites[0].empty_watermark_is_history);
    assert_eq!(config.sites[0].retention, Duration::from_secs(90 * 24 * 3600));
}

#[test]
fn enhanced_authentication_needs_an_origin() {
    let on = "enhanced_authentication = true";
    refused(&with_site(on), "sites.default.trusted_origins", "at least one origin");
    refused(
        &with_site(&format!("{on}\ntrusted_origins = []")),
        "sites.default.trusted_origins",
        "at least one",
    );
    let origins = |list: &str| with_site(&format!("{on}\ntrusted_origins = [{list}]"));
    refused(&origins("\"https://a.example/chat\""), "sites.default.trusted_origins", "without a path");
    refused(&origins("\"*\""), "sites.default.trusted_origins", "wild cards");
    refused(&with_site("trusted_origins = [\"null\"]"), "sites.default.trusted_origins", "is no origin");
    refused(&with_site("enhanced_authentication = \"yes\""), "line 6", "boolean");
    let config = parse(&origins("\"https://A.example:443/\", \"http://localhost:3000\"")).unwrap();
    let enhanced = &config.sites[0].enhanced;
    assert!(enhanced.on);
    assert_eq!(enhanced.trusted_origins, ["https://a.example", "http://localhost:3000"]);
    assert!(config.warnings().is_empty());

    let warned = |text: &str| parse(text).unwrap().warnings().join("\n");
    assert!(warned(&with_site("trusted_origins = [\"https://a.example\"]")).contains("does nothing without"));
    for plain in ["http://a.example", "http://10.0.0.1:3000", "http://localhost.example"] {
        let warning = warned(&origins(&format!("\"https://a.example\", \"{plain}\"")));
        assert!(
            warning.starts_with("sites.default.trusted_origins: ") && warning.contains(plain),
            "{warning}"
        );
    }
    for local in ["http://a.localhost:1", "http://127.0.0.1", "http://[::1]:3000", "capacitor://localhost"] {
        assert_eq!(warned(&origins(&format!("\"{local}\""))), "");
    }
}

#[test]
fn limits_are_set_by_their_keys() {
    let limits = parse(&with_limits(
        "activity_size = \"128KiB\"\nsockets_per_conversation = 4\nbot_deadline = \"10s\"\nconnections = 100\nstore_cache = \"1GiB\"",
    ))
    .unwrap()
    .limits;
    assert_eq!(limits.domain.activity_bytes, 128 * 1024);
    assert_eq!(limits.domain.sockets_per_conversation, 4);
    assert_eq!(limits.domain.bot_deadline, Duration::from_secs(10));
    assert_eq!(limits.server.connections, 100);
    assert_eq!(limits.store.cache_bytes, 1 << 30);
    assert_eq!(limits.domain.page_records, Limits::default().domain.page_records);
}

#[test]
fn every_limit_can_be_set_and_refuses_what_is_no_value() {
    for row in limits_table::rows() {
        let at = format!("limits.{}", row.key);
        parse(&with_limits(&format!("{} = {}", row.key, row.default_text()))).unwrap();
        for bad in ["true", "-1", "\"much\"", "[]", "\"99999999999d\"", "1.5", "999999999999999999"] {
            refused(&with_limits(&format!("{} = {bad}", row.key)), &at, "");
        }
    }
}

#[test]
fn a_shutdown_must_not_be_shorter_than_the_bots_deadline() {
    refused(&with_limits("drain = \"5s\""), "limits.drain", "bot_deadline (15s)");
    parse(&with_limits("drain = \"5s\"\nbot_deadline = \"5s\"")).unwrap();
}

#[test]
fn files_lie_where_it_is_said() {
    let files = |text: &str| parse(&with_top(text)).unwrap().files;
    assert_eq!(files("data = \"/srv/landline\""), FilesAt::Folder("/srv/landline/files".into()));
    assert_eq!(files("files = \"/mnt/files\""), FilesAt::Folder("/mnt/files".into()));
    assert_eq!(files("files = \"s3://bucket/x\"").to_string(), "s3://bucket/x");
    refused(&with_top("files = \"ftp://x/\""), "files", "gs://bucket/prefix");
    let limits = "file_size = \"20MiB\"\nconversation_files = 9\nconversation_files_size = \"1GiB\"\nfile_life = \"7d\"";
    let limits = parse(&with_limits(limits)).unwrap().limits.domain;
    assert_eq!((limits.file_bytes, limits.conversation_files), (20 << 20, 9));
    assert_eq!(
        (limits.conversation_files_bytes, limits.file_life),
        (1 << 30, Duration::from_secs(7 * 86_400))
    );
    refused(&with_limits("file_size = \"1GiB\""), "limits.conversation_files_size", "file_size (1GiB)");
    refused(
        &with_limits("site_files_size = \"1MiB\""),
        "limits.site_files_size",
        "conversation_files_size (256MiB)",
    );
}

#[test]
fn what_the_process_gives_up_is_a_word_of_three() {
    assert_eq!(parse(SMALLEST).unwrap().sandbox, Sandbox::BestEffort);
    assert_eq!(parse(&with_top("sandbox = \"off\"")).unwrap().sandbox, Sandbox::Off);
    refused(&with_top("sandbox = \"none\""), "sandbox", "best-effort");
}

#[test]
fn the_audit_log_is_a_file() {
    assert_eq!(parse(SMALLEST).unwrap().audit_log, None);
    let path = |text: &str| parse(&with_top(&format!("audit_log = {text:?}"))).unwrap().audit_log.unwrap();
    assert_eq!(path("log/audit.log"), Path::new("/etc/landline/log/audit.log"));
    assert_eq!(path("/var/log/landline/audit.log"), Path::new("/var/log/landline/audit.log"));
    for bad in ["", "/var/log/landline/", "..", "/"] {
        refused(&with_top(&format!("audit_log = {bad:?}")), "audit_log", "names no file");
    }
}

#[test]
fn flags_make_one_bot_and_one_site() {
    let flags = OneBot {
        endpoint: "http://127.0.0.1:3978/api/messages".parse().ok(),
        listen: Some("127.0.0.1:8080".parse().unwrap()),
        admin: None,
        tls: Some(TlsFiles { certificate: "a.pem".into(), key: "a.key".into() }),
        allow_plain_http: false,
        data: Some("data".into()),
        public_url: Some("https://bots.example.org".parse().unwrap()),
        connector_url: None,
        sandbox: Sandbox::Require,
        audit_log: Some("audit.log".into()),
    };
    let config = Config::one_bot(flags.clone(), &no_environment).unwrap();
    assert_eq!(config.sandbox, Sandbox::Require);
    assert_eq!((config.bots.len(), config.sites.len()), (1, 1));
    assert_eq!(config.sites[0].name.as_str(), "default");
    assert_eq!(config.sites[0].bot, config.bots[0].name);
    assert!(config.sites[0].secret.is_none());
    assert_eq!(config.listen.port(), 8080);
    assert_eq!(config.tls, flags.tls);
    assert_eq!(config.data, Path::new("data"));
    assert_eq!(config.files, FilesAt::Folder("data/files".into()));

    let environment = |name: &str| (name == "LANDLINE_SECRET").then(|| SECRET.to_owned());
    assert!(Config::one_bot(flags.clone(), &environment).unwrap().sites[0].secret.is_some());
    let empty = |_: &str| Some(String::new());
    assert!(Config::one_bot(flags.clone(), &empty).unwrap().sites[0].secret.is_none());
    let short = |_: &str| Some("short".to_owned());
    let error = Config::one_bot(flags.clone(), &short).unwrap_err().to_string();
    assert!(error.starts_with("LANDLINE_SECRET: "), "{error}");

    let forbidden = OneBot { endpoint: "http://169.254.169.254/".parse().ok(), ..flags };
    assert!(Config::one_bot(forbidden, &no_environment).unwrap_err().to_string().starts_with("--bot: "));
}

#[test]
fn s82_plain_http_for_other_machines_is_refused_unless_it_is_allowed() {
    for listen in ["0.0.0.0:3000", "[::]:3000", "192.0.2.1:3000", "10.0.0.1:3000", "[::ffff:10.0.0.1]:3000"] {
        refused(&with_top(&format!("listen = \"{listen}\"")), "listen", "allow_plain_http = true");
        let behind_https = format!("listen = \"{listen}\"\npublic_url = \"https://x\"");
        refused(&with_top(&behind_https), "listen", "[tls]");
        refused(&with_top(&format!("admin = \"{listen}\"")), "admin", "allow_plain_http = true");
        let tls = format!("admin = \"{listen}\"\n[tls]\ncertificate = \"a\"\nkey = \"b\"");
        refused(&with_top(&tls), "admin", "for the public listener alone");
    }
    for listen in ["127.0.0.1:3000", "127.8.8.8:3000", "[::1]:3000", "[::ffff:127.0.0.1]:3000"] {
        assert_eq!(parse(&with_top(&format!("listen = \"{listen}\""))).unwrap().warnings(), [""; 0]);
    }
}

#[test]
fn plain_http_that_is_allowed_is_worth_a_warning() {
    let warned = |text: &str| parse(&with_top(text)).unwrap().warnings().join("\n");
    let listen = "listen = \"0.0.0.0:3000\"";
    assert!(
        warned(&format!("{listen}\nallow_plain_http = true")).starts_with("listen: other machines reach")
    );
    assert_eq!(warned(&format!("{listen}\n[tls]\ncertificate = \"a\"\nkey = \"b\"")), "");
    let admin = "admin = \"[::]:3001\"\nallow_plain_http = true";
    assert!(warned(admin).contains("/metrics has no access control"));
    assert_eq!(warned("allow_plain_http = true"), "", "nobody else comes in");
}

#[test]
fn a_certificate_is_named_with_its_key() {
    let config = parse(&with_top("[tls]\ncertificate = \"tls/a.pem\"\nkey = \"/run/a.key\"")).unwrap();
    let tls = config.tls.unwrap();
    assert_eq!(tls.certificate, Path::new("/etc/landline/tls/a.pem"));
    assert_eq!(tls.key, Path::new("/run/a.key"));
    for (lines, words) in [
        ("[tls]\ncertificate = \"a\"", "missing field `key`"),
        ("[tls]\nkey = \"a\"", "missing field `certificate`"),
        ("[tls]\ncertificate = \"a\"\nkey = \"b\"\nkeys = \"c\"", "unknown field `keys`"),
        ("tls = \"a\"", "the table [tls]"),
    ] {
        let shown = parse(&with_top(lines)).unwrap_err().to_string();
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn a_bot_that_cannot_get_a_token_is_worth_a_warning() {
    let warned = |lines: &str| parse(&with_bot(lines)).unwrap().warnings().join("\n");
    assert!(warned("app_id = \"x\"").contains("bots.main: it has an app id and nowhere to get a token"));
    assert!(warned("").is_empty());
    assert!(warned(&format!("app_id = \"x\"\ncredential = \"{SECRET}\"")).is_empty());
    let trusted =
        "app_id = \"x\"\n[trusted_issuers.a]\nissuers = [\"https://a/\"]\nkeys_url = \"https://a/\"";
    assert!(warned(trusted).is_empty());
}

#[test]
fn any_text_is_a_configuration_or_an_error() {
    proptest::proptest!(|(text in "(\\PC|[\\[\\]=\"\n.]){0,80}")| {
        let _ = parse(&text);
        let _ = parse(&with_site(&text));
        let _ = parse(&with_limits(&text));
    });
}
