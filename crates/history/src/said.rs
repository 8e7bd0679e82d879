//! What the engine says of a query, sorted into errors.

use crate::Error;
use crate::engine::SCHEMA;
use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use pgward_model::near;
use pgward_store::series::SERIES;

impl Error {
    pub(crate) fn kept(error: &pgward_store::Error) -> Error {
        Error::Kept { what: error.to_string(), hint: error.hint() }
    }

    /// The causes of an error, itself first.
    pub(crate) fn links(
        error: &DataFusionError,
    ) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
        let first: &(dyn std::error::Error + 'static) = error;
        std::iter::successors(Some(first), |link| link.source())
    }

    /// Sorts what the engine says.
    pub(crate) fn of(error: &DataFusionError) -> Error {
        let kept = Error::links(error).find_map(|l| l.downcast_ref::<pgward_store::Error>());
        if let Some(kept) = kept {
            return Error::kept(kept);
        }
        let what = said(error.find_root());
        if Error::links(error).any(is_of_a_file) {
            return Error::File { what };
        }
        match error.find_root() {
            DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
                SchemaError::FieldNotFound { field, valid_fields } => {
                    let mut known: Vec<&str> = valid_fields.iter().map(|c| c.name()).collect();
                    known.dedup();
                    Error::column(field.name(), &known)
                }
                other => Error::Sql { what: other.to_string() },
            },
            DataFusionError::ResourcesExhausted(_) => Error::Memory { what },
            DataFusionError::Plan(_) => Error::planned(what),
            _ => Error::Sql { what },
        }
    }

    /// What is wrong with a query that can be parsed.
    fn planned(what: String) -> Error {
        let missing = what.split_once(&format!("{SCHEMA}.")).and_then(|(before, rest)| {
            let name = rest.strip_suffix("' not found")?;
            before.ends_with("table 'pgward.").then(|| name.to_owned())
        });
        if let Some(name) = missing {
            let known: Vec<&str> = SERIES.iter().map(|s| s.id).collect();
            let meant = near::meant(&name, known.iter().copied());
            return Error::Table { name, meant, known: known.join(", ") };
        }
        if ["DDL not", "DML not", "Statement not"].iter().any(|w| what.contains(w)) {
            return Error::Writes { what };
        }
        Error::Sql { what }
    }

    fn column(name: &str, known: &[&str]) -> Error {
        let meant = near::meant(name, known.iter().copied());
        Error::Column { name: name.to_owned(), meant, known: known.join(", ") }
    }
}

fn is_of_a_file(link: &(dyn std::error::Error + 'static)) -> bool {
    let arrow = link.downcast_ref::<ArrowError>();
    link.is::<ParquetError>()
        || link.is::<datafusion::object_store::Error>()
        || matches!(arrow, Some(ArrowError::ParquetError(_) | ArrowError::IoError(..)))
}

/// The first line of what the engine says, without its name for the kind of error.
fn said(error: &DataFusionError) -> String {
    let said = match error {
        DataFusionError::Plan(said)
        | DataFusionError::Execution(said)
        | DataFusionError::NotImplemented(said)
        | DataFusionError::ResourcesExhausted(said) => said.clone(),
        DataFusionError::SQL(said, _) => said.to_string(),
        other => other.strip_backtrace(),
    };
    let said = said.split(DataFusionError::BACK_TRACE_SEP).next().unwrap_or("").trim();
    said.lines().next().unwrap_or("").to_owned()
}
