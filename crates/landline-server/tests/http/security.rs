//! What somebody who means harm may try, row by row of `docs/security.md`.
//!
//! A test is named after its row: `s01_…`. The table names every one of them, and `cargo xtask check` sees to that. What
//! other chapters show already is not repeated here; the table says where it stands.
//!
//! Not here: what is only broken, and not meant to harm (`bad_input`, `bad_files`, `random_input`).

mod answers;
mod audit;
mod bodies;
mod browsers;
mod credentials;
mod files;
mod forgery;
mod framing;
mod ids;
mod inside;
mod isolation;
mod kinds;
mod outbound;
mod overload;
mod proxies;
#[allow(dead_code, reason = "which of it is used changes from chapter to chapter")]
mod raw;
#[allow(dead_code, reason = "which of it is used changes from chapter to chapter")]
mod routes;
mod said;
mod sockets;
mod tickets;

use landline_testkit::in_process::{OTHER_SECRET, Person, SECRET, TestServer};

/// A server with two sites that have nothing to do with each other, and a conversation in each.
struct World {
    server: TestServer,
    /// Somebody at the first site.
    ann: Person,
    /// Somebody at the other site.
    eve: Person,
}

impl World {
    async fn start() -> Self {
        Self::of(TestServer::start().await).await
    }

    async fn of(server: TestServer) -> Self {
        let ann = server.operator_with(SECRET).person("ann").await;
        let eve = server.operator_with(OTHER_SECRET).person("eve").await;
        Self { server, ann, eve }
    }

    /// Asserts that nothing of what was tried got into a conversation or to a bot.
    async fn nothing_happened(&self) {
        let of = |secret, person: &Person| {
            let person = person.beside("the operator", secret);
            async move { person.history().await }
        };
        assert!(of(SECRET, &self.ann).await.is_empty());
        assert!(of(OTHER_SECRET, &self.eve).await.is_empty());
        // Each of them came, and nothing else.
        assert_eq!(self.server.bot.taken().len(), 2, "{:?}", self.server.bot.taken());
    }
}
