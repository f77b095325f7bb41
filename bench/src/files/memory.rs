//! What the server's process grows by while files go through it: many at once, and one that is larger than it should ever
//! have in memory.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use landline_testkit::bulk::Bulk;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::load::{self, Case, MIB};
use crate::Common;
use crate::rig::Rig;
use crate::stats::whole;

/// All uploads are over within this time.
const WITHIN: Duration = Duration::from_secs(300);
/// What a server frees at the end of a request it has freed by then.
const REST: Duration = Duration::from_secs(1);

/// Before, at most, and after, in KiB.
struct Growth {
    before: u64,
    peak: u64,
    after: u64,
}

pub(super) async fn run(common: &Common, uploads: usize, huge_mib: u64) -> Result<String> {
    let many = many(common, uploads).await?;
    let [up, down] = huge(common, huge_mib * MIB).await?;
    let mut table = String::new();
    writeln!(table, "### Resident memory of the server while files go through it, MiB\n")?;
    writeln!(table, "| | before | peak | growth | after |")?;
    writeln!(table, "| --- | ---: | ---: | ---: | ---: |")?;
    let rows = [
        (format!("{uploads} uploads of 4 MiB at once"), many),
        (format!("one upload of {} MiB", whole_u64(huge_mib)), up),
        ("its download".to_owned(), down),
    ];
    for (name, Growth { before, peak, after }) in rows {
        let growth = peak.saturating_sub(before);
        writeln!(
            table,
            "| {name} | {} | {} | **{}** | {} |",
            mib(before),
            mib(peak),
            mib(growth),
            mib(after)
        )?;
    }
    Ok(table)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn whole_u64(number: u64) -> String {
    whole(number as f64)
}

/// Every upload is half done before one of them ends.
async fn many(common: &Common, uploads: usize) -> Result<Growth> {
    let rig = load::rig(common).await?;
    let doors = load::seats(&rig, uploads).await?;
    // So that what is made with the first upload is not counted as growth.
    load::upload(&doors[..1.min(doors.len())], Case { clients: 1, files: 1, bytes: 4 * MIB }).await?;
    watch(&rig, async {
        let half_done = Arc::new(Barrier::new(uploads));
        let mut clients = JoinSet::new();
        for door in doors {
            let half_done = half_done.clone();
            clients.spawn(async move {
                let mut bulk = Bulk::connect(door.server()).await?;
                door.begin(&mut bulk, 4 * MIB).await?;
                bulk.body(2 * MIB).await?;
                half_done.wait().await;
                bulk.body(2 * MIB).await?;
                door.end(&mut bulk).await
            });
        }
        while let Some(client) = clients.join_next().await {
            client??;
        }
        Ok(())
    })
    .await
}

async fn huge(common: &Common, bytes: u64) -> Result<[Growth; 2]> {
    let rig = load::rig(common).await?;
    let doors = load::seats(&rig, 1).await?;
    let small = Case { clients: 1, files: 1, bytes: 4 * MIB };
    load::upload(&doors, small).await?;
    load::download(&doors, small).await?;
    let case = Case { bytes, ..small };
    let up = watch(&rig, async { load::upload(&doors, case).await.map(drop) }).await?;
    let down = watch(&rig, async { load::download(&doors, case).await.map(drop) }).await?;
    Ok([up, down])
}

async fn watch(rig: &Rig, work: impl Future<Output = Result<()>>) -> Result<Growth> {
    sleep(REST).await;
    rig.server.forget_peak()?;
    let before = rig.server.memory()?.now_kib;
    timeout(WITHIN, work).await.context("the transfers hang")??;
    let peak = rig.server.memory()?.peak_kib;
    sleep(REST).await;
    Ok(Growth { before, peak, after: rig.server.memory()?.now_kib })
}
