//! What can go wrong while watching.

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    #[error(transparent)]
    Integrity(#[from] pgward_integrity::error::Error),
    #[error("{sampler}: {why}")]
    Sampler { sampler: &'static str, why: String },
}

impl Error {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Pg(error) => error.hint(),
            Error::Integrity(_) | Error::Sampler { .. } => None,
        }
    }
}
