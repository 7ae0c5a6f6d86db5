//! What the tests of the verifier share: a maker of logs, and a forger's tools.
#![allow(dead_code, reason = "each test uses a part")]

pub mod book;
pub mod maker;
