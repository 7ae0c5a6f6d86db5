//! What holds until the session ends: the grants of terminals, and the handles of programs.

use serde::{Deserialize, Serialize};

use super::{Digest, PathText};
use crate::{Glob, List, Text, limits};

/// The right to a few secrets, for one program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handle<'a> {
    /// Names it; no grant has the same number.
    pub id: u32,
    /// The program that it was made for.
    pub pid: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a, { limits::PROCESS_NAME }>,
    /// What allowed it, as the log records it.
    #[serde(borrow)]
    pub by: Text<'a, { limits::HANDLE_BY }>,
    /// The names that it gives.
    pub secrets: List<Glob, { limits::RULE_GLOBS }>,
    /// When it was made, in seconds since the epoch.
    pub since: u64,
    /// When it ends by itself, in seconds since the epoch.
    pub ends: Option<u64>,
    /// What the program was started to run, by the word of whoever started it.
    #[serde(borrow)]
    pub script: Option<ScriptCopy<'a>>,
    /// The unit of the system's in which it was made, if in one: outside of that it gives nothing.
    #[serde(borrow)]
    pub unit: Option<Text<'a, { limits::UNIT }>>,
}

/// A script that was read once, and is run from a copy that nobody can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptCopy<'a> {
    /// Where it was read.
    #[serde(borrow)]
    pub path: PathText<'a>,
    /// Of the bytes that were read.
    pub sha256: Digest,
}

/// A terminal in which the master password was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant<'a> {
    /// Names it.
    pub id: u32,
    /// The shell.
    pub pid: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a, { limits::PROCESS_NAME }>,
    /// Its terminal; empty without one.
    #[serde(borrow)]
    pub tty: Text<'a, { limits::TTY }>,
    /// When the password was typed, in seconds since the epoch.
    pub since: u64,
    /// Whether commands must bring the token of that shell.
    pub token: bool,
    /// Whether it is the one that asks.
    pub yours: bool,
}
