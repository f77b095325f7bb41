//! SIGTERM and SIGINT: the first one drains, the second one ends the process where it stands. SIGHUP: what may be
//! another one, such as the certificate, is read again.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What a shell shows for a process that a signal has ended is this and the number of the signal.
const SIGNAL_EXIT: i32 = 128;

/// Cancels `shutdown` at the first signal. From this call on the signals do not end the process by themselves.
pub(crate) fn drain_on_signal(shutdown: CancellationToken) -> io::Result<()> {
    let signals = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    #[expect(
        clippy::disallowed_methods,
        reason = "it listens for as long as the process lives; nobody waits for it"
    )]
    tokio::spawn(listen(signals, shutdown));
    Ok(())
}

/// Notifies at each SIGHUP. From this call on that does not end the process, with a certificate or without: service
/// managers send it to whatever they call a server.
pub(crate) fn reload_on_signal() -> io::Result<Arc<Notify>> {
    let mut hangup = signal(SignalKind::hangup())?;
    let reload = Arc::new(Notify::new());
    let notified = Arc::clone(&reload);
    #[expect(
        clippy::disallowed_methods,
        reason = "it listens for as long as the process lives; nobody waits for it"
    )]
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            notified.notify_one();
        }
    });
    Ok(reload)
}

async fn listen(mut signals: (Signal, Signal), shutdown: CancellationToken) {
    next(&mut signals).await;
    info!("Stopping: finishing what is under way; another signal stops at once");
    shutdown.cancel();
    let kind = next(&mut signals).await;
    warn!("Stopped at once, as asked");
    std::process::exit(SIGNAL_EXIT + kind.as_raw_value());
}

async fn next((terminate, interrupt): &mut (Signal, Signal)) -> SignalKind {
    tokio::select! {
        _ = terminate.recv() => SignalKind::terminate(),
        _ = interrupt.recv() => SignalKind::interrupt(),
    }
}
