//! A request that was refused or waits, and what the rules say to it.

use serde::{Deserialize, Serialize};

use super::{Action, Decision, Finding, PathText};
use crate::{List, Text, limits};

/// What the rules that there are now say to a request, by what was seen of whoever made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained<'a> {
    /// What would be done.
    pub action: Action,
    /// With which secrets; none means all names, to be listed.
    #[serde(borrow)]
    pub names: List<Text<'a, { limits::NAME }>, { limits::ASKED }>,
    /// The process that asked, or ran what asked.
    pub pid: u32,
    /// Its program, as the refusal named it.
    #[serde(borrow)]
    pub program: Text<'a, { limits::PROCESS_NAME }>,
    /// The script that it ran, by its own word.
    #[serde(borrow)]
    pub script: Option<PathText<'a>>,
    /// Why nothing spoke for it.
    #[serde(borrow)]
    pub why: Text<'a, { limits::WHY }>,
    /// What would be said now, to the name that was asked about.
    pub decision: Decision,
    /// What decides, as the log would record it; nothing if no rule speaks.
    #[serde(borrow)]
    pub by: Option<Text<'a, { limits::MESSAGE }>>,
    /// Those rules that cover the name and the action, in the order in which they were made.
    #[serde(borrow)]
    pub findings: List<Finding<'a>, { limits::FINDINGS }>,
    /// Whether there are more.
    pub more: bool,
}
