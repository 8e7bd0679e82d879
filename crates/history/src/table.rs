//! Series as tables: what lies in files is read by the engine, what lies in batches by us.

use async_trait::async_trait;
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::catalog::{SchemaProvider, Session, TableProvider};
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, DFSchema, ScalarValue, Statistics};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::error::DataFusionError;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::object_store::path::Path;
use datafusion::physical_optimizer::pruning::PruningPredicate;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use datafusion::physical_plan::union::UnionExec;
use pgward_store::history::{File, History, Slot};
use pgward_store::series::{SERIES, Series, series};
use std::sync::{Arc, Mutex, PoisonError};

type Result<T> = std::result::Result<T, DataFusionError>;

/// Batches that became a file after the query had begun.
#[derive(Debug, thiserror::Error)]
#[error("what was to be read has become a file")]
pub(crate) struct Gone;

/// The series, each looked up when a query names it.
#[derive(Debug)]
pub(crate) struct Tables {
    history: Arc<History>,
    place: ObjectStoreUrl,
    /// Files of the tables that were named.
    files: Mutex<Vec<File>>,
}

impl Tables {
    pub(crate) fn new(history: Arc<History>, place: ObjectStoreUrl) -> Tables {
        Tables { history, place, files: Mutex::default() }
    }

    pub(crate) fn files(&self) -> Vec<File> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl SchemaProvider for Tables {
    fn table_names(&self) -> Vec<String> {
        SERIES.iter().map(|s| s.id.to_owned()).collect()
    }

    fn table_exist(&self, name: &str) -> bool {
        series(name).is_some()
    }

    async fn table(&self, name: &str) -> Result<Option<Arc<dyn TableProvider>>> {
        let Some(series) = series(name) else { return Ok(None) };
        let history = Arc::clone(&self.history);
        let snapshot = tokio::task::spawn_blocking(move || history.snapshot(series))
            .await
            .map_err(external)?
            .map_err(external)?;
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        files.extend(snapshot.files.iter().cloned());
        Ok(Some(Arc::new(Table {
            series,
            schema: series.schema(),
            history: Arc::clone(&self.history),
            place: self.place.clone(),
            files: snapshot.files,
            recent: snapshot.recent,
        })))
    }
}

fn external(error: impl std::error::Error + Send + Sync + 'static) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

/// One series.
#[derive(Debug)]
struct Table {
    series: &'static Series,
    schema: SchemaRef,
    history: Arc<History>,
    place: ObjectStoreUrl,
    files: Vec<File>,
    recent: Vec<Slot>,
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    /// Filters choose the files; the rows of those are filtered by the engine.
    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        columns: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let mut parts: Vec<Arc<dyn ExecutionPlan>> = Vec::new();
        if !self.recent.is_empty() {
            parts.push(self.recent(columns, limit)?);
        }
        let files = self.wanted(session, filters)?;
        if !files.is_empty() {
            parts.push(self.parquet(files, columns, limit)?);
        }
        if parts.is_empty() {
            let schema = Arc::clone(&self.schema);
            return Ok(MemorySourceConfig::try_new_exec(&[vec![]], schema, columns.cloned())?);
        }
        UnionExec::try_new(parts)
    }
}

impl Table {
    fn recent(
        &self,
        columns: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts: Vec<Arc<dyn PartitionStream>> = (0..crate::THREADS)
            .map(|i| {
                let slots = self.recent.iter().skip(i).step_by(crate::THREADS).cloned().collect();
                let (schema, history) = (Arc::clone(&self.schema), Arc::clone(&self.history));
                Arc::new(Recent { series: self.series, schema, history, slots })
                    as Arc<dyn PartitionStream>
            })
            .collect();
        let schema = Arc::clone(&self.schema);
        Ok(Arc::new(StreamingTableExec::try_new(schema, parts, columns, [], false, limit)?))
    }

    /// The files in which, by what their names say, there may be rows that pass the filters.
    /// The newest is the first, since most questions are about what was just now.
    fn wanted(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<PartitionedFile>> {
        let known: Vec<Arc<Statistics>> =
            self.files.iter().map(|f| self.known(f).map(Arc::new)).collect::<Result<_>>()?;
        let schema = DFSchema::try_from(Arc::clone(&self.schema))?;
        let filter = conjunction(filters.iter().cloned());
        let filter = filter.map(|f| session.create_physical_expr(f, &schema)).transpose()?;
        let chosen = match filter.map(|f| PruningPredicate::try_new(f, Arc::clone(&self.schema))) {
            Some(Ok(predicate)) => {
                let known = PrunableStatistics::new(known.clone(), Arc::clone(&self.schema));
                predicate.prune(&known)?
            }
            // No filter, or one that says nothing about files.
            Some(Err(_)) | None => vec![true; self.files.len()],
        };
        let all = self.files.iter().zip(known).zip(chosen).rev();
        all.filter(|(_, chosen)| *chosen)
            .map(|((file, known), _)| {
                let mut object = PartitionedFile::new("", file.bytes);
                object.object_meta.location = Path::parse(file.path.as_ref()).map_err(external)?;
                Ok(object.with_statistics(known))
            })
            .collect()
    }

    fn parquet(
        &self,
        files: Vec<PartitionedFile>,
        columns: Option<&Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let every = |i: usize| files.iter().skip(i).step_by(crate::THREADS).cloned().collect();
        let groups = (0..crate::THREADS.min(files.len())).map(every).map(FileGroup::new);
        let source = ParquetSource::new(Arc::clone(&self.schema));
        let scan = FileScanConfigBuilder::new(self.place.clone(), Arc::new(source))
            .with_file_groups(groups.collect())
            .with_projection_indices(columns.cloned())?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(scan))
    }

    /// Bounds of `server` and `at` in a file.
    fn known(&self, file: &File) -> Result<Statistics> {
        let mut known = Statistics::new_unknown(&self.schema);
        let moment = |at: jiff::Timestamp| {
            Precision::Exact(ScalarValue::TimestampMillisecond(
                Some(at.as_millisecond()),
                Some("+00:00".into()),
            ))
        };
        let server = Precision::Exact(ScalarValue::from(file.server.as_str()));
        let from = file.from.map_or(Precision::Absent, moment);
        for (name, min_value, max_value) in
            [("server", server.clone(), server), ("at", from, moment(file.to))]
        {
            if let Some(column) = known.column_statistics.get_mut(self.schema.index_of(name)?) {
                let null_count = Precision::Exact(0);
                let unknown = ColumnStatistics::new_unknown();
                *column = ColumnStatistics { min_value, max_value, null_count, ..unknown };
            }
        }
        Ok(known)
    }
}

/// Rows that are in no file yet, read five minutes at a time.
#[derive(Debug)]
struct Recent {
    series: &'static Series,
    schema: SchemaRef,
    history: Arc<History>,
    slots: Vec<Slot>,
}

impl PartitionStream for Recent {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut stream = RecordBatchReceiverStreamBuilder::new(Arc::clone(&self.schema), 1);
        let to = stream.tx();
        let (series, history) = (self.series, Arc::clone(&self.history));
        let slots = self.slots.clone();
        stream.spawn_blocking(move || {
            for slot in slots {
                let rows = history.rows_of(series, &slot).map_err(external)?;
                for batch in rows.ok_or_else(|| external(Gone))? {
                    if to.blocking_send(Ok(batch)).is_err() {
                        return Ok(()); // nobody wants more
                    }
                }
            }
            Ok(())
        });
        stream.build()
    }
}
