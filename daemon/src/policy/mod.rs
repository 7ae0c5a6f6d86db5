//! May this one? Pure: evidence and a question in, a verdict out. There is one built-in rule: a
//! program of the owner, whose identity has not changed since it connected, may. Everything that is
//! not in the list of actions is refused.

use std::fmt;

use crate::attest::Evidence;

/// What the policy is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read a value.
    Get,
    /// Read names and what is known of secrets, never values.
    List,
    /// Store, rename, restore.
    Set,
    /// Take away.
    Remove,
    /// Read the sealed settings.
    Settings,
}

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// What is to be done.
    pub action: Action,
    /// To which secret; `None` where it is about none in particular.
    pub secret: Option<&'a str>,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// By this rule.
    Allow(Rule),
    /// For this reason.
    Deny(Reason),
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The built-in one: the owner's own program.
    Owner,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Another user.
    OtherUser,
}

/// Decides whether the peer with this evidence may do this.
pub fn decide(owner: u32, evidence: &Evidence, _question: Question<'_>) -> Verdict {
    if evidence.kernel.uid == owner { Verdict::Allow(Rule::Owner) } else { Verdict::Deny(Reason::OtherUser) }
}

impl Rule {
    /// The word that the log records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Owner => "owner",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherUser => f.write_str("this daemon serves another user"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::{Claims, Exe, Kernel};

    fn evidence(uid: u32) -> Evidence {
        let exe = Exe { path: "/bin/true".into(), dev: 1, ino: 2 };
        let kernel = Kernel { pid: 1, uid, gid: uid, exe };
        Evidence { kernel, claims: Claims { client: "ctl".into(), version: "1".into() } }
    }

    #[test]
    fn the_owner_may_and_others_may_not() {
        let question = Question { action: Action::Get, secret: Some("a") };
        assert_eq!(decide(1000, &evidence(1000), question), Verdict::Allow(Rule::Owner));
        assert_eq!(decide(1000, &evidence(0), question), Verdict::Deny(Reason::OtherUser));
    }
}
