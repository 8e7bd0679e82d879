//! Ends idle sessions of the role that has taken the slots, the longest idle first.

use super::{Action, Cx, lossless, plan as refuse, runbook, step};
use crate::error::Error;
use pgward_model::prelude::*;
use pgward_pg::session::get;

pub(super) static ACTION: Action = Action {
    id: "end_idle_sessions",
    title: "End idle sessions of the role that has taken the connection slots",
    price: "those clients connect again at their next request; none that works or is in a \
            transaction is ended. A client that leaks goes on leaking: limit its role",
    plan,
};

/// A fifth of the slots free again: room for the others, and for a person.
const USED_MAX: f64 = 0.8;
/// A role or database has few: half of them free, or those who wait outside fill them at once.
const OWN_USED_MAX: f64 = 0.5;
/// That is full, as the detector has it.
const FULL: f64 = 0.95;
/// Sessions in one statement.
const SESSIONS_MAX: usize = 500;

// Limits of a role and of a database that have one: sessions now, at most, and how to count them.
const OWN_LIMITS: &str = "\
SELECT l.used, l.most, l.name, l.counts
FROM (
    SELECT
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
         WHERE a.usesysid = r.oid AND a.backend_type = 'client backend'),
        r.rolconnlimit::int8,
        'of role ' || r.rolname,
        'a.usesysid = ' || r.oid
    FROM pg_catalog.pg_roles r
    WHERE r.rolname = $1 AND r.rolconnlimit > 0
    UNION ALL
    SELECT
        (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity a
         WHERE a.datid = d.oid AND a.backend_type = 'client backend'),
        d.datconnlimit::int8,
        'of database ' || d.datname,
        'a.datid = ' || d.oid
    FROM pg_catalog.pg_database d
    WHERE d.datname = $2 AND d.datconnlimit > 0
) AS l (used, most, name, counts)
ORDER BY l.used::float8 / l.most DESC
LIMIT 1";

/// What is full: the server, or a role or database that may have fewer.
struct Limit {
    used: f64,
    most: f64,
    used_max: f64,
    name: String,
    /// SQL of what is true below it again.
    below: String,
}

fn plan(cx: &Cx<'_>, likely: &Likely, case: &Case) -> Result<Runbook, Error> {
    let newest = case.window.last().ok_or_else(|| refuse(&ACTION, "there is no sample"))?;
    let blamed = |s: &&SessionSample| likely.pids.contains(&s.pid) && s.state == "idle";
    let mut idle: Vec<&SessionSample> = newest.sessions.iter().filter(blamed).collect();
    idle.sort_by_key(|s| s.state_change);
    let Some(first) = idle.first().copied() else {
        return Err(refuse(&ACTION, "none of the sessions is idle any more"));
    };
    let of_server = server_limit(case)?;
    let limit = match own_limit(cx, first)? {
        // Short sessions come and go: what is full at one moment has room at the next.
        Some(own) if of_server.used < FULL * of_server.most => own,
        _ => of_server,
    };
    let surplus = limit.used - limit.used_max * limit.most;
    idle.truncate((surplus.ceil().max(1.0) as usize).min(SESSIONS_MAX));
    let n = idle.len();
    let who = first.called();
    let mut end = step(
        format!("end {n} sessions of {who} that are still idle"),
        Act::Sql { statements: vec![end_sql(&idle)], transaction: false },
        Limits::SHORT,
    );
    end.expectations = vec![Expectation {
        claim: format!("less than {}% of connection slots {} are taken", 100.0 * FULL, limit.name),
        sql: limit.below,
        within_ms: 5_000,
    }];
    end.undo = Undo::Impossible { why: "its clients connect again by themselves".into() };
    Ok(runbook(
        &ACTION,
        format!("End {n} idle sessions of {who}"),
        "they hold slots and do nothing; whoever works or is in a transaction stays",
        lossless("an idle session has no open transaction"),
        vec![end],
    ))
}

fn server_limit(case: &Case) -> Result<Limit, Error> {
    let counted = case.window.samples.iter().rev().find_map(|s| s.database);
    let database = counted.ok_or_else(|| refuse(&ACTION, "connections were not counted"))?;
    let most = database.slots();
    Ok(Limit {
        used: database.n_backends as f64,
        most: most as f64,
        used_max: USED_MAX,
        name: "that are not reserved".to_owned(),
        below: format!(
            "SELECT pg_catalog.sum(d.numbackends) < {FULL} * {most} \
             FROM pg_catalog.pg_stat_database d"
        ),
    })
}

/// The limit of the role or the database of these sessions, whichever is fuller.
fn own_limit(cx: &Cx<'_>, of: &SessionSample) -> Result<Option<Limit>, Error> {
    let rows = cx.session.query(OWN_LIMITS, &[&of.role, &of.database])?;
    let Some(row) = rows.first() else { return Ok(None) };
    let (used, most): (i64, i64) = (get(row, 0)?, get(row, 1)?);
    let counts: String = get(row, 3)?;
    Ok(Some(Limit {
        used: used as f64,
        most: most as f64,
        used_max: OWN_USED_MAX,
        name: get(row, 2)?,
        below: format!(
            "SELECT pg_catalog.count(*) < {FULL} * {most} \
             FROM pg_catalog.pg_stat_activity a \
             WHERE a.backend_type = 'client backend' AND {counts}"
        ),
    }))
}

/// Each session by pid and start, and only while it is idle.
fn end_sql(idle: &[&SessionSample]) -> String {
    let rows: Vec<String> =
        idle.iter().map(|s| format!("({}, '{}'::timestamptz)", s.pid, s.backend_start)).collect();
    format!(
        "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid)) \
         FROM pg_catalog.pg_stat_activity a \
         JOIN (VALUES {}) AS s (pid, backend_start) \
           ON s.pid = a.pid AND s.backend_start = a.backend_start \
         WHERE a.state = 'idle'",
        rows.join(", ")
    )
}
