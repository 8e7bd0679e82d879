//! Rows of the engine as cells.

use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::error::ArrowError;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use pgward_model::prelude::*;

/// The rows of a batch, and the bytes of their texts.
pub(crate) fn rows(batch: &RecordBatch) -> Result<(Vec<Vec<Cell>>, usize), ArrowError> {
    let mut rows = vec![Vec::with_capacity(batch.num_columns()); batch.num_rows()];
    let mut n_bytes = 0;
    for column in batch.columns() {
        for (row, cell) in rows.iter_mut().zip(cells(column.as_ref())?) {
            n_bytes += bytes(&cell);
            row.push(cell);
        }
    }
    Ok((rows, n_bytes))
}

fn cells(column: &dyn Array) -> Result<Vec<Cell>, ArrowError> {
    let options = FormatOptions::default();
    let formatter = ArrayFormatter::try_new(column, &options)?;
    (0..column.len())
        .map(|i| {
            Ok(match column.data_type() {
                _ if column.is_null(i) => Cell::Null,
                DataType::Null => Cell::Null,
                DataType::Boolean => Cell::Yes(column.as_boolean().value(i)),
                DataType::List(_) => Cell::List(cells(column.as_list::<i32>().value(i).as_ref())?),
                of if of.is_numeric() => Cell::Number(formatter.value(i).try_to_string()?),
                _ => Cell::Text(formatter.value(i).try_to_string()?),
            })
        })
        .collect()
}

fn bytes(cell: &Cell) -> usize {
    let own = size_of::<Cell>();
    own + match cell {
        Cell::Null | Cell::Yes(_) => 0,
        Cell::Number(text) | Cell::Text(text) => text.len(),
        Cell::List(cells) => cells.iter().map(bytes).sum(),
    }
}
