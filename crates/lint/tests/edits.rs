//! Whatever is done to real SQL, it is read and judged without a crash: a few thousand of the
//! edits of which `cargo bench -p pgward-lint --bench edits` runs as many as one likes.
#![allow(clippy::print_stderr, reason = "a panic does not say which edit it was")]

#[path = "common/edits.rs"]
mod edits;
#[path = "common/reader.rs"]
mod reader;

use edits::{Corpus, Edited};

const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/corpus");

/// Says which edit it was, also where the panic does not.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("edit {}: cargo bench -p pgward-lint --bench edits -- show {0}", self.0);
        }
    }
}

#[test]
fn whatever_is_edited_is_read() {
    let corpus = Corpus::read(&[CORPUS]);
    for number in 0..4_000 {
        let _told = Told(number);
        reader::read(&corpus.edited(number).text);
    }
}

#[test]
fn whatever_is_edited_is_judged_and_printed() {
    let corpus = Corpus::read(&[CORPUS]);
    for number in 4_000..4_300 {
        let _told = Told(number);
        let Edited { path, before, text } = corpus.edited(number);
        reader::judge(path, &before, &text);
    }
}
