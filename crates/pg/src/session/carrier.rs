//! Carries a session's messages on the thread that asks, while it asks.
//!
//! A runtime shared by all sessions would hand each message to a thread of its own and each answer
//! back: that costs more than the message. The other side of it: what the server sends between two
//! questions is read with the next one.

use super::{NOTICES_MAX, Notice};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Connection};

/// The end of a session is said to the server. Where an answer is still owed it cannot be said: the
/// session is left then, after this time.
const FAREWELL: Duration = Duration::from_millis(500);

/// A thread that waits for one session needs nobody beside it but a resolver of names.
///
/// # Errors
/// When the process may open no more files.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().max_blocking_threads(1).enable_all().build()
}

/// A connection's other half. It must be dropped after the client: the connection ends when
/// nobody can ask any more.
pub(super) struct Carrier {
    runtime: Runtime,
    connection: JoinHandle<()>,
}

impl Carrier {
    pub(super) fn new<S, T>(
        runtime: Runtime,
        connection: Connection<S, T>,
        notices: Arc<Mutex<Vec<Notice>>>,
    ) -> Carrier
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let connection = runtime.spawn(carry(connection, notices));
        Carrier { runtime, connection }
    }

    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime.block_on(work)
    }

    /// Reads what the server has sent since the last question: that it has ended the session.
    pub(super) fn catch_up(&self) {
        self.runtime.block_on(async {
            // The first time lets the socket be looked at, the second the connection read from it.
            for _ in 0..2 {
                tokio::task::yield_now().await;
            }
        });
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        let connection = &mut self.connection;
        // It has ended, or is left.
        let _ = self.runtime.block_on(async { tokio::time::timeout(FAREWELL, connection).await });
    }
}

async fn carry<S, T>(mut connection: Connection<S, T>, notices: Arc<Mutex<Vec<Notice>>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(Ok(message)) = std::future::poll_fn(|cx| connection.poll_message(cx)).await {
        let AsyncMessage::Notice(notice) = message else { continue };
        let mut list = notices.lock().unwrap_or_else(|e| e.into_inner());
        if list.len() < NOTICES_MAX {
            list.push(Notice {
                severity: notice.severity().to_owned(),
                message: notice.message().to_owned(),
            });
        }
    }
}
