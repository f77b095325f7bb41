use std::time::Duration;

use hyper::Method;
use tokio::time::timeout;

use super::*;
use crate::line::{Answer, Line, LineError};

async fn post(line: &mut Line, text: &str) -> Result<Answer, LineError> {
    let activity = json!({"type": "message", "id": "c|0000001", "text": text});
    line.request(Method::POST, "/api/messages", None, Some(activity.to_string().into())).await
}

#[tokio::test]
async fn keeps_what_it_received_and_answers_as_told() {
    let mut bot = Bot::start(Mode::Accept).await.unwrap();
    let mut line = Line::new(bot.address);

    let accepted = post(&mut line, "one").await.unwrap();
    bot.set_mode(Mode::Status(501)).await.unwrap();
    let refused = post(&mut line, "two").await.unwrap();
    bot.set_mode(Mode::ExpectReplies).await.unwrap();
    let replied = post(&mut line, "three").await.unwrap();

    assert_eq!((accepted.status, refused.status), (StatusCode::OK, StatusCode::NOT_IMPLEMENTED));
    let texts: Vec<_> = bot.received().iter().map(|activity| activity["text"].clone()).collect();
    assert_eq!(texts, ["one", "two", "three"]);
    let replied: Value = serde_json::from_slice(&replied.body).unwrap();
    assert_eq!(replied["activities"][0]["text"], "echo 3 of three");
}

#[tokio::test]
async fn refuses_connections_and_takes_them_again() {
    let mut bot = Bot::start(Mode::Accept).await.unwrap();
    let mut line = Line::new(bot.address);
    post(&mut line, "one").await.unwrap();

    bot.set_mode(Mode::Refuse).await.unwrap();
    let refused = post(&mut Line::new(bot.address), "two").await.unwrap_err();
    bot.set_mode(Mode::Accept).await.unwrap();
    let taken = post(&mut Line::new(bot.address), "three").await.unwrap();

    assert!(matches!(refused, LineError::NotSent(_)), "{refused}");
    assert_eq!(taken.status, StatusCode::OK);
    assert_eq!(bot.count(), 2);
}

#[tokio::test]
async fn hangs_until_told_otherwise() {
    let mut bot = Bot::start(Mode::Hang).await.unwrap();
    let mut line = Line::new(bot.address);
    let mut asked = Box::pin(post(&mut line, "one"));

    let early = timeout(Duration::from_millis(50), &mut asked).await;
    bot.set_mode(Mode::Accept).await.unwrap();
    let answered = asked.await.unwrap();

    assert!(early.is_err());
    assert_eq!(answered.status, StatusCode::OK);
}

#[tokio::test]
async fn echoes_by_the_connector_and_takes_down_both_sides() {
    let recorder = Recorder::new();
    let bot = Bot::start_recorded(Mode::Echo, recorder.clone()).await.unwrap();
    // Another bot stands for the server: it takes the reply and answers 200 with an empty body, which is no id.
    let server = Bot::start(Mode::Accept).await.unwrap();
    let activity = json!({
        "type": "message", "id": "c|0000007", "text": "hi",
        "conversation": {"id": "c"}, "serviceUrl": format!("http://{}/connector/x/", server.address),
    });
    let mut line = Line::new(bot.address);

    line.request(Method::POST, "/", None, Some(activity.to_string().into())).await.unwrap();

    let reply = &server.received()[0];
    assert_eq!((&reply["text"], &reply["replyToId"]), (&json!("echo 1 of hi"), &json!("c|0000007")));
    let lines: Vec<String> =
        recorder.take().iter().map(|record| serde_json::to_string(&record.event).unwrap()).collect();
    assert!(lines[0].contains(r#""f":"deliver""#) && lines[0].contains(r#""position":7"#), "{lines:?}");
    assert!(lines[1].contains(r#""type":"invoke""#) && lines[1].contains("echo 1 of hi"), "{lines:?}");
    assert!(lines[2].contains(r#""type":"info""#), "{lines:?}");
}
