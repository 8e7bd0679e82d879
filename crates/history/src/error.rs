//! What can go wrong with a query: each error names the object and, by `hint`, the way out.

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("there is no table {name}{meant}")]
    Table { name: String, meant: String, known: String },
    #[error("there is no column {name}{meant}")]
    Column { name: String, meant: String, known: String },
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
    #[error("this pgward was built without SQL over the history")]
    LeftOut,
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
            Error::LeftOut => "`./dev build` builds the whole program".to_owned(),
        }
    }
}
