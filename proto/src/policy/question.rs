//! What a person is asked, and what is remembered of the answer.

use serde::{Deserialize, Serialize};

use super::{Action, PathText, Process, RuleId};
use crate::{List, Text, limits};

/// How far a yes goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The requests that wait, and no other.
    Once,
    /// The process that asks, until it ends or becomes another program.
    Process,
    /// The program, and its script, with the bytes that they had when it asked.
    Program {
        /// For so many seconds; until the session ends if nothing is given.
        for_s: Option<u32>,
    },
}

/// An open question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question<'a> {
    /// Names it.
    pub id: u32,
    /// What would be done: `get`, `remove for good` and such.
    #[serde(borrow)]
    pub deed: Text<'a, { limits::DEED }>,
    /// With which secrets. None at all means all names, to be listed.
    #[serde(borrow)]
    pub names: List<Text<'a, { limits::NAME }>, { limits::ASKED }>,
    /// For how long it stays open, in milliseconds.
    pub left_ms: u32,
    /// The rule that wants a person to be asked.
    #[serde(borrow)]
    pub rule: Option<RuleId<'a>>,
    /// Who asks.
    #[serde(borrow)]
    pub subject: Process<'a>,
    /// The names of the processes from the first of its session down to it.
    #[serde(borrow)]
    pub line: List<Text<'a, { limits::PROCESS_NAME }>, { limits::CHAIN }>,
    /// Whether it asks through a program of ours that it ran.
    pub through_client: bool,
    /// Why nothing speaks for it: that a command was not typed, for one.
    #[serde(borrow)]
    pub why: Text<'a, { limits::WHY }>,
    /// Whether a yes can be for the process: not of one that stands for whatever it runs.
    pub holdable: bool,
    /// Whether a yes can be remembered for its program: not of an interpreter without a script.
    pub rememberable: bool,
}

/// A yes that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered<'a> {
    /// What ends it, by [`Request::Revoke`](super::Request::Revoke).
    pub id: u32,
    /// When it was said, in seconds since the epoch.
    pub since: u64,
    /// The process that asked.
    pub pid: u32,
    /// Its name.
    #[serde(borrow)]
    pub name: Text<'a, { limits::PROCESS_NAME }>,
    /// What may be done.
    pub action: Action,
    /// With which secrets. None at all means all names, to be listed.
    #[serde(borrow)]
    pub names: List<Text<'a, { limits::NAME }>, { limits::ASKED }>,
    /// The script that it is for.
    #[serde(borrow)]
    pub script: Option<PathText<'a>>,
    /// The executable that it is for; nothing if it is for the process.
    #[serde(borrow)]
    pub exe: Option<PathText<'a>>,
    /// For how many more seconds; until the session ends if nothing is given.
    pub left_s: Option<u32>,
}
