//! The numbers in messages of some classes: durations, waits, bytes, what a checkpoint wrote.

use crate::record::Record;
use crate::text::{after, before, between, millis, number};

/// What a message measures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measure<'a> {
    /// A statement that was finished; no text: it was logged on its own before.
    Statement {
        ms: f64,
        text: &'a str,
        phase: Phase,
    },
    /// A statement that was begun.
    Begun {
        text: &'a str,
    },
    /// A plan of a finished statement, from auto_explain.
    Plan {
        ms: f64,
        text: &'a str,
        plan: &'a str,
    },
    LockWait(LockWait<'a>),
    CheckpointBegun {
        why: &'a str,
    },
    Checkpoint(Checkpoint),
    TempFile {
        bytes: f64,
    },
    Vacuum(Vacuum<'a>),
    Received,
    Authorized {
        role: &'a str,
        database: &'a str,
        application: &'a str,
    },
    Ended {
        seconds: f64,
    },
}

/// What of the extended protocol was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Parse,
    Bind,
    /// Executed, or all of it in the simple protocol.
    Run,
}

/// A wait for a lock, while it lasts or when it ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LockWait<'a> {
    /// `AccessExclusiveLock`.
    pub mode: &'a str,
    /// `relation 16471 of database 16384`, `transaction 838`.
    pub on: &'a str,
    pub ms: f64,
    pub ended: bool,
    /// Processes in front; 0 is a prepared transaction. As the server writes them.
    pub holders: &'a str,
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checkpoint {
    pub buffers: f64,
    pub write_s: f64,
    pub sync_s: f64,
    pub total_s: f64,
    pub wal_added: f64,
    pub wal_removed: f64,
    pub wal_recycled: f64,
}

/// What a run of autovacuum did to a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Vacuum<'a> {
    /// `database.schema.table`.
    pub table: &'a str,
    pub analyze: bool,
    pub elapsed_s: f64,
    pub removed: f64,
    /// Dead rows that had to stay, since some transaction may still see them.
    pub dead_kept: f64,
}

pub(crate) fn statement<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let rest = record.message.strip_prefix("duration: ")?;
    let (ms, n) = millis(rest)?;
    let rest = rest.get(n..)?.strip_prefix(" ms")?.trim_start();
    if rest.is_empty() {
        return Some(Measure::Statement { ms, text: "", phase: Phase::Run });
    }
    let (kind, text) = rest.split_once(':')?;
    if kind == "plan" {
        return None;
    }
    let phase = match kind.as_bytes().first()? {
        b'p' => Phase::Parse,
        b'b' => Phase::Bind,
        _ => Phase::Run,
    };
    Some(Measure::Statement { ms, text: text.trim_start(), phase })
}

/// `statement: …` and `execute NAME: …` without a duration.
pub(crate) fn begun<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let (_, text) = record.message.split_once(": ")?;
    Some(Measure::Begun { text })
}

pub(crate) fn plan<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let (ms, _) = millis(record.message.strip_prefix("duration: ")?)?;
    let (_, plan) = record.message.split_once("plan:")?;
    let plan = plan.trim_start();
    let text = match plan.strip_prefix("Query Text: ") {
        // Text format: the plan begins with its first node's cost.
        Some(rest) => rest
            .split_once("  (cost=")
            .map_or(rest, |(front, _)| front.rsplit_once('\n').map_or(front, |(query, _)| query)),
        None => between(plan, "\"Query Text\": \"", "\",\n")
            .or_else(|| between(plan, "<Query-Text>", "</Query-Text>"))
            .or_else(|| between(plan, "Query Text: \"", "\"\n"))
            .unwrap_or(""),
    };
    Some(Measure::Plan { ms, text, plan })
}

/// A plan that reads a whole table for a few of its rows.
pub(crate) fn plan_scans<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let measure = plan(record)?;
    let Measure::Plan { plan, .. } = measure else { return None };
    scans_for_few(plan).then_some(measure)
}

/// Rows read for each row kept from which on an index would have been the way: a page holds some
/// ten rows at least, so that below this an index reads as many pages.
const ROWS_READ_PER_KEPT: f64 = 10.0;

fn scans_for_few(plan: &str) -> bool {
    let (json, text) = ("\"Node Type\": \"Seq Scan\"", "Seq Scan on ");
    let mark = if plan.contains(json) { json } else { text };
    plan.split(mark).skip(1).any(|node| {
        // Up to where the next node begins.
        let node = node.split("\"Node Type\"").next().unwrap_or(node);
        let node = node.split("->").next().unwrap_or(node);
        if !node.contains("Filter") {
            return false;
        }
        let said = |json: &str, text: &str| after(node, json).or_else(|| after(node, text));
        let kept = said("\"Actual Rows\": ", "(actual rows=");
        let kept = kept.or_else(|| after(node.split_once("(actual time=")?.1, "rows="));
        let removed = said("Rows Removed by Filter\": ", "Rows Removed by Filter: ");
        if let Some((kept, removed)) = kept.zip(removed) {
            return removed > ROWS_READ_PER_KEPT * kept.max(1.0);
        }
        // Without ANALYZE: a row read costs the planner at most one page, which is 1.
        let cost = after(node, "\"Total Cost\": ").or_else(|| {
            let (_, range) = node.split_once("(cost=")?;
            after(range, "..")
        });
        let rows = said("\"Plan Rows\": ", " rows=");
        cost.zip(rows).is_some_and(|(cost, rows)| cost > ROWS_READ_PER_KEPT * rows.max(1.0))
    })
}

/// `process 7 still waiting for M on O after N ms`, `process 7 acquired M on O after N ms`.
pub(crate) fn lock_wait<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let (front, behind) = record.message.rsplit_once(" after ")?;
    let (ms, _) = millis(behind)?;
    let ended = !front.contains(" still waiting for ");
    let wanted = [" still waiting for ", " acquired ", " detected deadlock while waiting for "];
    let (_, lock) = wanted.iter().find_map(|mark| front.split_once(mark))?;
    let (mode, on) = lock.split_once(" on ")?;
    // Both "Process" and "Processes holding the lock".
    let holders = between(record.detail, "holding the lock: ", ".").unwrap_or("");
    Some(Measure::LockWait(LockWait { mode, on, ms, ended, holders }))
}

pub(crate) fn checkpoint_begun<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let (_, why) = record.message.split_once("starting: ")?;
    Some(Measure::CheckpointBegun { why })
}

pub(crate) fn checkpoint<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let text = record.message;
    Some(Measure::Checkpoint(Checkpoint {
        buffers: after(text, "wrote ")?,
        write_s: after(text, "write=")?,
        sync_s: after(text, "sync=")?,
        total_s: after(text, "total=")?,
        wal_added: before(text, " WAL file(s) added").unwrap_or(0.0),
        wal_removed: before(text, " removed").unwrap_or(0.0),
        wal_recycled: before(text, " recycled").unwrap_or(0.0),
    }))
}

pub(crate) fn temp_file<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let (_, size) = record.message.rsplit_once(", size ")?;
    Some(Measure::TempFile { bytes: number(size)? })
}

pub(crate) fn vacuum<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let text = record.message;
    let (front, _) = text.split_once(" of table \"")?;
    Some(Measure::Vacuum(Vacuum {
        table: between(text, " of table \"", "\"")?,
        analyze: front.ends_with("analyze"),
        elapsed_s: after(text, "elapsed: ").unwrap_or(0.0),
        removed: text.split_once("tuples: ").and_then(|(_, t)| number(t)).unwrap_or(0.0),
        dead_kept: before(text, " are dead but not yet removable").unwrap_or(0.0),
    }))
}

/// A vacuum that had to leave more dead rows than it removed.
pub(crate) fn vacuum_kept<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let Some(Measure::Vacuum(run)) = vacuum(record) else { return None };
    (run.dead_kept > run.removed).then_some(Measure::Vacuum(run))
}

pub(crate) fn received<'a>(_: &Record<'a>) -> Option<Measure<'a>> {
    Some(Measure::Received)
}

pub(crate) fn authorized<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let text = record.message;
    let word = |mark: &str| {
        let (_, rest) = text.split_once(mark)?;
        rest.split(' ').next()
    };
    let application = text.split_once("application_name=").map_or("", |(_, a)| a);
    Some(Measure::Authorized {
        role: word("user=")?,
        database: word("database=").unwrap_or(""),
        application: application.split_once(" SSL enabled").map_or(application, |(a, _)| a),
    })
}

/// `disconnection: session time: 0:00:10.937 user=…`
pub(crate) fn ended<'a>(record: &Record<'a>) -> Option<Measure<'a>> {
    let (_, time) = record.message.split_once("session time: ")?;
    let mut parts = time.split(' ').next()?.split(':');
    let mut part = || parts.next().and_then(|p| p.parse::<f64>().ok());
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    Some(Measure::Ended { seconds: 3600.0 * hours + 60.0 * minutes + seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(message: &str) -> Record<'_> {
        Record { message, ..Record::default() }
    }

    #[test]
    fn durations_are_read() {
        let run = |text| Measure::Statement { ms: 12.5, text, phase: Phase::Run };
        for (message, measure) in [
            ("duration: 12.5 ms  statement: select 1", run("select 1")),
            ("duration: 12.5 ms  execute <unnamed>: select 1", run("select 1")),
            ("duration: 12.5 ms", run("")),
            (
                "duration: 12.5 ms  parse a: select 1",
                Measure::Statement { ms: 12.5, text: "select 1", phase: Phase::Parse },
            ),
        ] {
            assert_eq!(statement(&of(message)), Some(measure));
        }
    }

    #[test]
    fn plans_tell_their_query() {
        let text = |message: &'static str| match plan(&of(message)) {
            Some(Measure::Plan { text, .. }) => text,
            other => panic!("{other:?}"),
        };
        let json = "duration: 1.0 ms  plan:\n{\n  \"Query Text\": \"select 1\",\n  \"Plan\": {}}";
        assert_eq!(text(json), "select 1");
        let plain = "duration: 1.0 ms  plan:\n\tQuery Text: select a\n\tfrom b\n\tSeq Scan on b  (cost=0.00..1.00 rows=1 width=4)";
        assert_eq!(text(plain), "select a\n\tfrom b");
    }

    #[test]
    fn scans_for_a_few_rows_are_told_from_others() {
        for (plan, scans) in [
            ("Seq Scan on b  (cost=0.00..4101.00 rows=1 width=4)\n  Filter: (id = 7)", true),
            ("Seq Scan on b  (cost=0.00..4101.00 rows=4000 width=4)\n  Filter: (id > 7)", false),
            ("Seq Scan on b  (cost=0.00..4101.00 rows=1 width=4)", false),
            ("Index Scan using i on b  (cost=0.00..8.00 rows=1 width=4)\n  Filter: x", false),
            (
                "Seq Scan on b  (cost=0.00..9.00 rows=9 width=4) (actual time=0.01..9.00 rows=2 loops=1)\n  Filter: x\n  Rows Removed by Filter: 39998",
                true,
            ),
            (
                "{ \"Node Type\": \"Seq Scan\", \"Total Cost\": 4101.00, \"Plan Rows\": 1, \"Filter\": \"(id = 7)\" }",
                true,
            ),
        ] {
            assert_eq!(scans_for_few(plan), scans, "{plan}");
        }
    }

    #[test]
    fn waits_vacuums_and_sessions_are_read() {
        let record = Record {
            message: "process 22 still waiting for ShareLock on transaction 838 after 300.2 ms",
            detail: "Process holding the lock: 0. Wait queue: 22.",
            ..Record::default()
        };
        let Some(Measure::LockWait(wait)) = lock_wait(&record) else { panic!() };
        assert_eq!((wait.mode, wait.on, wait.holders), ("ShareLock", "transaction 838", "0"));
        assert!(!wait.ended);
        let Some(Measure::Vacuum(vacuum)) =
            vacuum(&of("automatic vacuum of table \"a.public.t\": index scans: 1\n\
             tuples: 12 removed, 7 remain, 5 are dead but not yet removable\n\
             system usage: CPU: user: 0.01 s, system: 0.00 s, elapsed: 1.25 s"))
        else {
            panic!()
        };
        assert_eq!((vacuum.table, vacuum.elapsed_s), ("a.public.t", 1.25));
        assert_eq!((vacuum.removed, vacuum.dead_kept), (12.0, 5.0));
        let end = ended(&of("disconnection: session time: 1:02:03.5 user=u database=d"));
        assert_eq!(end, Some(Measure::Ended { seconds: 3723.5 }));
    }
}
