//! More than should come: S14, S61, S75, S76, S78. First it is late, then it is refused, and a poll never is.
//!
//! Not here: the order of those who wait and what is kept of whom, with a clock that the test moves (`overload::lanes`).

use std::time::Duration;

use futures_util::future::join_all;
use hyper::Method;
use landline_server::config::Config;
use landline_server::directory::SiteRates;
use landline_server::limits::Rates;
use landline_testkit::in_process::socket::Opening;
use landline_testkit::in_process::{
    BOT, Call, OTHER_SECRET, Person, Reply, SECRET, TestServer, message, start,
};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// Refused at once, so that nothing in a test waits.
fn at_once() -> Rates {
    Rates { delay: Duration::ZERO, ..Rates::off() }
}

async fn with(rates: Rates) -> TestServer {
    with_more(rates, |_| {}).await
}

/// Behind a proxy that is believed, so that a test has as many addresses as it likes.
async fn with_more(rates: Rates, more: impl FnOnce(&mut Config)) -> TestServer {
    let configure = |config: &mut Config| {
        config.limits.server.rates = rates;
        config.trusted_proxies = vec!["127.0.0.1/32".parse().expect("a network")];
        more(config);
    };
    TestServer::builder().configure(configure).start().await
}

fn from(call: Call, address: &str) -> Call {
    call.header("x-forwarded-for", address)
}

#[track_caller]
fn is_throttled(reply: &Reply) {
    crate::looks_like_a_refusal(reply, 429, "ThrottledRequests");
    let seconds: u64 = reply.header("retry-after").parse().expect("whole seconds");
    assert!((1..=60).contains(&seconds), "{seconds}");
}

/// Makes a call so often, all at once, so that a slow machine earns no more turns meanwhile; says how often it had which
/// status.
async fn statuses(times: usize, call: impl Fn() -> Call) -> (usize, usize) {
    let (mut good, mut throttled) = (0, 0);
    for reply in join_all((0..times).map(|_| call().send())).await {
        match reply.status {
            200 | 201 => good += 1,
            _ => {
                is_throttled(&reply);
                throttled += 1;
            }
        }
    }
    (good, throttled)
}

/// What a metric says; `None` where there is no such line.
async fn metric(server: &TestServer, name: &str) -> Option<u64> {
    let page = Call::new(server.admin, Method::GET, "/metrics").send().await.body;
    let page = String::from_utf8_lossy(&page);
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

fn generate(server: &TestServer, secret: &str) -> Call {
    server.post("/v3/directline/tokens/generate").bearer(secret).json(&json!({}))
}

const WRONG: &str = "a-secret-that-nobody-has-0123456789abcdef";

#[tokio::test]
async fn s14_wrong_secrets_are_429_and_the_right_one_still_opens() {
    let server = with(Rates { failed_authentications: 5, ..at_once() }).await;
    let ann = server.person("ann").await;
    let guess = |number: usize| from(generate(&server, &format!("{WRONG}{number}")), "192.0.2.1");
    for number in 0..5 {
        guess(number).send().await.refused(403, "BadArgument");
    }
    is_throttled(&guess(5).send().await);

    // All that could be guessed counts as one, whatever the door.
    let admin = || Call::new(server.admin, Method::GET, "/admin/v1/sites").bearer(WRONG);
    let capability = server.get("/connector/a-guess/v3/conversations");
    let client = server
        .post("/botframework.com/oauth2/v2.0/token")
        .header("content-type", "application/x-www-form-urlencoded");
    let client = client.body(format!("grant_type=client_credentials&client_id=x&client_secret={WRONG}&scope=https://api.botframework.com/.default"));
    let managed = server.get("/msi/token?api-version=2019-08-01&resource=https://api.botframework.com");
    for call in [capability, client, managed.header("x-identity-header", WRONG)] {
        is_throttled(&from(call, "192.0.2.1").send().await);
    }
    // The admin API believes no proxy: this is another address.
    for _ in 0..5 {
        admin().send().await.refused(401, "Unauthorized");
    }
    admin().send().await.refused(429, "ThrottledRequests");

    // Nobody is locked out: not who has the secret, nor who has a token, at the same address.
    from(generate(&server, SECRET), "192.0.2.1").send().await.expect(200);
    from(ann.call(Method::GET, "/activities"), "192.0.2.1").send().await.expect(200);
    from(generate(&server, WRONG), "192.0.2.2").send().await.refused(403, "BadArgument");
}

#[tokio::test]
async fn s14_a_wrong_token_is_no_guess_and_is_told_so_at_once() {
    let server = with(Rates { failed_authentications: 1, ..at_once() }).await;
    let ann = server.person("ann").await;
    let (head, signature) = ann.token.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    for _ in 0..5 {
        let reply = server.get(&ann.path("/activities")).bearer(&forged).send().await;
        reply.refused(403, "BadArgument");
        server.get(&ann.path("/activities")).send().await.refused(401, "Unauthorized");
    }
    generate(&server, WRONG).send().await.refused(403, "BadArgument");
    is_throttled(&generate(&server, WRONG).send().await);
}

#[tokio::test]
async fn s14_over_the_rate_a_wrong_secret_is_first_answered_late() {
    // One in five seconds, so that this one is still to come when the right one was answered.
    let rates = Rates { failed_authentications: 12, delay: Duration::from_secs(15), ..Rates::off() };
    let server = with(rates).await;
    for _ in 0..12 {
        generate(&server, WRONG).send().await.refused(403, "BadArgument");
    }
    let mut wrong = std::pin::pin!(generate(&server, WRONG).send());
    let right = async {
        reaches(&server, |waiting| waiting == 1).await;
        generate(&server, SECRET).send().await.expect(200);
    };
    tokio::select! {
        biased;
        () = right => {}
        reply = wrong.as_mut() => panic!("{} before who has the secret", reply.status),
    }
    wrong.await.refused(403, "BadArgument");
}

#[tokio::test]
async fn s14_addresses_of_one_customer_count_as_one() {
    let server = with(Rates { failed_authentications: 2, ..at_once() }).await;
    for address in ["2001:db8:0:1::1", "2001:db8:0:1:ffff::2"] {
        from(generate(&server, WRONG), address).send().await.refused(403, "BadArgument");
    }
    is_throttled(&from(generate(&server, WRONG), "2001:db8:0:1:2::3").send().await);
    from(generate(&server, WRONG), "2001:db8:0:2::1").send().await.refused(403, "BadArgument");
}

#[tokio::test]
async fn s75_tokens_and_starts_of_a_site_are_429_and_other_sites_go_on() {
    let server = with(Rates { site_tokens: 1, site_starts: 1, ..at_once() }).await;
    for call in [
        Box::new(|secret: &str| generate(&server, secret)) as Box<dyn Fn(&str) -> Call>,
        Box::new(|secret: &str| start(server.address, secret)),
    ] {
        let (good, throttled) = statuses(30, || call(SECRET)).await;
        assert!((10..30).contains(&good) && throttled > 0, "{good} {throttled}");
        let (good, _) = statuses(5, || call(OTHER_SECRET)).await;
        assert_eq!(good, 5);
    }
    for limit in ["SiteTokens", "SiteStarts"] {
        let line = format!("landline_throttled_total{{limit=\"{limit}\",outcome=\"Refused\"}}");
        let count = metric(&server, &line).await;
        assert!(count.is_some_and(|count| count >= 4), "{limit}: {count:?}");
    }
}

#[tokio::test]
async fn s75_an_address_with_tokens_is_429_and_another_one_is_not() {
    let server = with(Rates { address_starts: 1, address_tokens: 1, ..at_once() }).await;
    let token = server.operator().token(&json!({"user": {"id": "ann"}})).await;
    let refresh = || server.post("/v3/directline/tokens/refresh").bearer(&token);
    for call in [Box::new(|| start(server.address, &token)) as Box<dyn Fn() -> Call>, Box::new(refresh)] {
        let (good, throttled) = statuses(30, || from(call(), "192.0.2.1")).await;
        assert!((10..30).contains(&good) && throttled > 0, "{good} {throttled}");
        let (good, _) = statuses(5, || from(call(), "192.0.2.2")).await;
        assert_eq!(good, 5);
        // A program of this machine, or a proxy that nobody has named.
        let (good, _) = statuses(30, &call).await;
        assert_eq!(good, 30);
    }
    // Whoever has the secret is a service, which speaks for many.
    let (good, _) = statuses(30, || from(start(server.address, SECRET), "192.0.2.1")).await;
    assert_eq!(good, 30);
}

#[tokio::test]
async fn s75_a_site_may_have_rates_of_its_own() {
    let own = SiteRates { starts: Some(1), tokens: Some(0), ..SiteRates::default() };
    let server = with_more(Rates { site_tokens: 1, ..at_once() }, |config| config.sites[0].rates = own).await;
    let (good, throttled) = statuses(30, || start(server.address, SECRET)).await;
    assert!((10..30).contains(&good) && throttled > 0, "{good} {throttled}");
    assert_eq!(statuses(30, || generate(&server, SECRET)).await.0, 30, "0 is no limit");
    assert_eq!(statuses(30, || start(server.address, OTHER_SECRET)).await.0, 30);
    assert!(statuses(30, || generate(&server, OTHER_SECRET)).await.1 > 0);
}

#[tokio::test]
async fn s61_whoever_floods_a_conversation_uses_up_what_it_may_and_no_more() {
    let server = with(Rates { conversation_sends: 1, site_sends: 2, ..at_once() }).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let (good, throttled) = statuses(50, || ann.send(&message("ann", "hello"))).await;
    assert!((10..40).contains(&good) && throttled > 5, "{good} {throttled}");
    // Of the twenty of the site, the forty that were refused took none.
    let (good, _) = statuses(5, || bob.send(&message("bob", "hello"))).await;
    assert_eq!(good, 5);
    assert_eq!(bob.texts().await.len(), 5);
}

#[tokio::test]
async fn s61_files_and_conversations_of_a_user_are_bounded() {
    let server = with(Rates { user_starts: 1, site_uploads: 1, ..at_once() }).await;
    let token = async |user: &str| server.operator().token(&json!({"user": {"id": user}})).await;
    let mut tokens = Vec::new();
    for _ in 0..30 {
        tokens.push(token("ann").await);
    }
    let started = join_all(tokens.iter().map(|token| start(server.address, token).send())).await;
    let throttled = started.iter().filter(|reply| reply.status == 429).count();
    assert!((1..=20).contains(&throttled), "{throttled}");
    start(server.address, &token("bob").await).send().await.expect(201);

    let bob = server.person("carol").await;
    let upload = || {
        let call = bob.call(Method::POST, "/upload?userId=carol");
        call.header("content-disposition", "name=\"file\"; filename=\"a.txt\"").body("hello")
    };
    let (good, throttled) = statuses(30, upload).await;
    assert!((10..30).contains(&good) && throttled > 0, "{good} {throttled}");
}

#[tokio::test]
async fn a_poll_is_never_refused_but_shows_nothing_new_for_a_while() {
    let server = with(Rates { conversation_polls: 1, ..at_once() }).await;
    let ann = server.person("ann").await;
    for text in ["one", "two"] {
        ann.say(text).await;
    }
    let mut late = 0;
    for page in join_all((0..30).map(|_| ann.poll("?watermark=2"))).await {
        let page = page.expect(200);
        match page.texts().as_slice() {
            [] => {
                assert_eq!(page.text("watermark"), "2", "where it is, it will find what is new");
                late += 1;
            }
            texts => assert_eq!((texts, page.text("watermark").as_str()), (&["two".to_owned()][..], "3")),
        }
    }
    assert!((1..=20).contains(&late), "{late}");
    let mut from_the_start =
        join_all((0..30).map(|_| ann.poll(""))).await.into_iter().map(|page| page.expect(200));
    let shows_nothing = from_the_start.find(|page| page.texts().is_empty()).expect("one that is late");
    assert_eq!(ann.poll(&format!("?watermark={}", shows_nothing.text("watermark"))).await.status, 200);
    // Nobody learns by it of conversations that are not theirs.
    let bob = server.other_operator().person("bob").await;
    server.get(&ann.path("/activities")).bearer(&bob.token).send().await.refused(403, "BadArgument");
    server.get(&ann.path("/activities")).bearer(OTHER_SECRET).send().await.refused(404, "ResourceNotFound");
    sleep(Duration::from_millis(1100)).await;
    assert_eq!(ann.poll("").await.texts(), ["one", "two"]);
}

#[tokio::test]
async fn polls_of_all_conversations_of_a_site_are_counted_together_and_not_refused() {
    let server = with(Rates { site_polls: 1, ..at_once() }).await;
    let people = [server.person("ann").await, server.person("bob").await];
    let cal = server.other_operator().person("cal").await;
    for person in people.iter().chain([&cal]) {
        person.say("hello").await;
    }
    let mut late = 0;
    for page in join_all((0..40).map(|number| people[number % 2].poll(""))).await {
        late += usize::from(page.expect(200).texts().is_empty());
    }
    assert!((1..=30).contains(&late), "{late}");
    assert_eq!(cal.poll("").await.texts(), ["hello"], "another site does not wait");
}

#[tokio::test]
async fn reconnects_and_calls_of_bots_have_rates_of_their_own() {
    let server = with(Rates { conversation_reconnects: 1, bot_calls: 2, ..at_once() }).await;
    let ann = server.person("ann").await;
    let (good, throttled) = statuses(30, || ann.call(Method::GET, "")).await;
    assert!((10..30).contains(&good) && throttled > 0, "{good} {throttled}");

    let (bot, text) = (server.bot_actor(), json!({"type": "message", "text": "hello"}));
    let (good, throttled) = statuses(50, || bot.send(&ann.conversation, &text)).await;
    assert!((20..50).contains(&good) && throttled > 0, "{good} {throttled} {BOT}");
    let dan = server.other_operator().person("dan").await;
    server.other_bot_actor().send(&dan.conversation, &text).send().await.expect(200);
}

#[tokio::test]
async fn what_is_over_the_rate_is_late_and_whole() {
    let rates = Rates { conversation_sends: 1, delay: Duration::from_secs(10), ..Rates::off() };
    let server = with(rates).await;
    let ann = server.person("ann").await;
    join_all((0..14).map(|_| ann.say("quick"))).await;
    // More than the connection reads with the head.
    let long = "x".repeat(100_000);
    for text in ["first", &long] {
        ann.say(text).await;
    }
    let late =
        metric(&server, "landline_throttled_total{limit=\"ConversationSends\",outcome=\"Delayed\"}").await;
    assert!(late >= Some(1), "{late:?}");
    let texts = ann.texts().await;
    assert_eq!(texts[texts.len() - 2..], ["first".to_owned(), long]);
}

/// Waits until so many requests wait.
async fn reaches(server: &TestServer, enough: impl Fn(u64) -> bool) {
    let reached = async {
        while !metric(server, "landline_delayed_requests").await.is_some_and(&enough) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(4), reached).await.expect("never so many that wait");
}

/// A send of which the head has come, and so much of the body.
async fn half_a_send(server: &TestServer, ann: &Person, announced: usize, sent: &str) -> TcpStream {
    let mut line = TcpStream::connect(server.address).await.expect("a connection");
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: h\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\n\
         content-length: {announced}\r\n\r\n{sent}",
        ann.path("/activities"),
        ann.token
    );
    line.write_all(head.as_bytes()).await.expect("a connection");
    line
}

#[tokio::test]
async fn whoever_hangs_up_gives_up_their_place() {
    let rates = Rates { conversation_sends: 1, delay: Duration::from_secs(15), ..Rates::off() };
    let server = with(rates).await;
    let ann = server.person("ann").await;
    join_all((0..10).map(|_| ann.say("quick"))).await;
    let body = message("ann", "gone").to_string();
    let mut lines = Vec::new();
    for _ in 0..14 {
        lines.push(half_a_send(&server, &ann, body.len(), &body).await);
    }
    // One leaves each second by itself; all at once only where they have hung up.
    reaches(&server, |waiting| waiting >= 6).await;
    drop(lines);
    reaches(&server, |waiting| waiting == 0).await;
    let gone = ann.texts().await.iter().filter(|text| *text == "gone").count();
    assert!(gone <= 8, "{gone} of 14 were sent");

    // The turns that they would have had are there for others.
    let began = Instant::now();
    ann.say("there").await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

const HELD: &str = "landline_memory_held_bytes";

#[tokio::test]
async fn s78_without_memory_what_begins_is_429_and_what_is_there_goes_on() {
    let server = with_more(at_once(), |config| config.limits.server.memory_bytes = 1024 * 1024).await;
    let ann = server.person("ann").await;
    ann.say("before").await;
    let url = ann.reconnect("").await.expect(200).text("streamUrl");
    let mut open = ann.stream("").await;
    let part = "x".repeat(200_000);
    let mut lines = Vec::new();
    for number in 1..=5 {
        lines.push(half_a_send(&server, &ann, 250_000, &part).await);
        holds(&server, |held| held >= number * 200_000).await;
    }

    is_throttled(&ann.send(&message("ann", "now")).send().await);
    is_throttled(&start(server.address, SECRET).send().await);
    is_throttled(&ann.call(Method::POST, "/upload?userId=ann").body("hello").send().await);
    let refused = Opening::default().open(&url).await.expect_err("no room for a stream");
    assert_eq!(refused.refusal(), (503, "ServiceUnavailable".to_owned()));
    assert!(!refused.header("retry-after").is_empty());
    assert_eq!(ann.poll("").await.texts(), ["before"]);
    ann.reconnect("").await.expect(200);
    generate(&server, SECRET).send().await.expect(200);
    server.bot_actor().say(&ann.conversation, "still here").await;
    assert_eq!(open.texts(1).await, ["still here"]);

    drop(lines);
    holds(&server, |held| held == 0).await;
    ann.say("after").await;
    assert_eq!(open.texts(1).await, ["after"]);
}

/// Waits until so many bytes are counted.
async fn holds(server: &TestServer, enough: impl Fn(u64) -> bool) {
    let reached = async {
        while !enough(metric(server, HELD).await.expect("a gauge")) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), reached).await.expect("never as much, or never as little");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s78_readers_that_do_not_read_are_closed_before_the_memory_is_full() {
    const CAP: u64 = 6 * 1024 * 1024;
    const MESSAGES: usize = 60;
    let server = with_more(at_once(), |config| {
        config.limits.server.memory_bytes = CAP;
        config.limits.server.stream_frame_timeout = Duration::from_secs(60);
        config.limits.server.write_timeout = Duration::from_secs(60);
        config.limits.domain.sockets_per_conversation = 100;
    });
    let server = server.await;
    let ann = server.person("ann").await;
    let filler = "x".repeat(200 * 1024);
    for number in 0..MESSAGES {
        server.bot_actor().say(&ann.conversation, &format!("{number} {filler}")).await;
    }

    let (mut slow, mut most) = (Vec::new(), 0);
    for _ in 0..24 {
        let url = ann.reconnect("?watermark=").await.expect(200).text("streamUrl");
        // One that finds no room comes back, as clients do.
        if let Ok(socket) = Opening::default().receive_buffer(4096).open(&url).await {
            slow.push(socket);
        }
        most = most.max(metric(&server, HELD).await.unwrap_or_default());
    }
    let closed = "landline_sockets_closed_total{reason=\"Slow\"}";
    let gone = async {
        while metric(&server, closed).await.unwrap_or_default() < 10 {
            most = most.max(metric(&server, HELD).await.unwrap_or_default());
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.expect("nobody who does not read was closed");
    assert!(most > CAP / 2 && most <= CAP, "{most} of {CAP}");

    // One that reads gets everything, and waits for none of them.
    let mut quick = ann.stream("?watermark=").await;
    let texts = quick.texts(MESSAGES).await;
    assert_eq!(texts.len(), MESSAGES);
    drop((slow, quick));
    holds(&server, |held| held == 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s76_a_site_that_floods_is_late_and_refused_and_no_other_site_is() {
    const DELAY: Duration = Duration::from_secs(5);
    let server =
        with(Rates { site_sends: 1, site_starts: 1, site_polls: 1, delay: DELAY, ..Rates::off() }).await;
    let ann = server.person("ann").await;
    let bob = server.other_operator().person("bob").await;
    let mut flood = JoinSet::new();
    for number in 0..60 {
        let (ann, address) = (ann.clone(), server.address);
        flood.spawn(async move {
            loop {
                let call = match number % 3 {
                    0 => ann.send(&message("ann", "flood")),
                    1 => start(address, SECRET),
                    _ => ann.call(Method::GET, "/activities"),
                };
                let reply = call.send().await;
                assert!(matches!(reply.status, 200 | 201 | 429), "{}", reply.status);
                assert!(number % 3 != 2 || reply.status == 200, "a poll was refused");
                sleep(Duration::from_millis(200)).await;
            }
        });
    }
    for limit in ["SiteSends", "SiteStarts", "SitePolls"] {
        for outcome in ["Delayed", "Refused"] {
            let line = format!("landline_throttled_total{{limit=\"{limit}\",outcome=\"{outcome}\"}}");
            let seen = async {
                while metric(&server, &line).await.is_none() {
                    sleep(Duration::from_millis(20)).await;
                }
            };
            timeout(4 * DELAY, seen).await.unwrap_or_else(|_| panic!("nobody is {outcome} by {limit}"));
        }
    }

    // Five of each are fewer than what a site may have at once; in the queues of the other one, each would be refused.
    for number in 1..=5 {
        bob.say(&format!("hello {number}")).await;
        start(server.address, OTHER_SECRET).send().await.expect(201);
        assert_eq!(bob.texts().await.len(), number);
    }
    assert!(flood.try_join_next().is_none(), "the flood goes on all the while");
}
