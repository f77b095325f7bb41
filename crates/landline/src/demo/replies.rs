//! What the demo's bot says. Pure.

use std::time::Duration;

use serde_json::{Value, json};

/// One activity to send, and how long to wait before it.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) after: Option<Duration>,
    pub(super) activity: Value,
}

/// How long the typing of the bot is shown.
const TYPING: Duration = Duration::from_millis(1500);

/// The replies to an activity, in order; none to what is not for people.
pub(super) fn replies_to(activity: &Value) -> Vec<Reply> {
    match activity["type"].as_str() {
        Some("conversationUpdate") if brings_a_user(activity) => vec![now(welcome())],
        Some("message") => to_message(activity),
        Some("event") => {
            let name = activity["name"].as_str().unwrap_or("without a name");
            vec![now(text(&format!("You sent the event “{name}”.")))]
        }
        _ => Vec::new(),
    }
}

fn brings_a_user(update: &Value) -> bool {
    let members = update["membersAdded"].as_array().map(Vec::as_slice).unwrap_or_default();
    members.iter().any(|member| member["id"] != update["recipient"]["id"])
}

fn to_message(message: &Value) -> Vec<Reply> {
    // What a card submits comes without text.
    if !message["value"].is_null() && message["text"].as_str().unwrap_or_default().is_empty() {
        return vec![now(text(&format!("The card sent `{}`.", message["value"])))];
    }
    let said = message["text"].as_str().unwrap_or_default().trim();
    match said.to_lowercase().as_str() {
        "help" => vec![now(help())],
        "card" => vec![now(card())],
        "typing" => vec![
            now(json!({"type": "typing"})),
            Reply { after: Some(TYPING), activity: text("That took a while.") },
        ],
        "" => vec![now(text("There was no text in that."))],
        _ => vec![now(text(&format!("You said: {said}")))],
    }
}

fn now(activity: Value) -> Reply {
    Reply { after: None, activity }
}

fn text(text: &str) -> Value {
    json!({"type": "message", "text": text, "inputHint": "acceptingInput"})
}

fn welcome() -> Value {
    with_actions(text(
        "Hello, this is a bot behind Landline. Say anything and I will say it back; “help” shows more.",
    ))
}

fn help() -> Value {
    with_actions(text(
        "I echo what you say. **card** shows an adaptive card, **typing** keeps you waiting. Then kill the server, \
         start it again on the same data, and go on: nothing is lost.",
    ))
}

fn with_actions(mut activity: Value) -> Value {
    let action = |name: &str| json!({"type": "imBack", "title": name, "value": name});
    activity["suggestedActions"] = json!({"actions": [action("card"), action("typing"), action("help")]});
    activity
}

fn card() -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.5",
                "body": [
                    {"type": "TextBlock", "size": "Medium", "weight": "Bolder", "text": "An adaptive card"},
                    {"type": "TextBlock", "wrap": true, "text": "It came from the bot as it is, and what you fill in goes back the same way."},
                    {"type": "Input.Text", "id": "name", "label": "Your name", "placeholder": "Ada"},
                    {"type": "Input.Toggle", "id": "durable", "title": "Messages should survive a power cut", "value": "true"}
                ],
                "actions": [{"type": "Action.Submit", "title": "Send", "data": {"from": "card"}}]
            }
        }]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(activity: &Value) -> Vec<String> {
        replies_to(activity)
            .iter()
            .map(|r| r.activity["text"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    #[test]
    fn a_message_is_echoed() {
        assert_eq!(texts(&json!({"type": "message", "text": " hello "})), ["You said: hello"]);
    }

    #[test]
    fn a_user_is_welcomed_and_the_bot_itself_is_not() {
        let update = |id: &str| json!({"type": "conversationUpdate", "recipient": {"id": "bot"}, "membersAdded": [{"id": id}]});
        assert_eq!(texts(&update("dl_1")).len(), 1);
        assert_eq!(texts(&update("bot")), [""; 0]);
        assert_eq!(texts(&json!({"type": "conversationUpdate"})), [""; 0]);
    }

    #[test]
    fn card_and_help_and_submit() {
        let card = &replies_to(&json!({"type": "message", "text": "Card"}))[0].activity;
        assert_eq!(card["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
        let help = &replies_to(&json!({"type": "message", "text": "help"}))[0].activity;
        assert_eq!(help["suggestedActions"]["actions"][0]["value"], "card");
        assert_eq!(
            texts(&json!({"type": "message", "value": {"name": "Ada"}})),
            ["The card sent `{\"name\":\"Ada\"}`."]
        );
    }

    #[test]
    fn what_is_not_for_people_gets_no_reply() {
        for kind in ["typing", "endOfConversation", "messageReaction"] {
            assert!(replies_to(&json!({"type": kind})).is_empty(), "{kind}");
        }
        assert!(replies_to(&json!([1, 2])).is_empty());
    }
}
