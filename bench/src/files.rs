//! What files cost: how fast they go up and down, against a bare HTTP server on the same machine; and the server's memory
//! meanwhile.
//!
//! The bare server does what nobody can do without: it reads what comes and throws it away, or writes it to a file with one
//! fdatasync at the end; and it sends what it has in memory, or in a file. Landline besides checks the token, hashes, keeps
//! the file whole or not at all, logs the activity durably and gives it to the bot. Rounds of all of them alternate, so that
//! what the machine does meanwhile meets all.

mod bare;
mod load;
mod memory;

use std::fmt::Write;

use anyhow::Result;
use clap::Args;

use crate::Common;
use crate::stats::median;
pub(crate) use bare::BareOptions;
use bare::BareServer;
pub(crate) use bare::serve as serve_bare;
use load::{Case, Door, MIB};

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// Rounds; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// MiB of all files of 4 MiB that one round moves in each direction.
    #[arg(long, default_value_t = 256)]
    round_mib: u64,
    /// MiB of the single large file that is measured for speed.
    #[arg(long, default_value_t = 256)]
    large_mib: u64,
    /// Uploads of 4 MiB that run at once while the memory is watched.
    #[arg(long, default_value_t = 100)]
    uploads: usize,
    /// MiB of the file that goes up and down while the memory is watched.
    #[arg(long, default_value_t = 1024)]
    huge_mib: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { rounds: 5, round_mib: 256, large_mib: 256, uploads: 100, huge_mib: 1024 }
    }
}

pub(crate) async fn run(common: &Common, options: &Options) -> Result<String> {
    let small = 4 * MIB;
    let files = (options.round_mib * MIB / small).max(1);
    let cases = [
        Case { clients: 1, files, bytes: small },
        Case { clients: 8, files, bytes: small },
        Case { clients: 1, files: 1, bytes: options.large_mib * MIB },
    ];
    let mut up =
        Table::new("Upload", ["bare, to a file and fdatasync", "bare, thrown away"], "of bare, to a file")?;
    let mut down =
        Table::new("Download", ["bare, from a file", "bare, from memory"], "of bare, from a file")?;
    for case in cases {
        let speeds = speeds(common, options, case).await?;
        up.row(case, &speeds.up)?;
        down.row(case, &speeds.down)?;
    }
    let memory = memory::run(common, options.uploads, options.huge_mib).await?;
    Ok(format!("{}\n{}\n{memory}", up.text, down.text))
}

/// MB/s of each round: Landline, the bare server with a file, the bare server without.
type Rates = [Vec<f64>; 3];

#[derive(Default)]
struct Speeds {
    up: Rates,
    down: Rates,
}

async fn speeds(common: &Common, options: &Options, case: Case) -> Result<Speeds> {
    let rig = load::rig(common).await?;
    let bare = BareServer::start(rig.folder.path()).await?;
    let landline = load::seats(&rig, case.clients).await?;
    let doors: [Vec<Door>; 3] =
        [landline, bare.doors(case.clients, bare::Kind::File), bare.doors(case.clients, bare::Kind::Memory)];
    let mut speeds = Speeds::default();
    // One more than counts, to make all of them warm.
    for round in 0..=options.rounds {
        for (place, doors) in doors.iter().enumerate() {
            let up = load::upload(doors, case).await?;
            let down = load::download(doors, case).await?;
            if round > 0 {
                speeds.up[place].push(up);
                speeds.down[place].push(down);
            }
        }
    }
    Ok(speeds)
}

struct Table {
    text: String,
}

impl Table {
    fn new(title: &str, [file, memory]: [&str; 2], ratio: &str) -> Result<Self> {
        let mut text = String::new();
        writeln!(text, "### {title}, MB/s, median (rounds)\n")?;
        writeln!(text, "| files | Landline | {file} | {memory} | {ratio} |")?;
        writeln!(text, "| --- | ---: | ---: | ---: | ---: |")?;
        Ok(Self { text })
    }

    fn row(&mut self, case: Case, rates: &Rates) -> Result<()> {
        let Case { clients, bytes, .. } = case;
        let [landline, file, memory] = rates.each_ref().map(|rates| median(rates));
        let rounds: Vec<String> = rates[0].iter().map(|rate| format!("{rate:.0}")).collect();
        writeln!(
            self.text,
            "| {} MiB, {clients} at a time | **{landline:.0}** ({}) | {file:.0} | {memory:.0} | {:.2} |",
            bytes / MIB,
            rounds.join(", "),
            landline / file.max(1.0),
        )?;
        Ok(())
    }
}
