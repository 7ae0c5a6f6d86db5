//! A rule: what it names, about whom it is, and until when it says anything.

use std::sync::Arc;

use glassdome_proto::policy::{Action, Decision};
use glassdome_proto::{Glob, Rate, limits};

use crate::attest::lineage::Held;
use crate::attest::unit::Unit;

/// SHA-256 of a file's bytes.
pub type Digest = [u8; 32];

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// What it says.
    pub decision: Decision,
    /// Names that it covers.
    pub secrets: Vec<Glob>,
    /// What may be done with them.
    pub actions: Vec<Action>,
    /// The executable; `None` if it is about whatever asks.
    pub exe: Option<Pinned>,
    /// The script, where the executable is an interpreter.
    pub script: Option<Pinned>,
    /// The unit, if it is about one: whatever runs there, or of that only the executable.
    pub unit: Option<Unit>,
    /// The one process that it is about. Only of an answer.
    pub process: Option<Process>,
    /// How often it may allow, in a session.
    pub rate: Option<Rate>,
    /// From when on it says nothing any more, in seconds since the epoch.
    pub expires: Option<u64>,
    /// When it was made, in seconds since the epoch.
    pub made: u64,
}

/// Where a rule comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is sealed in the vault.
    Sealed,
    /// A person's answer, remembered until the session ends at the latest; by number.
    Answer(u32),
}

/// One process, held so that its end is seen, and that it became another program.
#[derive(Debug, Clone)]
pub struct Process(pub Arc<Held>);

impl PartialEq for Process {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Process {}

/// A file that a rule names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Its path, without symbolic links.
    pub path: String,
    /// What its bytes must be; any if `None`.
    pub sha256: Option<Digest>,
}

impl Rule {
    /// Whether it speaks about this.
    pub fn covers(&self, action: Action, secret: &str) -> bool {
        self.actions.contains(&action) && self.secrets.iter().any(|glob| glob.matches(secret))
    }

    /// Whether it says anything but yes.
    pub fn keeps_back(&self) -> bool {
        self.decision != Decision::Allow
    }

    /// Whether it is about whatever asks.
    pub fn is_about_anyone(&self) -> bool {
        self.exe.is_none() && self.unit.is_none() && self.process.is_none()
    }

    /// Whether its time is over; `now` in seconds since the epoch.
    pub fn is_over(&self, now: u64) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// As the log records it.
    pub fn word(&self) -> String {
        match self.origin {
            Origin::Sealed => format!("rule:{}", self.id),
            Origin::Answer(id) => format!("answer:{id}"),
        }
    }
}

/// Whether a rule can be called so: 1 to [`limits::RULE_ID`] letters, digits, `.`, `_` and `-`.
pub fn is_name(text: &str) -> bool {
    (1..=limits::RULE_ID).contains(&text.len()) && text.chars().all(is_of_name)
}

/// Whether that may be in the name of a rule.
pub fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

/// Whether a rule can name a file so: absolute, of at most [`limits::PATH`] bytes, and as it is on the disk, where
/// what is no UTF-8 was replaced.
pub fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() <= limits::PATH && !path.contains(['\0', char::REPLACEMENT_CHARACTER])
}

#[cfg(test)]
impl Rule {
    /// Allows any program to get anything: what a test does not say, it does not mean.
    pub(crate) fn any() -> Self {
        Self {
            id: "r".into(),
            origin: Origin::Sealed,
            decision: Decision::Allow,
            secrets: Glob::parse("**").into_iter().collect(),
            actions: vec![Action::Get],
            exe: Some(Pinned { path: "/bin/x".into(), sha256: None }),
            script: None,
            unit: None,
            process: None,
            rate: None,
            expires: None,
            made: 0,
        }
    }
}
