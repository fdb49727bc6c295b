//! The disk is full, its files are damaged, or they cannot be written.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::faults::account::Ending;
use crate::faults::stage::{Stage, echo};
use crate::support::otlp_gate::Fault;
use crate::support::small_disk::SmallDisk;
use crate::support::world::{World, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_for_a_while() {
    let world = echo().await;
    let Some(disk) = SmallDisk::at(&world.state()) else { return };
    let record = format!("store.path={}", world.state().join("record.sqlite").display());
    let command = disk.seeing(&world.voiced());
    let mut stage = Stage::with(world, command, &[&record]).await;
    stage.ask().await;
    disk.fill(&stage.worker);
    for _ in 0..5 {
        stage.ask().await;
    }
    let failing = |stage: &Stage| stage.metric("voiced_record_failing", &[]);
    wait_until("the record fails", || failing(&stage) == 1.0, || stage.worker.log());
    let room = Instant::now();
    disk.make_room(&stage.worker);
    let waiting = |stage: &Stage| stage.metric("voiced_record_turns_waiting", &[]);
    let works = || failing(&stage) == 0.0 && waiting(&stage) == 0.0;
    wait_until("the record works", works, || stage.worker.log());
    let recovery = room.elapsed();
    stage.disk = Some(disk);
    stage.finish("disk-full", recovery).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_no_database() {
    let world = echo().await;
    std::fs::write(world.record(), "no database at all ".repeat(5_000)).unwrap();
    let started = Instant::now();
    let mut stage = Stage::on(world, &[]).await;
    stage.wait_for_record();
    let recovery = started.elapsed();
    let log = stage.worker.log();
    assert_eq!(log.matches("was corrupt; it is kept as").count(), 1, "{log}");
    stage.ask().await;
    stage.finish("record-corrupt", recovery).await;
}

/// The journal as a power cut leaves it: the last record is cut short. The complete records are sent.
#[tokio::test(flavor = "multi_thread")]
async fn a_journal_with_a_damaged_end() {
    let mut stage = Stage::set(&[]).await;
    stage.gate.set(Fault::Status(503));
    stage.ask().await;
    stage.wait_for_record();
    stage.begin_story(Ending::Aborted).await;
    wait_for_journal(stage.world.state().as_path(), "question 2");
    stage.kill();
    for journal in journals(&stage.world.state()) {
        let mut journal = OpenOptions::new().append(true).open(journal).unwrap();
        journal.write_all(&[0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef, b'f', 1, 2, 3]).unwrap();
    }
    stage.gate.set(Fault::None);
    let started = Instant::now();
    stage.start_again();
    stage.worker.wait_for_log("the end of the trace journal is damaged: cut off");
    stage.worker.wait_until_ready();
    let recovery = stage.until_delivered(started);
    stage.back().await;
    stage.finish("journal-damaged", recovery).await;
}

/// Waits until a journal holds this text.
pub(crate) fn wait_for_journal(state: &Path, text: &str) {
    let holds = |journal: &PathBuf| {
        let bytes = std::fs::read(journal).unwrap_or_default();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    wait_until("the journal has it", || journals(state).iter().any(holds), || format!("{text:?} is in none"));
}

fn journals(state: &Path) -> Vec<PathBuf> {
    let slots = std::fs::read_dir(state.join("spool")).unwrap();
    slots.map(|slot| slot.unwrap().path().join("journal")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_rooms_that_cannot_be_used() {
    unusable(
        "recovery-dir-unusable",
        "worker.recovery_dir",
        "after a crash no worker goes back to the rooms",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_the_spool_that_cannot_be_used() {
    unusable("spool-dir-unusable", "telemetry.spool_dir", "traces are kept in memory").await;
}

/// The fault is logged once, and costs only the function of that directory.
async fn unusable(row: &str, key: &str, said: &str) {
    let world: World = echo().await;
    let file = world.dir().join("a-file");
    std::fs::write(&file, "in the way").unwrap();
    let started = Instant::now();
    let mut stage = Stage::on(world, &[&format!("{key}={}", file.join("dir").display())]).await;
    let recovery = started.elapsed();
    stage.ask().await;
    let log = stage.worker.log();
    assert_eq!(log.matches(said).count(), 1, "{log}");
    stage.finish(row, recovery).await;
}
