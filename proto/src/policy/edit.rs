//! All rules as one text: what it would change, told rule by rule before anything is sealed.

use serde::{Deserialize, Serialize};

use super::Rule;
use crate::{List, Text, limits};

/// What becomes of one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit<'a> {
    /// What.
    pub change: Change,
    /// The rule, as it would be sealed; as it was, if it is taken away.
    #[serde(borrow)]
    pub rule: Rule<'a>,
    /// What it was before, of one that is changed.
    #[serde(borrow)]
    pub was: Option<Rule<'a>>,
    /// Why it says nothing, or not what it seems to, each as a line.
    #[serde(borrow)]
    pub warnings: List<Text<'a, { limits::MESSAGE }>, { limits::WARNINGS }>,
}

/// What a text does to a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change {
    /// Nothing; it is told for its warnings.
    None,
    /// Makes it.
    New,
    /// Makes another one of that name.
    Changed,
    /// Takes it away.
    Removed,
}
