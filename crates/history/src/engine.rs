//! The engine: DataFusion, told what it may read and how much it may take.

use crate::table::{Gone, Tables};
use crate::{Error, Limits, THREADS, cells};
use datafusion::catalog::{CatalogProvider, MemoryCatalogProvider};
use datafusion::common::config::Dialect;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::{SessionConfig, SessionContext};
use futures_util::StreamExt;
use pgward_model::prelude::*;
use pgward_store::history::History;
use std::sync::Arc;

/// Catalog and schema that series are tables of.
const CATALOG: &str = "pgward";
pub(crate) const SCHEMA: &str = "history";
/// Where the engine finds the files; nothing else is known to it.
const PLACE: &str = "history://vault/";
/// Rows that are worked on at once; the widest, parts of samples as JSON, are some 100 kB.
const BATCH_ROWS: usize = 1024;
/// A query that meets files as they are merged begins anew.
const TRIES_MAX: u32 = 10;
/// What the answer may take in memory.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Answers one query.
pub(crate) async fn answer(
    history: Arc<History>,
    sql: String,
    limits: Limits,
) -> Result<Answer, Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        let place = ObjectStoreUrl::parse(PLACE).map_err(|e| Error::of(&e))?;
        let tables = Arc::new(Tables::new(Arc::clone(&history), place.clone()));
        let context = context(Arc::clone(&tables), limits).map_err(|e| Error::of(&e))?;
        let files = LocalFileSystem::new_with_prefix(history.root());
        let files = files.map_err(|e| Error::of(&e.into()))?;
        context.register_object_store(place.as_ref(), Arc::new(files));
        let error = match once(&context, &sql, limits.n_rows).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if is_gone(&error) && tries < TRIES_MAX {
            continue;
        }
        let error = Error::of(&error);
        if !matches!(error, Error::File { .. }) {
            return Err(error);
        }
        // The engine does not say which file it is.
        let damage = tokio::task::spawn_blocking(move || history.damage(&tables.files()));
        return Err(damage.await.ok().flatten().map_or(error, |e| Error::kept(&e)));
    }
}

fn context(tables: Arc<Tables>, limits: Limits) -> Result<SessionContext, DataFusionError> {
    let mut config = SessionConfig::new()
        .with_target_partitions(THREADS)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(true)
        .with_create_default_catalog_and_schema(false)
        .with_default_catalog_and_schema(CATALOG, SCHEMA);
    config.options_mut().sql_parser.dialect = Dialect::PostgreSQL;
    config.options_mut().execution.time_zone = Some("+00:00".to_owned());
    let no_disk = DiskManagerBuilder::default().with_mode(DiskManagerMode::Disabled);
    let environment = RuntimeEnvBuilder::new()
        .with_memory_limit(limits.memory_bytes, 1.0)
        .with_disk_manager_builder(no_disk)
        .build_arc()?;
    let context = SessionContext::new_with_config_rt(config, environment);
    let catalog = MemoryCatalogProvider::new();
    catalog.register_schema(SCHEMA, tables)?;
    context.register_catalog(CATALOG, Arc::new(catalog));
    Ok(context)
}

async fn once(context: &SessionContext, sql: &str, most: usize) -> Result<Answer, DataFusionError> {
    let read_only =
        SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context.sql_with_options(sql, read_only).await?;
    let names = frame.schema().fields().iter().map(|field| field.name().as_str());
    let mut answer = Answer { columns: apart(names), rows: Vec::new(), is_cut: false };
    let mut n_bytes = 0;
    let mut stream = frame.execute_stream().await?;
    while let Some(batch) = stream.next().await {
        let batch = batch?;
        let left = most - answer.rows.len();
        let (rows, bytes) = cells::rows(&batch.slice(0, batch.num_rows().min(left)))?;
        answer.rows.extend(rows);
        n_bytes += bytes;
        answer.is_cut = batch.num_rows() > left || n_bytes > ANSWER_BYTES_MAX;
        if answer.is_cut {
            break;
        }
    }
    Ok(answer)
}

/// Names of columns; the second `at` is `at_2`, so that objects keep both.
fn apart<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut apart: Vec<String> = Vec::new();
    for name in names {
        let mut others = (2..).map(|n| format!("{name}_{n}"));
        let mut unique = name.to_owned();
        while apart.contains(&unique) {
            unique = others.next().unwrap_or_default();
        }
        apart.push(unique);
    }
    apart
}

/// Was a file merged, or batches made a file, while they were to be read?
fn is_gone(error: &DataFusionError) -> bool {
    Error::links(error).any(|link| {
        let missing = link.downcast_ref::<datafusion::object_store::Error>();
        link.is::<Gone>()
            || matches!(missing, Some(datafusion::object_store::Error::NotFound { .. }))
    })
}
