//! Remembers what the domain tells its observer.

use std::sync::{Mutex, PoisonError};

use landline_core::{AnswerEnd, Observer};

/// How answers that went on have ended.
#[derive(Debug, Default)]
pub struct Ends(Mutex<Vec<&'static str>>);

impl Ends {
    /// By name, in order.
    pub fn ends(&self) -> Vec<&'static str> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Observer for Ends {
    fn answer_ended(&self, end: &AnswerEnd) {
        let name = match end {
            AnswerEnd::Complete => "Complete",
            AnswerEnd::Broken(_) => "Broken",
            AnswerEnd::NotLogged(_) => "NotLogged",
            AnswerEnd::Stopped => "Stopped",
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(name);
    }
}
