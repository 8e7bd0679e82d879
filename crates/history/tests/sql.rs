//! SQL over a history as the writer leaves it: files of hours and of minutes, and batches.
#![allow(clippy::unwrap_used, reason = "helpers of tests too")]

#[path = "../../store/tests/common/mod.rs"]
mod common;

use common::{SERVER, at, sample, session};
use pgward_history::{Error, Limits, query, tables};
use pgward_model::prelude::*;
use pgward_store::history::{Collector, History, Keep, Writer};
use pgward_store::series::{SERIES, series};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

const KEEP: Keep = Keep { days: 30, bytes: 1 << 30 };
const OTHER: &str = "postgres://watch@db2.example:5432/bank";

/// Watches `server` for these seconds.
fn write(dir: &Path, server: &str, seconds: std::ops::Range<i64>) {
    let mut writer = Writer::new(History::open(dir).unwrap(), server, KEEP);
    let mut collector = Collector::default();
    for s in seconds {
        if let Some(batch) = collector.note(&sample(s)) {
            writer.write(&batch, batch.at).unwrap();
            writer.tidy(batch.at).unwrap();
        }
    }
    if let Some(batch) = collector.close() {
        writer.write(&batch, batch.at).unwrap();
    }
}

/// 05:00:00 to 06:11:39 of one server: a file of an hour, two of five minutes, and batches.
fn kept() -> (TempDir, Arc<History>) {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), SERVER, 0..4300);
    let history = Arc::new(History::open(dir.path()).unwrap());
    (dir, history)
}

fn ask(history: &Arc<History>, sql: &str) -> Result<Answer, Error> {
    query(history, sql, Limits::default())
}

/// The rows, cells as text.
fn rows(history: &Arc<History>, sql: &str) -> Vec<Vec<String>> {
    let answer = ask(history, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    let text = |cell: &Cell| match cell {
        Cell::Text(text) | Cell::Number(text) => text.clone(),
        other => format!("{other:?}"),
    };
    answer.rows.iter().map(|row| row.iter().map(text).collect()).collect()
}

fn one(history: &Arc<History>, sql: &str) -> String {
    rows(history, sql).concat().join(" ")
}

#[test]
fn what_was_noted_is_answered() {
    let (_dir, history) = kept();
    let one = |sql: &str| one(&history, sql);
    assert_eq!(one("SELECT count(*), count(DISTINCT at) FROM ticks"), "4300 4300");
    assert_eq!(
        one("SELECT min(at), max(at) FROM ticks"),
        "2026-11-21T05:00:00Z 2026-11-21T06:11:39Z"
    );
    assert_eq!(one("SELECT DISTINCT server FROM ticks"), SERVER);
    let top = rows(
        &history,
        "SELECT fingerprint, sum(calls) FROM statements GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10",
    );
    // The first look has nothing to differ from, the last ones wait for ten seconds to be over.
    let calls: Vec<i64> = top.iter().map(|row| row[1].parse().unwrap()).collect();
    assert_eq!(calls.len(), 2);
    assert!(calls.iter().all(|c| (427_000..=430_000).contains(c)), "{calls:?}");
    let text =
        "SELECT DISTINCT t.text FROM statements s JOIN texts t USING (fingerprint) ORDER BY 1";
    assert_eq!(rows(&history, text), [["commit"], ["update orders set n = ? where id = ?"]]);
}

#[test]
fn times_are_asked_for_as_in_postgresql() {
    let (_dir, history) = kept();
    for (condition, n) in [
        ("at >= TIMESTAMPTZ '2026-11-21 06:00:00+00'", 700),
        ("at >= '2026-11-21T06:00:00Z'", 700),
        ("at >= '2026-11-21 07:00:00+01'::timestamptz", 700),
        ("at BETWEEN '2026-11-21 05:59:50' AND '2026-11-21 06:00:09'", 20),
        ("at > TIMESTAMPTZ '2026-11-21 06:11:39Z' - INTERVAL '10 seconds'", 10),
        ("at < now() - INTERVAL '1 hour' AND at > now()", 0),
        ("date_trunc('hour', at) = '2026-11-21 06:00:00'", 700),
        ("extract(minute FROM at) = 11", 100),
    ] {
        let told = one(&history, &format!("SELECT count(*) FROM ticks WHERE {condition}"));
        assert_eq!(told, n.to_string(), "{condition}");
    }
    let newest = "SELECT at FROM ticks ORDER BY at DESC LIMIT 2";
    assert_eq!(rows(&history, newest), [["2026-11-21T06:11:39Z"], ["2026-11-21T06:11:38Z"]]);
}

/// The Parquet files of a series, oldest first.
fn files(dir: &Path, id: &str) -> Vec<PathBuf> {
    let history = History::open(dir).unwrap();
    let files = history.snapshot(series(id).unwrap()).unwrap().files;
    files.iter().map(|file| history.root().join(file.path.as_ref())).collect()
}

#[test]
fn files_of_another_time_or_server_are_not_opened() {
    let (dir, _) = kept();
    write(dir.path(), OTHER, 0..400);
    let history = Arc::new(History::open(dir.path()).unwrap());
    let old = files(dir.path(), "ticks").into_iter().next().unwrap();
    std::fs::write(&old, "what a copy that broke off leaves").unwrap();
    assert!(old.ends_with("0500-0505.parquet") || old.ends_with("0500-0600.parquet"), "{old:?}");
    let count = |condition: &str| one(&history, &format!("SELECT count(*) FROM ticks {condition}"));
    assert_eq!(count("WHERE at >= '2026-11-21 06:05:00'"), "400");
    let (broken, whole) = if old.to_string_lossy().contains("db2") {
        (OTHER, (SERVER, "4300"))
    } else {
        (SERVER, (OTHER, "400"))
    };
    assert_eq!(count(&format!("WHERE server = '{}'", whole.0)), whole.1);
    assert_eq!(
        one(&history, "SELECT at FROM ticks ORDER BY at DESC LIMIT 1"),
        "2026-11-21T06:11:39Z"
    );
    let error = ask(&history, &format!("SELECT count(*) FROM ticks WHERE server = '{broken}'"));
    let error = error.unwrap_err();
    assert!(error.to_string().contains(old.to_str().unwrap()), "{error}");
    assert!(error.hint().contains("out of the vault"), "{}", error.hint());
}

#[test]
fn a_damaged_batch_is_named() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), SERVER, 0..20);
    let mut folder = dir.path().join("recent");
    for _ in 0..2 {
        folder = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    }
    let batch = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&batch).unwrap();
    std::fs::write(&batch, &bytes[..bytes.len() / 2]).unwrap();
    let history = Arc::new(History::open(dir.path()).unwrap());
    let error = ask(&history, "SELECT * FROM ticks").unwrap_err();
    assert!(error.to_string().contains(batch.file_name().unwrap().to_str().unwrap()), "{error}");
    assert!(error.hint().contains("out of the vault"), "{}", error.hint());
}

#[test]
fn cells_are_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::new(History::open(dir.path()).unwrap(), SERVER, KEEP);
    let mut collector = Collector::default();
    for s in 0..20 {
        let mut sample = sample(s);
        let mut waiting = session(13, s, "active", "SELECT 'a secret'");
        waiting.blocked_by = vec![11, 12];
        sample.sessions.push(waiting);
        if let Some(batch) = collector.note(&sample) {
            writer.write(&batch, batch.at).unwrap();
        }
    }
    let history = Arc::new(writer.into_history());
    let sql = "SELECT pid, blocked_by, xid, pid = 13 AS is_it, role FROM sessions \
               WHERE 11 = ANY(blocked_by) LIMIT 1";
    let answer = ask(&history, sql).unwrap();
    assert_eq!(answer.columns, ["pid", "blocked_by", "xid", "is_it", "role"]);
    let number = |n: &str| Cell::Number(n.to_owned());
    assert_eq!(
        answer.rows,
        [vec![
            number("13"),
            Cell::List(vec![number("11"), number("12")]),
            Cell::Null,
            Cell::Yes(true),
            Cell::Text("site".to_owned()),
        ]]
    );
    let twice = ask(&history, "SELECT a.at, b.at FROM ticks a JOIN ticks b USING (at) LIMIT 1");
    assert_eq!(twice.unwrap().columns, ["at", "at_2"]);
}

#[test]
fn names_that_are_not_there_are_met_with_the_nearest() {
    let (_dir, history) = kept();
    let told = |sql: &str| {
        let error = ask(&history, sql).unwrap_err();
        format!("{error}; {}", error.hint())
    };
    let table = told("SELECT * FROM statments");
    assert!(table.contains("no table statments; did you mean statements?"), "{table}");
    assert!(table.contains("tables are database, ddl"), "{table}");
    let column = told("SELECT fingerprnt FROM statements");
    assert!(column.contains("no column fingerprnt; did you mean fingerprint?"), "{column}");
    assert!(column.contains("columns are server, at,"), "{column}");
    let syntax = told("SELEC 1");
    assert!(syntax.contains("SELEC") && syntax.contains("`pgward history` lists"), "{syntax}");
    let function = told("SELECT medain(own_ms) FROM ticks");
    assert!(function.contains("medain"), "{function}");
    assert!(told("").contains("lists tables"));
}

#[test]
fn nothing_is_written_and_no_other_file_is_read() {
    let (dir, history) = kept();
    let other = dir.path().join("other.csv");
    std::fs::write(&other, "a,b\n1,2\n").unwrap();
    let before = walk(dir.path());
    let into = dir.path().join("new.csv");
    let (other, into) = (other.display(), into.display());
    for sql in [
        format!("COPY ticks TO '{into}'"),
        format!("COPY (SELECT 1) TO '{into}' STORED AS PARQUET"),
        format!("CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '{other}'"),
        "CREATE TABLE t AS SELECT 1".to_owned(),
        "CREATE VIEW t AS SELECT 1".to_owned(),
        "INSERT INTO ticks SELECT * FROM ticks".to_owned(),
        "DELETE FROM ticks".to_owned(),
        "UPDATE ticks SET own_ms = 0".to_owned(),
        "DROP TABLE ticks".to_owned(),
        "TRUNCATE ticks".to_owned(),
        "SET datafusion.execution.batch_size = 1".to_owned(),
        "BEGIN".to_owned(),
        "PREPARE p AS SELECT 1".to_owned(),
        format!("EXPLAIN ANALYZE COPY ticks TO '{into}'"),
        format!("SELECT * FROM '{other}'"),
        format!("SELECT * FROM \"{other}\""),
        "SELECT 1; SELECT 2".to_owned(),
    ] {
        let error = ask(&history, &sql).expect_err(&sql);
        assert!(!matches!(error, Error::Crash { .. } | Error::File { .. }), "{sql}: {error}");
        assert!(!error.to_string().contains('\n'), "{sql}: {error}");
        assert_eq!(walk(dir.path()), before, "{sql}");
    }
    let copy = ask(&history, &format!("COPY ticks TO '{into}'")).unwrap_err();
    assert!(matches!(copy, Error::Writes { .. }), "{copy:?}");
}

/// Every file below a directory.
fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn a_query_ends_within_its_limits() {
    let (_dir, history) = kept();
    let limits = Limits { n_rows: 7, ..Limits::default() };
    let answer = query(&history, "SELECT * FROM ticks", limits).unwrap();
    assert_eq!((answer.rows.len(), answer.is_cut), (7, true));
    let answer = query(&history, "SELECT at FROM ticks LIMIT 7", limits).unwrap();
    assert_eq!((answer.rows.len(), answer.is_cut), (7, false));
    let limits = Limits { seconds: 0.2, ..Limits::default() };
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000000) AS g (n)";
    let error = query(&history, endless, limits).unwrap_err();
    assert!(matches!(error, Error::Time { .. }), "{error}");
    assert!(error.hint().contains("--timeout"), "{}", error.hint());
    let limits = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let large = "SELECT a.at FROM ticks a, ticks b ORDER BY a.own_ms, b.at";
    let error = query(&history, large, limits).unwrap_err();
    assert!(matches!(error, Error::Memory { .. }), "{error}");
    assert!(error.hint().contains("--memory"), "{}", error.hint());
    let wide = "SELECT repeat('x', 100000) FROM ticks";
    let answer = ask(&history, wide).unwrap();
    assert!(answer.is_cut && answer.rows.len() < 4300, "{}", answer.rows.len());
}

#[test]
fn a_query_that_is_very_deep_or_long_is_answered_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), SERVER, 0..20);
    let history = Arc::new(History::open(dir.path()).unwrap());
    let deep = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
    assert!(matches!(ask(&history, &deep(10_000)), Err(Error::Sql { .. })));
    let long = |n: usize| format!("SELECT 1{}", "+1".repeat(n));
    let answer = ask(&history, &long(1_000)).unwrap();
    assert_eq!(answer.rows, [[Cell::Number("1001".to_owned())]]);
    // The longest takes more time than it may, and not more stack than there is.
    let limits = Limits { seconds: 2.0, ..Limits::default() };
    let ended = query(&history, &long(16_000), limits);
    assert!(ended.is_ok() || matches!(ended, Err(Error::Time { .. })), "{ended:?}");
    let error = ask(&history, &long(17_000)).unwrap_err();
    assert!(matches!(error, Error::Long { .. }), "{error}");
}

#[test]
fn every_row_is_seen_once_while_a_watch_writes() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), SERVER, 0..200);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Files of five minutes and of hours come and go all the time.
            write(dir.path(), SERVER, 200..16_000);
            ended.store(true, Ordering::Relaxed);
        });
        let history = Arc::new(History::open(dir.path()).unwrap());
        let mut last = 200;
        while !ended.load(Ordering::Relaxed) {
            let counted = one(&history, "SELECT count(*), count(DISTINCT at) FROM ticks");
            let (all, seconds) = counted.split_once(' ').unwrap();
            assert_eq!(all, seconds, "no row is seen twice");
            let seconds: i64 = seconds.parse().unwrap();
            assert!(seconds >= last, "no row is missed: {seconds} after {last}");
            last = seconds;
        }
        assert_eq!(one(&history, "SELECT count(*) FROM ticks"), "16000");
    });
}

#[test]
fn tables_are_listed_with_what_is_kept_in_them() {
    let (_dir, history) = kept();
    let listed = tables(&history, Limits::default()).unwrap();
    assert_eq!(listed.len(), SERIES.len());
    let ticks = listed.iter().find(|t| t.name == "ticks").unwrap();
    let kept = Kept { n_rows: 4300, from: Some(at(0)), to: Some(at(4299)) };
    assert_eq!(ticks.kept, Some(kept));
    let names: Vec<&str> = ticks.columns.iter().map(|c| c.name.as_str()).take(2).collect();
    assert_eq!((names, ticks.columns[1].kind.as_str()), (vec!["server", "at"], "timestamptz"));
    let ddl = listed.iter().find(|t| t.name == "ddl").unwrap();
    assert_eq!(ddl.kept, Some(Kept { n_rows: 0, from: None, to: None }));
    for table in &listed {
        let columns: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
        let sql = format!("SELECT {} FROM {} LIMIT 1", columns.join(", "), table.name);
        ask(&history, &sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let limits = Limits { seconds: 1e-9, ..Limits::default() };
    assert!(tables(&history, limits).unwrap().iter().all(|t| t.kept.is_none()));
}
