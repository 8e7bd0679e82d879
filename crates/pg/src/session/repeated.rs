//! Queries that a session repeats which watches or scans: parsed and planned by the server once,
//! so that a second costs it one transaction and one round trip where it would cost two and a plan.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, Row, Statement};

/// Samplers send some fifty texts; a scan, which names each table in its own, sends thousands and
/// repeats those of the table where it is.
const STATEMENTS_MAX: usize = 128;

/// The texts that a session has sent, and the statement of each that it has sent twice.
#[derive(Default)]
pub(super) struct Repeated(Mutex<HashMap<String, Option<Statement>>>);

impl Repeated {
    pub(super) async fn query(
        &self,
        client: &Client,
        text: &str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Error> {
        let seen = self.statements().get(text).cloned();
        match seen {
            // What is asked only once needs no name.
            None if params.is_empty() => {
                let rows = client.query_typed(text, &[]).await?;
                self.keep(text, None);
                return Ok(rows);
            }
            // What the server no longer knows, or knows with other columns, is prepared again:
            // behind a pooler another session may answer.
            Some(Some(statement)) => match client.query(&statement, params).await {
                Err(error) if is_stale(&error) => self.keep(text, None),
                answer => return answer,
            },
            _ => {}
        }
        let statement = client.prepare(text).await?;
        let rows = client.query(&statement, params).await?;
        self.keep(text, Some(statement));
        Ok(rows)
    }

    fn keep(&self, text: &str, statement: Option<Statement>) {
        let mut statements = self.statements();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(text.to_owned(), statement);
    }

    fn statements(&self) -> MutexGuard<'_, HashMap<String, Option<Statement>>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn is_stale(error: &Error) -> bool {
    // 0A000 is also `cached plan must not change result type`.
    let stale = [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::FEATURE_NOT_SUPPORTED];
    error.code().is_some_and(|code| stale.contains(code))
}
