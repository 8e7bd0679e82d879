//! The history as a whole: what is noted comes back, whatever happens in between.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

mod common;

use common::{SERVER, at, sample, session};
use object_store::memory::InMemory;
use object_store::path::Path;
use pgward_model::prelude::*;
use pgward_store::history::{Collector, File, History, Keep, Recorder, Writer};
use pgward_store::series::{SERIES, series};
use std::sync::Arc;
use std::time::Duration;

const KEEP: Keep = Keep { days: 30, bytes: 1 << 30 };

fn place() -> (History, Arc<InMemory>) {
    let store = Arc::new(InMemory::new());
    (History::of("memory:", Arc::clone(&store) as _).unwrap(), store)
}

fn again(store: &Arc<InMemory>) -> History {
    History::of("memory:", Arc::clone(store) as _).unwrap()
}

/// Writes these seconds, with a tidy after each batch; the last rows may be in no batch yet.
fn write(writer: &mut Writer, seconds: std::ops::Range<i64>, make: impl Fn(i64) -> Sample) {
    let mut collector = Collector::default();
    for s in seconds {
        if let Some(batch) = collector.note(&make(s)) {
            writer.write(&batch, batch.at).unwrap();
            writer.tidy(batch.at).unwrap();
        }
    }
    if let Some(batch) = collector.close() {
        writer.write(&batch, batch.at).unwrap();
    }
}

fn n_files(history: &History) -> usize {
    SERIES.iter().map(|s| kept(history, s.id).0.len()).sum()
}

/// Files of a series, and rows of it that are in none.
fn kept(history: &History, id: &str) -> (Vec<File>, usize) {
    let series = series(id).unwrap();
    let snapshot = history.snapshot(series).unwrap();
    let rows = |slot| history.rows_of(series, slot).unwrap().unwrap_or_default();
    let n_rows = snapshot.recent.iter().flat_map(rows).map(|b| b.num_rows()).sum();
    (snapshot.files, n_rows)
}

#[test]
fn a_look_back_sees_what_was_there() {
    let (history, _) = place();
    let mut writer = Writer::new(history, SERVER, KEEP);
    let make = |s: i64| {
        let mut sample = sample(s);
        if s == 130 {
            let mut waiting = session(13, 120, "active", "SELECT 'a secret'");
            waiting.blocked_by = vec![11];
            waiting.waits_for = Some(WaitedLock {
                kind: "relation".to_owned(),
                mode: "AccessShareLock".to_owned(),
                relation: Some(Relation::new("public", "orders")),
                since: Some(at(121)),
            });
            sample.sessions.push(waiting);
            let held = HeldLock {
                mode: "AccessExclusiveLock".to_owned(),
                relation: Relation::new("public", "orders"),
            };
            sample.sessions[0].holds.push(held);
            sample.gaps.push(Gap { sampler: "log".to_owned(), why: "not readable".to_owned() });
            let (before, after) = ("1".to_owned(), "2".to_owned());
            let (kind, name) = ("setting".to_owned(), "work_mem".to_owned());
            sample.changes.push(ConfigChange { at: at(130), kind, name, before, after });
            sample.host = Some(HostSample {
                disk_free_bytes: 5e9,
                disk_total_bytes: 9e9,
                load_per_cpu: Some(0.5),
                ..HostSample::default()
            });
        }
        sample
    };
    write(&mut writer, 0..240, make);
    let history = writer.into_history();
    assert_eq!(history.kept(SERVER).unwrap(), Some((at(0), at(239))));
    assert_eq!(history.kept("other").unwrap(), None);
    let looked = history.look(SERVER, at(60), at(180), &["log"]).unwrap();
    assert_eq!(looked.samples.len(), 121);
    let then = looked.samples.iter().find(|s| s.at == at(130)).unwrap();
    let pids: Vec<Pid> = then.sessions.iter().map(|s| s.pid).collect();
    assert_eq!(pids, [11, 12, 13], "the idle one was noted at the full minute");
    let waiting = then.sessions.last().unwrap();
    assert_eq!(waiting.query, "select ?", "no constant is kept");
    assert_eq!(waiting.waits_for.as_ref().unwrap().since, Some(at(121)));
    assert_eq!(then.sessions[0].holds.len(), 1);
    assert_eq!(then.sessions[0].query, "update orders set n = ? where id = ?");
    assert_eq!(then.gaps, make(130).gaps);
    assert_eq!(then.changes, make(130).changes);
    assert_eq!(then.host, make(130).host);
    let delta = delta(&looked.samples).unwrap();
    assert!((delta.xacts_per_s - 101.0).abs() < 0.01, "{}", delta.xacts_per_s);
    let update = delta.statements.iter().find(|s| s.text.starts_with("update")).unwrap();
    assert!((update.calls_per_s - 100.0).abs() < 5.0, "{}", update.calls_per_s);
    assert!((update.ms_per_call - 0.25).abs() < 0.001, "{}", update.ms_per_call);
}

#[test]
fn batches_become_files_and_nothing_is_lost_or_doubled() {
    let (history, store) = place();
    let mut writer = Writer::new(history, SERVER, KEEP);
    write(&mut writer, 0..600, sample);
    let files = kept(&again(&store), "statements").0;
    assert_eq!(files.len(), 1, "the second five minutes are not over: {files:?}");
    let calls = |history: &History| -> i64 {
        let looked = history.look(SERVER, at(0), at(7200), &["log"]).unwrap();
        let last = looked.samples.iter().rev().find_map(|s| s.statements.as_ref()).unwrap();
        last.iter().map(|s| s.calls).sum()
    };
    let before = calls(&again(&store));
    write(&mut writer, 600..4300, sample);
    let files = kept(&again(&store), "statements").0;
    let names: Vec<&str> = files.iter().filter_map(|f| f.path.filename()).collect();
    assert_eq!(names, ["0500-0600.parquet", "0600-0605.parquet", "0605-0610.parquet"]);
    let after = calls(&again(&store));
    assert!(before > 115_000 && after > 800_000, "{before} {after}");
    let looked = again(&store).look(SERVER, at(0), at(4300), &["log"]).unwrap();
    assert_eq!(looked.samples.len(), 4300, "each second once");
}

#[test]
fn a_crash_between_writing_and_deleting_costs_no_row_and_doubles_none() {
    let (history, store) = place();
    let mut writer = Writer::new(history, SERVER, KEEP);
    write(&mut writer, 0..299, sample);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    use object_store::{ObjectStore, ObjectStoreExt};
    let copy = |store: &InMemory| {
        use futures_util::TryStreamExt;
        let all: Vec<_> = runtime.block_on(store.list(None).try_collect()).unwrap();
        let read = |path: &Path| {
            runtime.block_on(async { store.get(path).await.unwrap().bytes().await.unwrap() })
        };
        all.into_iter().map(|o| (o.location.clone(), read(&o.location))).collect::<Vec<_>>()
    };
    let restore = |objects: &[(Path, bytes::Bytes)]| {
        for (path, bytes) in objects {
            runtime.block_on(store.put(path, bytes.clone().into())).unwrap();
        }
    };
    let batches = copy(&store);
    let n_looks = || again(&store).look(SERVER, at(0), at(4000), &["log"]).unwrap().samples.len();
    let n_rows = |id: &str| -> usize {
        let (files, n_rows) = kept(&again(&store), id);
        n_rows + 1000 * files.len()
    };
    assert_eq!((n_looks(), n_rows("ticks")), (299, 299));
    writer.tidy(at(400)).unwrap();
    assert_eq!((n_looks(), n_rows("ticks")), (299, 1000));
    restore(&batches); // as if they had not been deleted
    assert_eq!((n_looks(), n_rows("ticks")), (299, 1000));
    let small = copy(&store);
    // Another process goes on: it deletes what is superfluous, then makes the hour's file.
    let mut other = Writer::new(again(&store), SERVER, KEEP);
    other.tidy(at(4000)).unwrap();
    assert_eq!((n_looks(), n_rows("ticks")), (299, 1000));
    restore(&small);
    assert_eq!((n_looks(), n_rows("ticks")), (299, 1000));
    other.tidy(at(4100)).unwrap();
    assert_eq!(n_looks(), 299);
    let files = kept(&again(&store), "ticks").0;
    assert_eq!(files[0].path.filename(), Some("0500-0600.parquet"));
}

#[test]
fn two_who_watch_one_server_keep_both() {
    let (history, store) = place();
    let mut one = Writer::new(history, SERVER, KEEP);
    let mut other = Writer::new(again(&store), SERVER, KEEP);
    write(&mut one, 0..100, sample);
    write(&mut other, 0..100, |s| Sample { at: at(s) + Duration::from_millis(500), ..sample(s) });
    one.tidy(at(400)).unwrap();
    other.tidy(at(400)).unwrap();
    assert_eq!(again(&store).look(SERVER, at(0), at(400), &["log"]).unwrap().samples.len(), 200);
}

#[test]
fn a_file_in_a_directory_reads_after_a_crash_in_the_middle_of_a_write() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(History::open(dir.path()).unwrap(), SERVER, KEEP);
    write(&mut writer, 0..60, sample);
    let history = writer.into_history();
    assert_eq!(kept(&history, "ticks").1, 60);
    // What is left when the machine dies between writing and renaming.
    let folder = walk(dir.path());
    std::fs::write(folder.join("050100.000-0000.jsonl.zst#1"), b"half a fra").unwrap();
    assert_eq!(history.look(SERVER, at(0), at(60), &["log"]).unwrap().samples.len(), 60);
    assert_eq!(history.servers().unwrap(), [SERVER]);
}

/// The folder of batches.
fn walk(dir: &std::path::Path) -> std::path::PathBuf {
    let mut folder = dir.join("recent");
    for _ in 0..2 {
        folder = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    }
    folder
}

#[test]
fn a_place_that_refuses_costs_rows_and_not_the_watching() {
    let dir = tempfile::tempdir().unwrap();
    let recent = dir.path().join("recent");
    std::fs::write(&recent, "a file where a folder belongs").unwrap();
    let writer = Writer::new(History::open(dir.path()).unwrap(), SERVER, KEEP);
    let mut recorder = Recorder::start(writer).unwrap();
    // Some hundred megabytes of rows, noted as fast as they come.
    let wide = |s: i64| {
        let mut sample = sample(s);
        let many = |pid| session(pid, s, "active", &format!("SELECT {pid}"));
        sample.sessions.extend((100..1500).map(many));
        sample
    };
    for s in 0..300 {
        recorder.note(&wide(s));
    }
    let mut looks = 0..3_000;
    while recorder.trouble().is_none() {
        looks.next().expect("the trouble is said within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
    let why = recorder.trouble().unwrap().why;
    assert!(why.contains("recent") && why.contains("--vault"), "{why}");
    std::fs::remove_file(&recent).unwrap();
    let mut s = 300;
    loop {
        recorder.note(&sample(s));
        s += 1;
        let history = History::open(dir.path()).unwrap();
        let (files, n_rows) = kept(&history, "gaps");
        if n_rows + files.len() > 0 {
            break;
        }
        looks.next().expect("what was not kept is a gap");
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(recorder);
    let looked = History::open(dir.path()).unwrap().look(SERVER, at(0), at(s), &["log"]).unwrap();
    let last = looked.samples.last().unwrap();
    assert_eq!(last.at, at(s - 1), "the end is written when watching ends");
}

#[test]
fn what_is_too_old_or_too_much_goes() {
    let (history, store) = place();
    let mut writer = Writer::new(history, SERVER, KEEP);
    let day = 86_400;
    for d in 0..4 {
        write(&mut writer, d * day..d * day + 20, sample);
        writer.tidy(at(d * day + 4000)).unwrap();
    }
    let n_days = || kept(&again(&store), "ticks").0.len();
    assert_eq!(n_days(), 4);
    let old = |days, bytes| {
        let mut writer = Writer::new(again(&store), SERVER, Keep { days, bytes });
        writer.tidy(at(3 * day + 8000)).unwrap();
        n_days()
    };
    assert_eq!(old(2, u64::MAX), 3);
    assert_eq!(old(2, n_bytes(&again(&store)) - 1), 2);
    assert_eq!(old(0, u64::MAX), 1);
    assert!(n_files(&again(&store)) > 0);
}

fn n_bytes(history: &History) -> u64 {
    SERIES.iter().flat_map(|s| kept(history, s.id).0).map(|file| file.bytes).sum()
}
