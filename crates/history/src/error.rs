//! What can go wrong with a query: each error names the object and, by `hint`, the way out.

use crate::engine::SCHEMA;
use datafusion::arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::parquet::errors::ParquetError;
use pgward_store::series::SERIES;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no table {name}; did you mean {nearest}?")]
    Table { name: String, nearest: String, known: String },
    #[error("there is no column {name}; did you mean {nearest}?")]
    Column { name: String, nearest: String, known: String },
    #[error("{what}")]
    Sql { what: String },
    #[error("a query of {n_bytes} bytes; the longest has {most}")]
    Long { n_bytes: usize, most: usize },
    #[error("the history is only read: {what}")]
    Writes { what: String },
    #[error("the query was ended after {seconds} s")]
    Time { seconds: f64 },
    #[error("the query needs more memory than it may take: {what}")]
    Memory { what: String },
    #[error("{what}")]
    Kept { what: String, hint: String },
    #[error("a file of the history does not read: {what}")]
    File { what: String },
    #[error("no thread can be had to run the query: {source}")]
    Runtime { source: std::io::Error },
    #[error("the query broke off: {what}")]
    Crash { what: String },
}

impl Error {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Error::Table { known, .. } => format!("tables are {known}"),
            Error::Column { known, .. } => format!("columns are {known}"),
            Error::Sql { .. } => "`pgward history` lists tables and columns".to_owned(),
            Error::Long { .. } => "join with a table instead of naming its values".to_owned(),
            Error::Writes { .. } => "ask with one SELECT".to_owned(),
            Error::Time { .. } => {
                "ask for a shorter time (WHERE at > now() - INTERVAL '1 hour'), or give more with \
                 --timeout"
                    .to_owned()
            }
            Error::Memory { .. } => {
                "ask for a shorter time or fewer groups, or give more with --memory".to_owned()
            }
            Error::Kept { hint, .. } => hint.clone(),
            Error::File { .. } => "look into the folder history of the vault".to_owned(),
            Error::Runtime { .. } => "look for what takes all threads of this machine".to_owned(),
            Error::Crash { .. } => {
                "report it with the query: it is a defect of pgward or DataFusion".to_owned()
            }
        }
    }

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
            let nearest = nearest(&name, &known);
            return Error::Table { name, nearest, known: known.join(", ") };
        }
        if ["DDL not", "DML not", "Statement not"].iter().any(|w| what.contains(w)) {
            return Error::Writes { what };
        }
        Error::Sql { what }
    }

    fn column(name: &str, known: &[&str]) -> Error {
        let nearest = nearest(name, known);
        Error::Column { name: name.to_owned(), nearest, known: known.join(", ") }
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

fn nearest(name: &str, known: &[&str]) -> String {
    let distance = |k: &&&str| strsim::damerau_levenshtein(k, name);
    known.iter().min_by_key(distance).map_or_else(|| "none".to_owned(), |k| (**k).to_owned())
}
