//! The routes that the campaign uses.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use landline_testkit::line::Line;
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use crate::files::Files;
use crate::log::Log;
use crate::{Mistake, follow, unique};

pub(crate) type Answer = Response<Full<Bytes>>;

/// One send in so many is mistreated, where not every one is.
const SOME: usize = 10;

pub(crate) struct Door {
    log: Arc<Log>,
    files: Arc<Files>,
    bot: SocketAddr,
    base: SocketAddr,
    mistake: Mistake,
    tasks: TaskTracker,
    sends: AtomicUsize,
}

impl Door {
    pub(crate) fn new(
        log: Arc<Log>,
        files: Arc<Files>,
        bot: &str,
        base: SocketAddr,
        mistake: Mistake,
        tasks: TaskTracker,
    ) -> Result<Self> {
        let bot: Uri = bot.parse()?;
        let bot = bot.authority().context("the bot has no address")?.as_str().parse()?;
        Ok(Self { log, files, bot, base, mistake, tasks, sends: AtomicUsize::new(0) })
    }

    pub(crate) async fn answer(&self, request: Request<Incoming>) -> Answer {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let user = user_of(&request);
        let watermark = watermark_of(&request);
        match (request.method().clone(), &parts[..]) {
            (Method::POST, ["v3", "directline", "tokens", "generate"]) => match body(request).await {
                Ok(body) => self.token(&body),
                Err(_) => empty(StatusCode::BAD_REQUEST),
            },
            (Method::POST, ["v3", "directline", "conversations"]) => self.start(),
            (Method::GET, ["v3", "directline", "conversations", id, rest @ ..]) => {
                if !self.log.exists(id) {
                    return error(StatusCode::NOT_FOUND, "ResourceNotFound");
                }
                match rest {
                    [] => self.opened(id, watermark, StatusCode::OK),
                    ["activities"] => self.poll(id, watermark),
                    ["files", file, view, _] => self.file(id, file, view),
                    ["stream"] => {
                        follow::open(request, self.log.clone(), (*id).to_owned(), watermark, &self.tasks)
                    }
                    _ => empty(StatusCode::NOT_FOUND),
                }
            }
            (Method::POST, ["v3", "directline", "conversations", id, "activities"]) => {
                match body(request).await {
                    Ok(activity) => self.send(id, user, activity, &[]).await,
                    Err(_) => empty(StatusCode::BAD_REQUEST),
                }
            }
            (Method::POST, ["v3", "directline", "conversations", id, "upload"]) => {
                self.upload(id, user, request).await
            }
            (Method::POST, ["connector", "v3", "conversations", id, "attachments"]) => {
                match body(request).await.and_then(|given| self.keep(id, &given)) {
                    Ok(attachment) => json_answer(StatusCode::OK, &json!({"id": attachment})),
                    Err(_) => empty(StatusCode::BAD_REQUEST),
                }
            }
            (Method::GET, ["connector", "v3", "attachments", attachment, "views", view]) => {
                match attachment.split_once('.') {
                    Some((conversation, file)) => self.file(conversation, file, view),
                    None => empty(StatusCode::NOT_FOUND),
                }
            }
            (Method::POST, ["connector", "v3", "conversations", id, "activities", _]) => {
                let linked = |activity| self.log.append(id, self.with_links(activity));
                match body(request).await.and_then(linked) {
                    Ok((activity, _)) => json_answer(StatusCode::OK, &json!({"id": activity["id"]})),
                    Err(_) => empty(StatusCode::BAD_REQUEST),
                }
            }
            _ => empty(StatusCode::NOT_FOUND),
        }
    }

    fn token(&self, body: &Value) -> Answer {
        let (conversation, user) = (&body["conversationId"], body["user"]["id"].as_str().unwrap_or_default());
        json_answer(
            StatusCode::OK,
            &json!({"conversationId": conversation, "token": format!("user:{user}"), "expires_in": 3600}),
        )
    }

    fn start(&self) -> Answer {
        let id = format!("c{:016x}", unique());
        match self.log.start(&id) {
            Ok(()) => self.opened(&id, 0, StatusCode::CREATED),
            Err(_) => error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable"),
        }
    }

    fn opened(&self, id: &str, watermark: usize, status: StatusCode) -> Answer {
        let from = match self.mistake {
            Mistake::ResumeInclusive => watermark.saturating_sub(1),
            // Only those that come back; a conversation has its first activity.
            Mistake::ResumeSkips if watermark > 0 => watermark + 1,
            _ => watermark,
        };
        let url = format!("ws://{}/v3/directline/conversations/{id}/stream?watermark={from}", self.base);
        let token = "user:starter";
        json_answer(
            status,
            &json!({"conversationId": id, "token": token, "expires_in": 3600, "streamUrl": url}),
        )
    }

    fn poll(&self, id: &str, after: usize) -> Answer {
        let (page, mut watermark) = self.log.read(id, after);
        if self.mistake == Mistake::WatermarkBack && page.is_empty() {
            watermark = watermark.saturating_sub(1);
        }
        json_answer(StatusCode::OK, &json!({"activities": page, "watermark": watermark.to_string()}))
    }

    fn link(&self, conversation: &str, file: &str, name: &str) -> String {
        let base = self.base;
        format!("http://{base}/v3/directline/conversations/{conversation}/files/{file}/original/{name}")
    }

    /// Where a bot named what it gave, clients are given a link of their own.
    fn with_links(&self, mut activity: Value) -> Value {
        for attachment in activity["attachments"].as_array_mut().into_iter().flatten() {
            let given = attachment["contentUrl"].as_str().unwrap_or_default().to_owned();
            let id = given.split("/v3/attachments/").nth(1).and_then(|rest| rest.split('/').next());
            if let Some((conversation, file)) = id.and_then(|id| id.split_once('.')) {
                let name = attachment["name"].as_str().unwrap_or_default();
                attachment["contentUrl"] = self.link(conversation, file, name).into();
            }
        }
        activity
    }

    fn file(&self, conversation: &str, file: &str, view: &str) -> Answer {
        match self.files.read(conversation, file, view) {
            Some(bytes) => Response::new(Full::new(bytes.into())),
            None => error(StatusCode::NOT_FOUND, "ResourceNotFound"),
        }
    }

    fn keep(&self, conversation: &str, given: &Value) -> Result<String> {
        let file = format!("f{:016x}", unique());
        for (view, member) in [("original", "originalBase64"), ("thumbnail", "thumbnailBase64")] {
            if let Some(text) = given[member].as_str() {
                self.files.keep(conversation, &file, view, &STANDARD.decode(text)?)?;
            }
        }
        self.log.keep(&file)?;
        Ok(format!("{conversation}.{file}"))
    }

    async fn upload(&self, id: &str, user: String, request: Request<Incoming>) -> Answer {
        if !self.log.exists(id) {
            return error(StatusCode::NOT_FOUND, "ResourceNotFound");
        }
        let text = |name| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        let (content_type, disposition) = (text(CONTENT_TYPE), text(CONTENT_DISPOSITION));
        let Ok(body) = request.into_body().collect().await else { return empty(StatusCode::BAD_REQUEST) };
        let kind = (content_type.as_str(), disposition.as_str());
        let link = |file: &str, name: &str| self.link(id, file, name);
        match self.files.take(id, kind, &body.to_bytes(), link) {
            Ok((activity, files)) => self.send(id, user, activity, &files).await,
            Err(_) => empty(StatusCode::BAD_REQUEST),
        }
    }

    /// `files`: what was uploaded with it, and is of no use when it is a repeat.
    async fn send(&self, id: &str, user: String, mut activity: Value, files: &[String]) -> Answer {
        if !self.log.exists(id) {
            return error(StatusCode::NOT_FOUND, "ResourceNotFound");
        }
        activity["from"]["id"] = user.into();
        let Ok((mut activity, is_new)) = self.log.append(id, activity) else {
            return error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
        };
        if !is_new {
            self.files.remove(id, files);
        }
        let number = self.sends.fetch_add(1, Ordering::Relaxed);
        if self.mistake == Mistake::StoresRefused && number.is_multiple_of(SOME) {
            return error(StatusCode::BAD_REQUEST, "BadArgument");
        }
        let stands_as = activity["id"].clone();
        let stands_as = stands_as.as_str().unwrap_or_default();
        if !self.log.is_accepted(stands_as) {
            activity["serviceUrl"] = format!("http://{}/connector/", self.base).into();
            activity["conversation"]["id"] = id.into();
            let times =
                if self.mistake == Mistake::DeliversTwice && number.is_multiple_of(SOME) { 2 } else { 1 };
            for _ in 0..times {
                let body = Some(Bytes::from(activity.to_string()));
                let answer = Line::new(self.bot).request(Method::POST, "/api/messages", None, body).await;
                if !answer.is_ok_and(|answer| answer.status.is_success()) {
                    return error(StatusCode::BAD_GATEWAY, "BotError");
                }
            }
            if self.log.accept(stands_as).is_err() {
                return error(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable");
            }
        }
        json_answer(StatusCode::OK, &json!({"id": stands_as}))
    }
}

fn user_of(request: &Request<Incoming>) -> String {
    let bearer = request.headers().get(hyper::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    bearer.and_then(|text| text.strip_prefix("Bearer user:")).unwrap_or("nobody").to_owned()
}

fn watermark_of(request: &Request<Incoming>) -> usize {
    let query = request.uri().query().unwrap_or_default();
    let value = query.split('&').find_map(|pair| pair.strip_prefix("watermark="));
    value.and_then(|text| text.parse().ok()).unwrap_or(0)
}

async fn body(request: Request<Incoming>) -> Result<Value> {
    Ok(serde_json::from_slice(&request.into_body().collect().await?.to_bytes())?)
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(body.to_string())));
    *answer.status_mut() = status;
    answer
}

fn error(status: StatusCode, code: &str) -> Answer {
    json_answer(status, &json!({"error": {"code": code, "message": "planted"}}))
}

pub(crate) fn empty(status: StatusCode) -> Answer {
    error(status, "ServiceError")
}
