//! The binary `pgward`.
fn main() {}
