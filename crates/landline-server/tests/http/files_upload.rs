//! Uploading: one file, several with an activity, who sends, what the client, the bot and the log get.

use std::time::Duration;

use hyper::Method;
use landline_core::files::FileLife;
use landline_server::limits::UPLOADS_PER_CONVERSATION;
use landline_testkit::domain::Behaviour;
use landline_testkit::in_process::{OTHER_SECRET, Person, SECRET, TestServer, message};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::form::{Form, PNG, nothing_is_left, path_of, upload, upload_form};

/// What the bot got of an activity.
#[track_caller]
fn at_the_bot(server: &TestServer, id: &str) -> Value {
    server.bot.taken().into_iter().find(|activity| activity["id"] == id).expect("the bot got it")
}

async fn body(server: &TestServer, link: &Value) -> Vec<u8> {
    server.get(&path_of(link)).send().await.expect(200).body.to_vec()
}

#[tokio::test]
async fn the_body_is_the_file() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;

    let id = upload(&ann, "image/png", PNG)
        .header("content-disposition", "name=\"file\"; filename=\"Ünï 1.png\"")
        .send()
        .await
        .expect(200)
        .text("id");

    let seen = ann.history().await.remove(0);
    assert_eq!((&seen["type"], &seen["id"]), (&json!("message"), &json!(id)));
    assert_eq!(seen["from"], json!({"id": "ann", "role": "user"}));
    let attachment = &seen["attachments"][0];
    assert_eq!((&attachment["name"], &attachment["contentType"]), (&json!("Ünï 1.png"), &json!("image/png")));
    let got = at_the_bot(&server, &id);
    assert_eq!(got["attachments"][0]["name"], "Ünï 1.png");
    for (who, link) in [("client", &attachment["contentUrl"]), ("bot", &got["attachments"][0]["contentUrl"])]
    {
        let text = link.as_str().unwrap_or_default();
        assert!(
            text.starts_with(&format!("http://{}/v3/directline/conversations/", server.address)),
            "{who} {text}"
        );
        assert!(text.contains("/original/%C3%9Cn%C3%AF%201.png?e="), "{who} {text}");
        assert_eq!(body(&server, link).await, PNG, "{who}");
    }
}

/// Source: botframework-directlinejs 0.15, `postMessageWithAttachments`.
#[tokio::test]
async fn what_the_stock_client_sends() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let activity = json!({
        "type": "message", "text": "two", "from": {"id": "ann", "name": "Ann"}, "channelData": {"clientActivityID": "7"},
        "attachments": [
            {"contentType": "image/png", "name": "a \"1\".png", "thumbnailUrl": "data:image/png;base64,AAAA"},
            {"contentType": "text/plain", "name": "b.txt"}
        ]
    });
    // It appends the files in the order in which they were fetched.
    let form = Form::default().activity(&activity).file("b.txt", "text/plain", b"hello").file(
        "a \"1\".png",
        "image/png",
        PNG,
    );

    let id = upload_form(&ann, form.clone()).send().await.expect(200).text("id");
    let again = upload_form(&ann, form).send().await.expect(200).text("id");

    assert_eq!(again, id, "a repeat is not a second message");
    let history = ann.history().await;
    assert_eq!(history.len(), 1);
    let [first, second] = history[0]["attachments"].as_array().expect("attachments").as_slice() else {
        panic!()
    };
    assert_eq!(first["name"], "a \"1\".png");
    assert_eq!(first["thumbnailUrl"], "data:image/png;base64,AAAA");
    assert_eq!(second["name"], "b.txt");
    assert_eq!(history[0]["text"], "two");
    assert_eq!(body(&server, &first["contentUrl"]).await, PNG);
    assert_eq!(body(&server, &second["contentUrl"]).await, b"hello");
    assert_eq!(server.blobs.all().await.len(), 2, "the repeat's files are gone");
    let got = at_the_bot(&server, &id);
    assert_eq!(body(&server, &got["attachments"][1]["contentUrl"]).await, b"hello");
}

/// A form arrives in pieces of any size, and its heads lie anywhere in them.
#[tokio::test]
async fn parts_begin_and_end_anywhere() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for size in [16_000, 16_383, 16_384, 16_385, 32_700, 65_536, 200_000] {
        let (one, two) = (vec![1; size], vec![2; 40_000]);
        let form = Form::default()
            .activity(&message("ann", &size.to_string()))
            .file("1.bin", "x/y", &one)
            .file("2.bin", "x/y", &two);

        let answer = upload_form(&ann, form).send().await;

        assert_eq!(answer.status, 200, "{size}: {}", answer.json());
        let seen = ann.history().await.pop().expect("an activity");
        for (i, expected) in [one, two].iter().enumerate() {
            let got = body(&server, &seen["attachments"][i]["contentUrl"]).await;
            assert!(got == *expected, "{size}: file {i} has other bytes");
        }
    }
}

#[tokio::test]
async fn the_stream_carries_links_that_work_and_polls_are_equal() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut stream = ann.stream("").await;
    upload_form(&ann, Form::default().file("a.txt", "text/plain", b"hello")).send().await.expect(200);

    let set = stream.set().await;

    let link = &set["activities"][0]["attachments"][0]["contentUrl"];
    assert_eq!(body(&server, link).await, b"hello");
    assert_eq!(ann.history().await, ann.history().await);
    assert_eq!(&ann.history().await[0]["attachments"][0]["contentUrl"], link);
}

#[tokio::test]
async fn links_are_made_as_the_request_came() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    upload_form(&ann, Form::default().file("a.txt", "text/plain", b"hello")).send().await.expect(200);
    let poll = ann.call(Method::GET, "/activities").host(Some("chat.example.org:8443")).send().await;
    let link = poll.json()["activities"][0]["attachments"][0]["contentUrl"].clone();
    assert!(link.as_str().unwrap_or_default().starts_with("http://chat.example.org:8443/v3/"), "{link}");
    assert_eq!(body(&server, &link).await, b"hello");
}

#[tokio::test]
async fn who_sends_is_the_user_of_the_token_and_else_of_the_query() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let form = || Form::default().file("a.txt", "text/plain", b"hello");
    let from = async |who: &Person| who.history().await.pop().expect("an activity")["from"]["id"].clone();

    let forged = Form::default().activity(&message("eve", "x")).file("a.txt", "text/plain", b"hello");
    let call = |who: &Person, query: &str, form: Form| {
        who.call(Method::POST, &format!("/upload{query}"))
            .header("content-type", &format!("multipart/form-data; boundary={}", crate::form::BOUNDARY))
            .body(form.bytes())
    };
    call(&ann, "?userId=eve", forged.clone()).send().await.expect(200);
    assert_eq!(from(&ann).await, "ann", "the user of the token wins");

    let nobody = server.operator().token(&json!({"conversationId": ann.conversation})).await;
    for credential in [nobody.as_str(), SECRET] {
        let who = ann.beside("nobody", credential);
        call(&who, "", form()).send().await.refused(400, "MissingProperty");
        call(&who, "?userId=", form()).send().await.refused(400, "MissingProperty");
        call(&who, &format!("?userId={}", "x".repeat(257)), form()).send().await.refused(400, "BadArgument");
        call(&who, "?userId=a%0Ab", form()).send().await.refused(400, "BadArgument");
        call(&who, "?userId=main", form()).send().await.refused(400, "BadArgument");
        call(&who, "?userId=bob", form()).send().await.expect(200);
        assert_eq!(from(&ann).await, "bob");
        call(&who, "?userId=b%C3%B6b%20x", forged.clone()).send().await.expect(200);
        assert_eq!(from(&ann).await, "böb x", "the query wins over the activity");
        call(&who, "?userId=a+b", form()).send().await.expect(200);
        assert_eq!(from(&ann).await, "a b");
        // The stock client does not escape the id.
        let plus = Form::default().activity(&message("a+b@x.example", "x"));
        call(&who, "?userId=a+b@x.example", plus).send().await.expect(200);
        assert_eq!(from(&ann).await, "a+b@x.example");
    }
}

#[tokio::test]
async fn no_credentials_no_upload() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let big = vec![0; 3 * 1024 * 1024];
    let call = |who: &Person| upload(who, "image/png", big.clone());
    // Also to whoever sends a lot and looks for the answer afterwards.
    call(&ann.beside("eve", "")).send().await.refused(401, "Unauthorized");
    call(&ann.beside("eve", &bob.token)).send().await.refused(403, "BadArgument");
    call(&ann.beside("eve", "wrong")).send().await.refused(403, "BadArgument");
    call(&ann.beside("eve", OTHER_SECRET)).send().await.refused(404, "ResourceNotFound");
    let nowhere = server.post("/v3/directline/conversations/nowhere/upload").bearer(SECRET);
    nowhere
        .header("content-type", "image/png")
        .body(big.clone())
        .send()
        .await
        .refused(404, "ResourceNotFound");
    nothing_is_left(&server, &ann).await;
    assert_eq!(bob.history().await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_bot_that_fails_keeps_no_file_from_the_conversation() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    server.bot.then([Behaviour::Answer(500, String::new())]);
    upload_form(&ann, Form::default().file("a.txt", "text/plain", b"hello"))
        .send()
        .await
        .refused(502, "BotError");
    let seen = ann.history().await.remove(0);
    assert_eq!(body(&server, &seen["attachments"][0]["contentUrl"]).await, b"hello");
}

#[tokio::test]
async fn an_activity_that_is_refused_takes_its_files_along() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    for (activity, status, code) in [
        (json!({"text": "x"}), 400, "MissingProperty"),
        (json!({"type": "conversationUpdate"}), 400, "BadArgument"),
        (json!({"type": "message", "attachments": 7}), 400, "BadArgument"),
        (json!([]), 400, "MalformedData"),
    ] {
        let form = Form::default().file("a.txt", "text/plain", b"hello").activity(&activity);
        upload_form(&ann, form).send().await.refused(status, code);
    }
    let message = json!({"type": "message", "text": "x".repeat(300_000)});
    let form = Form::default().file("a.txt", "text/plain", b"hello").activity(&message);
    let refused = upload_form(&ann, form).send().await.refused(413, "MessageSizeTooBig");
    assert!(refused.json()["error"]["message"].as_str().unwrap_or_default().contains("parts of their own"));
    nothing_is_left(&server, &ann).await;
}

#[tokio::test]
async fn an_activity_that_is_too_large_is_told_to_upload() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let mut activity = message("ann", "x");
    activity["attachments"] =
        json!([{"contentType": "image/png", "contentUrl": "data:image/png;base64,AAAA"}]);
    ann.send(&activity).send().await.expect(200);
    assert_eq!(ann.history().await[0]["attachments"], activity["attachments"], "it passes through");
    activity["attachments"][0]["contentUrl"] =
        format!("data:image/png;base64,{}", "A".repeat(300_000)).into();
    let refused = ann.send(&activity).send().await.refused(413, "MessageSizeTooBig");
    let words = refused.json()["error"]["message"].as_str().unwrap_or_default().to_owned();
    assert!(words.contains("upload files instead"), "{words}");
}

#[tokio::test]
async fn several_uploads_at_once() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let contents: Vec<Vec<u8>> = (0..12_u8).map(|n| vec![n; 300_000]).collect();
    let uploads = contents.iter().enumerate().map(|(n, content)| {
        let form = Form::default().file(&format!("{n}.bin"), "application/zip", content);
        upload_form(&ann, form).chunked(1000 + n * 777).send()
    });
    for reply in futures_util::future::join_all(uploads).await {
        reply.expect(200);
    }
    let history = ann.history().await;
    assert_eq!(history.len(), contents.len());
    for activity in history {
        let attachment = &activity["attachments"][0];
        let n: usize = attachment["name"]
            .as_str()
            .unwrap_or_default()
            .trim_end_matches(".bin")
            .parse()
            .expect("a number");
        assert!(body(&server, &attachment["contentUrl"]).await == contents[n], "{n}");
    }
}

/// As echo bots do: what they were sent is theirs to send on.
#[tokio::test]
async fn a_link_that_a_bot_sends_back_is_one_for_clients_and_does_not_expire_with_it() {
    let server = TestServer::builder()
        .configure(|config| config.sites[0].files = Some(FileLife::Conversation))
        .start()
        .await;
    let ann = server.person("ann").await;
    let form = Form::default().file("Ü 1.png", "image/png", PNG);
    let id = upload_form(&ann, form).send().await.expect(200).text("id");
    let got = at_the_bot(&server, &id)["attachments"].clone();
    let link = got[0]["contentUrl"].as_str().expect("a link").to_owned();
    let echo = json!({"type": "message", "attachments": got});
    let forged = link.replace("/original/", "/thumbnail/");
    let other =
        json!({"type": "message", "attachments": [{"contentType": "image/png", "contentUrl": forged}]});
    for activity in [&echo, &other] {
        server.bot_actor().send(&ann.conversation, activity).send().await.expect(200);
    }

    server.clock.advance(Duration::from_secs(5 * 86_400));

    server.get(&path_of(&json!(link))).send().await.refused(403, "TokenExpired");
    let token = server.operator().token(&json!({"conversationId": ann.conversation})).await;
    let poll =
        ann.beside("ann", &token).call(Method::GET, "/activities").host(Some("chat.example")).send().await;
    let shown = |n: usize| poll.json()["activities"][n]["attachments"][0]["contentUrl"].clone();
    assert_eq!(shown(1), shown(0));
    assert!(shown(1).as_str().unwrap_or_default().starts_with("http://chat.example/v3/"), "{}", shown(1));
    assert_eq!(body(&server, &shown(1)).await, PNG);
    assert_eq!(shown(2), forged.as_str(), "what was not given out stays");
}

#[tokio::test]
async fn a_text_that_looks_like_ours_stays_a_text() {
    let server = TestServer::start().await;
    let ann = server.person("ann").await;
    let path = crate::form::uploaded(&ann, "a.txt", "text/plain", b"hello").await;
    let (conversation, file) =
        path.split_once("/conversations/").expect("a path").1.split_once("/files/").expect("a file");
    let file = file.split('/').next().unwrap_or_default();
    let signature = path.rsplit_once("&s=").expect("a signature").1;
    let forged = format!("landline-file:/{conversation}/{file}/original/a.txt?sig={signature}");
    ann.send(
        &json!({"type": "message", "attachments": [{"contentType": "text/plain", "contentUrl": forged}]}),
    )
    .send()
    .await
    .expect(200);
    let seen = ann.history().await.pop().expect("an activity");
    assert_eq!(seen["attachments"][0]["contentUrl"], forged.as_str());
}

/// Whoever holds one token keeps nobody else from uploading.
#[tokio::test]
async fn one_conversation_does_not_take_all_places_for_uploads() {
    let server = TestServer::start().await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let head = format!(
        "POST /v3/directline/conversations/{}/upload HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\n\
         content-type: text/plain\r\ncontent-length: 100\r\n\r\nx",
        ann.conversation, ann.token
    );
    let mut held = Vec::new();
    for _ in 0..UPLOADS_PER_CONVERSATION {
        let mut line = TcpStream::connect(server.address).await.expect("a connection");
        line.write_all(head.as_bytes()).await.expect("sent");
        held.push(line);
    }

    let begun = Instant::now();
    while upload(&ann, "text/plain", "one more").send().await.status != 503 {
        assert!(begun.elapsed() < Duration::from_secs(20), "there are places without end");
    }
    upload(&bob, "text/plain", "of another conversation").send().await.expect(200);
    drop(held);
    while upload(&ann, "text/plain", "one more").send().await.status != 200 {
        assert!(begun.elapsed() < Duration::from_secs(40), "what broke off gives its place back");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_link_that_is_no_text_is_refused_as_every_other() {
    let server = TestServer::start().await;
    for path in
        ["%ff/files/f/original/x", "c/files/%ff/original/x", "c/files/f/%ff/x", "c/files/f/original/%ff"]
    {
        let reply = server.get(&format!("/v3/directline/conversations/{path}?e=1&s=x")).send().await;
        reply.refused(403, "BadArgument");
    }
}
