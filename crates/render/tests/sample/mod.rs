//! A lock queue as it happens: a forgotten transaction, a migration behind it, the site behind
//! the migration. Hand-made, with the numbers such an incident has.

#![allow(dead_code, reason = "each test uses its part")]
// Data is long, and what is wrong in it shall fail the test.
#![allow(clippy::unwrap_used, clippy::too_many_lines)]

use pgward_model::prelude::*;

pub(crate) mod live;

pub(crate) fn at(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond(1_795_237_200_000 + (seconds * 1000.0) as i64).unwrap()
}

pub(crate) fn sampled(sampler: &str) -> Source {
    Source::new(SourceKind::Sample, sampler)
}

pub(crate) fn incident() -> Incident {
    let wait = Evidence::measured(
        "37 sessions wait, 61% of requests",
        37.0,
        "sessions",
        sampled("pg_locks"),
    )
    .against(0.0)
    .at(at(2.0));
    let mut verdicts = vec![judged("lock_ddl_queue", Verdict::Likely(likely()))];
    let refuted: [(&str, &str, f64, &str, f64, &str); 12] = [
        (
            "load_spike",
            "412 calls/s, 0.98 of its baseline",
            412.0,
            "calls/s",
            420.0,
            "pg_stat_statements",
        ),
        (
            "net_latency",
            "TCP connect takes 0.4 ms, 0 of 120 probes lost",
            0.4,
            "ms",
            0.4,
            "network",
        ),
        ("auth_brute_force", "0.2 failed logins a second", 0.2, "logins/s", 0.3, "log"),
        ("cpu_saturation", "load per CPU is 0.31", 0.31, "", 0.42, "host"),
        ("lock_hot_row", "no session waits for a row", 0.0, "sessions", 0.0, "pg_locks"),
        ("lock_deadlock", "no deadlock since the onset", 0.0, "deadlocks", 0.0, "pg_stat_database"),
        (
            "conn_exhausted",
            "61 of 200 connections are taken",
            61.0,
            "sessions",
            24.0,
            "pg_stat_database",
        ),
        (
            "plan_bad_index",
            "no statement costs more blocks a call",
            1.0,
            "",
            1.0,
            "pg_stat_statements",
        ),
        ("int_corruption", "no checksum failure", 0.0, "failures", 0.0, "pg_stat_database"),
        (
            "schema_missing_object",
            "no statement fails for a missing object",
            0.0,
            "errors",
            0.0,
            "log",
        ),
        (
            "vac_wraparound",
            "oldest transaction is 1.2 million behind",
            1.2,
            "million",
            1.1,
            "pg_database",
        ),
        ("mem_oom_kill", "the server has not restarted", 0.0, "restarts", 0.0, "log"),
    ];
    for (cause, claim, value, unit, base, sampler) in refuted {
        let evidence =
            Evidence::measured(claim, value, unit, sampled(sampler)).against(base).at(at(2.4));
        verdicts.push(judged(cause, Verdict::ruled_out(evidence)));
    }
    let present = Evidence::measured(
        "1 transaction is open for 18 min",
        18.0,
        "min",
        sampled("pg_stat_activity"),
    );
    verdicts.push(judged("vac_xmin_held", Verdict::present_not_sufficient(present)));
    for cause in ["disk_data_full", "io_read", "mem_temp_spill"] {
        verdicts.push(judged(cause, Verdict::unknown("no host sampler on this server")));
    }
    verdicts
        .push(judged("repl_lag", Verdict::unknown("role pgward may not read pg_stat_replication")));
    Incident {
        id: "17".into(),
        server: "shop".into(),
        opened: at(2.1),
        closed: None,
        symptoms: vec![
            Symptom::new(
                "lock_queue",
                at(0.0),
                at(12.0),
                Weight::Harm,
                "lock queue on orders",
                wait.clone(),
            ),
            Symptom::new(
                "throughput_drop",
                at(1.0),
                at(12.0),
                Weight::Harm,
                "transactions fell to 161/s",
                Evidence::measured(
                    "161 commits/s",
                    161.0,
                    "commits/s",
                    sampled("pg_stat_database"),
                )
                .against(412.0),
            ),
        ],
        hypotheses: verdicts
            .iter()
            .map(|j| Hypothesis { cause: j.cause.clone(), opened: at(2.1), closed: Some(at(2.4)) })
            .collect(),
        verdicts,
        runbooks: vec![runbook()],
        changes: vec![
            WeighedChange {
                at: at(-300.0),
                what: "ANALYZE invoices".to_owned(),
                actor: "unknown role".to_owned(),
                standing: Standing::Decoy { why: "touches invoices; hit is orders".to_owned() },
                source: sampled("pg_stat_user_tables"),
            },
            WeighedChange {
                at: at(-2.0),
                what: "deploy 4711".to_owned(),
                actor: "ci".to_owned(),
                standing: Standing::Suspect {
                    why: "2 s before the trouble, and touches orders".to_owned(),
                },
                source: Source::new(SourceKind::Ledger, "told to pgward"),
            },
        ],
    }
}

fn judged(cause: &str, verdict: Verdict) -> Judged {
    Judged { cause: cause.into(), verdict }
}

fn likely() -> Likely {
    let held = Evidence::measured(
        "pid 4711 is idle in transaction for 18 min and holds ROW EXCLUSIVE",
        18.0,
        "min",
        sampled("pg_stat_activity"),
    );
    let queue = Evidence::measured(
        "pid 4802 waits for ACCESS EXCLUSIVE; 36 queue behind it",
        36.0,
        "sessions",
        sampled("pg_locks"),
    );
    Likely::new(
        0.93,
        "`ALTER TABLE orders ADD COLUMN paid_at timestamptz` of role deploy (pid 4802, psql) waits \
         behind a forgotten transaction of role report and keeps 36 sessions waiting",
        queue,
    )
    .and(held)
    .on([Relation::new("public", "orders")])
    .by([4802, 4711])
    .act(&["cancel_waiter"])
}

pub(crate) fn runbook() -> Runbook {
    Runbook {
        action: "cancel_waiter".into(),
        title: "cancel the waiting ALTER TABLE on orders (pid 4802)".into(),
        why: "gives back service at once; the migration is lost, no data is".into(),
        steps: vec![
            Step {
                number: 1,
                title: "cancel pid 4802".into(),
                act: Act::Signal {
                    pid: 4802,
                    backend_start: at(-30.0),
                    signal: BackendSignal::Cancel,
                    still: Still::default(),
                },
                limits: Limits::SHORT,
                expectations: vec![Expectation {
                    claim: "no session waits behind pid 4802".into(),
                    sql: "SELECT true".into(),
                    within_ms: 5000,
                }],
                undo: Undo::Impossible { why: "a cancelled statement must be sent again".into() },
            },
            Step {
                number: 2,
                title: "prove that service is back".into(),
                act: Act::Verify,
                limits: Limits::SHORT,
                expectations: vec![Expectation {
                    claim: "fewer than 3 sessions wait for a lock on orders".into(),
                    sql: "SELECT true".into(),
                    within_ms: 10_000,
                }],
                undo: Undo::Nothing,
            },
        ],
        loss: Loss { n_rows: Some(0), explain: "the migration has written nothing yet".into() },
    }
}

fn event(s: f64, kind: EventKind, subject: &str, actor: &str, what: &str, source: Source) -> Event {
    Event {
        at: at(s),
        server: "shop".into(),
        kind,
        subject: subject.into(),
        actor: actor.into(),
        what: what.into(),
        source,
    }
}

fn timeline() -> Vec<Event> {
    use EventKind::*;
    let log = |detail: &str| Source::new(SourceKind::Log, detail);
    let journal = |detail: &str| Source::new(SourceKind::Journal, detail);
    let incident = || Source::new(SourceKind::Ledger, "incident 17");
    vec![
        event(
            -0.4,
            Change,
            "orders",
            "deploy",
            "`ALTER TABLE orders ADD COLUMN paid_at timestamptz` sent with application psql",
            log("postgresql.log:8812"),
        ),
        event(
            0.0,
            Symptom,
            "impact",
            "clients",
            "first harmed second: 12 of 409 requests",
            Source::new(SourceKind::Ledger, "the clients' own count"),
        ),
        event(
            1.6,
            Symptom,
            "orders",
            "pgward",
            "lock queue on orders: 11 sessions wait",
            sampled("pg_locks"),
        ),
        event(2.1, Opened, "17", "pgward", "incident 17 opened", incident()),
        event(
            2.4,
            RuledOut,
            "net_latency",
            "pgward",
            "ruled out net_latency, load_spike, auth_brute_force, cpu_saturation and 8 more, each by a number (see below)",
            Source::new(SourceKind::Ledger, "verdicts on 12 causes, each with its own source"),
        ),
        event(
            2.5,
            Diagnosed,
            "lock_ddl_queue",
            "pgward",
            "likely lock_ddl_queue: pid 4802 waits behind pid 4711 and 36 sessions wait behind it",
            sampled("pg_locks"),
        ),
        event(
            2.6,
            Proposed,
            "cancel_waiter",
            "pgward",
            "proposed cancel_waiter: cancel the waiting ALTER TABLE on orders (pid 4802)",
            incident(),
        ),
        event(
            3.2,
            Step,
            "4802",
            "pgward",
            "step 1 of cancel_waiter: cancel pid 4802",
            journal("pgward.journal 31"),
        ),
        event(
            3.9,
            Verified,
            "4802",
            "pgward",
            "no session waits behind pid 4802",
            sampled("pg_locks"),
        ),
        event(
            5.0,
            Recovered,
            "orders",
            "pgward",
            "408 requests/s, 0.99 of the baseline, nobody waits",
            sampled("pg_stat_database"),
        ),
        event(35.0, Closed, "17", "pgward", "incident 17 closed after 30 s of health", incident()),
    ]
}

pub(crate) fn impact() -> Impact {
    let per_second = (-30..40)
        .map(|s| {
            let wobble = f64::from((s * 7919 + 50_000) % 17) - 8.0;
            let total = 409.0 + wobble;
            let harmed = match s {
                0 => 12.0,
                1 => 180.0,
                2 => 260.0,
                3 => 252.0,
                4 => 61.0,
                _ => 0.0,
            };
            ImpactPoint { at: at(f64::from(s)), total, harmed }
        })
        .collect();
    Impact {
        explain: "765 of 2,046 requests took longer than 1 s or failed, by the clients' own count"
            .into(),
        per_second,
        n_harmed: 765,
        n_total: 2046,
        of: "requests".into(),
    }
}

fn lock_tree() -> Vec<LockTreeNode> {
    let node =
        |pid, parent, role: &str, application: &str, state: &str, statement: &str| LockTreeNode {
            pid,
            parent,
            role: role.into(),
            application: application.into(),
            state: state.into(),
            statement: statement.into(),
            waits_for: String::new(),
            waited_s: 0.0,
        };
    let mut nodes = vec![
        LockTreeNode {
            waited_s: 1087.0,
            ..node(
                4711,
                None,
                "report",
                "psql",
                "idle in transaction",
                "UPDATE orders SET note = 'x' WHERE id = 1",
            )
        },
        LockTreeNode {
            waits_for: "ACCESS EXCLUSIVE on orders".into(),
            waited_s: 3.4,
            ..node(
                4802,
                Some(4711),
                "deploy",
                "psql",
                "active",
                "ALTER TABLE orders ADD COLUMN paid_at timestamptz",
            )
        },
    ];
    nodes.extend((0..36).map(|i| LockTreeNode {
        waits_for: "ACCESS SHARE on orders".into(),
        waited_s: 3.2 - f64::from(i) * 0.08,
        ..node(
            5000 + i,
            Some(4802),
            "site",
            "shop-web",
            "active",
            "SELECT o.id, o.note, o.created_at, c.name FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = $1",
        )
    }));
    nodes
}

pub(crate) fn postmortem() -> Postmortem {
    let incident = incident();
    let (cause, likely) = incident.first().unwrap();
    let ruled_out = incident.verdicts.iter().filter_map(|j| match &j.verdict {
        Verdict::RuledOut { evidence, present: false } => Some(RuledOutTheory {
            cause: j.cause.clone(),
            name: j.cause.replace('_', " "),
            evidence: evidence.clone(),
            opened: at(2.1),
            closed: at(2.4),
            would_have_cost_min: if j.cause.starts_with("net") { 17.5 } else { 240.0 },
            cost_source: if j.cause.starts_with("net") {
                "median of four outages that suspected the network".into()
            } else {
                "median time to diagnose in 12 public post-mortems that followed a wrong theory; 7 min in 11 that followed none".into()
            },
        }),
        _ => None,
    });
    Postmortem {
        incident_id: "17".into(),
        drill: true,
        title: "lock queue on orders".into(),
        server: "shop".into(),
        started: at(0.0),
        ended: Some(at(5.0)),
        zone: "Africa/Johannesburg".into(),
        summary: "Lock queue on orders on `shop`. It lasted 5 s, from 2026-11-21 05:00:00 to 05:00:05 UTC (2026-11-21 07:00:00 to 07:00:05 SAST, Africa/Johannesburg). 765 of 2,046 requests (37.4%) were harmed. Root cause, `lock_ddl_queue`: a migration waited behind a forgotten transaction.".into(),
        impact: impact(),
        root_cause: format!("Lock pile-up behind a waiting DDL (`{cause}`, score 0.93): {}. Object: `orders`.", likely.says),
        contributing: vec!["Old snapshot (`vac_xmin_held`) was present and does not suffice to explain the harm: 1 transaction is open for 18 min.".into()],
        cause_id: Some(cause.to_owned()),
        evidence: likely.evidence().to_vec(),
        detection: "pgward's watch loop opened the incident at 05:00:02 UTC, 2.1 s after the first harmed moment. Detector `lock_queue` saw it (sample: pg_locks): lock queue on orders.".into(),
        timeline: timeline(),
        ruled_out: ruled_out.collect(),
        changes: incident.changes.clone(),
        unknown: vec![
            ("disk_data_full".into(), "no host sampler on this server".into()),
            ("io_read".into(), "no host sampler on this server".into()),
            ("repl_lag".into(), "role pgward may not read pg_stat_replication".into()),
        ],
        resolution: vec![
            "05:00:03 UTC: step 1 of cancel_waiter: cancel pid 4802.".into(),
            "05:00:03 UTC: no session waits behind pid 4802.".into(),
            "05:00:05 UTC: 408 requests/s, 0.99 of the baseline, nobody waits.".into(),
        ],
        losses: Losses {
            n_acknowledged: Some(18_204),
            n_lost: Some(0),
            lost_keys: Vec::new(),
            explain: "every acknowledged write of the clients' ledger was found in the database".into(),
        },
        action_items: vec![
            item(1, ActionKind::Corrective, "Bring the change `ALTER TABLE orders ADD COLUMN paid_at timestamptz` back through `pgward apply`, which rehearses it before production feels it", "owner of role deploy", "2026-11-24"),
            item(2, ActionKind::Preventative, "Set `idle_in_transaction_session_timeout` for role report", "database owner", "2026-12-05"),
            item(3, ActionKind::Preventative, "Write a drill that stages `lock_ddl_queue` as it happened here and run it until the guard stops it", "database owner", "2026-12-05"),
        ],
        figures: Figures { lock_tree: lock_tree() },
    }
}

fn item(n: u32, kind: ActionKind, title: &str, owner: &str, due: &str) -> ActionItem {
    ActionItem {
        id: format!("17-{n}"),
        title: title.into(),
        owner: owner.into(),
        due: due.into(),
        state: ActionState::Open,
        kind,
    }
}

pub(crate) const MIGRATION: &str = "\
-- orders are looked up by user
SET lock_timeout = '2s';
CREATE INDEX orders_user_id ON orders (user_id);

UPDATE accounts
   SET balance = balance + 1,
       touched_at = now()
 WHERE true;
";

pub(crate) fn findings() -> Vec<Finding> {
    let span = |sql: &str| {
        let start = MIGRATION.find(sql).unwrap();
        let before = &MIGRATION[..start];
        let line = before.matches('\n').count() as u32 + 1;
        let column = (start - before.rfind('\n').map_or(0, |i| i + 1)) as u32 + 1;
        Span { start, end: MIGRATION[start..].find(';').unwrap() + start, line, column }
    };
    let mut index = Finding::new(
        "create_index_blocks_writes",
        Layer::Catalog,
        Severity::Error,
        span("CREATE INDEX"),
        "writes to orders wait until the index is built",
        Evidence::stated(
            "takes SHARE on orders: reads go on, writes wait",
            Source::new(SourceKind::Manual, "Explicit Locking"),
        ),
    )
    .and(Evidence::measured("orders has 84,112,903 rows, 31 GB", 84_112_903.0, "rows", Source::new(SourceKind::Catalog, "pg_class")))
    .and(Evidence::measured("410 writes/s on orders", 410.0, "writes/s", sampled("pg_stat_user_tables, 10 min")))
    .and(Evidence::measured(
        "built in 4 min 12 s on a clone: about 103,000 writes would wait for it, more than the site can queue before its pool is empty",
        252.0,
        "s",
        Source::new(SourceKind::Rehearsal, "backup 20261121T0400"),
    ))
    .fix(
        "build it without blocking writes",
        Some("CREATE INDEX CONCURRENTLY orders_user_id ON orders (user_id);".into()),
    );
    index.file = "migrations/0042_orders.sql".into();
    let mut update = Finding::new(
        "update_without_where",
        Layer::Static,
        Severity::Warning,
        span("UPDATE accounts"),
        "every row of accounts is changed",
        Evidence::stated(
            "the predicate is always true",
            Source::new(SourceKind::Statement, "migrations/0042_orders.sql:5"),
        ),
    );
    update.file = "migrations/0042_orders.sql".into();
    vec![index, update]
}

pub(crate) fn scores() -> Vec<Score> {
    let outages = [
        (
            "rogue_update_script",
            "A script updates far more rows than meant",
            "lock_idle_tx",
            150.0,
            "catalog",
        ),
        (
            "half_applied_migration",
            "A migration stops at step 3 of 4",
            "schema_half_migration",
            210.0,
            "rehearsal",
        ),
        (
            "damaged_page",
            "A heap page is overwritten on disk",
            "int_corruption",
            3019.0,
            "integrity",
        ),
        (
            "index_replaced_by_worse",
            "A good index makes way for a worse one",
            "plan_bad_index",
            150.0,
            "rehearsal",
        ),
        ("dropped_table", "A deploy drops a table under load", "schema_data_loss", 150.0, "static"),
    ];
    let mut scores = Vec::new();
    for (i, (scenario, title, cause, minutes, layer)) in outages.into_iter().enumerate() {
        let n = i as f64;
        let base = Score {
            scenario: scenario.into(),
            title: title.into(),
            road: Road::Guarded,
            run: 1,
            stopped_by: Some(layer.into()),
            why: "UPDATE of accounts touches 20,000 rows, 50 were declared".into(),
            detect_s: None,
            diagnose_s: None,
            recover_s: None,
            cause: None,
            cause_says: String::new(),
            expected_cause: cause.into(),
            cause_right: true,
            ruled_out: Vec::new(),
            missed_exclusions: Vec::new(),
            wrong_exclusions: Vec::new(),
            actions: Vec::new(),
            wrong_actions: Vec::new(),
            symptom_seen: None,
            false_alarms: Vec::new(),
            rows_acknowledged: 6041,
            rows_lost: 0,
            duplicates: 0,
            broken_truths: Vec::new(),
            score: 100,
            lost_points: Vec::new(),
            postmortem: None,
            postmortem_s: None,
            scale: 1,
            tps_baseline: 412.0,
            real_outage_min: Some(minutes),
        };
        let ruled_out =
            ["net_latency", "load_spike", "auth_brute_force"].map(|cause| RuledOutScore {
                cause: cause.into(),
                claim: "TCP connect takes 0.4 ms".into(),
                value: Some(0.4),
                unit: "ms".into(),
                baseline: Some(0.4),
                present: false,
            });
        let wrong = scenario == "index_replaced_by_worse";
        scores.push(base.clone());
        scores.push(Score {
            road: Road::Bypassed,
            stopped_by: None,
            why: String::new(),
            detect_s: Some(2.1 + n),
            diagnose_s: Some(3.4 + n),
            recover_s: Some(9.8 + 11.3 * n),
            cause: Some(if wrong { "plan_stats_flip".into() } else { cause.into() }),
            cause_says: "role deploy, pid 4802".into(),
            cause_right: !wrong,
            ruled_out: ruled_out.to_vec(),
            missed_exclusions: if wrong { vec!["load_spike".into()] } else { Vec::new() },
            score: if wrong { 70 } else { 97 },
            lost_points: if wrong {
                vec!["cause: 25".into(), "load_spike not ruled out: 5".into()]
            } else {
                Vec::new()
            },
            rows_acknowledged: 18_204,
            ..base
        });
    }
    scores
}

pub(crate) fn gate() -> GateReport {
    let findings = findings();
    GateReport {
        coverage: None,
        change_id: "3f9c01b27a44".into(),
        stopped_by: Some(Layer::Catalog),
        layers: vec![
            LayerRun { layer: Layer::Static, seconds: 0.004, skipped: None },
            LayerRun { layer: Layer::Catalog, seconds: 0.21, skipped: None },
            LayerRun {
                layer: Layer::Rehearsal,
                seconds: 0.0,
                skipped: Some(
                    "no vault with a backup; pass --vault or take one with pgward backup".into(),
                ),
            },
        ],
        findings,
        silenced: Vec::new(),
        catalog: None,
        conditions: None,
        since: None,
        rehearsal: Some(Rehearsal {
            clone: "backup 20261121T0400".into(),
            steps: vec![RehearsedStep {
                text: "CREATE INDEX orders_user_id ON orders (user_id)".into(),
                ms: 252_000.0,
                rows: None,
                locks: vec![("orders".into(), "SHARE".into())],
                notices: vec!["building index \"orders_user_id\" on table \"orders\"".into()],
                error: None,
            }],
            broken_statements: vec![BrokenStatement {
                text: "SELECT password FROM users WHERE name = $1".into(),
                role: "auth".into(),
                error: "42703: column \"password\" does not exist".into(),
                calls: 120_412,
            }],
            slower_statements: Vec::new(),
            seconds: 301.0,
        }),
        runbook: None,
    }
}

pub(crate) fn explanation() -> pgward_render::view::Explanation {
    use pgward_render::view::{Example, Explanation};
    Explanation {
        kind: "lint".into(),
        id: "create_index_blocks_writes".into(),
        title: "an index built without CONCURRENTLY keeps writes waiting".into(),
        sections: vec![
            ("harm".into(), "`CREATE INDEX` takes SHARE on the table: reads go on, every INSERT, UPDATE and DELETE waits until the index is built.".into()),
            ("instead".into(), "Build it with `CREATE INDEX CONCURRENTLY`, outside a transaction.".into()),
        ],
        links: vec![("actions".into(), vec!["cancel_waiter".into(), "rebuild_index".into()])],
        examples: vec![Example {
            caption: "It finds:".into(),
            sql: "CREATE INDEX orders_user_id ON orders (user_id);".into(),
        }],
        source: "manual: Explicit Locking".into(),
    }
}

/// An hour of a log in which a migration queued behind an idle transaction.
pub(crate) fn log_report() -> LogReport {
    let bucket = |second: i64, n_errors| LogBucket {
        at: at(second as f64),
        n_records: 40,
        n_errors,
        n_statements: 12,
        statements_ms: 900.0,
        n_connections: 3,
        n_lock_waits: n_errors,
        n_checkpoints: 0,
        temp_bytes: 0.0,
    };
    LogReport {
        files: vec![LogFile {
            path: "postgresql.log".to_owned(),
            format: "stderr".to_owned(),
            prefix: "%m [%p] %q%u@%d ".to_owned(),
            bytes: 81_920,
        }],
        bytes: 81_920,
        n_records: 480,
        n_lines_unread: 2,
        first: Some(at(0.0)),
        last: Some(at(3_600.0)),
        troubles: vec![LogTrouble {
            class: "lock_wait_ddl".to_owned(),
            cause: Some("lock_ddl_queue".to_owned()),
            also: vec!["lock_idle_tx".to_owned()],
            says: "a statement waits for a lock on a table (once, of role deploy)".to_owned(),
            score: 0.55,
            n: 1,
            first: Some(at(60.0)),
            last: Some(at(60.0)),
            example: "process 22 still waiting for AccessExclusiveLock on relation 16471 of \
                      database 16384 after 1000.1 ms"
                .to_owned(),
        }],
        classes: vec![LogClassCount {
            class: "lock_wait_ddl".to_owned(),
            family: "locks".to_owned(),
            means: "a statement waits for a lock on a table".to_owned(),
            weight: "harm".to_owned(),
            n: 1,
            first: Some(at(60.0)),
            last: Some(at(60.0)),
            example: String::new(),
        }],
        statements: vec![LogStatement {
            fingerprint: "50fde20626009aba".to_owned(),
            text: "SELECT * FROM orders WHERE id = $1".to_owned(),
            calls: 144,
            total_ms: 10_800.0,
            mean_ms: 75.0,
            p50_ms: 70.0,
            p95_ms: 110.0,
            p99_ms: 120.0,
            max_ms: 1_203.0,
            slowest: "SELECT * FROM orders WHERE id = 7".to_owned(),
            slowest_at: Some(at(61.0)),
            database: "shop".to_owned(),
            role: "site".to_owned(),
            application: "site".to_owned(),
            n_plans: 0,
            plan: String::new(),
            temp_bytes: 0.0,
        }],
        n_statements: 144,
        statements_ms: 10_800.0,
        locks: LogLocks {
            n_waits: 1,
            n_acquired: 1,
            waited_ms: 1_817.0,
            longest_ms: 1_817.0,
            n_deadlocks: 0,
            by_lock: vec![LogLock {
                mode: "AccessExclusiveLock".to_owned(),
                on: "relation 16471".to_owned(),
                n: 1,
                waited_ms: 1_817.0,
                longest_ms: 1_817.0,
                statement: "ALTER TABLE orders ADD COLUMN note text".to_owned(),
            }],
        },
        timeline: (0..12).map(|i| bucket(300 * i, u64::from(i == 3))).collect(),
        bucket_s: 300,
        ..LogReport::default()
    }
}
