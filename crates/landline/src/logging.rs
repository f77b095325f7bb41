//! Where the log goes: to stderr, as text for people on a terminal, as JSON for machines otherwise.

use std::io::{self, IsTerminal};
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::exit::WrongConfiguration;

const DEFAULT_LEVEL: &str = "info";

/// Starts logging; once per process.
pub(crate) fn start(level: Option<&str>) -> anyhow::Result<()> {
    let level = level.filter(|level| !level.is_empty()).unwrap_or(DEFAULT_LEVEL);
    let filter = EnvFilter::try_new(level).map_err(|error| {
        let problem = format!("--log-level: {error}; write error, warn, info, debug or trace");
        WrongConfiguration(problem)
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_span_events(FmtSpan::NONE);
    if io::stderr().is_terminal() {
        log.with_target(false).init();
    } else {
        log.json().flatten_event(true).init();
    }
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let words = info.payload_as_str().unwrap_or("no message");
        tracing::error!(place, "A bug: {words} at {place}; please report it");
    }));
    Ok(())
}
