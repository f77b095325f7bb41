//! What the commands for a running server say when it is not there, or answers something else than it should.

use crate::process::{json, landline, run};
use crate::stub::Stub;

const BOT: &str = r#"{"bot":{"name":"echo","endpoint":"http://127.0.0.1:3978/","appId":"a-1","tenant":"botframework.com","issuer":"https://api.botframework.com","delivery":"wait","credentials":[],"serviceUrl":"http://127.0.0.1:3000/connector/","baseUrl":"http://127.0.0.1:3000","managedBy":"registry"}}"#;

#[test]
fn no_server_runs_over_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let ended = run(&["bot", "list", "--data", &data]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""));
    assert!(
        ended
            .stderr
            .contains(&format!("no server runs over {data}: start it with `landline serve --data {data}`")),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_server_of_the_folder_has_died() {
    let folder = tempfile::tempdir().unwrap();
    // Nobody listens there: a listener that was closed again.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let file = format!(r#"{{"url":"http://{address}","token":"adm-t0ken"}}"#);
    std::fs::write(folder.path().join("admin.json"), file).unwrap();
    let data = folder.path().display().to_string();
    let ended = run(&["site", "list", "--data", &data]);
    assert_eq!(ended.code, Some(1));
    for words in ["no server runs over", "start it with", "connection refused", &address.to_string()] {
        assert!(ended.stderr.contains(words), "{words} is missing from {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("adm-t0ken"), "{}", ended.stderr);
}

#[test]
fn a_token_that_is_not_taken() {
    let refusal = r#"{"error":{"code":"Unauthorized","message":"no"}}"#;
    let stub = Stub::start(&[(401, refusal)]);
    let ended = stub.run("bot list");
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("does not take the token of") && ended.stderr.contains("admin.json"),
        "{ended:?}"
    );
    assert_eq!(stub.seen().authorization, "Bearer adm-t0ken");

    let stub = Stub::start(&[(401, refusal)]);
    let output = landline(&["bot", "list", "--admin", &stub.url()])
        .env("LANDLINE_ADMIN_TOKEN", "an0ther-t0ken")
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("does not take the token in LANDLINE_ADMIN_TOKEN"), "{stderr}");
    assert!(!stderr.contains("an0ther-t0ken"), "{stderr}");
    assert_eq!(stub.seen().authorization, "Bearer an0ther-t0ken");
}

#[test]
fn an_address_without_a_token_is_a_wrong_command_line() {
    let ended = run(&["bot", "list", "--admin", "http://127.0.0.1:1"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("LANDLINE_ADMIN_TOKEN"), "{}", ended.stderr);
}

#[test]
fn what_the_server_says_is_passed_on_with_the_exit_code_that_fits() {
    let error = |message: &str| format!(r#"{{"error":{{"code":"Whatever","message":"{message}"}}}}"#);
    for (status, message, code, line, words) in [
        (404, "there is no bot gone", 1, "bot show gone", "there is no bot gone (landline bot list --data "),
        (
            409,
            "bot echo is used by site shop",
            1,
            "bot remove echo",
            "landline: bot echo is used by site shop\n",
        ),
        (
            400,
            "endpoint: not allowed",
            2,
            "bot set echo --delivery wait",
            "landline: endpoint: not allowed\n",
        ),
        (
            503,
            "the disk is full",
            1,
            "site add s --bot b",
            "could not do it: the disk is full; its log says more",
        ),
    ] {
        let stub = Stub::start(&[(status, &error(message))]);
        let ended = stub.run(line);
        assert_eq!(ended.code, Some(code), "{line}: {ended:?}");
        assert!(ended.stderr.contains(words), "{line}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{line}");
    }
}

#[test]
fn something_else_listens_there() {
    for (status, body) in [(404, "<html>not found</html>"), (302, ""), (500, "oops")] {
        let stub = Stub::start(&[(status, body)]);
        let ended = stub.run("key list");
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.stderr.contains(&status.to_string()) && ended.stderr.contains("is this the admin address"),
            "{}",
            ended.stderr
        );
    }
    for strange in ["", "[]", r#"{"bots":[{"name":1}]}"#, "<html>"] {
        let stub = Stub::start(&[(200, strange)]);
        for json in ["bot list", "bot list --json"] {
            let stub = if json.ends_with("json") { &Stub::start(&[(200, strange)]) } else { &stub };
            let ended = stub.run(json);
            assert_eq!(ended.code, Some(1), "{strange}");
            assert!(ended.stderr.contains("is not what this version"), "{}", ended.stderr);
        }
    }
}

#[test]
fn a_line_that_is_cut_leaves_the_outcome_open() {
    let stub = Stub::start(&[]);
    let ended = stub.run("bot remove echo");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("may or may not be done"), "{}", ended.stderr);
    assert_eq!(stub.seen().line, "DELETE /admin/v1/bots/echo");
}

#[test]
fn nothing_to_change_is_a_wrong_command_line() {
    let stub = Stub::start(&[]);
    for line in [
        "bot set echo",
        "site set shop",
        "bot add echo --endpoint http://127.0.0.1:3978/ --outgoing-scope s",
        "bot settings echo --sdk dotnet --json",
    ] {
        let ended = stub.run(line);
        assert_eq!(ended.code, Some(2), "{line}: {ended:?}");
        assert!(ended.stderr.starts_with("landline: "), "{}", ended.stderr);
    }
    assert!(stub.run("bot set echo").stderr.contains("say what to change"));
}

#[test]
fn a_secret_of_the_operator_comes_from_the_environment_a_file_or_stdin() {
    let stub = Stub::start(&[(200, BOT), (200, BOT)]);
    let file = std::path::Path::new(&stub.folder()).join("secret");
    std::fs::write(&file, "from-a-file\n").unwrap();
    let ended = stub.run(&format!("bot set echo --outgoing-secret-file {}", file.display()));
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(stub.seen().body, r#"{"outgoing":{"clientSecret":"from-a-file"}}"#);

    let output = landline(&["bot", "set", "echo", "--outgoing-secret-env", "MINE", "--data", &stub.folder()])
        .env("MINE", "from-the-environment")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(stub.seen().body, r#"{"outgoing":{"clientSecret":"from-the-environment"}}"#);

    let ended = stub.run("bot set echo --outgoing-secret-env NOT_SET_AT_ALL");
    assert_eq!(ended.code, Some(2));
    assert!(ended.stderr.contains("NOT_SET_AT_ALL is not set"), "{}", ended.stderr);
    // Stdin is empty in these tests.
    let ended = stub.run("bot set echo --outgoing-secret-file -");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("stdin is empty"), "{}", ended.stderr);
}

#[test]
fn the_outbox_is_read_page_by_page() {
    let entry = |n: u32, state: &str| {
        format!(
            r#"{{"activityId":"c|000000{n}","conversationId":"c","bot":"echo","state":"{state}","attempts":{n},"since":"2026-01-01T00:00:00Z","more":1.0}}"#
        )
    };
    let first = format!(r#"{{"entries":[{}],"continuationToken":"a b&c"}}"#, entry(1, "queued"));
    let last = format!(r#"{{"entries":[{}]}}"#, entry(2, "parked"));

    let stub = Stub::start(&[(200, &first), (200, &last)]);
    let ended = stub.run("outbox list --bot echo --parked");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(stub.seen().line, "GET /admin/v1/outbox?bot=echo&state=parked");
    assert_eq!(stub.seen().line, "GET /admin/v1/outbox?bot=echo&state=parked&continuationToken=a+b%26c");
    assert!(ended.stdout.contains("c|0000001") && ended.stdout.contains("c|0000002"), "{}", ended.stdout);
    assert!(ended.stdout.contains("landline outbox retry --bot echo --data "), "{}", ended.stdout);

    let stub = Stub::start(&[(200, &first), (200, &last)]);
    let json = stub.run("outbox list --json").stdout;
    assert_eq!(json.trim_end(), format!(r#"{{"entries":[{},{}]}}"#, entry(1, "queued"), entry(2, "parked")));
}

#[test]
fn a_bot_for_the_agents_sdk_for_javascript_gets_the_issuer_that_suits_it() {
    let added = BOT.replacen("{\"bot\"", r#"{"credential":"llc_x","bot""#, 1);
    let patched = BOT.replace("https://api.botframework.com", "http://127.0.0.1:3000");
    let stub = Stub::start(&[(201, &added), (200, &patched)]);
    let ended = stub.run("bot add echo --endpoint http://127.0.0.1:3978/ --sdk agents-js --port 3979");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(stub.seen().line, "POST /admin/v1/bots");
    let change = stub.seen();
    assert_eq!(
        (change.line.as_str(), change.body.as_str()),
        ("PATCH /admin/v1/bots/echo", r#"{"issuer":"http://127.0.0.1:3000"}"#)
    );
    assert!(ended.stdout.contains("issuers=http://127.0.0.1:3000\n"), "{}", ended.stdout);
    assert!(ended.stdout.contains("IDENTITY_HEADER=llc_x\nPORT=3979\n"), "{}", ended.stdout);
    assert!(!ended.stderr.contains("llc_x"), "{}", ended.stderr);

    // With the issuer refused, the credential is shown all the same: it cannot be asked for again.
    let stub = Stub::start(&[(201, &added), (503, r#"{"error":{"code":"X","message":"later"}}"#)]);
    let ended = stub.run("bot add echo --endpoint http://127.0.0.1:3978/ --sdk agents-js");
    assert_eq!(ended.code, Some(1));
    assert!(ended.stdout.contains("IDENTITY_HEADER=llc_x\n"), "{}", ended.stdout);
    for words in ["landline bot set echo --issuer http://127.0.0.1:3000", "the bot was added", "later"] {
        assert!(ended.stderr.contains(words), "{words} is missing from {}", ended.stderr);
    }

    let stub = Stub::start(&[(201, &added), (200, &patched)]);
    let ended = stub.run("bot add echo --endpoint http://127.0.0.1:3978/ --sdk agents-js --json");
    let answer = json(&ended.stdout);
    assert_eq!(answer["credential"], "llc_x");
    assert_eq!(answer["bot"]["issuer"], "http://127.0.0.1:3000");

    // One that was added otherwise: the block is right, and the remark says what else is to be done.
    let stub = Stub::start(&[(200, BOT)]);
    let ended = stub.run("bot settings echo --sdk agents-js");
    assert!(
        ended.stderr.contains("landline bot set echo --issuer http://127.0.0.1:3000"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains("issuers=http://127.0.0.1:3000\n"), "{}", ended.stdout);
}
