//! What came out of a campaign, and how it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};

use super::finish::End;
use super::world::Surprises;
use crate::checker::{self, Invariant};
use crate::history::{Event, Outcome as SendOutcome, Record};

/// How many sentences are printed for one thing that went wrong; the history has the rest.
const TOLD: usize = 10;

/// Everything a campaign found out.
#[derive(Debug)]
pub struct Outcome {
    pub seed: u64,
    /// Kills after which the server was ready again.
    pub cycles: u32,
    pub killed_while_starting: u32,
    /// How long each start took, the first included.
    pub ready: Vec<Duration>,
    /// What was looked at, and what was found wrong.
    pub verdicts: Vec<Verdict>,
    /// As much of the history as was to be kept.
    pub history: Vec<Record>,
    /// What each conversation looked like at the end of its round.
    pub(super) ends: BTreeMap<String, End>,
    /// What lies in the folder of files, and belongs to somebody.
    pub(super) accounted: BTreeSet<String>,
    totals: Totals,
}

/// One thing that was looked at.
#[derive(Debug)]
pub struct Verdict {
    pub what: String,
    /// Empty: it holds.
    pub wrong: Vec<String>,
}

#[derive(Debug, Default)]
struct Totals {
    requests: usize,
    unknown: usize,
    connections: usize,
    deliveries: usize,
    acknowledged: usize,
    sightings: usize,
    /// Requests that carried files, and the files that bots gave.
    uploads: usize,
    kept: usize,
    downloads: usize,
    violations: BTreeMap<Invariant, usize>,
}

impl Outcome {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            cycles: 0,
            killed_while_starting: 0,
            ready: Vec::new(),
            verdicts: Vec::new(),
            history: Vec::new(),
            ends: BTreeMap::new(),
            accounted: BTreeSet::new(),
            totals: Totals::default(),
        }
    }

    /// Notes one thing that was looked at; in several rounds it is one thing all the same.
    pub(super) fn note(&mut self, what: &str, wrong: Vec<String>) {
        match self.verdicts.iter_mut().find(|verdict| verdict.what == what) {
            Some(verdict) => verdict.wrong.extend(wrong),
            None => self.verdicts.push(Verdict { what: what.to_owned(), wrong }),
        }
    }

    /// Notes one thing that went wrong.
    pub(super) fn fail(&mut self, what: &str, how: String) {
        self.note(what, vec![how]);
    }

    /// Lets the checker judge the history of a round.
    pub(super) fn judge(&mut self, history: Vec<Record>, surprises: Surprises, keep: bool) -> Result<()> {
        let report = checker::check(&history).context("the campaign wrote a wrong history")?;
        for invariant in Invariant::ALL {
            let broken = report.violations.iter().filter(|violation| violation.invariant == invariant);
            self.note(invariant.promise(), broken.map(|violation| violation.what.clone()).collect());
            *self.totals.violations.entry(invariant).or_default() += report.count(invariant);
        }
        let mut wrong = surprises.first;
        if surprises.count > wrong.len() {
            wrong.push(format!("and {} more", surprises.count - wrong.len()));
        }
        self.note("no answer that a crash does not explain", wrong);
        self.totals.acknowledged += report.acknowledged;
        self.totals.sightings += report.sightings;
        for record in &history {
            match &record.event {
                Event::Send(step) if step.outcome == SendOutcome::Invoke => {
                    self.totals.requests += 1;
                    self.totals.uploads += usize::from(!step.files.is_empty());
                }
                Event::Keep(step) if step.outcome == SendOutcome::Ok => self.totals.kept += 1,
                Event::Fetch(_) => self.totals.downloads += 1,
                Event::Send(step) if step.outcome == SendOutcome::Info => self.totals.unknown += 1,
                Event::Open(open) if !open.is_final => self.totals.connections += 1,
                Event::Deliver(_) => self.totals.deliveries += 1,
                _ => {}
            }
        }
        if keep || !self.passed() {
            self.history.extend(history);
        }
        Ok(())
    }

    /// Whether every promise held.
    pub fn passed(&self) -> bool {
        self.verdicts.iter().all(|verdict| verdict.wrong.is_empty())
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for verdict in &self.verdicts {
            let mark = if verdict.wrong.is_empty() { "ok  " } else { "FAIL" };
            writeln!(f, "{mark} {}", verdict.what)?;
            for sentence in verdict.wrong.iter().take(TOLD) {
                writeln!(f, "       {sentence}")?;
            }
            if verdict.wrong.len() > TOLD {
                writeln!(f, "       and {} more", verdict.wrong.len() - TOLD)?;
            }
        }
        let totals = &self.totals;
        let count = |invariants: &[Invariant]| -> usize {
            invariants.iter().filter_map(|invariant| totals.violations.get(invariant)).sum()
        };
        writeln!(f)?;
        writeln!(f, "| crash campaign, seed {} | |", self.seed)?;
        writeln!(f, "| --- | ---: |")?;
        writeln!(f, "| cycles of kill -9 | {} |", self.cycles)?;
        writeln!(f, "| killed while starting, besides | {} |", self.killed_while_starting)?;
        writeln!(f, "| conversations | {} |", self.ends.len())?;
        writeln!(f, "| requests to send | {} |", totals.requests)?;
        writeln!(f, "| outcome unknown | {} |", totals.unknown)?;
        writeln!(f, "| given to the bot | {} |", totals.deliveries)?;
        writeln!(f, "| readers' connections | {} |", totals.connections)?;
        writeln!(f, "| activities shown | {} |", totals.sightings)?;
        writeln!(f, "| activities acknowledged | {} |", totals.acknowledged)?;
        writeln!(f, "| acknowledged and lost | {} |", count(&[Invariant::Acknowledged]))?;
        writeln!(f, "| doubled | {} |", count(&[Invariant::Once]))?;
        let reordered = [Invariant::Place, Invariant::Order, Invariant::Gap, Invariant::Stable];
        writeln!(f, "| reordered, passed over, out of place | {} |", count(&reordered))?;
        writeln!(f, "| seen and then gone | {} |", count(&[Invariant::Kept]))?;
        writeln!(f, "| requests with files | {} |", totals.uploads)?;
        writeln!(f, "| files kept for bots | {} |", totals.kept)?;
        writeln!(f, "| files downloaded | {} |", totals.downloads)?;
        writeln!(f, "| files in the folder at the end | {} |", self.accounted.len())?;
        writeln!(f, "| files lost, changed or left over | {} |", count(&[Invariant::Files]))?;
        writeln!(f, "| start to ready, p50 | {} ms |", self.ready_at(50).as_millis())?;
        writeln!(f, "| start to ready, max | {} ms |", self.ready_at(100).as_millis())?;
        writeln!(f)?;
        let failed = self.verdicts.iter().filter(|verdict| !verdict.wrong.is_empty()).count();
        writeln!(f, "{} passed, {failed} failed", self.verdicts.len() - failed)
    }
}

impl Outcome {
    fn ready_at(&self, percent: usize) -> Duration {
        let mut ready = self.ready.clone();
        ready.sort_unstable();
        let place = (ready.len().saturating_sub(1)) * percent / 100;
        ready.get(place).copied().unwrap_or_default()
    }
}
