//! Every way in which a bot can fail us, played by a bare socket, and what is then said of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use landline_auth::IdentityKeys;
use landline_core::{DeliveryMode, Wanted};
use landline_protocol::BotName;
use landline_testkit::domain::ManualClock;
use landline_testkit::in_process::keys::key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use std::time::Duration;

use super::*;
use crate::directory::{Bot, DEFAULT_ISSUER, DEFAULT_TENANT, ManagedBy, ServiceUrl, Snapshot};
use bytes::Bytes;

use super::raw_bot::{RawBot, read_request};

mod answers;
mod authorization;
mod directory;
mod events;
mod kept_lines;
mod not_reached;
mod tls;

const MAX_ANSWER: usize = 64 * 1024;

fn bot() -> BotName {
    "main".parse().unwrap()
}

fn transport_to(address: SocketAddr) -> HyperBotTransport {
    transport(&format!("http://{address}/api/messages"))
}

fn transport(endpoint: &str) -> HyperBotTransport {
    transport_over(&directory([(bot(), endpoint)]), Connector::default())
}

fn transport_over(directory: &Arc<Directory>, connector: Connector) -> HyperBotTransport {
    let clock = Arc::new(ManualClock::default());
    let keys = Arc::new(IdentityKeys::new(key(0), clock.now()).unwrap());
    let keys: CurrentKeys = Arc::new(move || Arc::clone(&keys));
    HyperBotTransport::new(Arc::clone(directory), connector, keys, clock)
}

fn directory<const COUNT: usize>(bots: [(BotName, &str); COUNT]) -> Arc<Directory> {
    let directory = Directory::default();
    directory.replace(snapshot(bots));
    Arc::new(directory)
}

fn snapshot<const COUNT: usize>(bots: [(BotName, &str); COUNT]) -> Snapshot {
    let bots = bots.map(|(name, endpoint)| {
        let bot = Bot {
            name: name.clone(),
            endpoint: endpoint.parse().unwrap(),
            app_id: None,
            tenant: DEFAULT_TENANT.into(),
            issuer: DEFAULT_ISSUER.into(),
            delivery: DeliveryMode::Wait,
            credentials: Default::default(),
            outgoing: None,
            ca_certificates: None,
            capability: None,
            service_url: ServiceUrl::signed("http://127.0.0.1:3000"),
            managed_by: ManagedBy::File,
        };
        (name, Arc::new(bot))
    });
    Snapshot { bots: bots.into(), ..Snapshot::default() }
}

fn request(bot: BotName, body: &'static [u8], time: Duration) -> BotRequest {
    BotRequest {
        bot,
        service_url: "http://127.0.0.1:3000/connector/".into(),
        body: Bytes::from_static(body),
        wanted: Wanted::Body,
        deadline: Instant::now() + time,
        max_answer_bytes: MAX_ANSWER,
    }
}

/// As [`post`], for an activity of which only the status counts.
async fn send(transport: &HyperBotTransport, time: Duration) -> Result<BotAnswer, BotFailure> {
    transport.post(BotRequest { wanted: Wanted::Status, ..request(bot(), b"{}", time) }).await
}

async fn post(
    transport: &HyperBotTransport,
    body: &'static [u8],
    time: Duration,
) -> Result<BotAnswer, BotFailure> {
    transport.post(request(bot(), body, time)).await
}

const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(10);

/// Closes with a reset instead of an orderly end.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}
