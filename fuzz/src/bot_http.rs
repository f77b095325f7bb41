//! The HTTP of a bot's answer, over a line: any bytes at all, in answer to one activity.

use std::time::Duration;

use http::Method;
use landline_testkit::in_process::SECRET;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::Target;
use crate::input::split;
use crate::server::{Server, check_answer, run_in_real_time};

pub(crate) const TARGET: Target = Target {
    name: "bot_http",
    longest: 16 * 1024,
    share: 2,
    claim: "whatever a bot answers, the client gets a 2xx, 4xx or 502 and soon; the message is logged once; what the bot said \
            is logged only where it is activities, behind it, and from the bot",
    run,
};

/// Everything is there at once, so nothing has to be waited for; hyper reads on for a while what nobody wants.
const SOON: Duration = Duration::from_secs(20);

fn run(data: &[u8]) {
    run_in_real_time(async { timeout(SOON, exchange(data)).await.expect("it takes too long") });
}

async fn exchange(data: &[u8]) {
    let (kind, answer) = split(data);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let endpoint = format!("http://{}/api/messages", listener.local_addr().expect("an address"));
    let server = Server::with_bot_at(&endpoint).await;
    let body = json!({"user": {"id": "anna"}});
    let token =
        server.json(Method::POST, "/v3/directline/tokens/generate", Some(SECRET), &body).await.text("token");
    let answering = async {
        loop {
            let Ok((mut line, _)) = listener.accept().await else { return };
            // As much as there is: it is small, and comes in one piece or two.
            let mut asked = Vec::new();
            while !asked.ends_with(b"}") {
                let mut piece = [0; 4096];
                match line.read(&mut piece).await {
                    Ok(0) | Err(_) => break,
                    Ok(read) => asked.extend_from_slice(&piece[..read]),
                }
            }
            let _ = line.write_all(answer).await;
            let _ = line.shutdown().await;
        }
    };
    let asking = async {
        let started =
            server.json(Method::POST, "/v3/directline/conversations", Some(&token), &json!(null)).await;
        check_answer(started.status.as_u16(), &started.headers, &started.body);
        let conversation = started.text("conversationId");
        let path = format!("/v3/directline/conversations/{conversation}/activities");
        let mode = ["normal", "expectReplies", "stream"][usize::from(kind % 3)];
        let message =
            json!({"type": "message", "from": {"id": "anna"}, "text": "first", "deliveryMode": mode});
        let sent = server.json(Method::POST, &path, Some(&token), &message).await;
        let status = sent.status.as_u16();
        check_answer(status, &sent.headers, &sent.body);
        assert_ne!(status, 503, "the bot is there");
        let page = server.get(&format!("{path}?watermark=0"), &token).await;
        let page = page.json();
        let activities = page["activities"].as_array().expect("a list");
        let ours: Vec<_> = activities.iter().filter(|activity| activity["from"]["id"] == "anna").collect();
        assert_eq!(ours.len(), 1, "logged once: {page}");
        assert_eq!((&ours[0]["text"], &activities[0]["text"]), (&json!("first"), &json!("first")));
        assert!(activities.iter().skip(1).all(|activity| activity["from"]["role"] == "bot"), "{page}");
    };
    tokio::select! {
        () = asking => {}
        () = answering => {}
    }
}
