//! The tally as words: what is shown and written of a log.

use crate::classes::{Weight, classes};
use crate::diagnosis::{at, troubles};
use crate::families::FAMILIES;
use crate::tally::{StatementTally, Tally};
use hdrhistogram::Histogram;
use pgward_model::prelude::*;
use std::collections::BTreeMap;

/// Rows of each list.
const ROWS_MAX: usize = 50;
/// Shapes whose fingerprint is made: the heaviest ones, which are all that can be listed.
const PRINTS_MAX: usize = 400;
/// Bytes of a statement's text that is shown.
const TEXT_MAX: usize = 600;

impl Tally {
    /// Everything that was counted, in words. Files and what could not be read are for the
    /// one who read them to add.
    pub fn report(mut self) -> LogReport {
        self.close();
        let mut report = LogReport {
            n_records: self.n_records,
            n_errors: self.n_errors,
            first: at(self.first_ms),
            last: at(self.last_ms),
            troubles: troubles(&self),
            classes: class_counts(&self),
            n_statements: self.n_statements,
            statements_ms: self.statements_ms,
            checkpoints: self.checkpoints.clone(),
            timeline: self.buckets.values().copied().collect(),
            bucket_s: u64::try_from(self.bucket_s).unwrap_or(1),
            ..LogReport::default()
        };
        let n_forgotten = self.statements.n_forgotten();
        if n_forgotten > 0 {
            report.notes.push(format!(
                "{} light statements were counted in the sums only: there were too many kinds",
                human(n_forgotten as f64)
            ));
        }
        report.checkpoints.by_reason = heaviest_counts(self.reasons.into_iter().collect());
        report.statements = statements(self.statements.into_heaviest());
        report.errors = self.errors.into_heaviest().into_iter().map(|(_, e)| error(e)).collect();
        report.errors.truncate(ROWS_MAX);
        report.locks = locks(self.locks);
        report.temp_files = LogTempFiles {
            n: self.n_temp,
            bytes: self.temp_bytes,
            largest_bytes: self.temp_largest,
            statements: self
                .temp_files
                .into_heaviest()
                .into_iter()
                .take(ROWS_MAX)
                .map(|(shape, t)| (shown(&shape, &t.statement), t.n, t.bytes))
                .collect(),
        };
        report.vacuums = vacuums(self.vacuums);
        report.connections = connections(self.connections);
        report
    }
}

fn class_counts(tally: &Tally) -> Vec<LogClassCount> {
    let all = classes();
    let family = |id: &str| {
        let of = |f: &&&crate::Family| f.classes.iter().any(|c| c.id == id);
        FAMILIES.iter().find(of).map_or("other", |f| f.id)
    };
    let mut counts: Vec<(Weight, LogClassCount)> = tally
        .classes
        .iter()
        .filter_map(|(i, counted)| {
            let class = all.get(*i)?;
            let weight = match class.weight {
                Weight::Routine => "routine",
                Weight::Notice => "notice",
                Weight::Harm => "harm",
            };
            let count = LogClassCount {
                class: class.id.to_owned(),
                family: family(class.id).to_owned(),
                means: class.means.to_owned(),
                weight: weight.to_owned(),
                n: counted.n,
                first: at(counted.first_ms),
                last: at(counted.last_ms),
                example: counted.example.clone(),
            };
            Some((class.weight, count))
        })
        .collect();
    counts.sort_by(|(a, x), (b, y)| b.cmp(a).then(y.n.cmp(&x.n)).then(x.class.cmp(&y.class)));
    counts.into_iter().map(|(_, count)| count).collect()
}

/// Statements whose shapes differ but whose fingerprint does not become one.
fn statements(heaviest: Vec<(Vec<u8>, StatementTally)>) -> Vec<LogStatement> {
    use crate::tally::Merge;
    let mut by_print: BTreeMap<String, (Vec<u8>, StatementTally)> = BTreeMap::new();
    for (shape, tally) in heaviest.into_iter().take(PRINTS_MAX) {
        match by_print.entry(pgward_sql::fingerprint(&tally.slowest)) {
            std::collections::btree_map::Entry::Vacant(new) => {
                new.insert((shape, tally));
            }
            std::collections::btree_map::Entry::Occupied(mut known) => {
                known.get_mut().1.merge(tally);
            }
        }
    }
    let mut all: Vec<LogStatement> = by_print
        .into_iter()
        .filter(|(_, (_, tally))| tally.calls > 0)
        .map(|(print, (shape, tally))| statement(print, &shape, tally))
        .collect();
    all.sort_by(|a, b| b.total_ms.total_cmp(&a.total_ms).then(a.text.cmp(&b.text)));
    all.truncate(ROWS_MAX);
    all
}

fn statement(print: String, shape: &[u8], tally: StatementTally) -> LogStatement {
    let quantile = |q| tally.micros.as_ref().map_or(0.0, |h| milliseconds(h, q));
    LogStatement {
        fingerprint: print,
        text: shown(shape, &tally.slowest),
        calls: tally.calls,
        total_ms: tally.total_ms,
        mean_ms: tally.total_ms / tally.calls.max(1) as f64,
        p50_ms: quantile(0.5).min(tally.max_ms),
        p95_ms: quantile(0.95).min(tally.max_ms),
        p99_ms: quantile(0.99).min(tally.max_ms),
        max_ms: tally.max_ms,
        slowest: tally.slowest,
        slowest_at: at(tally.slowest_ms),
        database: tally.database,
        role: tally.role,
        application: tally.application,
        n_plans: tally.n_plans,
        plan: tally.plan,
        temp_bytes: tally.temp_bytes,
    }
}

fn milliseconds(micros: &Histogram<u32>, quantile: f64) -> f64 {
    micros.value_at_quantile(quantile) as f64 / 1_000.0
}

/// The statement with `$1` for its constants; its shape where it does not parse.
fn shown(shape: &[u8], sample: &str) -> String {
    let normal = pgward_sql::normalize(sample);
    let parses = normal != sample || pgward_sql::uses(sample).parsed;
    let text = if parses { normal } else { String::from_utf8_lossy(shape).into_owned() };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let head = crate::text::head(&line, TEXT_MAX);
    let cut = if head.len() < line.len() { " …" } else { "" };
    format!("{}{cut}", crate::redact(head))
}

fn error(tally: crate::tally::ErrorTally) -> LogErrorGroup {
    LogErrorGroup {
        class: tally.class.to_owned(),
        sqlstate: tally.sqlstate,
        severity: tally.severity.to_owned(),
        message: tally.message,
        n: tally.n,
        first: at(tally.first_ms),
        last: at(tally.last_ms),
        detail: tally.detail,
        hint: tally.hint,
        statement: tally.statement,
        database: tally.database,
        role: tally.role,
        application: tally.application,
    }
}

fn locks(tally: crate::tally::Locks) -> LogLocks {
    let lock = |l: crate::tally::LockTally| LogLock {
        mode: l.mode,
        on: l.on,
        n: l.n,
        waited_ms: l.waited_ms,
        longest_ms: l.longest_ms,
        statement: l.statement,
    };
    let heaviest = tally.by_lock.into_heaviest();
    LogLocks {
        n_waits: tally.n_waits,
        n_acquired: tally.n_acquired,
        waited_ms: tally.waited_ms,
        longest_ms: tally.longest_ms,
        n_deadlocks: tally.n_deadlocks,
        by_lock: heaviest.into_iter().take(ROWS_MAX).map(|(_, l)| lock(l)).collect(),
    }
}

fn vacuums(tally: crate::tally::Vacuums) -> LogVacuums {
    let table = |(name, t): (Vec<u8>, crate::tally::VacuumTally)| LogVacuumed {
        table: String::from_utf8_lossy(&name).into_owned(),
        n_vacuums: t.n_vacuums,
        n_analyzes: t.n_analyzes,
        elapsed_s: t.elapsed_s,
        removed: t.removed,
        dead_kept_max: t.dead_kept_max,
    };
    LogVacuums {
        n_vacuums: tally.n_vacuums,
        n_analyzes: tally.n_analyzes,
        elapsed_s: tally.elapsed_s,
        n_cancelled: tally.n_cancelled,
        tables: tally.tables.into_heaviest().into_iter().take(ROWS_MAX).map(table).collect(),
    }
}

fn connections(tally: crate::tally::Connections) -> LogConnections {
    let quantile = |q| {
        let of = |h: &Histogram<u32>| h.value_at_quantile(q) as f64 / 1_000.0;
        tally.seconds.as_ref().map_or(0.0, of)
    };
    let (session_p50_s, session_p95_s) = (quantile(0.5), quantile(0.95));
    let counts = |groups: crate::tally::Bounded<u64>| {
        let named = |(name, n): (Vec<u8>, u64)| (String::from_utf8_lossy(&name).into_owned(), n);
        groups.into_heaviest().into_iter().take(ROWS_MAX).map(named).collect()
    };
    LogConnections {
        n_received: tally.n_received,
        n_authorized: tally.n_authorized,
        n_ended: tally.n_ended,
        session_p50_s,
        session_p95_s,
        by_role: counts(tally.by_role),
        by_database: counts(tally.by_database),
        by_application: counts(tally.by_application),
    }
}

fn heaviest_counts(mut counts: Vec<(String, u64)>) -> Vec<(String, u64)> {
    counts.sort_by(|(a, x), (b, y)| y.cmp(x).then_with(|| a.cmp(b)));
    counts.truncate(ROWS_MAX);
    counts
}

#[cfg(test)]
mod tests {
    use crate::{Clock, Layout, Tally, read};

    const LOG: &str = "\
2026-11-21 03:24:37.000 UTC [7] LOG:  duration: 10.000 ms  statement: select a from b where c = 1
2026-11-21 03:24:38.000 UTC [7] LOG:  duration: 30.000 ms  statement: SELECT a FROM b WHERE c = 22
2026-11-21 03:24:38.100 UTC [8] LOG:  statement: ALTER TABLE b ADD d int
2026-11-21 03:24:38.300 UTC [8] LOG:  process 8 still waiting for AccessExclusiveLock on relation 16 of database 5 after 200.0 ms
2026-11-21 03:24:38.300 UTC [8] DETAIL:  Process holding the lock: 7. Wait queue: 8.
2026-11-21 03:24:38.400 UTC [8] LOG:  process 8 acquired AccessExclusiveLock on relation 16 of database 5 after 300.5 ms
2026-11-21 03:24:38.500 UTC [8] LOG:  duration: 400.000 ms
2026-11-21 03:24:39.000 UTC [9] ERROR:  relation \"x\" does not exist at character 15
2026-11-21 03:24:39.000 UTC [9] STATEMENT:  select * from x where password = 'secret'
2026-11-21 03:24:39.100 UTC [9] ERROR:  relation \"x\" does not exist at character 25
2026-11-21 03:24:40.000 UTC [5] LOG:  temporary file: path \"base/pgsql_tmp/pgsql_tmp7.0\", size 2048
2026-11-21 03:24:40.000 UTC [5] STATEMENT:  select a from b order by c
2026-11-21 03:24:41.000 UTC [4] LOG:  checkpoint starting: wal
2026-11-21 03:24:42.000 UTC [4] LOG:  checkpoint complete: wrote 466 buffers (22.8%); 0 WAL file(s) added, 1 removed, 0 recycled; write=0.694 s, sync=0.001 s, total=0.737 s; sync files=0
";

    fn tally(text: &str) -> Tally {
        let layout = Layout::of(text).unwrap();
        let mut tally = Tally::new();
        read(text, &layout, &mut Clock::default(), &mut |record| tally.add(record));
        tally
    }

    #[test]
    fn a_log_is_summed_up() {
        let report = tally(LOG).report();
        assert_eq!((report.n_records, report.n_errors, report.n_statements), (11, 2, 3));
        let slowest = report.statements.first().unwrap();
        assert_eq!((slowest.text.as_str(), slowest.calls), ("ALTER TABLE b ADD d int", 1));
        let select = report.statements.get(1).unwrap();
        assert_eq!((select.calls, select.total_ms, select.max_ms), (2, 40.0, 30.0));
        assert_eq!(select.text.to_lowercase(), "select a from b where c = $1");
        let error = report.errors.first().unwrap();
        assert_eq!((error.n, error.sqlstate.as_str()), (2, "42P01"));
        assert!(!error.statement.contains("secret"), "{}", error.statement);
        assert_eq!((report.locks.n_waits, report.locks.waited_ms), (1, 300.5));
        assert_eq!(report.temp_files.bytes, 2048.0);
        assert_eq!(report.checkpoints.by_reason, [("wal".to_owned(), 1)]);
        assert_eq!(
            report.troubles.first().unwrap().cause.as_deref(),
            Some("schema_missing_object")
        );
        assert_eq!(report.timeline.iter().map(|b| b.n_records).sum::<u64>(), 11);
    }

    #[test]
    fn two_halves_are_as_much_as_the_whole() {
        let middle = LOG.find("2026-11-21 03:24:39.000").unwrap();
        let (front, back) = LOG.split_at(middle);
        let mut halves = tally(front);
        halves.merge(tally(back));
        let (whole, halves) = (tally(LOG).report(), halves.report());
        assert_eq!(whole, halves);
    }
}
