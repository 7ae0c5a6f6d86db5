//! Where the master password was typed, what is typed is served, and nothing that was not typed:
//! real shells in real terminals, against what programs do there.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod elsewhere;
mod forms;
#[path = "../support/hanging.rs"]
mod hanging;
mod imitators;
mod panes;
mod programs;
#[path = "../support/scripts.rs"]
mod scripts;
mod shells;
