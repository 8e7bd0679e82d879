//! Numbers that several detectors and causes ask for, computed in one place.

use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// A source of kind sample.
pub(crate) fn sampled(sampler: &str) -> Source {
    Source::new(SourceKind::Sample, sampler)
}

/// A source of kind log that quotes the line.
pub(crate) fn logged(entry: &LogEntry) -> Source {
    Source::new(
        SourceKind::Log,
        format!(
            "{} [{}] {} {}",
            entry.at.strftime("%H:%M:%S"),
            entry.pid,
            entry.sqlstate,
            cut(&entry.message, 120)
        ),
    )
}

/// A source of kind DDL log.
pub(crate) fn ddl_source(event: &DdlEvent) -> Source {
    Source::new(
        SourceKind::Ddl,
        format!("{} {} {}", event.at.strftime("%H:%M:%S"), event.command, event.identity),
    )
}

/// At most `n` characters on one line.
pub(crate) fn cut(text: &str, n: usize) -> String {
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match one_line.char_indices().nth(n) {
        Some((at, _)) => format!("{}…", one_line.get(..at).unwrap_or("").trim_end()),
        None => one_line,
    }
}

/// Transactions per second in the trouble and before it.
pub(crate) fn throughput(case: &Case) -> Option<(f64, f64)> {
    let now = delta(case.window.last_seconds(10.0).get(..)?)
        .or_else(|| delta(case.window.recent()))?
        .xacts_per_s;
    let before = delta(case.window.baseline())?.xacts_per_s;
    Some((now, before))
}

/// Statements that clients sent per second, those that failed among them: in the trouble and
/// before it. Transactions are more when clients fail: each prepares its statement again.
pub(crate) fn attempts(case: &Case) -> Option<(f64, f64)> {
    let sent = |samples: &[Sample]| -> f64 {
        let done: f64 = statement_deltas(samples).iter().map(|d| d.calls_per_s).sum();
        if done == 0.0 { 0.0 } else { done + count_log(samples, is_statement_error).1 }
    };
    let (now, before) = (sent(case.window.recent()), sent(case.window.baseline()));
    (now > 0.0 && before > 0.0).then_some((now, before))
}

/// Trouble follows its cause within this time; a rate that rises later is clients that come back.
const SPIKE_WITHIN_S: f64 = 10.0; // as long as clients wait before they try again

/// The highest rate of transactions over any five seconds that led to the trouble, and before.
pub(crate) fn peak_throughput(case: &Case) -> Option<(f64, f64)> {
    let before = delta(case.window.baseline())?.xacts_per_s;
    let recent = case.window.recent();
    let near = |s: &Sample| seconds_between(case.onset, s.at) <= SPIKE_WITHIN_S;
    let recent = recent.get(..recent.partition_point(near)).unwrap_or(&[]);
    let peak = recent.windows(6).filter_map(delta).map(|d| d.xacts_per_s).fold(0.0, f64::max);
    let peak = if recent.len() < 6 { delta(recent)?.xacts_per_s } else { peak };
    Some((peak, before))
}

/// Is this a line that a failing statement leaves? Lines of our own watching sessions never
/// reach a sample, by pid and start of the backend; a name that anyone can take excludes nobody.
pub(crate) fn is_statement_error(entry: &LogEntry) -> bool {
    entry.severity == "ERROR"
}

/// A statement met data that are not what was written: XX001, XX002.
pub(crate) fn is_damage(entry: &LogEntry) -> bool {
    is_statement_error(entry) && matches!(entry.sqlstate.as_str(), "XX001" | "XX002")
}

/// The table whose long values lie in the TOAST table that a message names, whatever its language:
/// `missing chunk number 0 for toast value 24437 in pg_toast_16430`.
pub(crate) fn toasted<'a>(catalog: Option<&'a Catalog>, message: &str) -> Option<&'a Relation> {
    let (_, rest) = message.split_once("pg_toast_")?;
    let oid: u32 = rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    catalog?.relations.iter().find(|r| r.oid == oid).map(|r| &r.relation)
}

/// A login that failed: FATAL, class 28.
pub(crate) fn is_login_failure(entry: &LogEntry) -> bool {
    entry.severity == "FATAL" && entry.sqlstate.starts_with("28")
}

/// A client that went away without saying so: what a broken path leaves in the log.
pub(crate) fn is_reset(entry: &LogEntry) -> bool {
    entry.sqlstate.starts_with("08")
        || entry.message.starts_with("unexpected EOF on client connection")
        || entry.message.starts_with("could not receive data from client")
        || entry.message.starts_with("could not send data to client")
        || entry.message.starts_with("connection to client lost")
}

/// The role or the database that has as many connections as it may, by a line that refuses one more
/// while the server itself has room.
pub(crate) fn full(entry: &LogEntry) -> Option<Full<'_>> {
    // In quotes: a database may be called `clients`.
    let named = |name: &str| !name.is_empty() && entry.message.contains(&format!("\"{name}\""));
    let of_database = entry.message.contains("database \"");
    match entry.sqlstate.as_str() {
        "53300" if named(&entry.role) && !of_database => Some(Full::Role(&entry.role)),
        "53300" if named(&entry.database) => Some(Full::Database(&entry.database)),
        _ => None,
    }
}

/// Whose limit of connections it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Full<'a> {
    Role(&'a str),
    Database(&'a str),
}

impl Full<'_> {
    pub(crate) fn holds(self, session: &SessionSample) -> bool {
        match self {
            Full::Role(role) => session.role == role,
            Full::Database(database) => session.database == database,
        }
    }
}

impl std::fmt::Display for Full<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Full::Role(role) => write!(f, "role {role}"),
            Full::Database(database) => write!(f, "database {database}"),
        }
    }
}

/// How many log lines of a run of samples fulfil `wanted`, and how many that is a second.
pub(crate) fn count_log(samples: &[Sample], wanted: impl Fn(&LogEntry) -> bool) -> (usize, f64) {
    let n = samples.iter().flat_map(|s| &s.log).filter(|e| wanted(e)).count();
    (n, n as f64 / seconds_of(samples))
}

/// Seconds that a run of samples covers, one at least.
pub(crate) fn seconds_of(samples: &[Sample]) -> f64 {
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) => seconds_between(first.at, last.at).max(1.0),
        _ => 1.0,
    }
}

/// Lines of the log that have become frequent: the first, their rate and that of the baseline.
/// At least `n_min` in these samples, and three times the baseline.
pub(crate) fn risen(
    window: &Window,
    last_s: f64,
    n_min: usize,
    wanted: impl Fn(&LogEntry) -> bool,
) -> Option<(&LogEntry, f64, f64)> {
    let recent = window.last_seconds(last_s);
    let (n, per_s) = count_log(recent, &wanted);
    let (_, before) = count_log(window.baseline(), &wanted);
    let first = recent.iter().flat_map(|s| &s.log).find(|e| wanted(e))?;
    (n >= n_min && per_s > 3.0 * before).then_some((first, per_s, before))
}

/// Statement errors since the onset by SQLSTATE.
pub(crate) fn errors_by_state(samples: &[Sample]) -> BTreeMap<String, Vec<&LogEntry>> {
    let mut by_state: BTreeMap<String, Vec<&LogEntry>> = BTreeMap::new();
    for entry in samples.iter().flat_map(|s| &s.log).filter(|e| is_statement_error(e)) {
        by_state.entry(entry.sqlstate.clone()).or_default().push(entry);
    }
    by_state
}

/// `Unknown` when a sampler has gaps since the onset or never ran.
pub(crate) fn complete(case: &Case, sampler: &str, words: &str) -> Option<Verdict> {
    let recent = case.window.recent();
    if Window::complete(recent, sampler) {
        return None;
    }
    let why = recent
        .iter()
        .flat_map(|s| &s.gaps)
        .find(|g| g.sampler == sampler)
        .map_or("no sample since the onset".to_owned(), |g| g.why.clone());
    Some(Verdict::unknown(format!("{words}: {why}")))
}

/// A change is felt this long after it was made: sessions keep the value they began with until
/// they connect again.
const NEAR_S: f64 = 300.0; // pools renew their connections within minutes

/// Changes of that kind (`setting`, `privilege`, ...) from shortly before the onset on. One that
/// brought the trouble was made before it, and lies in the baseline.
pub(crate) fn changes_near<'a>(
    case: &'a Case,
    kind: &'static str,
) -> impl DoubleEndedIterator<Item = &'a ConfigChange> {
    let near = move |c: &&ConfigChange| seconds_between(c.at, case.onset) < NEAR_S;
    let changes = case.window.samples.iter().flat_map(|s| &s.changes);
    changes.filter(move |c| c.kind == kind).filter(near)
}

/// Says what the same number was before the onset, where anything was measured then.
pub(crate) fn against_before(
    evidence: Evidence,
    case: &Case,
    measure: impl Fn(&[Sample]) -> f64,
) -> Evidence {
    let before = case.window.baseline();
    if before.is_empty() { evidence } else { evidence.against(measure(before)) }
}

/// `Unknown` until settings and roles were read since the onset, which they are every few seconds:
/// that none is seen to have changed says nothing before.
pub(crate) fn not_read_yet(case: &Case) -> Option<Verdict> {
    // What waits for a restart is noted each time that settings are read.
    let is_read = case.window.recent().iter().any(|s| s.pending.is_some());
    (!is_read)
        .then(|| Verdict::unknown("whether settings or roles changed: they were not read since"))
}

/// `Unknown` when nothing was seen before the onset, so that nothing can be compared.
pub(crate) fn no_baseline(case: &Case) -> Option<Verdict> {
    (case.window.baseline().len() < 2)
        .then(|| Verdict::unknown("nothing was measured before the onset to compare with"))
}

/// `Unknown` when somebody is blocked by a session that we cannot see.
pub(crate) fn unseen_blocker(case: &Case) -> Option<Verdict> {
    let unseen = case
        .window
        .recent()
        .iter()
        .flat_map(crate::forest::roots)
        .find(|r| r.pid != 0 && r.session.is_none_or(|s| s.state.is_empty()))?;
    Some(Verdict::unknown(format!(
        "what pid {} does, which blocks {} sessions: it cannot be seen",
        unseen.pid,
        unseen.waiters.len()
    )))
}

/// Most sessions behind one root in these samples.
pub(crate) fn most_waiters(samples: &[Sample]) -> f64 {
    crate::forest::worst(samples).map_or(0.0, |r| r.waiters.len() as f64)
}

/// What the probes of the path say: attempts, failures and the median handshake, in the
/// trouble and before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Path {
    pub(crate) tried: u32,
    pub(crate) failed: u32,
    pub(crate) failed_before: f64,
    /// TCP handshake where there is TCP, else the round trip of `SELECT 1`.
    pub(crate) ms: f64,
    pub(crate) ms_before: f64,
    pub(crate) is_handshake: bool,
}

pub(crate) fn path(case: &Case) -> Option<Path> {
    let of = |samples: &[Sample]| {
        let probes: Vec<NetworkProbe> = samples.iter().filter_map(|s| s.probe).collect();
        let handshakes: Vec<f64> = probes.iter().filter_map(|p| p.tcp_ms).collect();
        let trips: Vec<f64> = probes.iter().filter_map(|p| p.round_trip_ms).collect();
        let tried: u32 = probes.iter().map(|p| p.tried).sum();
        let failed: u32 = probes.iter().map(|p| p.failed).sum();
        let is_handshake = !handshakes.is_empty();
        let ms = median(if is_handshake { handshakes } else { trips });
        (tried, failed, ms, is_handshake)
    };
    let (tried, failed, ms, is_handshake) = of(case.window.recent());
    let (tried_before, failed_before, ms_before, _) = of(case.window.baseline());
    (tried > 0 && tried_before > 0).then(|| Path {
        tried,
        failed,
        failed_before: f64::from(failed_before) / f64::from(tried_before),
        ms: ms.unwrap_or(0.0),
        ms_before: ms_before.unwrap_or(0.0),
        is_handshake,
    })
}

/// Looks of our own ended in a lock timeout since the onset, and nobody new was let in meanwhile:
/// somebody held a strong lock on a system catalog, which every start-up and most statements read.
/// A locked table of a user's ends our looks too, and lets everybody in.
pub(crate) fn catalog_was_locked(case: &Case) -> bool {
    let recent = case.window.recent();
    let gaps = recent.iter().flat_map(|s| &s.gaps).filter(|g| g.why.contains("55P03"));
    let shut = recent.iter().filter_map(|s| s.probe).filter(|p| p.tried > 0 && p.failed == p.tried);
    gaps.count() >= 2 && shut.count() >= 2
}

/// The round trip of `SELECT 1` over the standing connection in ms, median: since the onset, and
/// before it.
pub(crate) fn round_trips(case: &Case) -> Option<(f64, f64)> {
    let trip = |samples: &[Sample]| {
        median(samples.iter().filter_map(|s| s.probe?.round_trip_ms).collect())
    };
    Some((trip(case.window.recent())?, trip(case.window.baseline())?))
}

pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// How a pid, its role and application are named everywhere.
pub(crate) fn who(session: &SessionSample) -> String {
    format!("pid {} of {}", session.pid, session.called())
}

/// Did one of our own recoveries do it? Those are the answer, not the cause; a change that
/// went through pgward can well be the cause.
pub(crate) fn is_recovery(event: &DdlEvent) -> bool {
    event.application.starts_with(RECOVERY)
}

/// Is it a session in which a recovery of ours is at work? What it waits for is no harm of the
/// outage's.
pub(crate) fn is_recovering(session: &SessionSample) -> bool {
    session.application.starts_with(RECOVERY)
}

/// Does pgward itself act in it: a recovery, or what it looks up before one? What an `apply` does is
/// its author's.
pub(crate) fn is_ours(session: &SessionSample) -> bool {
    is_recovering(session) || session.application == ACTING
}

/// The application of a session in which nothing is carried out yet.
const ACTING: &str = "pgward act";

/// `role deploy (psql) ran at 03:04:05 UTC: DROP INDEX ...`.
pub(crate) fn ran(event: &DdlEvent) -> String {
    let application = match event.application.as_str() {
        "" => String::new(),
        application => format!(" ({application})"),
    };
    let (at, statement) = (event.at.strftime("%H:%M:%S UTC"), cut(&event.statement, 160));
    format!("role {}{application} ran at {at}: {statement}", event.role)
}

/// First word of a statement in capitals, comments in front left out.
pub fn verb(sql: &str) -> String {
    let mut rest = sql.trim_start();
    loop {
        if let Some(after) = rest.strip_prefix("--") {
            rest = after.split_once('\n').map_or("", |(_, r)| r).trim_start();
        } else if let Some(after) = rest.strip_prefix("/*") {
            rest = after.split_once("*/").map_or("", |(_, r)| r).trim_start();
        } else {
            break;
        }
    }
    rest.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or("").to_ascii_uppercase()
}

/// Does the statement change the schema?
pub(crate) fn is_ddl(sql: &str) -> bool {
    matches!(
        verb(sql).as_str(),
        "ALTER"
            | "CREATE"
            | "DROP"
            | "TRUNCATE"
            | "REINDEX"
            | "CLUSTER"
            | "REFRESH"
            | "VACUUM"
            | "COMMENT"
            | "LOCK"
    )
}

/// Does the statement change rows?
pub(crate) fn is_dml(sql: &str) -> bool {
    matches!(verb(sql).as_str(), "UPDATE" | "DELETE" | "INSERT" | "MERGE" | "COPY" | "WITH")
}

/// Does it do no work of its own? Drivers send these around each statement, as often as it.
pub(crate) fn is_frame(sql: &str) -> bool {
    matches!(
        verb(sql).as_str(),
        "BEGIN"
            | "START"
            | "COMMIT"
            | "END"
            | "ROLLBACK"
            | "ABORT"
            | "SAVEPOINT"
            | "RELEASE"
            | "SET"
            | "RESET"
            | "SHOW"
            | "DISCARD"
            | "DEALLOCATE"
    )
}

/// Sessions that run a statement and wait neither for a lock nor for their client, on average.
pub(crate) fn at_work(samples: &[Sample]) -> f64 {
    let works = |s: &SessionSample| {
        s.state == "active" && !matches!(s.wait_type.as_str(), "Lock" | "Client")
    };
    let n = samples.iter().flat_map(|s| &s.sessions).filter(|s| works(s)).count();
    n as f64 / (samples.len() as f64).max(1.0)
}

/// So many times the usual sessions at work, and some more, are a crowd.
pub(crate) fn is_crowd(now: f64, usual: f64) -> bool {
    now > 2.0 * usual + 4.0
}

/// So many times the sessions of before are more clients; a pool grows by less for the same ones.
pub(crate) const MORE_CLIENTS: f64 = 2.0;

/// Sessions of a role, most at one time since the onset and before it; `None` where none was seen
/// before.
pub(crate) fn sessions_of(case: &Case, role: &str) -> Option<(f64, f64)> {
    let most = |samples: &[Sample]| {
        let n = |s: &Sample| s.sessions.iter().filter(|x| x.role == role).count();
        samples.iter().map(n).max().unwrap_or(0) as f64
    };
    let (now, before) = (most(case.window.recent()), most(case.window.baseline()));
    (before > 0.0).then_some((now, before))
}

/// Statement deltas since the onset with the same statement before it, most added time first.
pub(crate) fn regressions(window: &Window) -> Vec<(StatementDelta, StatementDelta)> {
    let before = statement_deltas(window.baseline());
    let recent = window.recent();
    let mut pairs: Vec<(StatementDelta, StatementDelta)> = statement_deltas(recent)
        .into_iter()
        .filter_map(|now| {
            before
                .iter()
                .find(|b| b.query_id == now.query_id && b.role == now.role)
                .map(|b| (now.clone(), b.clone()))
        })
        .collect();
    let added = |p: &(StatementDelta, StatementDelta)| {
        (p.0.ms_per_call - p.1.ms_per_call) * p.0.calls_per_s
    };
    pairs.sort_by(|a, b| added(b).total_cmp(&added(a)));
    pairs
}

/// Other parameters hit other rows; a plan that changed reads many times as much.
const SAME_WORK: f64 = 1.5;

/// Does one call do the work that it did before?
pub(crate) fn is_same_work(now: &StatementDelta, before: &StatementDelta) -> bool {
    now.blks_per_call < SAME_WORK * before.blks_per_call.max(1.0)
        && now.rows_per_call < SAME_WORK * before.rows_per_call.max(1.0)
}

/// Times that it was seen at work, of which a share can be told.
const SEEN_MIN: usize = 5;
/// Of the sessions at work: a statement that computes waits for nothing.
const COMPUTES: f64 = 0.6;

/// That the sessions which run a statement wait for nothing while they do; `None` where they wait,
/// or were not seen.
pub(crate) fn computing(case: &Case, statement: &StatementDelta) -> Option<Evidence> {
    let at_work = || {
        let all = case.window.recent().iter().flat_map(|s| &s.sessions);
        all.filter(|s| s.state == "active" && s.query_id == statement.query_id)
    };
    let (n, n_computing) =
        (at_work().count(), at_work().filter(|s| s.wait_type.is_empty()).count());
    let computing = 100.0 * n_computing as f64 / n.max(1) as f64;
    let evidence = Evidence::measured(
        format!("of {n} times that it was seen at work, it waited for nothing"),
        computing,
        "% of times",
        sampled("sessions: pg_stat_activity"),
    )
    .at(case.window.now());
    (n >= SEEN_MIN && computing >= 100.0 * COMPUTES).then_some(evidence)
}

/// `10.0.0.1:4000` without the port.
pub(crate) fn host(client: &str) -> &str {
    client.rsplit_once(':').map_or(client, |(host, _)| host)
}

/// The words of a statement, as names are written without quotes.
pub(crate) fn words(sql: &str) -> impl Iterator<Item = &str> {
    let words = sql.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'));
    words.filter(|word| !word.is_empty())
}

/// A failing statement up to its first constant: what fails by the thousand is few texts so far.
pub(crate) fn until_a_constant(sql: &str) -> &str {
    sql.split(|c: char| c == '\'' || c.is_ascii_digit()).next().unwrap_or(sql)
}

/// Does `sql` name the relation as a word?
pub(crate) fn mentions(sql: &str, name: &str) -> bool {
    words(sql).any(|word| word.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_found_behind_comments() {
        assert_eq!(verb("/* app:x */ -- y\n update a set b = 1"), "UPDATE");
        assert!(is_ddl("ALTER TABLE a ADD b int"));
    }

    #[test]
    fn a_relation_is_mentioned_as_a_whole_word() {
        assert!(mentions("select * from orders o", "orders"));
        assert!(!mentions("select * from old_orders", "orders"));
    }
}
