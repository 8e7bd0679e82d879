//! The data volume is full, or will be in minutes.

use super::{Cause, mem_temp_spill};
use crate::counted::log_lines;
use crate::facts::{complete, cut, mentions, sampled, verb, who};
use crate::forecast::{newest, worst_disk};
use crate::reach::Reach;
use pgward_model::prelude::*;
use std::collections::{BTreeMap, HashMap};

pub(super) static CAUSE: Cause = Cause {
    id: "disk_data_full",
    name: "Data volume full",
    necessary: "a statement failed with 53100, less than 5% of the volume is free, or it fills \
                within minutes",
    explains: &["error_burst", "throughput_drop", "server_unreachable", "disk_filling"],
    actions: &["cancel_filler"],
    prevention: &[
        "Alarm on the time until the volume is full, not on the share that is used",
        "Compare the size of a table with the free space before VACUUM FULL, CLUSTER or a rewrite: they make a second copy",
        "Set temp_file_limit, and keep a file that can be deleted when the volume is full",
    ],
    judge,
};

/// Percent; PostgreSQL needs room for WAL and temporary files beside the tables.
const FREE_MIN: f64 = 5.0;
/// WAL, or the temporary files of one session, that take half of what is gone are what fills it;
/// so is who wrote half of what went of late, and may be stopped for it: WAL and an archive of it
/// are lost with the data, while a new page is often written twice. With WAL elsewhere all of it
/// must be accounted for.
const SHARE: f64 = 0.5;
/// Too little to be one of several that fill it together.
const LITTLE: f64 = 0.1;
/// As long as a trend needs.
const LATELY_S: f64 = 20.0;
/// A call that writes is an ordinary one of a client unless it lasts.
const CALL_LASTS_S: f64 = 5.0;

fn judge(case: &Case) -> Verdict {
    let full =
        |e: &LogEntry| e.sqlstate == "53100" || e.message.contains("No space left on device");
    let verdict = log_lines(case, "errors 'no space left' (53100)", full, 0.9, 1, |e, n| {
        format!("{n} statements failed for want of disk space: {}", cut(&e.message, 120))
    });
    let Some(now) = worst_disk(&case.window) else {
        return match verdict {
            Verdict::RuledOut { .. } => Verdict::unknown(
                "no error 53100, but the free space of the data volume cannot be seen from here",
            ),
            verdict => verdict,
        };
    };
    let before = newest(case.window.baseline(), |s| s.host);
    let free = |h: HostSample| 100.0 * h.disk_free_bytes / h.disk_total_bytes.max(1.0);
    let evidence = Evidence::measured(
        "free space on the data volume",
        now.free_percent(),
        "%",
        sampled("host: statvfs"),
    )
    .against(before.map_or(now.free_percent(), free))
    .at(case.window.now());
    match verdict {
        Verdict::Likely(likely) => fills(case, likely, evidence),
        _ if now.free_percent() < FREE_MIN || now.is_soon() => {
            let when = now.full_in_s().map(|s| format!(", full in {}", human_duration(s)));
            let says = format!(
                "{} ({}%) of the data volume are free{}",
                human_bytes(now.free),
                human(now.free_percent()),
                when.unwrap_or_default()
            );
            fills(case, Likely::new(0.7, says, evidence.clone()), evidence)
        }
        Verdict::RuledOut { .. } => Verdict::ruled_out(Evidence {
            claim: "free space on the data volume, and no error 53100".to_owned(),
            ..evidence
        }),
        verdict => verdict,
    }
}

/// What takes the space: WAL is a cause of its own; a statement that copies is named.
fn fills(case: &Case, likely: Likely, free: Evidence) -> Verdict {
    if let Some(share) = wal_share(case).filter(|share| *share >= SHARE) {
        return Verdict::present_not_sufficient(Evidence {
            claim: format!(
                "{}; {}% of what is gone went into pg_wal, so something keeps WAL",
                free.claim,
                human(100.0 * share)
            ),
            ..free
        });
    }
    let measured = case.window.written(LATELY_S);
    let spills = spiller(case);
    let filler = match spills {
        Some((session, at, _)) => Filler { who: Some((session, at)), writes_little: None },
        None => filler(case, &measured),
    };
    let Some((session, at)) = filler.who else {
        let writes_little = filler.writes_little;
        return Verdict::Likely(writes_little.into_iter().fold(likely.and(free), Likely::and));
    };
    let does = match spills {
        Some((.., bytes)) => format!("holds {} of temporary files", human_bytes(bytes)),
        None if is_copy(&session.query) => "makes a second copy".to_owned(),
        None => "writes without end".to_owned(),
    };
    let says = format!("{} {does}: {}. {}", who(session), cut(&session.query, 160), likely.says);
    let runs = Evidence::measured(
        format!("time pid {} has been writing", session.pid),
        session.runs_s(at),
        "s",
        sampled("sessions: pg_stat_activity.query_start"),
    );
    let named = likely.evidence().iter().cloned();
    let written = measured.get(&(session.pid, session.query_start));
    let blamed = Likely::new(0.95, says, free)
        .and(written.map_or(runs.at(at), |written| told(session, written)));
    let mut blamed = named.fold(blamed, Likely::and).by([session.pid]);
    let fills = spills.is_some() || written.is_some_and(|w| is_most(case, session, w));
    blamed.is_unproven = !fills;
    Verdict::Likely(match is_still_at_work(case, session) {
        true => blamed.act(CAUSE.actions),
        false => blamed,
    })
}

/// Did it write most of what the volume lost? Not told of what another tablespace may have taken.
fn is_most(case: &Case, session: &SessionSample, written: &Written) -> bool {
    let wal_elsewhere =
        newest(&case.window.samples, |s| s.host).is_some_and(|h| h.wal_free_bytes.is_some());
    let enough = if wal_elsewhere { 1.0 } else { SHARE };
    written.share() >= enough && !mentions(&session.query.to_uppercase(), "TABLESPACE")
}

fn is_still_at_work(case: &Case, session: &SessionSample) -> bool {
    let same = |s: &SessionSample| {
        s.pid == session.pid && s.query_start == session.query_start && s.state == "active"
    };
    case.window.last().is_some_and(|last| last.sessions.iter().any(same))
}

/// The session whose temporary files are most of what is gone, and their bytes: what it held before
/// we looked is not what fills the volume now.
fn spiller(case: &Case) -> Option<(&SessionSample, Timestamp, f64)> {
    let (sample, session, bytes) = mem_temp_spill::spiller(case)?;
    let free = |s: &Sample| s.host.map(|h| h.disk_free_bytes);
    let most = case.window.samples.iter().filter_map(free).fold(0.0, f64::max);
    let least = case.window.samples.iter().filter_map(free).reduce(f64::min)?;
    let (gone, bytes) = (most - least, bytes as f64);
    (gone > 0.0 && bytes >= SHARE * gone && gone >= SHARE * bytes)
        .then_some((session, sample.at, bytes))
}

/// Share of the lost space that `pg_wal` took; `None` where either was not seen, or where it lies
/// on a volume of its own.
fn wal_share(case: &Case) -> Option<f64> {
    let seen = |s: &Sample| {
        let host = s.host.filter(|h| h.wal_free_bytes.is_none())?;
        Some((host.disk_free_bytes, s.wal.as_ref()?.wal_bytes?))
    };
    let first = case.window.samples.iter().find_map(seen)?;
    let last = case.window.samples.iter().rev().find_map(seen)?;
    let gone = first.0 - last.0;
    (gone > 0.0).then(|| (last.1 - first.1) / gone)
}

/// Who fills the volume, or what clears those who only look as if they did.
#[derive(Default)]
struct Filler<'a> {
    who: Option<Seen<'a>>,
    writes_little: Option<Evidence>,
}

/// A session, and when it was last seen at its statement.
type Seen<'a> = (&'a SessionSample, Timestamp);

/// Of the statements seen since the onset that copy a table, or without one of the calls that
/// write: the one at work that writes most of what the volume loses; else the longest of those that
/// were not seen to write little.
fn filler<'a>(case: &'a Case, measured: &HashMap<StatementKey, Written>) -> Filler<'a> {
    if complete(case, "sessions", "").is_some() {
        return Filler::default();
    }
    let written = |s: &SessionSample| measured.get(&(s.pid, s.query_start));
    let bytes = |s: &SessionSample| written(s).map_or(0.0, |w| w.bytes);
    let fills = |s: &SessionSample| written(s).is_some_and(|w| is_most(case, s, w));
    let copies = |s: &SessionSample, _| is_copy(&s.query);
    let calls = |s: &SessionSample, at| {
        // A procedure that commits as it goes has no xid between two of its transactions.
        s.runs_s(at) >= CALL_LASTS_S
            && (s.xid.is_some() || fills(s))
            && calls_a_writer(case, &s.query)
    };
    let mut cleared: Vec<&SessionSample> = Vec::new();
    for wanted in [&copies as &dyn Fn(&SessionSample, Timestamp) -> bool, &calls] {
        let (little, others): (Vec<Seen<'_>>, Vec<Seen<'_>>) = at_work(case, wanted)
            .into_iter()
            .partition(|(s, _)| written(s).is_some_and(|w| w.share() < LITTLE));
        cleared.extend(little.into_iter().map(|(s, _)| s));
        let now = others.iter().filter(|(s, _)| fills(s) && is_still_at_work(case, s));
        let most = now.max_by(|(a, _), (b, _)| bytes(a).total_cmp(&bytes(b)));
        let longest =
            || others.iter().max_by(|(a, x), (b, y)| a.runs_s(*x).total_cmp(&b.runs_s(*y)));
        if let Some(who) = most.or_else(longest) {
            return Filler { who: Some(*who), writes_little: None };
        }
    }
    let most = cleared.into_iter().max_by(|a, b| bytes(a).total_cmp(&bytes(b)));
    let writes_little = most.and_then(|s| written(s).map(|w| told(s, w)));
    Filler { who: None, writes_little }
}

/// Each statement at work since the onset that is wanted, once.
fn at_work(case: &Case, wanted: impl Fn(&SessionSample, Timestamp) -> bool) -> Vec<Seen<'_>> {
    let mut all = BTreeMap::new();
    for sample in case.window.recent() {
        let works = |s: &&SessionSample| s.state == "active" && s.blocked_by.is_empty();
        for session in sample.sessions.iter().filter(works).filter(|s| wanted(s, sample.at)) {
            all.insert((session.pid, session.query_start), (session, sample.at));
        }
    }
    all.into_values().collect()
}

fn told(session: &SessionSample, written: &Written) -> Evidence {
    let claim = format!(
        "written by pid {} in {} in which the volume lost {}",
        session.pid,
        human_duration(seconds_between(written.from, written.to)),
        human_bytes(written.gone_bytes)
    );
    Evidence::measured(claim, written.bytes, "bytes", sampled("writes: wchar of /proc/PID/io"))
        .at(written.to)
}

/// Does it write through a function, a procedure or a block of its own?
fn calls_a_writer(case: &Case, sql: &str) -> bool {
    match verb(sql).as_str() {
        "DO" => ["INSERT", "COPY", "CREATE"].iter().any(|w| mentions(&sql.to_uppercase(), w)),
        "CALL" | "SELECT" | "WITH" => !Reach::of(case, sql).writers.is_empty(),
        _ => false,
    }
}

/// Statements that write a second copy of a table or much that is new.
fn is_copy(sql: &str) -> bool {
    let upper = sql.to_ascii_uppercase();
    match verb(sql).as_str() {
        "VACUUM" => upper.contains("FULL"),
        "ALTER" => upper.contains("TABLE"),
        "CREATE" => {
            upper.contains(" AS") || upper.contains("INDEX") || upper.contains("MATERIALIZED")
        }
        "CLUSTER" | "REINDEX" | "REFRESH" => true,
        "COPY" => copies_in(&upper),
        "INSERT" => upper.contains("SELECT"),
        _ => false,
    }
}

/// Does this COPY write a table? `COPY t (a, b) TO` and `COPY (SELECT …) TO` only read.
fn copies_in(upper: &str) -> bool {
    let mut depth = 0_usize;
    let outside = |c: char| {
        let within = depth > 0 || c == '(';
        depth = match c {
            '(' => depth + 1,
            ')' => depth.saturating_sub(1),
            _ => depth,
        };
        if within { ' ' } else { c }
    };
    let bare: String = upper.chars().map(outside).collect();
    bare.split_whitespace().find(|word| ["FROM", "TO"].contains(word)) == Some("FROM")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, healthy, log, session};

    fn with_free(percent: impl Fn(i64) -> f64) -> Vec<Sample> {
        let mut samples = healthy(40);
        for (i, s) in (0..).zip(&mut samples) {
            let (disk_free_bytes, disk_total_bytes) = (percent(i) * 1e7, 1e9);
            s.host = Some(HostSample { disk_free_bytes, disk_total_bytes, ..Default::default() });
        }
        samples
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        assert!(matches!(judge(&case(healthy(35), 30)), Verdict::Unknown { .. }));
        let mut samples = with_free(|_| 40.0);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        let message = "could not extend file: No space left on device";
        samples.last_mut().unwrap().log = vec![log(39, "ERROR", "53100", message)];
        assert!(judge(&case(samples, 30)).likely().is_some());
        assert!(judge(&case(with_free(|_| 3.0), 30)).likely().is_some());
    }

    #[test]
    fn the_statement_that_makes_a_second_copy_is_named() {
        let mut samples = with_free(|s| 50.0 - s as f64);
        for s in samples.iter_mut().skip(30) {
            let mut copy = session(4711, "active", &[]);
            copy.query = "VACUUM FULL history".to_owned();
            copy.query_start = Some(at(30));
            s.sessions = vec![session(7, "active", &[]), copy];
        }
        let verdict = judge(&case(samples, 30));
        let likely = verdict.likely().unwrap();
        assert!(likely.says.contains("VACUUM FULL history"), "{}", likely.says);
        assert_eq!(likely.pids, [4711]);
    }

    #[test]
    fn a_call_that_writes_for_seconds_is_named_and_a_short_one_is_not() {
        for (query, seconds, pids) in [
            ("CALL copy_events()", 20, &[4711][..]),
            ("DO $$ BEGIN LOOP INSERT INTO t SELECT 1; COMMIT; END LOOP; END $$", 20, &[4711]),
            ("SELECT buy(1)", 1, &[]),
            ("SELECT total(1)", 20, &[]),
        ] {
            let mut samples = with_free(|s| 50.0 - s as f64);
            for s in samples.iter_mut().skip(30) {
                let mut call = session(4711, "active", &[]);
                call.query = query.to_owned();
                call.query_start = Some(at(39 - seconds));
                call.xid = Some(7);
                s.sessions = vec![call];
            }
            let mut case = case(samples, 30);
            let function = |identity: &str, definition: &str| ObjectInfo {
                kind: "function".to_owned(),
                identity: identity.to_owned(),
                definition: definition.to_owned(),
                uses: Vec::new(),
            };
            let insert = "INSERT INTO t SELECT 1";
            case.catalog = Some(Catalog {
                objects: vec![
                    function("public.copy_events()", insert),
                    function("public.buy(integer)", insert),
                    function("public.total(integer)", "SELECT 1"),
                ],
                ..Catalog::new(at(0), 150_000, "shop")
            });
            assert_eq!(judge(&case).likely().unwrap().pids, pids, "{query}");
        }
    }

    #[test]
    fn a_procedure_that_commits_as_it_goes_is_named_by_what_it_writes() {
        for (bytes_per_s, pids) in [(9_000_000, &[4711][..]), (2_000_000, &[])] {
            let mut samples = with_free(|s| 50.0 - s as f64);
            for (i, s) in (0..).zip(&mut samples).skip(20) {
                let mut call = session(4711, "active", &[]);
                call.query =
                    "DO $$ BEGIN LOOP INSERT INTO t SELECT 1; COMMIT; END LOOP; END $$".into();
                call.query_start = Some(at(20));
                s.sessions = vec![call];
                let bytes = bytes_per_s * i;
                s.writes = Some(vec![ProcessWrites { pid: 4711, process: 4711, bytes }]);
            }
            let verdict = judge(&case(samples.clone(), 30));
            assert_eq!(verdict.likely().unwrap().pids, pids);
            samples.last_mut().unwrap().sessions.clear();
            let ended = judge(&case(samples, 30));
            assert!(ended.likely().unwrap().actions.is_empty(), "there is nothing to cancel");
        }
    }

    #[test]
    fn a_session_whose_temporary_files_take_the_space_is_named() {
        for (bytes, named) in [(300_000_000, true), (20_000_000, false), (900_000_000, false)] {
            let mut samples = with_free(|s| 50.0 - s as f64);
            for s in samples.iter_mut().skip(30) {
                let mut sorts = session(4711, "active", &[]);
                sorts.query_start = Some(at(20));
                s.sessions = vec![sorts];
                s.temp_files = Some(vec![TempFiles { pid: 4711, bytes }]);
            }
            let verdict = judge(&case(samples, 30));
            assert_eq!(verdict.likely().unwrap().pids == [4711], named, "{bytes}");
        }
    }

    #[test]
    fn a_dump_and_a_statement_that_waits_write_nothing() {
        for (query, blocked_by) in [
            ("COPY public.orders (id, note) TO stdout", &[][..]),
            ("COPY (SELECT * FROM orders) TO stdout", &[][..]),
            ("ALTER TABLE orders ALTER id TYPE bigint", &[7][..]),
        ] {
            let mut samples = with_free(|s| 50.0 - s as f64);
            for s in samples.iter_mut().skip(30) {
                let mut innocent = session(4711, "active", blocked_by);
                innocent.query = query.to_owned();
                s.sessions = vec![innocent];
            }
            let verdict = judge(&case(samples, 30));
            assert!(verdict.likely().unwrap().pids.is_empty(), "{query}");
        }
        assert!(is_copy("COPY public.orders (id, note) FROM stdin"));
    }

    /// The volume loses 10 MB a second.
    #[test]
    fn a_statement_is_not_blamed_for_what_another_program_writes() {
        for (written_per_s, pids, proven) in
            [(6_000_000, &[4711][..], true), (2_000_000, &[4711], false), (900_000, &[], true)]
        {
            let mut samples = with_free(|s| 50.0 - s as f64);
            for (i, s) in (0..).zip(&mut samples).skip(22) {
                let mut copy = session(4711, "active", &[]);
                copy.query = "CREATE INDEX orders_note ON orders (note)".to_owned();
                copy.query_start = Some(at(20));
                s.sessions = vec![copy];
                let bytes = (1 << 40) + written_per_s * i;
                s.writes = Some(vec![ProcessWrites { pid: 4711, process: 4711, bytes }]);
            }
            let verdict = judge(&case(samples, 30));
            let likely = verdict.likely().unwrap();
            assert_eq!((likely.pids.as_slice(), !likely.is_unproven), (pids, proven));
            assert_eq!(likely.actions.is_empty(), pids.is_empty());
            let told = likely.evidence().iter().any(|e| e.claim.contains("written by pid 4711"));
            assert!(told, "{:?}", likely.evidence());
        }
    }

    #[test]
    fn wal_on_another_volume_takes_nothing_of_this_one() {
        let mut samples = with_free(|s| 50.0 - s as f64);
        for (i, s) in (0..).zip(&mut samples) {
            s.host.as_mut().unwrap().wal_free_bytes = Some(1e9);
            let wal_bytes = Some(f64::from(i) * 0.9e7);
            s.wal = Some(WalCounters { wal_bytes, ..WalCounters::default() });
        }
        assert!(judge(&case(samples, 30)).likely().is_some());
    }

    #[test]
    fn a_volume_that_wal_fills_is_a_consequence() {
        let mut samples = with_free(|s| 50.0 - s as f64);
        for (i, s) in (0..).zip(&mut samples) {
            let wal_bytes = Some(f64::from(i) * 0.9e7);
            s.wal = Some(WalCounters { wal_bytes, ..WalCounters::default() });
        }
        assert!(matches!(judge(&case(samples, 30)), Verdict::RuledOut { present: true, .. }));
    }
}
