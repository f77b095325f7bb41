//! Activities on their way to bots get links at the address by which bots reach this server.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use landline_core::{BotAnswer, BotFailure, BotRequest, BotTransport, Clock};

use super::links::Links;

/// Any way to the bots, with links in what goes there.
pub(crate) struct WithLinks {
    pub(crate) inner: Arc<dyn BotTransport>,
    pub(crate) links: Arc<Links>,
    pub(crate) clock: Arc<dyn Clock>,
    /// The base of the `serviceUrl` of every bot, without a slash at its end.
    pub(crate) base: String,
}

impl fmt::Debug for WithLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithLinks").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl BotTransport for WithLinks {
    fn post(
        &self,
        request: BotRequest,
    ) -> Pin<Box<dyn Future<Output = Result<BotAnswer, BotFailure>> + Send>> {
        // At each attempt: what waits in the outbox for days arrives with links that work.
        let body = self.links.render(request.body, &self.base, self.clock.now());
        self.inner.post(BotRequest { body, ..request })
    }
}
