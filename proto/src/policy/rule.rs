//! Rules: what one says, about whom, and how it is asked for. A rule travels as it is sealed, or as somebody
//! wants it made.

use serde::{Deserialize, Serialize};

use super::unit::Unit;
use super::{Digest, PathText, RuleId};
use crate::{Glob, List, Rate, Text, limits};

/// A rule to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRule<'a> {
    /// What it shall be called; made up if nothing is given.
    #[serde(borrow)]
    pub id: Option<RuleId<'a>>,
    /// What it shall say.
    pub decision: Decision,
    /// Names that it covers.
    pub secrets: List<Glob, { limits::RULE_GLOBS }>,
    /// What may be done with them.
    pub actions: List<Action, { limits::RULE_ACTIONS }>,
    /// For whom.
    #[serde(borrow)]
    pub whom: Whom<'a>,
    /// And only in this unit.
    #[serde(borrow)]
    pub unit: Option<Unit<'a>>,
    /// How often it may allow.
    pub rate: Option<Rate>,
    /// From when on it says nothing any more, in seconds since the epoch.
    pub expires: Option<u64>,
}

/// For whom a rule is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Whom<'a> {
    /// Whatever runs the program, and the script, that this process runs now.
    Like {
        /// The process.
        pid: u32,
    },
    /// A script, and the interpreter that may run it.
    Script {
        /// An absolute path.
        #[serde(borrow)]
        script: PathText<'a>,
        /// The interpreter's absolute path; what the script's first line names if nothing is given.
        #[serde(borrow)]
        exe: Option<PathText<'a>>,
    },
    /// A program that is no interpreter.
    Exe {
        /// An absolute path.
        #[serde(borrow)]
        exe: PathText<'a>,
    },
    /// Whatever asks: only of a rule that does not allow, or that names a unit.
    Anyone,
    /// Whoever made a request that was refused or waits. Secrets and actions that are not given are those
    /// that it asked for.
    Request {
        /// Its number.
        id: u32,
    },
}

/// The files of a [`Answer::Draft`](super::Answer::Draft) that somebody has seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown<'a> {
    /// The executable.
    #[serde(borrow)]
    pub exe: Option<Pinned<'a>>,
    /// The script that it runs, if it is an interpreter.
    #[serde(borrow)]
    pub script: Option<Pinned<'a>>,
}

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Decision {
    /// Yes.
    Allow,
    /// The person decides, each time anew.
    Ask,
    /// No.
    Deny,
}

impl Decision {
    /// All of them; each goes before those in front of it.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Ask, Self::Deny];

    /// The word that people type and logs record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Deny => "deny",
        }
    }

    /// The decision of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|decision| decision.name() == word)
    }
}

/// What may be done with secrets, and with the contexts of encrypted data, which are named as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Action {
    /// Read values.
    Get,
    /// Read names and what is known of secrets, never values.
    List,
    /// Store, rename, restore.
    Set,
    /// Take away.
    Remove,
    /// Encrypt data for a context.
    Encrypt,
    /// Decrypt what was encrypted for a context.
    Decrypt,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Get, Self::List, Self::Set, Self::Remove, Self::Encrypt, Self::Decrypt];

    /// The word that people type and logs record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Set => "set",
            Self::Remove => "remove",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
        }
    }

    /// The action of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == word)
    }
}

/// What a rule says to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding<'a> {
    /// Which.
    #[serde(borrow)]
    pub rule: RuleId<'a>,
    /// What it says where it speaks.
    pub decision: Decision,
    /// Why it does not.
    pub unmet: Option<Condition>,
}

/// Why a rule does not decide a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Condition {
    /// Its time is over.
    Over,
    /// No glob of it matches the name.
    Secrets,
    /// It does not name the action.
    Action,
    /// The process is not in its unit.
    Unit,
    /// It is about one process, and this is another.
    Process,
    /// Another file is executed than the one at its path.
    Exe,
    /// The program's bytes are others than were sealed, or others than root can change them by now.
    ExeBytes,
    /// It allows a program that is an interpreter, and names no script.
    Interpreter,
    /// Another script is run than the one at its path, or none.
    Script,
    /// The script's bytes are others than were sealed.
    ScriptBytes,
    /// The program cannot be told.
    Unseen,
}

/// A rule that was made, and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked<'a> {
    /// The rule.
    #[serde(borrow)]
    pub rule: Rule<'a>,
    /// Why it can never say anything, each as a line. Other rules are looked at only for whoever may see
    /// them.
    #[serde(borrow)]
    pub warnings: List<Text<'a, { limits::MESSAGE }>, { limits::WARNINGS }>,
}

/// A sealed rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule<'a> {
    /// Its name.
    #[serde(borrow)]
    pub id: RuleId<'a>,
    /// What it says.
    pub decision: Decision,
    /// Names that it covers.
    pub secrets: List<Glob, { limits::RULE_GLOBS }>,
    /// What may be done with them.
    pub actions: List<Action, { limits::RULE_ACTIONS }>,
    /// The executable; nothing if it is about whatever asks.
    #[serde(borrow)]
    pub exe: Option<Pinned<'a>>,
    /// The script that it runs, if it is an interpreter.
    #[serde(borrow)]
    pub script: Option<Pinned<'a>>,
    /// When it was made, in seconds since the epoch.
    pub made: u64,
    /// The unit that it is about.
    #[serde(borrow)]
    pub unit: Option<Unit<'a>>,
    /// How often it may allow.
    pub rate: Option<Rate>,
    /// From when on it says nothing any more, in seconds since the epoch.
    pub expires: Option<u64>,
}

/// A file that a rule names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned<'a> {
    /// Its path.
    #[serde(borrow)]
    pub path: PathText<'a>,
    /// What its bytes must be; any if nothing is given.
    pub sha256: Option<Digest>,
}
