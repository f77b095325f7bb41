//! From a name to addresses, checked.
//!
//! Invariants: one look-up of a name runs at a time, and whoever needs it meanwhile gets what it brings; it takes one
//! thread, and there are at most [`LOOKUPS_AT_ONCE`] of them. So a name server that is silent holds up those who need
//! it, and neither others nor the threads that disks need. Nothing is kept of an answer.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::vec;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use hyper_util::client::legacy::connect::dns::Name;
use tower::Service;

use crate::limits::LOOKUPS_AT_ONCE;
use crate::policy::AddressPolicy;
use crate::problem::RefusedAddress;

/// What a look-up brings.
pub type LookupFuture = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Knows the addresses of names.
pub trait Lookup: fmt::Debug + Send + Sync + 'static {
    /// All addresses of this name, in the order in which they are to be tried.
    fn lookup(&self, name: &str) -> LookupFuture;
}

/// The resolver of this machine: `/etc/hosts`, name servers, and what else it is set up for.
#[derive(Clone, Debug, Default)]
pub struct SystemLookup {
    /// A plain lock: held for a look at the map, never across an `await`.
    under_way: Arc<Mutex<HashMap<Box<str>, Running>>>,
}

type Running = Shared<BoxFuture<'static, Result<Arc<[IpAddr]>, Trouble>>>;

/// An error that several get to see.
#[derive(Clone, Debug)]
struct Trouble(io::ErrorKind, String);

impl SystemLookup {
    fn running(&self, name: &str) -> io::Result<Running> {
        let mut under_way = lock(&self.under_way);
        if let Some(running) = under_way.get(name) {
            return Ok(running.clone());
        }
        if under_way.len() >= LOOKUPS_AT_ONCE {
            let why =
                format!("{LOOKUPS_AT_ONCE} names are being looked up already; the name servers are slow");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, why));
        }
        let ends = Ends { under_way: Arc::clone(&self.under_way), name: name.into() };
        let looking = tokio::task::spawn_blocking(move || {
            let found = (&*ends.name, 0).to_socket_addrs();
            // Before anybody is told, so that who comes later asks anew.
            drop(ends);
            found.map(|found| found.map(|address| address.ip()).collect())
        });
        let running = async move {
            let found: io::Result<Arc<[IpAddr]>> = looking.await.map_err(io::Error::other).flatten();
            found.map_err(|error| Trouble(error.kind(), error.to_string()))
        };
        let running = running.boxed().shared();
        under_way.insert(name.into(), running.clone());
        Ok(running)
    }
}

impl Lookup for SystemLookup {
    fn lookup(&self, name: &str) -> LookupFuture {
        let running = self.running(name);
        Box::pin(async move {
            let found = running?.await;
            found.map(|found| found.to_vec()).map_err(|Trouble(kind, why)| io::Error::new(kind, why))
        })
    }
}

/// A look-up, until it ends.
struct Ends {
    under_way: Arc<Mutex<HashMap<Box<str>, Running>>>,
    name: Box<str>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        lock(&self.under_way).remove(&self.name);
    }
}

/// A panic elsewhere leaves a whole map.
fn lock(map: &Mutex<HashMap<Box<str>, Running>>) -> MutexGuard<'_, HashMap<Box<str>, Running>> {
    map.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A resolver without the addresses that may not be connected to. The addresses that it gives are the ones connected
/// to: a name is not looked up a second time in between.
#[derive(Clone, Debug)]
pub(crate) struct CheckedResolver {
    pub(crate) lookup: Arc<dyn Lookup>,
    pub(crate) policy: Arc<AddressPolicy>,
}

impl Service<Name> for CheckedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = BoxFuture<'static, Result<Self::Response, io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let (looking, policy) = (self.lookup.lookup(name.as_str()), Arc::clone(&self.policy));
        Box::pin(async move { allowed(&policy, name.as_str(), looking.await?) })
    }
}

/// Those that may be connected to; where there is none, why.
fn allowed(policy: &AddressPolicy, name: &str, found: Vec<IpAddr>) -> io::Result<vec::IntoIter<SocketAddr>> {
    let (mut allowed, mut refused) = (Vec::new(), None);
    for address in found {
        match policy.check(address) {
            Ok(()) => allowed.push(SocketAddr::new(address, 0)), // the port is the connector's
            Err(why) => refused = refused.or(Some((address, why))),
        }
    }
    match refused {
        Some((address, why)) if allowed.is_empty() => {
            Err(RefusedAddress::Name(name.into(), address, why).into())
        }
        _ => Ok(allowed.into_iter()),
    }
}

#[cfg(test)]
mod tests;
