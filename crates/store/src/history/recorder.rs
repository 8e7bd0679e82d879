//! Keeps the history of a server that is watched, and never keeps the watching waiting.

use super::batch::Batch;
use super::collect::Collector;
use super::writer::Writer;
use crate::error::Error;
use jiff::Timestamp;
use pgward_model::prelude::*;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Batches under way to the thread that writes.
const QUEUE_MAX: usize = 4;
/// Rows that wait for a place that is full or refuses; the oldest go when there are more.
const WAITING_BYTES: usize = 16 << 20; // a quarter of an hour of a server with 20 sessions at work
/// Seconds until a write that failed is tried again.
const RETRY_S: [u64; 5] = [1, 2, 5, 10, 30];
/// How long the end of the program waits for the last batch.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Notes samples and writes them in the background.
#[derive(Debug)]
pub struct Recorder {
    collector: Collector,
    to: Option<SyncSender<Batch>>,
    lost: Arc<Mutex<Lost>>,
    thread: Option<JoinHandle<()>>,
    done: Receiver<()>,
}

/// Why the history is not written, if it is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    pub since: Timestamp,
    pub why: String,
}

/// What was not kept since the last row about it.
#[derive(Debug, Default)]
struct Lost {
    trouble: Option<Trouble>,
    /// Does writing itself fail?
    refused: bool,
    /// First and last moment, and in how many batches.
    gap: Option<(Timestamp, Timestamp, u64)>,
    why: String,
}

impl Lost {
    fn add(&mut self, batch: &Batch) {
        let (from, to, n) = self.gap.unwrap_or((batch.from, batch.at, 0));
        self.gap = Some((from.min(batch.from), to.max(batch.at), n + 1));
    }
}

impl Recorder {
    /// Begins to write.
    ///
    /// # Errors
    /// [`Error::Open`] when no thread can be had.
    pub fn start(writer: Writer) -> Result<Recorder, Error> {
        let (to, from) = sync_channel(QUEUE_MAX);
        let (ended, done) = sync_channel(1);
        let lost = Arc::new(Mutex::new(Lost::default()));
        let path = writer.history.root().to_owned();
        let told = Arc::clone(&lost);
        let thread = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || {
                Scribe { writer, waiting: VecDeque::new(), lost: told, n_failed: 0, untidy: None }
                    .run(&from);
                let _ = ended.try_send(()); // nobody waits any more
            })
            .map_err(|source| Error::Open { path, source })?;
        Ok(Recorder {
            collector: Collector::default(),
            to: Some(to),
            lost,
            thread: Some(thread),
            done,
        })
    }

    /// Notes a sample. Never waits and never fails: what cannot be kept becomes a gap.
    pub fn note(&mut self, sample: &Sample) {
        let gap = {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            let gap = if lost.refused { None } else { lost.gap.take() };
            gap.map(|gap| (gap, lost.why.clone()))
        };
        if let Some(((from, to, n), why)) = gap {
            self.collector.note_gap(from, to, why, n);
        }
        if let Some(batch) = self.collector.note(sample) {
            self.send(batch);
        }
    }

    /// Why nothing can be written now, if so.
    pub fn trouble(&self) -> Option<Trouble> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).trouble.clone()
    }

    fn send(&self, batch: Batch) {
        let Some(to) = &self.to else { return };
        if let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) =
            to.try_send(batch)
        {
            let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
            lost.add(&batch);
            if lost.why.is_empty() {
                lost.why = "writing takes longer than watching".to_owned();
            }
        }
    }
}

/// Writes what was noted, for some seconds at most.
impl Drop for Recorder {
    fn drop(&mut self) {
        if let Some(batch) = self.collector.close() {
            self.send(batch);
        }
        self.to = None;
        let ended = self.done.recv_timeout(END_WITHIN).is_ok();
        if let (true, Some(thread)) = (ended, self.thread.take()) {
            let _ = thread.join(); // it has ended
        }
    }
}

/// The thread that writes.
struct Scribe {
    writer: Writer,
    waiting: VecDeque<Batch>,
    lost: Arc<Mutex<Lost>>,
    n_failed: usize,
    /// Why no files can be made of batches.
    untidy: Option<Trouble>,
}

impl Scribe {
    fn run(mut self, from: &Receiver<Batch>) {
        let mut now = Timestamp::MIN;
        loop {
            let pause = if self.waiting.is_empty() { 3600 } else { self.pause_s() };
            let ended = match from.recv_timeout(Duration::from_secs(pause)) {
                Ok(batch) => {
                    now = now.max(batch.at);
                    self.waiting.push_back(batch);
                    self.bound();
                    // While a place refuses, it is asked again now and then, not each time.
                    if self.n_failed > 0 {
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            self.write(now);
            if ended {
                return;
            }
        }
    }

    fn pause_s(&self) -> u64 {
        let i = self.n_failed.saturating_sub(1).min(RETRY_S.len() - 1);
        RETRY_S.get(i).copied().unwrap_or(30)
    }

    fn write(&mut self, now: Timestamp) {
        while let Some(batch) = self.waiting.front() {
            if let Err(error) = self.writer.write(batch, now) {
                self.failed(now, &error);
                return;
            }
            self.waiting.pop_front();
        }
        self.n_failed = 0;
        if now > Timestamp::MIN {
            match self.writer.tidy(now) {
                Ok(true) => self.untidy = None,
                Ok(false) => {}
                // Rows are safe in their batches.
                Err(error) => {
                    let since = self.untidy.as_ref().map_or(now, |t| t.since);
                    self.untidy = Some(Trouble { since, why: said(&error) });
                }
            }
        }
        let trouble = self.untidy.clone();
        let mut lost = self.lost();
        lost.refused = false;
        lost.trouble = trouble;
    }

    fn failed(&mut self, now: Timestamp, error: &Error) {
        self.n_failed += 1;
        let why = said(error);
        let mut lost = self.lost();
        lost.refused = true;
        lost.why.clone_from(&why);
        let since = lost.trouble.as_ref().map_or(now, |t| t.since);
        lost.trouble = Some(Trouble { since, why });
    }

    /// Lets the oldest batches go when there are too many.
    fn bound(&mut self) {
        let mut bytes: usize = self.waiting.iter().map(Batch::bytes).sum();
        while bytes > WAITING_BYTES
            && let Some(batch) = self.waiting.pop_front()
        {
            bytes -= batch.bytes();
            self.lost().add(&batch);
        }
    }

    fn lost(&self) -> std::sync::MutexGuard<'_, Lost> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn said(error: &Error) -> String {
    format!("{error}; {}", error.hint())
}
