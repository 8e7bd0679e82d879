//! Rows as Parquet, and back.

use crate::error::Error;
use crate::series::{Holds, Series};
use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, StringArray};
use arrow::compute::{
    SortColumn, concat_batches, filter_record_batch, lexsort_to_indices, take_record_batch,
};
use arrow::datatypes::TimestampMillisecondType;
use arrow::error::ArrowError;
use arrow::json::{LineDelimitedWriter, ReaderBuilder};
use jiff::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use std::path::Path;
use std::sync::Arc;

/// Rows of one record batch.
const BATCH_ROWS: usize = 8192;
/// Rows of one row group: an hour of sixty sessions at work.
const GROUP_ROWS: usize = 1 << 18;

/// Rows of one series and server, made of JSON lines.
pub(super) fn read_rows(
    series: &Series,
    server: &str,
    lines: &[u8],
    path: &Path,
) -> Result<Vec<RecordBatch>, Error> {
    let failed = |source| Error::Rows { path: path.to_owned(), source };
    let reader = ReaderBuilder::new(series.row_schema())
        .with_batch_size(BATCH_ROWS)
        .build(lines)
        .map_err(failed)?;
    let schema = series.schema();
    reader
        .map(|batch| {
            let batch = batch?;
            let names = std::iter::repeat_n(server, batch.num_rows());
            let server: ArrayRef = Arc::new(StringArray::from_iter_values(names));
            let columns = std::iter::once(server).chain(batch.columns().iter().cloned());
            RecordBatch::try_new(Arc::clone(&schema), columns.collect())
        })
        .collect::<Result<_, ArrowError>>()
        .map_err(failed)
}

/// Record batches as JSON lines.
pub(super) fn lines_of(batches: &[RecordBatch], path: &Path) -> Result<Vec<u8>, Error> {
    let mut writer = LineDelimitedWriter::new(Vec::new());
    let all: Vec<&RecordBatch> = batches.iter().collect();
    writer
        .write_batches(&all)
        .and_then(|()| writer.finish())
        .map_err(|source| Error::Rows { path: path.to_owned(), source })?;
    Ok(writer.into_inner())
}

/// One Parquet file of these rows, those that are alike next to each other.
pub(super) fn written(
    series: &Series,
    batches: &[RecordBatch],
    path: &Path,
) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Rows { path: path.to_owned(), source };
    let whole = concat_batches(&series.schema(), batches).map_err(failed)?;
    let ordered = ordered(series, &whole).map_err(failed)?;
    drop(whole);
    let encode = || -> parquet::errors::Result<Vec<u8>> {
        let mut writer =
            ArrowWriter::try_new(Vec::new(), series.schema(), Some(properties(series)))?;
        writer.write(&ordered)?;
        writer.into_inner()
    };
    encode().map_err(|source| failed(ArrowError::ParquetError(source.to_string())))
}

fn ordered(series: &Series, rows: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<SortColumn> = series
        .order
        .iter()
        .filter_map(|name| rows.column_by_name(name))
        .map(|column| SortColumn { values: Arc::clone(column), options: None })
        .collect();
    let indices = lexsort_to_indices(&columns, None)?;
    take_record_batch(rows, &indices)
}

/// Whole numbers and moments as differences of neighbours, which are small in our order; texts
/// through a dictionary, the default.
fn properties(series: &Series) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_writer_version(WriterVersion::PARQUET_2_0)
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(6).unwrap_or_default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for column in series.columns {
        if matches!(column.holds, Holds::Moment | Holds::Whole | Holds::Millis) {
            let path = parquet::schema::types::ColumnPath::from(column.name);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    properties.build()
}

/// The rows of a Parquet file of ours.
pub(super) fn parsed(bytes: Vec<u8>, path: &Path) -> Result<Vec<RecordBatch>, Error> {
    let read = || -> Result<Vec<RecordBatch>, ArrowError> {
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))?
            .with_batch_size(BATCH_ROWS)
            .build()?;
        reader.collect()
    };
    read().map_err(|source| Error::Rows { path: path.to_owned(), source })
}

/// Of these rows, those with `from <= at <= to`.
pub(super) fn between(
    rows: &RecordBatch,
    from: Timestamp,
    to: Timestamp,
) -> Result<RecordBatch, ArrowError> {
    let at =
        rows.column_by_name("at").and_then(|c| c.as_primitive_opt::<TimestampMillisecondType>());
    let Some(at) = at else {
        return Err(ArrowError::SchemaError("no column at of milliseconds".to_owned()));
    };
    let (from, to) = (from.as_millisecond(), to.as_millisecond());
    let wanted: BooleanArray = at.iter().map(|t| t.map(|t| from <= t && t <= to)).collect();
    filter_record_batch(rows, &wanted)
}
