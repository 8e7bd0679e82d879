//! `pgward check` on whatever the fuzzer thinks of: up to the first NUL a migration that ran
//! before, behind it the one that is judged.
#![no_main]

#[path = "../../crates/lint/tests/common/reader.rs"]
mod reader;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (before, after) = text.split_once('\0').unwrap_or(("CREATE TABLE t (id int PRIMARY KEY)", text));
    reader::judge("V2__fuzz.sql", before, after);
});
