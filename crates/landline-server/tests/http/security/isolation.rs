//! Who sees and touches whose conversation (S19, S20, S25 to S30).

use hyper::Method;
use landline_testkit::in_process::{ADMIN_TOKEN, OTHER_SECRET, SECRET, message};
use serde_json::json;

use super::World;
use super::raw::{Answer, Ask};
use super::routes::{self, METHODS, Names, Whose};

/// A conversation that never was, of the form of those that were.
const NEVER: &str = "NeverWas0123456789abcd";

/// Every route of clients and bots that names a conversation or something in it.
fn about_conversations() -> Vec<String> {
    let mut found = routes::client_api();
    found.extend(routes::connector_api().iter().map(|path| format!("/connector{path}")));
    found.retain(|template| template.contains('{'));
    found
}

/// A request by this method, with a body that would do something where it has one.
fn ask(method: &str, path: &str) -> Ask {
    let ask = Ask::new(method, format!("{path}?userId=ann&watermark="));
    match method {
        "POST" | "PUT" | "PATCH" => {
            let said = json!({"type": "message", "from": {"id": "ann"}, "text": "in", "activities": []});
            ask.json(said.to_string())
        }
        _ => ask,
    }
}

/// The same request about what is there and about what never was; the two answers must be one.
async fn both(
    world: &World,
    method: &str,
    template: &str,
    there: &Names,
    credential: Option<&str>,
) -> Answer {
    let mut answers = Vec::new();
    for names in [there, &there.instead(NEVER)] {
        let mut ask = ask(method, &names.fill(template));
        if let Some(credential) = credential {
            ask = ask.bearer(credential);
        }
        answers.push(ask.send(world.server.address).await.without_its_id());
    }
    assert_eq!(answers[0], answers[1], "{method} {template}");
    answers.remove(0)
}

#[tokio::test]
async fn s19_the_token_of_a_conversation_opens_no_route_of_another() {
    let world = World::start().await;
    let other = world.server.person("bob").await;
    let of_eve = world.names_in(Whose::Eve).await;
    let of_ann = world.names_in(Whose::Ann).await;
    let before = (world.ann.history().await, world.eve.history().await, world.server.bot.taken().len());
    let mut refused = 0;
    for template in about_conversations() {
        for method in METHODS {
            // Somebody of the same site, and somebody of another one.
            for (token, there) in
                [(&other.token, &of_ann), (&world.ann.token, &of_eve), (&world.eve.token, &of_ann)]
            {
                let answer = both(&world, method, &template, there, Some(token)).await;
                let what = format!("{method} {template}: {answer:?}");
                match (method, answer.status) {
                    ("OPTIONS", 200) | (_, 405) => continue,
                    ("HEAD", 401 | 403) => {}
                    (_, 401) => {
                        assert!(template.starts_with("/connector") || template.ends_with("/stream"), "{what}")
                    }
                    (_, 403) => assert_eq!(answer.refusal().1, "BadArgument", "{what}"),
                    _ => panic!("{what}"),
                }
                refused += 1;
            }
        }
    }
    assert!(refused > 50, "{refused}");
    // Nor by asking for a token there.
    for conversation in [&world.eve.conversation, NEVER] {
        let body = json!({"conversationId": conversation}).to_string();
        let generate = Ask::post("/v3/directline/tokens/generate").bearer(&world.ann.token).json(body);
        generate.send(world.server.address).await.refused(403, "BadArgument");
    }
    assert_eq!(
        (world.ann.history().await, world.eve.history().await, world.server.bot.taken().len()),
        before
    );
}

#[tokio::test]
async fn s20_the_secret_of_a_site_opens_no_conversation_of_another() {
    let world = World::start().await;
    let there = world.names_in(Whose::Ann).await;
    let before = (world.ann.history().await, world.server.bot.taken().len());
    let mut refused = 0;
    for template in about_conversations() {
        for method in METHODS {
            let answer = both(&world, method, &template, &there, Some(OTHER_SECRET)).await;
            let what = format!("{method} {template}: {answer:?}");
            match answer.status {
                404 if template.starts_with("/v3") => refused += 1,
                401 => assert!(template.starts_with("/connector") || template.ends_with("/stream"), "{what}"),
                403 => assert!(template.contains("/files/"), "{what}"),
                405 => {}
                200 => assert_eq!(method, "OPTIONS", "{what}"),
                _ => panic!("{what}"),
            }
        }
    }
    assert!(refused >= 5, "{refused}");
    let mut answers = Vec::new();
    for conversation in [&world.ann.conversation, NEVER] {
        let body = json!({"conversationId": conversation, "user": {"id": "eve"}}).to_string();
        let generate = Ask::post("/v3/directline/tokens/generate").bearer(OTHER_SECRET).json(body);
        answers.push(
            generate.send(world.server.address).await.refused(404, "ResourceNotFound").without_its_id(),
        );
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!((world.ann.history().await, world.server.bot.taken().len()), before);
}

#[tokio::test]
async fn s25_clients_are_no_bots_and_bots_are_no_clients() {
    let world = World::start().await;
    let there = world.names_in(Whose::Ann).await;
    let before = (world.ann.history().await, world.server.bot.taken().len());
    for template in routes::connector_api() {
        for base in ["/connector", "/connector/guess", "/connector/main"] {
            for method in METHODS {
                for credential in [&*world.ann.token, SECRET] {
                    let path = there.fill(&format!("{base}{template}"));
                    let answer = ask(method, &path).bearer(credential).send(world.server.address).await;
                    let let_in = (200..300).contains(&answer.status) && method != "OPTIONS";
                    assert!(!let_in, "{method} {base}{template}: {answer:?}");
                }
            }
        }
    }
    let capability = world.server.service_url.split('/').nth(4).expect("a capability").to_owned();
    for template in routes::client_api() {
        for method in METHODS {
            let answer =
                ask(method, &there.fill(&template)).bearer(&capability).send(world.server.address).await;
            let let_in = (200..300).contains(&answer.status) && method != "OPTIONS";
            assert!(!let_in, "{method} {template}: {answer:?}");
        }
    }
    assert_eq!((world.ann.history().await, world.server.bot.taken().len()), before);
}

#[tokio::test]
async fn s26_a_bot_finds_nothing_in_the_conversation_of_another_bot() {
    let world = World::start().await;
    let there = world.names_in(Whose::Ann).await;
    let before = (world.ann.history().await, world.server.bot.taken().len());
    let base = world.server.other_service_url.splitn(4, '/').nth(3).expect("a path").trim_end_matches('/');
    let mut refused = 0;
    for template in routes::connector_api().iter().filter(|template| template.contains('{')) {
        for method in METHODS {
            let answer = both(&world, method, &format!("/{base}{template}"), &there, None).await;
            match answer.status {
                404 => refused += 1,
                405 => {}
                200 => assert_eq!(method, "OPTIONS"),
                _ => panic!("{method} {template}: {answer:?}"),
            }
        }
    }
    assert!(refused >= 13, "{refused}");
    assert_eq!((world.ann.history().await, world.server.bot.taken().len()), before);
}

#[tokio::test]
async fn s27_a_client_changes_and_deletes_nothing_that_was_said() {
    let world = World::start().await;
    let own = world.names_in(Whose::Ann).await;
    let before = world.ann.history().await;
    for credential in [&*world.ann.token, SECRET] {
        for (method, rest, status) in [
            ("PUT", "/activities".to_owned(), 405),
            ("PATCH", "/activities".to_owned(), 405),
            ("DELETE", "/activities".to_owned(), 405),
            ("PUT", String::new(), 405),
            ("DELETE", String::new(), 405),
            ("PUT", format!("/activities/{}", own.activity), 404),
            ("DELETE", format!("/activities/{}", own.activity), 404),
            ("PATCH", format!("/activities/{}", own.activity), 404),
        ] {
            let answer =
                ask(method, &world.ann.path(&rest)).bearer(credential).send(world.server.address).await;
            assert_eq!(answer.status, status, "{method} {rest}: {answer:?}");
            assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {rest}");
        }
    }
    // Nor by a method that stands in a header or in the query.
    let path = format!("{}?_method=DELETE", world.ann.path("/activities"));
    let ask = Ask::post(path).bearer(&world.ann.token).header("x-http-method-override", "DELETE");
    ask.json("{}").send(world.server.address).await.refused(400, "MissingProperty");
    // Nor by saying so: the id is the server's, and the word of the server for it means nothing from a client.
    for kind in ["messageDelete", "messageUpdate"] {
        let activity = json!({"type": kind, "id": before[0]["id"], "text": "changed"});
        world.ann.send(&activity).send().await.expect(200);
    }
    let after = world.ann.history().await;
    assert_eq!(after[..before.len()], before);
    assert!(after[before.len()..].iter().all(|said| said["id"] != before[0]["id"]), "{after:?}");
}

#[tokio::test]
async fn s28_what_belongs_to_another_conversation_is_not_there() {
    let world = World::start().await;
    let bob = world.server.person("bob").await;
    let bot = world.server.bot_actor();
    let of_ann = world.names_in(Whose::Ann).await;
    let own = bot.say(&bob.conversation, "own").await;
    // An activity, and a member, named in the conversation of somebody else.
    for (method, rest) in [
        ("PUT", format!("/activities/{}", of_ann.activity)),
        ("DELETE", format!("/activities/{}", of_ann.activity)),
        ("GET", format!("/activities/{}/members", of_ann.activity)),
        ("GET", "/members/ann".to_owned()),
        ("DELETE", "/members/ann".to_owned()),
    ] {
        let answer = ask(method, &bot.path(&bob.conversation, &rest)).send(world.server.address).await;
        assert_eq!(answer.refusal(), (404, "ResourceNotFound".to_owned()), "{method} {rest}");
    }
    // A reply to something elsewhere is a reply to nothing.
    let elsewhere = of_ann.activity.replace("%7C", "|");
    for name in [&elsewhere, &own.replace("0000", "1111")] {
        let said = json!({"type": "message", "text": "re", "replyToId": name});
        bot.send(&bob.conversation, &said).send().await.expect(200);
        let sent = json!({"type": "message", "from": {"id": "bob"}, "text": "re", "replyToId": name});
        bob.send(&sent).send().await.expect(200);
    }
    let history = bob.history().await;
    let from_bot: Vec<_> =
        history.iter().filter(|said| said["from"]["role"] == "bot" && said["text"] == "re").collect();
    assert_eq!(from_bot.len(), 2);
    assert!(from_bot.iter().all(|said| said.get("replyToId").is_none()), "{history:?}");
    // A file of one conversation, under the name of another.
    let (conversation, file) = of_ann.attachment.split_once('.').expect("two parts");
    assert_eq!(conversation, world.ann.conversation);
    let root = bot.path("x", "").replace("/conversations/x", "/attachments");
    let moved = Ask::get(format!("{root}/{}.{file}", bob.conversation)).send(world.server.address).await;
    moved.refused(404, "ResourceNotFound");
    Ask::get(format!("{root}/{}", of_ann.attachment)).send(world.server.address).await.expect(200);
}

#[tokio::test]
async fn s29_the_admin_api_is_not_on_the_public_listener() {
    let world = World::start().await;
    let before = world.server.admin(Method::GET, "/sites").send().await.expect(200).body;
    for template in routes::admin_api() {
        let path = template.replace("{name}", "default").replace("{slot}", "1");
        let path = path.replace("{conversation}", &world.ann.conversation);
        for method in METHODS.into_iter().filter(|method| *method != "OPTIONS") {
            for spelled in
                [path.clone(), format!("/{path}"), path.replace("/admin", "/./admin"), path.to_uppercase()]
            {
                let answer = ask(method, &spelled).bearer(ADMIN_TOKEN).send(world.server.address).await;
                // What a path gets that nobody ever thought of.
                let nothing =
                    ask(method, "/admin/v1x/nothing").bearer(ADMIN_TOKEN).send(world.server.address).await;
                assert_eq!(answer.status, 404, "{method} {spelled}");
                assert_eq!(answer.without_its_id(), nothing.without_its_id(), "{method} {spelled}");
            }
        }
    }
    // The admin listener, in turn, has none of the public ones.
    for template in about_conversations() {
        let path = template.replace("{conversation}", &world.ann.conversation);
        let answer = Ask::get(path).bearer(SECRET).send(world.server.admin).await;
        assert_eq!(answer.status, 404, "{template}");
    }
    assert_eq!(world.server.admin(Method::GET, "/sites").send().await.expect(200).body, before);
    world.nothing_happened().await;
}

#[tokio::test]
async fn s30_lists_hold_what_is_ones_own_and_end() {
    let world = World::start().await;
    let bot = world.server.bot_actor();
    for n in 0..130 {
        world.ann.send(&message("ann", &format!("m{n}"))).send().await.expect(200);
    }
    for n in 0..8 {
        world.server.person(&format!("p{n}")).await;
    }
    // No client lists conversations or members.
    for path in [
        "/v3/directline/conversations".to_owned(),
        world.ann.path("/members"),
        "/v3/directline/users".to_owned(),
        "/v3/directline/tokens".to_owned(),
    ] {
        let answer = Ask::get(&path).bearer(SECRET).send(world.server.address).await;
        assert!(matches!(answer.status, 404 | 405), "{path}: {answer:?}");
    }
    // A page of the history ends, whatever is asked for.
    for query in ["", "?watermark=", "?watermark=-", "?limit=100000", "?top=100000&pageSize=100000&count=-1"]
    {
        let answer = Ask::get(format!("{}{query}", world.ann.path("/activities"))).bearer(&world.ann.token);
        let page = answer.send(world.server.address).await.expect(200).json();
        let shown = page["activities"].as_array().map_or(0, Vec::len);
        assert!((90..=100).contains(&shown), "{shown} {query}");
    }
    for bad in ["-1", "1e9", "99999999999999999999", "../0", "0x1", "%00"] {
        let answer =
            Ask::get(format!("{}?watermark={bad}", world.ann.path("/activities"))).bearer(&world.ann.token);
        answer.send(world.server.address).await.refused(400, "BadArgument");
    }
    // A bot is told of its own conversations alone, and of their members in pages.
    let list = bot.path("", "").replace("/conversations/", "/conversations");
    let listed = Ask::get(&list).send(world.server.address).await.expect(200);
    assert!(!listed.text().contains(&world.eve.conversation));
    for query in ["continuationToken=x", "continuationToken=../../etc/passwd", "continuationToken=%00"] {
        let answer = Ask::get(format!("{list}?{query}")).send(world.server.address).await;
        assert!(matches!(answer.status, 200 | 400), "{query}: {answer:?}");
        assert!(!answer.text().contains(&world.eve.conversation));
    }
    for (size, status) in [("1", 200), ("100", 200), ("1000000", 200), ("0", 400), ("-1", 400), ("x", 400)] {
        let path = bot.path(&world.ann.conversation, &format!("/pagedmembers?pageSize={size}"));
        let answer = Ask::get(path).send(world.server.address).await.expect(status);
        let members = answer.json()["members"].as_array().map_or(0, Vec::len);
        assert!(members <= 2, "{size}");
    }
}
