//! Which bots there are, as a test says.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use landline_core::files::FileLife;
use landline_core::{BotDirectory, BotProfile, DeliveryMode};
use landline_protocol::{BotName, SiteName};

/// See the module. At first the one called "bot", in `wait` mode.
#[derive(Debug)]
pub struct Bots(Mutex<HashMap<BotName, DeliveryMode>>, AtomicBool);

impl Default for Bots {
    fn default() -> Self {
        Self(Mutex::new(HashMap::from([(super::bot_name(), DeliveryMode::Wait)])), AtomicBool::new(false))
    }
}

impl Bots {
    /// Adds a bot, or switches one.
    pub fn set(&self, name: &str, delivery: DeliveryMode) {
        self.lock().insert(name.parse().expect("a name"), delivery);
    }

    /// From now on, files stay as long as their conversations.
    pub fn keep_files(&self) {
        self.1.store(true, Ordering::SeqCst);
    }

    /// Takes one away.
    pub fn remove(&self, name: &str) {
        self.lock().remove(&name.parse::<BotName>().expect("a name"));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<BotName, DeliveryMode>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl BotDirectory for Bots {
    fn bot(&self, name: &BotName) -> Option<BotProfile> {
        let service_url = "http://landline.test/connector/unguessable/".into();
        let capability = Some("unguessable".into());
        self.lock().get(name).map(|delivery| BotProfile { service_url, capability, delivery: *delivery })
    }
    fn file_life(&self, _: &SiteName) -> Option<FileLife> {
        self.1.load(Ordering::SeqCst).then_some(FileLife::Conversation)
    }
}
