//! What can go wrong while looking: rarely more than a missing right.

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Pg(#[from] pgward_pg::error::Error),
    #[error("check {id} is not known; there are {known}")]
    UnknownCheck { id: String, known: String },
}

impl Error {
    /// The way out, where there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Pg(error) => error.hint(),
            Error::UnknownCheck { .. } => None,
        }
    }
}
