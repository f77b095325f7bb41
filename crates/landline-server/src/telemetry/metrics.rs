//! The metrics, as functions named for what happened. Name, unit and buckets of each stand here and nowhere else.
//!
//! Invariant: the number of series is bounded. Labels come from enums, from route templates (never from paths, which
//! hold ids and secrets) and from status codes.
//!
//! Where to look: what is told apart (`labels`), files (`files`), limits (`overload`), TLS (`tls`), everything else here.
//!
//! Not here: the page that shows them (`admin_api`).

mod files;
mod labels;
mod overload;
mod tls;

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use self::files::FileMetrics;
pub use self::labels::{
    ActivityOrigin, AdminChange, BotRefused, CertificateReload, DeliveryOutcome, FileRefused, KeysFetched,
    Limit, OutboxEvent, Shed, SocketClosed, StreamedAnswerEnd, Throttled, TlsHandshake, TokenWay,
};
use self::labels::{
    AnswerEndLabels, BotRefusedLabels, ChangeLabels, ClosedLabels, KeysFetchedLabels, OriginLabels,
    OutboxLabels, OutcomeLabels, RequestLabels, RouteLabels, ShedLabels, TokenLabels,
};
use self::overload::OverloadMetrics;
use self::tls::TlsMetrics;
use super::process::ProcessCollector;

/// From half a millisecond to half a minute: appends sit at the low end, waiting for a bot at the high one.
const LATENCY_BUCKETS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 30.0];

fn latency() -> Histogram {
    Histogram::new(LATENCY_BUCKETS)
}

/// All metrics of one server. Passed around in an `Arc`; there is no global one, so tests do not share any.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_latency: Family<RouteLabels, Histogram, fn() -> Histogram>,
    activities: Family<OriginLabels, Counter>,
    append_latency: Histogram,
    sockets: Gauge,
    sockets_closed: Family<ClosedLabels, Counter>,
    deliveries: Family<OutcomeLabels, Counter>,
    delivery_latency: Histogram,
    outbox: Family<OutboxLabels, Counter>,
    outbox_conversations: Gauge,
    polls_held: Counter,
    connections: Gauge,
    connections_shed: Family<ShedLabels, Counter>,
    bots_refused: Family<BotRefusedLabels, Counter>,
    streamed_answers: Family<AnswerEndLabels, Counter>,
    tokens_issued: Family<TokenLabels, Counter>,
    tokens_refused: Family<TokenLabels, Counter>,
    issuer_keys: Family<KeysFetchedLabels, Counter>,
    bots: Gauge,
    sites: Gauge,
    admin_changes: Family<ChangeLabels, Counter>,
    audit_lost: Counter,
    files: FileMetrics,
    overload: OverloadMetrics,
    tls: TlsMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            request_latency: Family::new_with_constructor(latency),
            activities: Family::default(),
            append_latency: latency(),
            sockets: Gauge::default(),
            sockets_closed: Family::default(),
            deliveries: Family::default(),
            delivery_latency: latency(),
            outbox: Family::default(),
            outbox_conversations: Gauge::default(),
            polls_held: Counter::default(),
            connections: Gauge::default(),
            connections_shed: Family::default(),
            bots_refused: Family::default(),
            streamed_answers: Family::default(),
            tokens_issued: Family::default(),
            tokens_refused: Family::default(),
            issuer_keys: Family::default(),
            bots: Gauge::default(),
            sites: Gauge::default(),
            admin_changes: Family::default(),
            audit_lost: Counter::default(),
            files: FileMetrics::default(),
            overload: OverloadMetrics::default(),
            tls: TlsMetrics::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        self.registry.register_collector(Box::new(ProcessCollector));
        let registry = self.registry.sub_registry_with_prefix("landline");
        registry.register("requests", "Requests answered, by route and status", self.requests.clone());
        registry.register_with_unit(
            "request_duration",
            "Time from the head of a request to the head of its answer, by route",
            Unit::Seconds,
            self.request_latency.clone(),
        );
        registry.register(
            "activities",
            "Activities accepted: durable and acknowledged, by who sent them",
            self.activities.clone(),
        );
        registry.register_with_unit(
            "append_duration",
            "Time until an append was durable",
            Unit::Seconds,
            self.append_latency.clone(),
        );
        registry.register("sockets", "Open streams", self.sockets.clone());
        registry.register("sockets_closed", "Streams that ended, by reason", self.sockets_closed.clone());
        registry.register("deliveries", "Attempts to reach a bot, by outcome", self.deliveries.clone());
        registry.register_with_unit(
            "delivery_duration",
            "Time of one attempt to reach a bot",
            Unit::Seconds,
            self.delivery_latency.clone(),
        );
        registry.register("outbox_events", "What happened to entries of the outbox", self.outbox.clone());
        registry.register(
            "outbox_conversations",
            "Conversations with something queued for their bot",
            self.outbox_conversations.clone(),
        );
        registry.register(
            "polls_held",
            "Polls that were held open for something to come",
            self.polls_held.clone(),
        );
        registry.register("connections", "Open connections of the public listener", self.connections.clone());
        registry.register(
            "connections_shed",
            "Connections that were closed for want of room, by reason",
            self.connections_shed.clone(),
        );
        registry.register(
            "bots_refused",
            "Calls to the Connector API without the credentials of a bot, by reason",
            self.bots_refused.clone(),
        );
        registry.register(
            "bot_streamed_answers",
            "Answers of bots as a stream of events that ended, by how",
            self.streamed_answers.clone(),
        );
        registry.register(
            "bot_tokens_issued",
            "Tokens issued to bots, by how they asked",
            self.tokens_issued.clone(),
        );
        registry.register(
            "bot_tokens_refused",
            "Requests for a token that got none, by how it was asked",
            self.tokens_refused.clone(),
        );
        registry.register(
            "issuer_keys_fetched",
            "Fetches of the keys of trusted issuers, by what came of them",
            self.issuer_keys.clone(),
        );
        registry.register("bots", "Bots that there are", self.bots.clone());
        registry.register("sites", "Sites that there are", self.sites.clone());
        registry.register("admin_changes", "Changes by the admin API, by kind", self.admin_changes.clone());
        registry.register(
            "audit_lost",
            "Records of the audit log that were not written",
            self.audit_lost.clone(),
        );
        self.files.register(registry);
        self.overload.register(registry);
        self.tls.register(registry);
    }

    /// A request was answered. The route is the template, or `unmatched`.
    pub fn request_finished(&self, route: &str, status: u16, latency: Duration) {
        self.requests.get_or_create(&RequestLabels { route: route.to_owned(), status }).inc();
        self.request_latency
            .get_or_create(&RouteLabels { route: route.to_owned() })
            .observe(latency.as_secs_f64());
    }

    /// An activity is durable, and its sender was told so or is about to be.
    pub fn activity_accepted(&self, from: ActivityOrigin) {
        self.activities.get_or_create(&OriginLabels { from }).inc();
    }

    /// An append is durable; the latency counts from when it was asked for.
    pub fn append_committed(&self, latency: Duration) {
        self.append_latency.observe(latency.as_secs_f64());
    }

    /// A stream was opened. Every call is matched by one of [`Metrics::socket_closed`].
    pub fn socket_opened(&self) {
        self.sockets.inc();
    }

    /// A stream ended.
    pub fn socket_closed(&self, reason: SocketClosed) {
        self.sockets.dec();
        self.sockets_closed.get_or_create(&ClosedLabels { reason }).inc();
    }

    /// One attempt to reach a bot ended.
    pub fn delivery_finished(&self, outcome: DeliveryOutcome, latency: Duration) {
        self.deliveries.get_or_create(&OutcomeLabels { outcome }).inc();
        self.delivery_latency.observe(latency.as_secs_f64());
    }

    /// Something happened to an entry of the outbox.
    pub fn outbox_changed(&self, event: OutboxEvent) {
        self.outbox.get_or_create(&OutboxLabels { event }).inc();
    }

    /// So many conversations have something queued for their bot now.
    pub fn outbox_conversations(&self, count: usize) {
        self.outbox_conversations.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A bot's answer that went on has ended.
    pub fn streamed_answer_ended(&self, end: StreamedAnswerEnd) {
        self.streamed_answers.get_or_create(&AnswerEndLabels { end }).inc();
    }

    /// A poll with `wait` found nothing at once and is being held.
    pub fn poll_held(&self) {
        self.polls_held.inc();
    }

    /// A bot got a token.
    pub fn token_issued(&self, way: TokenWay) {
        self.tokens_issued.get_or_create(&TokenLabels { way }).inc();
    }

    /// Somebody asked for a token and got none.
    pub fn token_refused(&self, way: TokenWay) {
        self.tokens_refused.get_or_create(&TokenLabels { way }).inc();
    }

    /// The keys of a trusted issuer were fetched, or were not.
    pub fn issuer_keys_fetched(&self, outcome: KeysFetched) {
        self.issuer_keys.get_or_create(&KeysFetchedLabels { outcome }).inc();
    }

    /// Somebody called the Connector API who is no bot of ours.
    pub fn bot_refused(&self, reason: BotRefused) {
        self.bots_refused.get_or_create(&BotRefusedLabels { reason }).inc();
    }

    /// So many bots and sites there are from now on.
    pub fn directory_holds(&self, bots: usize, sites: usize) {
        let count = |number| i64::try_from(number).unwrap_or(i64::MAX);
        self.bots.set(count(bots));
        self.sites.set(count(sites));
    }

    /// The admin API has changed something.
    pub fn admin_changed(&self, change: AdminChange) {
        self.admin_changes.get_or_create(&ChangeLabels { change }).inc();
    }

    /// Records of the audit log are lost.
    pub fn audit_lost(&self, records: u64) {
        self.audit_lost.inc_by(records);
    }

    /// A connection was accepted; it is counted until the guard is dropped.
    pub fn connection_opened(&self) -> ConnectionGuard {
        self.connections.inc();
        ConnectionGuard { connections: self.connections.clone() }
    }

    /// A connection was closed for want of room.
    pub fn connection_shed(&self, reason: Shed) {
        self.connections_shed.get_or_create(&ShedLabels { reason }).inc();
    }

    /// The page for the scraper, in OpenMetrics text.
    ///
    /// # Errors
    /// Only if a metric cannot be written as text, which is a bug.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        encode(&mut page, &self.registry)?;
        Ok(page)
    }
}

/// Counts one connection for as long as it lives.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Gauge,
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.dec();
    }
}

#[cfg(test)]
mod tests;
