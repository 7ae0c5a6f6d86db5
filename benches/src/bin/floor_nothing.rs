//! The floor of every program: built as ours are, and does nothing.
#![forbid(unsafe_code)]

fn main() {}
