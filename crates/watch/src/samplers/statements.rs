//! Counters of statements from `pg_stat_statements`.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::catalog;
use pgward_pg::session::get;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub(super) static SAMPLER: Sampler = Sampler {
    id: "statements",
    period_s: 2.0,
    rights: "pg_monitor; CREATE EXTENSION pg_stat_statements",
    take,
};

/// Texts asked for in one tick; reading them costs the server a file.
const TEXTS_MAX: usize = 200;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    let session = eyes.session()?;
    let counters = include_str!("../../queries/statements.sql");
    let Some(counters) = catalog::on_statements(session, counters)? else {
        return Err(Error::Sampler {
            sampler: "statements",
            why: "pg_stat_statements is not there: load it through shared_preload_libraries, then CREATE EXTENSION pg_stat_statements".into(),
        });
    };
    let rows = session.query(&counters, &[])?;
    let mut counted = Vec::with_capacity(rows.len());
    for row in &rows {
        counted.push(StatementCounters {
            query_id: get(row, 0)?,
            role: get(row, 1)?,
            text: Arc::from(""),
            calls: get(row, 2)?,
            total_ms: get(row, 3)?,
            rows: get(row, 4)?,
            blks: get(row, 5)?,
            blks_read: get(row, 6)?,
            squares_ms2: get(row, 7)?,
        });
    }
    let ids: BTreeSet<i64> = counted.iter().map(|s| s.query_id).collect();
    let unknown: Vec<i64> =
        ids.iter().copied().filter(|id| !eyes.texts.contains_key(id)).take(TEXTS_MAX).collect();
    if !unknown.is_empty() {
        let session = eyes.session()?;
        let texts = include_str!("../../queries/statement_texts.sql");
        let texts = match catalog::on_statements(session, texts)? {
            Some(texts) => session.query(&texts, &[&unknown])?,
            None => Vec::new(),
        };
        for row in &texts {
            eyes.texts.insert(get(row, 0)?, get::<String>(row, 1)?.into());
        }
    }
    counted.retain_mut(|s| match eyes.texts.get(&s.query_id) {
        Some(text) if text.starts_with("/* pgward") => false,
        Some(text) => {
            s.text = Arc::clone(text);
            true
        }
        None => false, // its text comes with the next tick
    });
    forget(&mut eyes.texts, &ids);
    sample.statements = Some(counted);
    Ok(())
}

/// Counts them for a sampler that must know who did something, in a tick that did not.
pub(super) fn ensure(eyes: &mut Eyes, sample: &mut Sample) {
    let tried = sample.gaps.iter().any(|g| g.sampler == SAMPLER.id);
    if sample.statements.is_none()
        && !tried
        && let Err(error) = take(eyes, sample)
    {
        let (sampler, why) = (SAMPLER.id.to_owned(), error.to_string());
        sample.gaps.push(Gap { sampler, why });
    }
}

/// Keeps the texts of statements that the server still counts or a sample still shows.
fn forget(texts: &mut HashMap<i64, Arc<str>>, counted: &BTreeSet<i64>) {
    texts.retain(|id, text| counted.contains(id) || Arc::strong_count(text) > 1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_goes_with_its_last_sample() {
        let mut texts: HashMap<i64, Arc<str>> =
            (0..10_000).map(|id| (id, Arc::from("SELECT 1"))).collect();
        let shown = texts.get(&7).cloned();
        forget(&mut texts, &BTreeSet::from([1, 2]));
        assert_eq!(texts.keys().copied().collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 7]));
        drop(shown);
        forget(&mut texts, &BTreeSet::from([1]));
        assert_eq!(texts.len(), 1);
    }
}
