//! What the daemon says of its own protections: a line of `ctl doctor` each.

use serde::{Deserialize, Serialize};

use crate::Text;

/// One protection of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Protection<'a> {
    /// What is protected, or how.
    #[serde(borrow)]
    pub what: Text<'a, 64>,
    /// Whether it is.
    pub level: Level,
    /// Why, and how to mend it.
    #[serde(borrow)]
    pub why: Text<'a, 400>,
}

/// How far a protection is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// In force.
    On,
    /// In force in part.
    Degraded,
    /// Not in force.
    Off,
}
