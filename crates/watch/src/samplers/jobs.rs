//! Jobs that pg_cron has begun: changes that come by the clock.

use super::Sampler;
use crate::changes::News;
use crate::error::Error;
use crate::eyes::Eyes;
use pgward_model::prelude::*;
use pgward_pg::session::{Row, get};

pub(super) static SAMPLER: Sampler = Sampler {
    id: "jobs",
    period_s: 5.0,
    rights: "SELECT on cron.job_run_details, where pg_cron is installed; it shows a role its own \
             jobs, a superuser all",
    take,
};

/// pg_cron's table and, where it is there, the last run.
const LAST: &str =
    "SELECT coalesce(pg_catalog.max(d.runid), 0)::bigint FROM cron.job_run_details d";
const IS_THERE: &str = "SELECT pg_catalog.to_regclass('cron.job_run_details') IS NOT NULL \
     AND coalesce(pg_catalog.has_table_privilege( \
         pg_catalog.to_regclass('cron.job_run_details')::oid, 'SELECT'), false)";

fn take(eyes: &mut Eyes, _sample: &mut Sample) -> Result<(), Error> {
    let known = eyes.last_job;
    let session = eyes.session()?;
    if !session.query_one::<bool>(IS_THERE, &[])? {
        return Ok(());
    }
    let Some(known) = known else {
        eyes.last_job = Some(session.query_one(LAST, &[])?);
        return Ok(());
    };
    let rows = session.query(include_str!("../../queries/jobs.sql"), &[&known])?;
    for row in &rows {
        let (run, news) = read(row)?;
        eyes.last_job = Some(run);
        eyes.news.push(news);
    }
    Ok(())
}

fn read(row: &Row) -> Result<(i64, News), Error> {
    let command = pgward_logs::redact(&get::<String>(row, 4)?).into_owned();
    let role: String = get(row, 3)?;
    let news = News {
        at: get(row, 1)?,
        subject: "job",
        actor: if role.is_empty() { "unknown role".to_owned() } else { role },
        what: format!("cron job {}: {command}", get::<i64>(row, 2)?),
        source: "cron.job_run_details",
    };
    Ok((get(row, 0)?, news))
}
