//! Asking a running server by its admin API: where it is, with which token, and what its answers mean to a person.
//!
//! Invariants: a token stands in no output; an error says what to do next.
//!
//! Not here: what the commands print (`bot_command` and its neighbours), the bytes on the line (`http_client`).

mod target;
mod trouble;
pub(crate) mod wire;

use bytes::Bytes;
use http::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::target::Target;
pub(crate) use self::target::command_over;
use crate::cli::target::TargetFlags;
use crate::http_client::{CallLimits, HttpClient};
use crate::limits::{ADMIN_ANSWER_BYTES, ADMIN_CALL, PURGE_CALL};
use crate::output;

/// The bound of every call but one.
const LIMITS: CallLimits = CallLimits { time: ADMIN_CALL, bytes: ADMIN_ANSWER_BYTES };

/// The bound of a purge.
const PURGE: CallLimits = CallLimits { time: PURGE_CALL, ..LIMITS };

/// A running server.
#[derive(Debug)]
pub(crate) struct Admin {
    http: HttpClient,
    target: Target,
    json: bool,
}

/// What it answered, as it is.
#[derive(Clone, Debug)]
pub(crate) struct Answer(Bytes);

impl Admin {
    /// Finds out where the server is; asks nothing yet.
    pub(crate) fn find(flags: &TargetFlags) -> anyhow::Result<Self> {
        let target = Target::find(flags, |name| std::env::var(name).ok())?;
        Ok(Self { http: HttpClient::new(), target, json: flags.json })
    }

    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, None, LIMITS).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, Some(body), LIMITS).await
    }

    /// Purges; comes back when that is done.
    pub(crate) async fn purge(&self) -> anyhow::Result<Answer> {
        self.call(Method::POST, "/purge", None, PURGE).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::PATCH, path, Some(body), LIMITS).await
    }

    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::DELETE, path, None, LIMITS).await
    }

    /// `path` is what stands behind `/admin/v1`.
    async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limits: CallLimits,
    ) -> anyhow::Result<Answer> {
        let url = format!("{}/admin/v1{path}", self.target.url);
        let called = self.http.call(method, &url, Some(self.target.token.expose()), body, limits).await;
        let (status, answer) = called.map_err(|error| trouble::without_answer(&error, &self.target))?;
        if status.is_success() {
            return Ok(Answer(answer));
        }
        Err(trouble::refused(status, &answer, &self.target, path))
    }

    /// Prints the answer where `--json` was said, and otherwise what `in_words` makes of it.
    pub(crate) fn show<T: DeserializeOwned>(
        &self,
        answer: &Answer,
        in_words: impl FnOnce(T) -> String,
    ) -> anyhow::Result<()> {
        // Read also where it is not shown, so that an answer of something else is no success.
        let read = answer.read()?;
        let text = if self.json { answer.text() } else { in_words(read) };
        output::line(text.trim_end()).map_err(Into::into)
    }

    /// The same for an answer without content.
    pub(crate) fn done(&self, in_words: &str) -> anyhow::Result<()> {
        if self.json { Ok(()) } else { output::line(in_words).map_err(Into::into) }
    }

    /// Whether answers are printed as they are.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A command for the same server, to be pasted.
    pub(crate) fn command(&self, words: &str) -> String {
        self.target.command(words)
    }
}

impl Answer {
    /// What it says.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        serde_json::from_slice(&self.0).map_err(|error| trouble::strange(&error))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// An answer that was put together from several.
    pub(crate) fn joined(text: String) -> Self {
        Self(text.into())
    }
}
