//! Blocks that do not read: what the scan met, what the log names, looked at again until
//! they read.

use super::Sampler;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_integrity::page_scan;
use pgward_model::prelude::*;
use std::collections::BTreeSet;

pub(super) static SAMPLER: Sampler =
    Sampler { id: "integrity", period_s: 1.0, rights: "pg_read_all_data", take };

/// Blocks looked at again in one tick.
const SUSPECTS_MAX: usize = 20;

fn take(eyes: &mut Eyes, sample: &mut Sample) -> Result<(), Error> {
    for report in eyes.scan_reports() {
        sample.blocks_scanned += report.blocks_scanned;
        eyes.suspects.extend(report.damaged.into_iter().map(|d| (d.relation, d.block)));
        sample.gaps.extend(report.gaps);
    }
    let messages: BTreeSet<&str> = sample
        .log
        .iter()
        .filter(|e| e.sqlstate == "XX001")
        .map(|e| e.message.as_str())
        .take(SUSPECTS_MAX)
        .collect();
    for message in messages {
        match page_scan::resolve(eyes.session()?, message)? {
            // A page of an index cannot be asked for by its number: the log's word stands.
            Some(named) if named.index_of.is_some() => sample.damage.push(named),
            named => eyes.suspects.extend(named.map(|d| (d.relation, d.block))),
        }
    }
    let suspects: Vec<(Relation, u32)> = eyes.suspects.iter().take(SUSPECTS_MAX).cloned().collect();
    for (relation, block) in suspects {
        match page_scan::read_block(eyes.session()?, &relation, block)? {
            Some(damaged) => sample.damage.push(damaged),
            None => {
                eyes.suspects.remove(&(relation, block));
            }
        }
    }
    Ok(())
}
