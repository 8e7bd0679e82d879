//! A script dropped, emptied, deleted or overwrote data.

use super::Cause;
use crate::detectors::gives_a_name;
use crate::facts::{
    complete, cut, ddl_source, errors_by_state, is_statement_error, logged, mentions, ran, sampled,
    seconds_of, until_a_constant, verb,
};
use crate::forest;
use crate::reach::Reach;
use crate::written;
use pgward_model::prelude::*;
use std::collections::HashMap;

pub(super) static CAUSE: Cause = Cause {
    id: "schema_data_loss",
    name: "Mass DELETE, UPDATE, TRUNCATE or DROP by a script",
    necessary: "a table in use was dropped or emptied, or a large share of its rows was written at once",
    explains: &["relation_vanished", "mass_write", "rows_missing", "error_burst"],
    actions: &["restore_table", "refill_table", "undo_rows"],
    prevention: &[
        "Send changes through `pgward apply`: it refuses drops of live tables and undeclared bulk changes",
        "Take the right to drop tables from deploy roles",
        "Fail a deploy step when a variable it uses is unset",
        "Restore one table from backup and WAL each week and record how long it takes",
    ],
    judge,
};

fn judge(case: &Case) -> Verdict {
    let vanished = vanished(case);
    if !vanished.is_empty() {
        return dropped(case, &vanished);
    }
    if let Some(likely) = put_aside(case) {
        return Verdict::Likely(likely);
    }
    let written = writes(case);
    if let Some(first) = written.first() {
        let committed = written.iter().find_map(|symptom| committed(case, symptom));
        let noticed = written.iter().find(|s| s.detector == "mass_write").unwrap_or(first);
        return committed.unwrap_or_else(|| rewritten(case, noticed));
    }
    if let Some(likely) = at_work(case) {
        return Verdict::Likely(likely);
    }
    if let Some(unknown) = complete(case, "ddl", "DDL was not seen") {
        return unknown;
    }
    if let Some(meant) = case.symptoms.iter().find(|s| s.detector == "relation_vanished") {
        return Verdict::unknown(format!(
            "whether it was meant: {}; nobody misses it",
            meant.title
        ));
    }
    let counted = case.window.recent().iter().any(|s| s.tables.is_some());
    if !counted {
        return Verdict::unknown("table counters since the onset");
    }
    if seconds_between(case.onset, case.window.now()) < FOLLOWS_S {
        return Verdict::unknown(
            "how many rows were written: a session that has just written reports it up to 10 s later",
        );
    }
    Verdict::ruled_out(
        Evidence::measured(
            "tables in use that were dropped, emptied, or had a tenth of their rows written at once",
            0.0,
            "tables",
            sampled("ddl, tables: pg_stat_user_tables"),
        )
        .against(0.0)
        .at(case.window.now()),
    )
}

/// The rows are all there, under another name: whoever gave it to them took them away. The way back
/// is for a person: what is in their place may have taken rows since.
fn put_aside(case: &Case) -> Option<Likely> {
    case.symptoms.iter().find(|s| s.weight == Weight::Harm)?;
    let symptom = case
        .symptoms
        .iter()
        .find(|s| s.detector == "relation_vanished" && s.relations.len() == 2)?;
    let first = symptom.evidence().first()?.clone();
    let near = |d: &&DdlEvent| seconds_between(d.at, symptom.since).abs() <= FOLLOWS_S;
    // Of one of the two, or of a schema, which is no relation.
    let names = |d: &&DdlEvent| {
        let one = |r: &Relation| symptom.relations.iter().any(|x| x.same_as(r));
        gives_a_name(d) && d.relation.as_ref().is_none_or(one)
    };
    let last = case.ddl.iter().filter(near).rfind(names);
    let by = last.map_or(String::new(), |d| format!(": {}", ran(d)));
    let rows = |n: Option<f64>| n.map_or("?".to_owned(), human);
    let says = format!(
        "{}: {} rows instead of {}{by}",
        symptom.title,
        rows(first.value),
        rows(first.baseline)
    );
    let mut likely = Likely::new(0.95, says, first).on(symptom.relations.iter().cloned());
    if let Some(last) = last {
        let told = Evidence::stated(cut(&last.statement, 160), ddl_source(last)).at(last.at);
        likely = likely.by([last.pid]).and(told).blaming([last.clone()]);
    }
    Some(likely)
}

/// What went with a table that is missed: all that the same transaction dropped or emptied, and what
/// the same session emptied before or after it. What nobody has asked for yet, as last month's
/// partition, is lost as well.
fn vanished(case: &Case) -> Vec<&DdlEvent> {
    let goes = |d: &&DdlEvent| (d.dropped && d.object_kind == "table") || empties(d);
    let gone: Vec<&Symptom> =
        case.symptoms.iter().filter(|s| s.detector == "relation_vanished").collect();
    let seen = |d: &DdlEvent, is_it: fn(&Symptom) -> bool| {
        let named = |s: &Symptom| {
            d.relation.as_ref().is_some_and(|r| s.relations.iter().any(|x| x.same_as(r)))
        };
        gone.iter().any(|s| is_it(s) && named(s))
    };
    let events = case.window.recent().iter().flat_map(|s| &s.ddl).filter(goes);
    let (missed, others): (Vec<&DdlEvent>, Vec<&DdlEvent>) =
        events.filter(|d| seen(d, |_| true)).partition(|d| seen(d, |s| s.weight == Weight::Harm));
    let with = |d: &&DdlEvent| {
        missed.iter().any(|m| (m.xid.is_some() && m.xid == d.xid) || emptied_with(case, m, d))
    };
    missed.iter().copied().chain(others.into_iter().filter(with)).collect()
}

fn empties(event: &DdlEvent) -> bool {
    event.command.starts_with("TRUNCATE")
}

/// Did the session that emptied a missed table empty the other one too, at about the same time?
/// What it empties every day, and what it has filled again, it has not taken from anybody.
fn emptied_with(case: &Case, missed: &DdlEvent, other: &DdlEvent) -> bool {
    let near = seconds_between(missed.at, other.at).abs() <= FOLLOWS_S;
    if !(empties(missed) && empties(other) && near) {
        return false;
    }
    let (role, _) = author(case, other);
    let same = match (missed.pid, other.pid) {
        // A session that has gone on to its next statement is known by its role only.
        (0, _) | (_, 0) => !role.is_empty() && author(case, missed).0 == role,
        (a, b) => a == b,
    };
    same && !is_daily(case, other, role) && !is_filled(case, other, role)
}

/// Had the role emptied the table before?
fn is_daily(case: &Case, event: &DdlEvent, role: &str) -> bool {
    let counted = case.window.baseline().iter().rev().find_map(|s| s.statements.as_ref());
    counted.into_iter().flatten().any(|s| s.role == role && names_emptied(&s.text, event))
}

/// Does the text empty the table of the event, by its name?
fn names_emptied(text: &str, event: &DdlEvent) -> bool {
    let name = event.relation.as_ref().map_or("", |r| &r.name);
    verb(text) == "TRUNCATE" && mentions(text, name)
}

/// Has the role put rows into the table since the baseline, as one does who loads it anew?
fn is_filled(case: &Case, event: &DdlEvent, role: &str) -> bool {
    let name = event.relation.as_ref().map_or("", |r| &r.name);
    let fills = |s: &&StatementCounters| {
        let verb = verb(&s.text);
        s.role == role && ["COPY", "INSERT", "MERGE"].contains(&&*verb) && mentions(&s.text, name)
    };
    let n_rows = |samples: &[Sample]| -> i64 {
        let counted = samples.iter().rev().find_map(|s| s.statements.as_ref());
        counted.into_iter().flatten().filter(fills).map(|s| s.rows).sum()
    };
    n_rows(case.window.recent()) > n_rows(case.window.baseline())
}

fn dropped(case: &Case, events: &[&DdlEvent]) -> Verdict {
    let Some(first) = events.first() else { return Verdict::unknown("which table") };
    // Of what one session did, one of its statements may be all that tells of it.
    let told = |d: &&&DdlEvent| !author(case, d).0.is_empty();
    let event = events.iter().find(told).unwrap_or(first);
    let relations: std::collections::BTreeSet<Relation> =
        events.iter().filter_map(|d| d.relation.clone()).collect();
    let names = relations.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let (role, statement) = author(case, event);
    let says = format!(
        "{} of {names} by role {}{} at {}{}: {}",
        event.command,
        roles(case, events),
        application(case, events, role).map_or(String::new(), |a| format!(" ({a})")),
        event.at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        position(event, events),
        cut(statement, 200),
    );
    let gone = case.symptoms.iter().find(|s| s.detector == "relation_vanished");
    let first = gone
        .and_then(|s| s.evidence().first().cloned())
        .unwrap_or_else(|| Evidence::stated(event.command.clone(), ddl_source(event)).at(event.at));
    let mut likely = Likely::new(0.98, says, first)
        .on(relations)
        .by([event.pid])
        .act(&[if event.dropped { "restore_table" } else { "refill_table" }])
        .blaming(events.iter().map(|d| (*d).clone()));
    let errors = errors_by_state(case.window.recent());
    if let Some(missing) = errors.get("42P01")
        && let Some(entry) = missing.first()
    {
        likely = likely.and(
            Evidence::measured(
                "statements failed because the table is missing (42P01)",
                missing.len() as f64,
                "errors",
                logged(entry),
            )
            .against(0.0)
            .at(case.window.now()),
        );
    }
    Verdict::Likely(likely)
}

/// Who is told to have done it.
fn roles(case: &Case, events: &[&DdlEvent]) -> String {
    let told = events.iter().map(|d| author(case, d).0).filter(|role| !role.is_empty());
    let roles: std::collections::BTreeSet<&str> = told.collect();
    match roles.is_empty() {
        true => "unknown".to_owned(),
        false => roles.into_iter().collect::<Vec<_>>().join(" and role "),
    }
}

/// Transactions named in a sentence; the rest is counted.
const TRANSACTIONS_MAX: usize = 5;

/// In which transactions it was done, and where in the WAL the event was.
fn position(event: &DdlEvent, events: &[&DdlEvent]) -> String {
    let xids: std::collections::BTreeSet<u64> = events.iter().filter_map(|d| d.xid).collect();
    let mut named: Vec<String> =
        xids.iter().take(TRANSACTIONS_MAX).map(ToString::to_string).collect();
    if xids.len() > named.len() {
        named.push(format!("… and {} more", xids.len() - named.len()));
    }
    let transactions = match xids.len() {
        0 => String::new(),
        1 => format!(" in transaction {}", named.concat()),
        _ => format!(" in transactions {}", named.join(", ")),
    };
    let at = event.lsn.as_ref().map_or(String::new(), |lsn| format!(" at LSN {lsn}"));
    format!("{transactions}{at}")
}

/// The application that one of the events tells of the role, or the only one that it has used since.
fn application<'a>(case: &'a Case, events: &[&'a DdlEvent], role: &str) -> Option<&'a str> {
    let mut told = events.iter().filter(|d| d.role == role && !d.application.is_empty());
    if let Some(event) = told.next() {
        return Some(&event.application);
    }
    let sessions = case.window.recent().iter().flat_map(|s| &s.sessions);
    let of_role = sessions.filter(|s| s.role == role).map(|s| s.application.as_str());
    let used: std::collections::BTreeSet<&str> = of_role.filter(|a| !a.is_empty()).collect();
    used.first().copied().filter(|_| used.len() == 1)
}

/// Role and statement; of a TRUNCATE, which fires no event trigger, the statement that was counted
/// since the onset and never before: the one that names the table, else the only one, or the only
/// one that takes others along.
fn author<'a>(case: &'a Case, event: &'a DdlEvent) -> (&'a str, &'a str) {
    if !event.role.is_empty() || !empties(event) {
        return (&event.role, &event.statement);
    }
    let new = new_truncates(case);
    let naming: Vec<&StatementCounters> =
        new.iter().copied().filter(|s| names_emptied(&s.text, event)).collect();
    let cascading = || new.iter().copied().filter(|s| mentions(&s.text, "cascade")).collect();
    let candidates: Vec<&StatementCounters> = match (naming.is_empty(), new.len()) {
        (false, _) => naming,
        (true, 1) => new,
        (true, _) => cascading(),
    };
    match candidates.as_slice() {
        [first, rest @ ..] if rest.iter().all(|s| s.role == first.role) => {
            (&first.role, &first.text)
        }
        _ => (&event.role, &event.statement),
    }
}

/// TRUNCATEs that nobody had run before the onset.
fn new_truncates(case: &Case) -> Vec<&StatementCounters> {
    let mut new = written::first_run(&case.window, case.onset, case.window.now());
    new.retain(|s| verb(&s.text) == "TRUNCATE");
    new
}

/// The statement that wrote what was measured, and what others feel of it since: statements that
/// fail, or that no longer find what they found. Rows that nobody misses are left alone.
fn committed(case: &Case, symptom: &Symptom) -> Option<Verdict> {
    let first = symptom.evidence().first()?;
    let (n_written, relation) = (first.value?, symptom.relations.first()?);
    let reach = |text: &str| Reach::of(case, text);
    let writer = written::writer(&case.window, symptom.since, n_written, relation, reach)?;
    // Rows that are not found may be meant to be gone. A few errors are nothing unusual in the
    // minutes for which that is an incident: only a burst of them says that they were not.
    let burst = case.symptoms.iter().any(|s| s.detector == "error_burst");
    let (missing, failing) = (missing(case, relation), failing(case, symptom, relation, writer));
    let (feels, felt, perhaps_meant) = match (missing, failing) {
        (Some((says, evidence)), _) if !burst => (says, evidence, true),
        (_, Some((says, evidence))) => (says, evidence, false),
        (Some((says, evidence)), None) => (says, evidence, true),
        (None, None) => return None,
    };
    let sender = case.window.recent().iter().flat_map(|s| &s.sessions).find(|s| {
        s.role == writer.role
            && verb(&s.query) == verb(&writer.text)
            && Reach::of(case, &s.query).touches(relation)
    });
    let is_own = written::wrote(writer, n_written);
    let n = human(if is_own { writer.rows as f64 } else { n_written });
    let says = format!(
        "role {}{} has changed {n} rows of {relation}{}: {}. Since then {feels}",
        writer.role,
        sender.map_or(String::new(), |s| format!(" ({}, pid {})", s.application, s.pid)),
        rows_before(case, relation).map_or(String::new(), |n| format!(", which had {}", human(n))),
        cut(sender.map_or(&*writer.text, |s| &s.query), 200),
    );
    let (what, n, unit) = match is_own {
        true => ("rows changed by one statement of", writer.rows, "rows"),
        false => (
            "calls of the one new statement that reaches it, through a function, by",
            writer.calls,
            "calls",
        ),
    };
    let rows = Evidence::measured(
        format!("{what} role {}: {}", writer.role, cut(&writer.text, 80)),
        n as f64,
        unit,
        sampled("statements: pg_stat_statements"),
    )
    .against(0.0)
    .at(case.window.now());
    let mut likely = Likely::new(0.88, says, first.clone())
        .and(felt)
        .and(rows)
        .on(symptom.relations.iter().cloned())
        .by(sender.map(|s| s.pid))
        .act(&["undo_rows"]);
    likely.perhaps_meant = perhaps_meant;
    Some(Verdict::Likely(likely))
}

/// A call that goes on: what a procedure has committed is counted when it ends. It reaches the table
/// that failing statements ask, nobody made such a call before, and they fail since it began.
fn at_work(case: &Case) -> Option<Likely> {
    case.symptoms.iter().find(|s| s.detector == "error_burst")?;
    let catalog = case.window.catalog.as_ref().or(case.catalog.as_ref())?;
    let said = |e: &&LogEntry| is_statement_error(e) && !is_chance(&e.sqlstate);
    let known = |query: &str| {
        let mut sessions = case.window.baseline().iter().flat_map(|s| &s.sessions);
        sessions.any(|s| verb(&s.query) == "CALL" && calls(&s.query) == calls(query))
    };
    let last = case.window.last()?;
    let calling =
        |s: &&SessionSample| s.state == "active" && verb(&s.query) == "CALL" && !known(&s.query);
    last.sessions.iter().filter(calling).find_map(|session| {
        let began = session.query_start?;
        let reach = Reach::of(case, &session.query);
        let log = || case.window.samples.iter().flat_map(|s| &s.log).filter(said);
        let mut failed = log().filter(|e| e.role != session.role && e.at >= began);
        let example = failed.find(|e| e.at >= case.window.baseline_until)?;
        let asks = Reach::of(case, &example.statement);
        let table = catalog
            .relations
            .iter()
            .map(|r| &r.relation)
            .find(|r| !reach.writers.is_empty() && reach.touches(r) && asks.touches(r))?;
        let same = |e: &&LogEntry| e.sqlstate == example.sqlstate;
        if log().filter(same).any(|e| e.at < began) {
            return None;
        }
        let n = log().filter(same).count();
        let says = format!(
            "role {} ({}, pid {}) runs what writes rows and reaches {table}, since {}: {}. Since then \
             {n} statements on it fail: {} ({})",
            session.role,
            session.application,
            session.pid,
            human_duration(seconds_between(began, case.window.now())),
            cut(&session.query, 160),
            cut(&example.message, 80),
            example.sqlstate
        );
        let claim = format!("statements that fail since pid {} calls", session.pid);
        let errors = Evidence::measured(claim, n as f64, "errors", logged(example));
        let errors = errors.against(0.0).at(case.window.now());
        (n >= 3).then(|| Likely::new(0.75, says, errors).on([table.clone()]).by([session.pid]))
    })
}

/// What a CALL calls.
fn calls(query: &str) -> &str {
    query.split('(').next().unwrap_or(query).trim()
}

/// The errors of others that name the table since.
fn failing(
    case: &Case,
    symptom: &Symptom,
    relation: &Relation,
    writer: &StatementCounters,
) -> Option<(String, Evidence)> {
    let mut on_it = names(case, relation);
    let recent = case.window.recent();
    let mut failed: Vec<&LogEntry> = recent.iter().flat_map(|s| &s.log).collect();
    failed.retain(|e| {
        is_statement_error(e)
            && !is_chance(&e.sqlstate)
            && e.role != writer.role
            && seconds_between(symptom.since, e.at) > -FOLLOWS_S
            && on_it(e)
    });
    let before = case.window.baseline().iter().flat_map(|s| &s.log);
    let n_before = before.filter(|e| is_statement_error(e) && on_it(e));
    let per_s = failed.len() as f64 / seconds_of(recent);
    let per_s_before = n_before.count() as f64 / seconds_of(case.window.baseline());
    let example = failed.first().filter(|_| failed.len() >= 3 && per_s > 3.0 * per_s_before)?;
    // What was broken well before it was written is not broken by that: somebody repairs it.
    let long_before = |e: &LogEntry| seconds_between(symptom.since, e.at) <= -FOLLOWS_S;
    let all = || recent.iter().flat_map(|s| &s.log);
    let similar = |e: &&LogEntry| e.sqlstate == example.sqlstate && e.role != writer.role;
    let n_before = all().filter(similar).filter(|e| long_before(e) && on_it(e)).count();
    if n_before >= 3 {
        return None;
    }
    let says = format!(
        "{} statements on it fail: {} ({})",
        failed.len(),
        cut(&example.message, 80),
        example.sqlstate
    );
    let errors = Evidence::measured(
        format!("statements on {relation} that fail since"),
        per_s,
        "errors/s",
        logged(example),
    );
    Some((says, errors.against(per_s_before).at(case.window.now())))
}

/// Errors that say nothing of the rows: of connections, rights, names and the schema, of what runs
/// at the same time or takes too long, of the server itself, and of a key that is there already.
fn is_chance(sqlstate: &str) -> bool {
    let classes =
        ["08", "0A", "25", "26", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"];
    classes.iter().any(|class| sqlstate.starts_with(class))
        || sqlstate.starts_with("XX")
        || sqlstate == "23505"
}

/// What clients no longer find in the table.
fn missing(case: &Case, relation: &Relation) -> Option<(String, Evidence)> {
    let missing = case.symptoms.iter().find(|s| {
        s.detector == "rows_missing" && s.relations.iter().any(|r| r.same_as(relation))
    })?;
    Some((format!("clients find {}", missing.title), missing.evidence().get(1)?.clone()))
}

/// Texts of failing statements that are looked through; the rest differ in their constants.
const TEXTS_MAX: usize = 50;

/// Does a failing statement name the table, or something that reaches it? What fails by the
/// thousand is few texts up to their first constant.
fn names<'a>(case: &'a Case, relation: &'a Relation) -> impl FnMut(&LogEntry) -> bool + 'a {
    let mut known: HashMap<String, bool> = HashMap::new();
    move |entry| {
        if mentions(&entry.statement, &relation.name) {
            return true;
        }
        let text = until_a_constant(&entry.statement);
        if !known.contains_key(text) && known.len() < TEXTS_MAX {
            known.insert(text.to_owned(), Reach::of(case, text).touches(relation));
        }
        known.get(text).copied().unwrap_or(false)
    }
}

/// The counters that tell of a write reach the view after the first statement that fails for it.
const FOLLOWS_S: f64 = written::LATE_S;

/// What tells of rows written at once, where clients miss them first.
fn writes(case: &Case) -> Vec<&Symptom> {
    let of = |detector: &'static str| case.symptoms.iter().filter(move |s| s.detector == detector);
    of("rows_missing").chain(of("mass_write")).collect()
}

/// All that is felt are statements that fail, and each for what no row can bring.
fn fails_otherwise(case: &Case, symptom: &Symptom) -> Option<String> {
    let mut harm = case.symptoms.iter().filter(|s| s.weight == Weight::Harm).peekable();
    harm.peek()?;
    let failed: Vec<&LogEntry> = case
        .window
        .recent()
        .iter()
        .flat_map(|s| &s.log)
        .filter(|e| is_statement_error(e))
        .collect();
    let first = failed.first()?;
    let otherwise = harm.all(|s| s.detector == "error_burst")
        && failed.iter().all(|e| is_chance(&e.sqlstate) && e.sqlstate != "23505");
    otherwise.then(|| {
        format!(
            "{}; yet all {} statements that fail are refused for what no row brings: {} ({})",
            symptom.title,
            failed.len(),
            cut(&first.message, 80),
            first.sqlstate
        )
    })
}

/// The change is blamed only where a session that harmed others did it: rows that a batch
/// of daily life writes hurt nobody and are left alone.
fn rewritten(case: &Case, symptom: &Symptom) -> Verdict {
    let Some(evidence) = symptom.evidence().first().cloned() else {
        return Verdict::unknown("how many rows were written");
    };
    let culprit = case
        .window
        .recent()
        .iter()
        .flat_map(forest::roots)
        .filter(|r| !r.waiters.is_empty())
        .max_by_key(|r| r.waiters.len())
        .and_then(|r| r.session)
        .filter(|s| !s.role.is_empty()) // a worker of the server's own writes no rows
        .filter(|s| !["VACUUM", "ANALYZE", "REINDEX"].contains(&verb(&s.query).as_str()))
        .filter(|s| {
            s.holds.iter().any(|h| symptom.relations.iter().any(|r| r.same_as(&h.relation)))
        });
    let Some(session) = culprit else {
        if let Some(claim) = fails_otherwise(case, symptom) {
            return Verdict::present_not_sufficient(Evidence { claim, ..evidence });
        }
        return Verdict::unknown(format!(
            "whether it was meant: {}; no session that harms others is known to have done it",
            symptom.title
        ));
    };
    Verdict::Likely(
        Likely::new(
            0.55,
            format!(
                "{}; the session that blocks others, {}, has locks on the same table",
                symptom.title,
                crate::facts::who(session)
            ),
            evidence,
        )
        .on(symptom.relations.iter().cloned())
        .by([session.pid])
        .act(&["undo_rows"]),
    )
}

/// Rows that a table was counted to have before the trouble.
fn rows_before(case: &Case, relation: &Relation) -> Option<f64> {
    let counted = case.window.baseline().iter().rev().find_map(|s| s.tables.as_ref())?;
    counted.iter().find(|t| t.relation.same_as(relation)).map(|t| t.rows() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, case, ddl, healthy, log, session, table};

    #[test]
    fn a_session_that_blocks_others_may_have_written_and_autovacuum_has_not() {
        let blocked_by = |role: &str| {
            let mut samples = healthy(36);
            let relation = Relation::new("public", "orders");
            let mut root = session(1, "active", &[]);
            root.role = role.to_owned();
            let mode = "AccessExclusiveLock".to_owned();
            root.holds = vec![HeldLock { mode, relation: relation.clone() }];
            samples.last_mut().unwrap().sessions = vec![root, session(2, "active", &[1])];
            let mut case = case(samples, 30);
            let source = Source::new(SourceKind::Sample, "");
            let evidence = Evidence::measured("x", 900.0, "rows", source);
            let (at, weight) = (at(33), Weight::Notice);
            case.symptoms =
                vec![Symptom::new("mass_write", at, at, weight, "x", evidence).on([relation])];
            judge(&case)
        };
        assert!(blocked_by("deploy").likely().is_some());
        assert!(matches!(blocked_by(""), Verdict::Unknown { .. }));
    }

    #[test]
    fn rows_that_were_written_bring_no_refusal() {
        for (state, ruled_out) in [("42501", true), ("P0001", false)] {
            let mut samples = healthy(40);
            samples.last_mut().unwrap().log = vec![log(39, "ERROR", state, "no"); 4];
            let mut case = case(samples, 30);
            let symptom = |detector: &str, weight| {
                let source = Source::new(SourceKind::Sample, "");
                let evidence = Evidence::measured("x", 900.0, "rows", source);
                Symptom::new(detector, at(33), at(39), weight, "x", evidence)
                    .on([Relation::new("public", "orders")])
            };
            case.symptoms =
                vec![symptom("error_burst", Weight::Harm), symptom("mass_write", Weight::Notice)];
            let verdict = judge(&case);
            let out = matches!(verdict, Verdict::RuledOut { present: true, .. });
            assert_eq!(out, ruled_out, "{state}: {verdict:?}");
        }
    }

    #[test]
    fn a_call_that_goes_on_is_told_where_others_fail_since_it_began() {
        let verdict = |began: i64, table: &str| {
            let mut samples = healthy(50);
            let mut catalog = Catalog::new(at(0), 150_000, "shop");
            catalog.relations = vec![RelationInfo::new(1, Relation::new("shop", "lease"), 'r')];
            catalog.objects = vec![ObjectInfo {
                kind: "function".to_owned(),
                identity: "shop.archive(integer)".to_owned(),
                definition: format!("BEGIN DELETE FROM {table}; COMMIT; END"),
                uses: Vec::new(),
            }];
            let mut line = log(40, "ERROR", "P0001", "there is no lease 7");
            line.statement = "SELECT due FROM lease WHERE id = 7".to_owned();
            samples.get_mut(40).unwrap().log = vec![line; 4];
            let mut call = session(9, "active", &[]);
            (call.role, call.query) = ("archivist".to_owned(), "CALL shop.archive(9)".to_owned());
            call.query_start = Some(at(began));
            samples.last_mut().unwrap().sessions = vec![call];
            let mut case = case(samples, 30);
            case.window.catalog = Some(catalog);
            let source = Source::new(SourceKind::Log, "");
            let errors = Evidence::measured("x", 60.0, "errors/s", source).against(0.0);
            case.symptoms =
                vec![Symptom::new("error_burst", at(40), at(49), Weight::Harm, "x", errors)];
            judge(&case)
        };
        let told = verdict(35, "lease");
        assert!(told.likely().unwrap().says.contains("reaches shop.lease"), "{told:?}");
        assert!(verdict(45, "lease").likely().is_none()); // who came after it repairs
        assert!(verdict(35, "offer").likely().is_none());
    }

    #[test]
    fn what_the_same_transaction_emptied_is_lost_too_also_where_nobody_misses_it() {
        let mut samples = healthy(40);
        let emptied = |name: &str, xid: u64| DdlEvent {
            xid: Some(xid),
            ..ddl(33, "TRUNCATE", "table", name)
        };
        let staging = DdlEvent { pid: 12, ..emptied("staging", 8) };
        samples.last_mut().unwrap().ddl =
            vec![emptied("wallet", 7), emptied("movement_old", 7), staging];
        let mut case = case(samples, 30);
        let symptom = |name: &str, weight: Weight| {
            let source = Source::new(SourceKind::Ddl, "");
            let evidence = Evidence::measured("x", 0.0, "rows", source);
            Symptom::new("relation_vanished", at(33), at(39), weight, "x", evidence)
                .on([Relation::new("public", name)])
        };
        case.symptoms = vec![
            symptom("wallet", Weight::Harm),
            symptom("movement_old", Weight::Notice),
            symptom("staging", Weight::Notice),
        ];
        let verdict = judge(&case);
        let blamed: Vec<&str> = verdict
            .likely()
            .unwrap()
            .ddl
            .iter()
            .filter_map(|d| Some(d.relation.as_ref()?.name.as_str()))
            .collect();
        assert_eq!(blamed, ["wallet", "movement_old"]);
    }

    /// Four tables were emptied by statements of their own; the last is not in use. The session has
    /// gone on when it is looked at: one event has its role, if that.
    fn emptied_one_by_one(known: &[(&'static str, &'static str)], role: &str, filled: i64) -> Case {
        let names = ["contract", "check_in", "member", "course"];
        let counted = |statements: &[(&str, &str)]| {
            let one = |(i, (role, text)): (usize, &(&str, &str))| StatementCounters {
                query_id: i as i64 + 1,
                role: (*role).to_owned(),
                text: (*text).into(),
                calls: 1,
                total_ms: 1.0,
                rows: 0,
                blks: 1,
                blks_read: 0,
                squares_ms2: 0.0,
            };
            Some(statements.iter().enumerate().map(one).collect::<Vec<_>>())
        };
        let mut samples = healthy(60);
        for (i, sample) in (0..).zip(&mut samples) {
            sample.statements = counted(if i < 40 { known } else { RUN });
            let copied = [("jonas", "COPY course FROM STDIN")];
            let mut copied = counted(&copied).unwrap();
            copied.iter_mut().for_each(|s| (s.query_id, s.rows) = (9, filled));
            sample.statements.as_mut().unwrap().extend(copied.into_iter().filter(|_| i >= 40));
        }
        let event = |(i, name): (usize, &&str)| DdlEvent {
            xid: Some(10 + i as u64),
            pid: 0,
            role: if *name == "member" { role.to_owned() } else { String::new() },
            application: if *name == "member" { "rspec".to_owned() } else { String::new() },
            statement: String::new(),
            lsn: None,
            ..ddl(41, "TRUNCATE", "table", name)
        };
        samples.get_mut(42).unwrap().ddl = names.iter().enumerate().map(event).collect();
        let mut case = case(samples, 40);
        let symptom = |name: &&str| {
            let source = Source::new(SourceKind::Ddl, "");
            let weight = if *name == "course" { Weight::Notice } else { Weight::Harm };
            let evidence = Evidence::measured("x", 0.0, "rows", source);
            Symptom::new("relation_vanished", at(41), at(59), weight, "x", evidence)
                .on([Relation::new("public", *name)])
        };
        case.symptoms = names.iter().map(symptom).collect();
        case
    }

    /// What the session ran, table by table.
    const RUN: &[(&str, &str)] = &[
        ("jonas", "TRUNCATE TABLE contract"),
        ("jonas", "TRUNCATE TABLE check_in"),
        ("jonas", "TRUNCATE TABLE member CASCADE"),
        ("jonas", "TRUNCATE TABLE course"),
    ];

    #[test]
    fn all_that_one_session_emptied_is_named_with_its_role_and_a_statement() {
        for role in ["jonas", ""] {
            let verdict = judge(&emptied_one_by_one(&[], role, 0));
            let likely = verdict.likely().unwrap();
            let names = "TRUNCATE of check_in, contract, course, member by role jonas";
            assert!(likely.says.contains(names), "{}", likely.says);
            assert!(likely.says.contains("in transactions 10, 11, 12, 13"), "{}", likely.says);
            assert_eq!(likely.says.contains("(rspec)"), !role.is_empty(), "{}", likely.says);
            assert_eq!(likely.ddl.len(), 4);
        }
        assert!(
            judge(&emptied_one_by_one(&[], "", 0)).likely().unwrap().says.ends_with("contract")
        );
    }

    #[test]
    fn what_one_empties_every_day_or_has_filled_again_is_left_alone() {
        let n = |case: Case| judge(&case).likely().unwrap().ddl.len();
        assert_eq!(n(emptied_one_by_one(&[("jonas", "TRUNCATE TABLE course")], "", 0)), 3);
        assert_eq!(n(emptied_one_by_one(&[], "", 300)), 3);
    }

    #[test]
    fn who_made_rows_vanish_is_named_and_may_have_meant_it() {
        let mut samples = healthy(60);
        for (i, sample) in (0..).zip(&mut samples) {
            let purge = StatementCounters {
                query_id: 2,
                role: "deploy".to_owned(),
                text: "DELETE FROM orders WHERE paid".into(),
                calls: 1,
                total_ms: 9.0,
                rows: 900,
                blks: 90,
                blks_read: 0,
                squares_ms2: 0.0,
            };
            sample.statements = Some(if i > 40 { vec![purge] } else { Vec::new() });
        }
        let mut case = case(samples, 40);
        let evidence = |n: f64, unit: &str| {
            Evidence::measured("x", n, unit, Source::new(SourceKind::Sample, "")).against(30.0)
        };
        let orders = Relation::new("public", "orders");
        let symptom = |detector: &str, weight| {
            let title = "3 rows a call, 30 before";
            Symptom::new(detector, at(40), at(59), weight, title, evidence(900.0, "rows"))
                .and(evidence(3.0, "rows/call"))
                .on([orders.clone()])
        };
        case.symptoms = vec![symptom("mass_write", Weight::Notice)];
        assert!(matches!(judge(&case), Verdict::Unknown { .. }));
        case.symptoms.push(symptom("rows_missing", Weight::Harm));
        let verdict = judge(&case);
        let likely = verdict.likely().unwrap();
        assert!(likely.perhaps_meant && likely.says.contains("role deploy"), "{}", likely.says);
        assert_eq!(likely.actions, ["undo_rows"]);
    }

    #[test]
    fn likely_ruled_out_and_unknown() {
        let mut samples = healthy(50);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::Unknown { .. }));
        samples.last_mut().unwrap().tables = Some(vec![table("orders", 10)]);
        assert!(matches!(judge(&case(samples.clone(), 30)), Verdict::RuledOut { .. }));
        // A session that has just written has not reported it yet.
        assert!(matches!(judge(&case(samples.clone(), 40)), Verdict::Unknown { .. }));
        samples.last_mut().unwrap().ddl = vec![ddl(39, "DROP TABLE", "table", "orders")];
        let mut dropped = case(samples, 30);
        let evidence = Evidence::measured("x", 1.0, "rows", Source::new(SourceKind::Ddl, ""));
        dropped.symptoms = vec![
            Symptom::new("relation_vanished", at(39), at(39), Weight::Harm, "x", evidence)
                .on([Relation::new("public", "orders")]),
        ];
        let verdict = judge(&dropped);
        let says = &verdict.likely().unwrap().says;
        assert!(
            says.contains("deploy") && says.contains("0/3000028") && says.contains("750"),
            "{says}"
        );
    }
}
