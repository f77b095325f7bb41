//! The two listening sockets: our own, or those that systemd hands over and keeps open across a restart.
//!
//! They are opened before there is a runtime: what comes later may open none.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use anyhow::Context;
use landline_server::config::Config;
use listenfd::ListenFd;
use rustix::process::{Resource, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::limits::LISTEN_QUEUE;

/// Descriptors beside those of connections: the store's files, the log, the admin listener, lines to bots.
const OTHER_DESCRIPTORS: u64 = 1024;

/// Public and admin, in this order.
pub(crate) struct Listeners {
    pub(crate) public: TcpListener,
    pub(crate) admin: TcpListener,
}

impl Listeners {
    /// Takes what systemd hands over, and binds what it does not.
    pub(crate) fn bind(listen: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        let mut handed = ListenFd::from_env();
        let public = take_or_bind(&mut handed, 0, "--listen", listen)?;
        let admin = take_or_bind(&mut handed, 1, "--admin", admin)?;
        Ok(Self { public, admin })
    }

    /// Whether they may be served as the configuration says.
    ///
    /// # Errors
    /// Which one other machines reach over plain HTTP, and what can be done.
    pub(crate) fn check(&self, config: &Config) -> anyhow::Result<()> {
        Ok(config.check_listeners(self.public.local_addr()?, self.admin.local_addr()?)?)
    }
}

fn take_or_bind(
    handed: &mut ListenFd,
    index: usize,
    flag: &str,
    address: SocketAddr,
) -> anyhow::Result<TcpListener> {
    // An index without a socket is no error to the library, a socket of another kind is.
    let taken = if index < handed.len() { handed.take_tcp_listener(index) } else { Ok(None) };
    if let Some(listener) = taken.context("systemd handed over a socket that is no TCP listener")? {
        listener.set_nonblocking(true).context("cannot use the socket that systemd handed over")?;
        let address = listener.local_addr()?;
        info!(%address, "Listening on {address}, handed over by systemd");
        return Ok(listener);
    }
    listening(address).with_context(|| format!("cannot listen on {address}")).map_err(|error| {
        let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
        error.context(advice(kind, flag, address))
    })
}

fn listening(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    // Once more, for the length of the queue: std asks for a short one.
    rustix::net::listen(&listener, LISTEN_QUEUE)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn advice(kind: Option<ErrorKind>, flag: &str, address: SocketAddr) -> String {
    let port = address.port();
    match kind {
        Some(ErrorKind::AddrInUse) => format!(
            "port {port} is taken; stop what uses it (ss -ltnp 'sport = :{port}' names it), or choose another with \
             {flag}, or the key of that name in the file"
        ),
        Some(ErrorKind::AddrNotAvailable) => {
            format!(
                "{} is no address of this machine; choose one of `ip addr` with {flag}, or 0.0.0.0 for all",
                address.ip()
            )
        }
        Some(ErrorKind::PermissionDenied) => {
            format!("ports below 1024 need a privilege; choose a higher one than {port} with {flag}")
        }
        _ => format!("choose another address with {flag}"),
    }
}

/// Raises the number of descriptors that this process may have open to what the system allows, and says so when that
/// is too few for the configured connections.
pub(crate) fn raise_descriptor_limit(connections: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = connections as u64 + OTHER_DESCRIPTORS;
    let allowed = limit.maximum.unwrap_or(u64::MAX);
    limit.current = Some(wanted.max(limit.current.unwrap_or(wanted)).min(allowed));
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        warn!(%error, "Cannot raise the limit of open files ({error})");
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if now < wanted {
        warn!(
            allowed = now,
            "At most {now} files may be open, and {connections} connections need {wanted}; raise LimitNOFILE or `ulimit \
             -n`, or lower limits.connections"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_named_with_the_flag_for_another() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let free = "127.0.0.1:0".parse().unwrap();

        let error = Listeners::bind(address, free).err().unwrap().to_string();
        assert!(
            error.contains(&format!("port {} is taken", address.port())) && error.contains("--listen"),
            "{error}"
        );

        let error = Listeners::bind(free, address).err().unwrap().to_string();
        assert!(error.contains("--admin"), "{error}");
    }

    #[test]
    fn an_address_of_another_machine_is_named() {
        let elsewhere = "192.0.2.1:0".parse().unwrap();
        let error = Listeners::bind(elsewhere, "127.0.0.1:0".parse().unwrap()).err().unwrap().to_string();
        assert!(error.contains("192.0.2.1 is no address of this machine"), "{error}");
    }
}
