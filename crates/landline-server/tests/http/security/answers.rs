//! What HTTP says must stand on an answer, on every route that there is.
//!
//! Sources: RFC 9110, 15.5.6 (405 names what is allowed), 11.6.1 (401 names the scheme), 9.3.2 (HEAD is GET without the
//! body), 10.2.3 (when to come back); RFC 9112, 6.3 (how long a body is).

use super::World;
use super::raw::{Ask, Line};
use super::routes::{self, METHODS, Whose};

/// Every route of the public listener, filled in.
async fn every_route(world: &World) -> Vec<(String, String)> {
    let names = world.names_in(Whose::Ann).await;
    let capability = world.server.service_url.split('/').nth(4).expect("a capability").to_owned();
    let mut templates = routes::client_api();
    templates.extend(routes::identity());
    for path in routes::connector_api() {
        templates.push(format!("/connector{path}"));
        templates.push(format!("/connector/CAPABILITY{path}"));
    }
    templates
        .into_iter()
        .map(|template| {
            let path = names.fill(&template).replace("CAPABILITY", &capability);
            (template, path)
        })
        .collect()
}

#[tokio::test]
async fn a_method_that_is_not_there_is_405_and_told_which_are() {
    let world = World::start().await;
    let mut refused = 0;
    for (template, path) in every_route(&world).await {
        let mut allowed = None;
        for method in
            METHODS.into_iter().filter(|method| *method != "OPTIONS").chain(["TRACE", "PROPFIND", "QUERY"])
        {
            let answer = Ask::new(method, &path).bearer("unknown").send(world.server.address).await;
            let allow = answer.header("allow").map(str::to_owned);
            if answer.status == 405 {
                let allow = allow.unwrap_or_else(|| panic!("no allow: {method} {template}"));
                assert!(!allow.split(',').any(|one| one.trim() == method), "{method} {template}: {allow}");
                assert!(allow.split(',').all(|one| METHODS.contains(&one.trim())), "{template}: {allow}");
                assert_eq!(*allowed.get_or_insert(allow.clone()), allow, "{method} {template}");
                refused += 1;
            } else {
                assert_eq!(allow, None, "{method} {template}: {answer:?}");
                assert_ne!(answer.status, 501, "{method} {template}");
            }
        }
        // What it says is there is there.
        for method in
            allowed.unwrap_or_default().split(',').map(str::trim).filter(|method| !method.is_empty())
        {
            let answer = Ask::new(method, &path).bearer("unknown").send(world.server.address).await;
            assert_ne!(answer.status, 405, "{method} {template}");
        }
    }
    assert!(refused > 150, "{refused}");
}

#[tokio::test]
async fn every_401_names_the_scheme_and_no_other_answer_does() {
    let world = World::start().await;
    let mut seen = 0;
    let mut check = |what: String, answer: super::raw::Answer| {
        let challenge = answer.header("www-authenticate");
        assert_eq!(answer.status == 401, challenge.is_some(), "{what}: {answer:?}");
        seen += usize::from(answer.status == 401);
    };
    for (template, path) in every_route(&world).await {
        for method in METHODS {
            for credential in [None, Some("unknown"), Some("")] {
                let ask = Ask::new(method, &path);
                let ask = credential.iter().fold(ask, |ask, credential| ask.bearer(credential));
                check(format!("{method} {template} {credential:?}"), ask.send(world.server.address).await);
            }
        }
    }
    for template in routes::admin_api() {
        for method in METHODS {
            let answer = Ask::new(method, &template).send(world.server.admin).await;
            check(format!("{method} {template}"), answer);
        }
    }
    assert!(seen > 150, "{seen}");
}

/// Also where the answer is a refusal, and when the next request follows on the same line.
#[tokio::test]
async fn head_is_get_without_the_body() {
    let world = World::start().await;
    let newest = world.names_in(Whose::Ann).await;
    let history = world.ann.history().await;
    let link = history.iter().find_map(|said| said["attachments"][0]["contentUrl"].as_str()).expect("a link");
    let mut paths = every_route(&world).await;
    paths.push(("a link".into(), format!("/{}", link.splitn(4, '/').nth(3).expect("a path"))));
    paths.push(("nothing".into(), "/no/such/path".into()));
    assert!(!newest.file.is_empty());
    for (template, path) in paths {
        for credential in [Some(&world.ann.token), None] {
            let ask = |method: &str| {
                let ask = Ask::new(method, &path);
                credential.iter().fold(ask, |ask, credential| ask.bearer(credential))
            };
            let get = ask("GET").send(world.server.address).await;
            let mut line = Line::open(world.server.address).await;
            line.write(&[ask("HEAD").bytes(), ask("GET").bytes()].concat()).await;
            let head = line.answer("HEAD").await;
            assert_eq!(head.status, get.status, "{template}");
            let names = |answer: &super::raw::Answer| {
                let mut names: Vec<_> = answer.headers.iter().map(|(name, _)| name.clone()).collect();
                names.sort_unstable();
                names
            };
            assert_eq!(names(&head), names(&get), "{template}");
            // A body would be taken for the beginning of the next answer.
            let next = line.answer("GET").await;
            assert_eq!(next.status, get.status, "{template}: {next:?}");
            assert_eq!(next.body.len(), get.body.len(), "{template}");
        }
    }
}

#[tokio::test]
async fn who_is_sent_away_for_a_while_is_told_for_how_long() {
    let world = World::start().await;
    world.server.disk.fail_writes(true);
    let send = Ask::post(world.ann.path("/activities")).bearer(&world.ann.token);
    let answer = send.json(r#"{"type":"message","text":"x"}"#).send(world.server.address).await;
    assert_eq!(answer.status, 503);
    let wait: u64 = answer.header("retry-after").and_then(|wait| wait.parse().ok()).expect("whole seconds");
    assert!((1..=60).contains(&wait), "{wait}");
    world.server.disk.fail_writes(false);
}
