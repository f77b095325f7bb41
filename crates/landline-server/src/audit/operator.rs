//! A call of an operator, from its first byte to its last effect.
//!
//! Invariant: each call whose caller was known is one record, and it is written when the call is answered and what it
//! began is done; also where the caller goes away meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{MatchedPath, Request};
use http::StatusCode;

use super::Audit;
use super::record::{Change, Event, Operator, Word, cut};
use crate::http::{ClientAddress, RequestId};
use crate::limits::AUDIT_CHANGES;
use crate::telemetry::AdminChange;

tokio::task_local! {
    /// The call that this task works for.
    static CALL: OperatorCall;
}

/// An answer whose call is a record of its own. An extension of the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Audited;

/// A call that is under way. Its record is written when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct OperatorCall(Arc<Open>);

#[derive(Debug)]
struct Open {
    audit: Audit,
    /// Taken when it is written.
    record: Mutex<Option<Operator>>,
}

impl OperatorCall {
    /// Of a request whose caller has shown the admin token.
    pub(crate) fn begin(audit: Audit, request: &Request) -> Self {
        let extensions = request.extensions();
        let route = extensions.get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
        let record = Operator {
            request: extensions.get::<RequestId>().map(ToString::to_string).unwrap_or_default(),
            by: "admin-token",
            address: ClientAddress::of(extensions).map(|client| client.0),
            method: Word::method(request.method()),
            route: route.to_owned(),
            target: target(route, request.uri().path()),
            changes: Vec::new(),
            status: None,
        };
        Self(Arc::new(Open { audit, record: Mutex::new(Some(record)) }))
    }

    /// Runs what the call asks for; what is changed meanwhile is noted.
    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        CALL.scope(self.clone(), work).await
    }

    /// The call is answered.
    pub(crate) fn answered(self, status: StatusCode) {
        self.0.with(|record| record.status = Some(status.as_u16()));
    }
}

/// Work that goes on in another task stays part of the call.
pub(crate) fn in_the_same_call<F: Future>(work: F) -> impl Future<Output = F::Output> {
    let call = CALL.try_with(OperatorCall::clone).ok();
    async move {
        match call {
            Some(call) => call.scope(work).await,
            None => work.await,
        }
    }
}

/// Notes what the call has changed.
pub(crate) fn note_change(change: AdminChange, what: &dyn std::fmt::Display) {
    let note = |record: &mut Operator| {
        if record.changes.len() < AUDIT_CHANGES {
            record.changes.push(Change { change: format!("{change:?}"), what: cut(what) });
        }
    };
    // Outside of a call, nobody has asked.
    let _ = CALL.try_with(|call| call.0.with(note));
}

impl Open {
    fn with(&self, change: impl FnOnce(&mut Operator)) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = record.as_mut() {
            change(record);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let record = self.record.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(record) = record {
            self.audit.record(Event::Operator(record));
        }
    }
}

/// What stands in a path where its template has a name in braces.
fn target(route: &str, path: &str) -> Vec<Word> {
    // From the end: the path may lack what the template has before it.
    let pairs = route.rsplit('/').zip(path.rsplit('/'));
    let named = pairs.filter(|(part, _)| part.starts_with('{')).map(|(_, text)| Word::in_path(text));
    let mut target: Vec<_> = named.collect();
    target.reverse();
    target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_name_or_is_not_told() {
        let shown = |path: &str| {
            serde_json::to_string(&target("/admin/v1/sites/{name}/secrets/{slot}", path)).unwrap()
        };
        assert_eq!(shown("/admin/v1/sites/shop/secrets/2"), r#"["shop","2"]"#);
        for hidden in ["%20shop", "lls_0123456789", "sh%0aop", "", &"x".repeat(65), "shop;x", "sh.op"] {
            let shown = shown(&format!("/admin/v1/sites/{hidden}/secrets/1"));
            assert_eq!(shown, r#"["(not a name)","1"]"#, "{hidden}");
        }
        assert_eq!(shown("/sites/shop/secrets/2"), r#"["shop","2"]"#);
        assert_eq!(target("unmatched", "/admin/v1/x"), []);
    }
}
