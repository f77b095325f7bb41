//! Who speaks to a server: the operator of a site, a person in a conversation, a bot that calls back.

use std::net::SocketAddr;

use hyper::Method;
use serde_json::{Value, json};

use super::TestServer;
use super::http::{Call, Reply};
use super::socket::Socket;

/// Whoever holds a site's secret.
#[derive(Clone, Debug)]
pub struct Operator<'a> {
    server: &'a TestServer,
    secret: String,
}

impl<'a> Operator<'a> {
    pub(super) fn new(server: &'a TestServer, secret: &str) -> Self {
        Self { server, secret: secret.to_owned() }
    }

    /// `POST tokens/generate`, not sent yet.
    pub fn generate(&self, body: &Value) -> Call {
        self.server.post("/v3/directline/tokens/generate").bearer(&self.secret).json(body)
    }

    /// A token for what the body says.
    pub async fn token(&self, body: &Value) -> String {
        self.generate(body).send().await.expect(200).text("token")
    }

    /// Somebody with a token of their own who has started a conversation with it.
    pub async fn person(&self, name: &str) -> Person {
        let token = self.token(&json!({"user": {"id": name}})).await;
        let started = start(self.server.address, &token).send().await.expect(201);
        Person {
            address: self.server.address,
            name: name.to_owned(),
            token: started.text("token"),
            conversation: started.text("conversationId"),
            stream_url: started.text("streamUrl"),
        }
    }
}

/// `POST conversations`, not sent yet.
pub fn start(address: SocketAddr, credential: &str) -> Call {
    Call::new(address, Method::POST, "/v3/directline/conversations").bearer(credential)
}

/// A person in a conversation.
#[derive(Clone, Debug)]
pub struct Person {
    address: SocketAddr,
    pub name: String,
    pub token: String,
    pub conversation: String,
    /// What the start handed out.
    pub stream_url: String,
}

impl Person {
    /// Somebody else in the same conversation, with a token of their own.
    pub fn beside(&self, name: &str, token: &str) -> Self {
        Self { name: name.to_owned(), token: token.to_owned(), ..self.clone() }
    }

    /// The same person, speaking to another process.
    pub fn at(&self, address: SocketAddr) -> Self {
        Self { address, ..self.clone() }
    }

    /// The path of the conversation, and what stands behind it.
    pub fn path(&self, rest: &str) -> String {
        format!("/v3/directline/conversations/{}{rest}", self.conversation)
    }

    /// A request below the conversation with this person's token.
    pub fn call(&self, method: Method, rest: &str) -> Call {
        Call::new(self.address, method, &self.path(rest)).bearer(&self.token)
    }

    /// `GET activities` with a query.
    pub async fn poll(&self, query: &str) -> Reply {
        self.call(Method::GET, &format!("/activities{query}")).send().await
    }

    /// `POST activities`, not sent yet.
    pub fn send(&self, activity: &Value) -> Call {
        self.call(Method::POST, "/activities").json(activity)
    }

    /// Sends a message; gives its id.
    pub async fn say(&self, text: &str) -> String {
        self.send(&message(&self.name, text)).send().await.expect(200).text("id")
    }

    /// `GET conversations/{id}` with a query.
    pub async fn reconnect(&self, query: &str) -> Reply {
        self.call(Method::GET, query).send().await
    }

    /// A new stream, as a reconnect with this query hands it out.
    pub async fn stream(&self, query: &str) -> Socket {
        Socket::open(&self.reconnect(query).await.expect(200).text("streamUrl")).await
    }

    /// Every text that a client can see, by polling page after page.
    pub async fn texts(&self) -> Vec<String> {
        let activities = self.history().await;
        activities.iter().filter_map(|activity| activity["text"].as_str().map(str::to_owned)).collect()
    }

    /// Every activity that a client can see, by polling page after page.
    pub async fn history(&self) -> Vec<Value> {
        let (mut all, mut watermark) = (Vec::new(), String::new());
        loop {
            let page = self.poll(&format!("?watermark={watermark}")).await.expect(200);
            let activities = page.json()["activities"].as_array().expect("an array").clone();
            let before = std::mem::replace(&mut watermark, page.text("watermark"));
            if activities.is_empty() && watermark == before {
                return all;
            }
            all.extend(activities);
        }
    }
}

/// A message of somebody.
pub fn message(from: &str, text: &str) -> Value {
    json!({"type": "message", "from": {"id": from}, "text": text})
}

/// A bot that calls the Connector API at the address that it was told.
#[derive(Clone, Debug)]
pub struct BotActor {
    address: SocketAddr,
    base: String,
    token: Option<String>,
}

impl BotActor {
    pub(super) fn new(address: SocketAddr, service_url: &str) -> Self {
        let path = service_url.splitn(4, '/').nth(3).unwrap_or_default();
        Self { address, base: format!("/{path}"), token: None }
    }

    /// The same bot, showing a token with every call.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Any call; the path goes on from `v3/conversations`.
    pub fn call(&self, method: Method, rest: &str) -> Call {
        self.at(method, &format!("{}v3/conversations{rest}", self.base))
    }

    /// Any call, with this bot's credentials.
    pub fn at(&self, method: Method, path: &str) -> Call {
        let call = Call::new(self.address, method, path);
        match &self.token {
            Some(token) => call.bearer(token),
            None => call,
        }
    }

    /// The path of an operation on a conversation.
    pub fn path(&self, conversation: &str, rest: &str) -> String {
        format!("{}v3/conversations/{conversation}{rest}", self.base)
    }

    /// Sends to a conversation; not sent yet.
    pub fn send(&self, conversation: &str, activity: &Value) -> Call {
        self.at(Method::POST, &self.path(conversation, "/activities")).json(activity)
    }

    /// Replies to an activity; not sent yet.
    pub fn reply(&self, conversation: &str, to: &str, activity: &Value) -> Call {
        let path = self.path(conversation, &format!("/activities/{to}"));
        self.at(Method::POST, &path).json(activity)
    }

    /// Replaces an activity by a text; not sent yet.
    pub fn retext(&self, conversation: &str, id: &str, text: &str) -> Call {
        let message = json!({"type": "message", "text": text});
        self.at(Method::PUT, &self.path(conversation, &format!("/activities/{id}"))).json(&message)
    }

    /// Deletes an activity; not sent yet.
    pub fn delete(&self, conversation: &str, id: &str) -> Call {
        self.at(Method::DELETE, &self.path(conversation, &format!("/activities/{id}")))
    }

    /// Says a text; gives its id.
    pub async fn say(&self, conversation: &str, text: &str) -> String {
        let message = json!({"type": "message", "text": text});
        self.send(conversation, &message).send().await.expect(200).text("id")
    }
}
