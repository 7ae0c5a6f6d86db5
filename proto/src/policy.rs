//! The policy family: who may have what, for whom the daemon takes a process, and which terminals
//! were granted.
//!
//! What the kernel vouches for and what a process merely says of itself stay apart here too: a
//! [`Process`] is facts, its [`Script`] and the [`Claims`] are words.

mod edit;
mod explained;
mod grant;
mod process;
mod question;
mod rule;
mod unit;

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::{Bytes, Glob, List, Name, Text, limits};

pub use edit::{Change, Edit};
pub use explained::Explained;
pub use grant::{Grant, Handle, ScriptCopy};
pub use process::{Claims, Exe, Ours, Picture, Process, Script};
pub use question::{Question, Remembered, Scope};
pub use rule::{Action, Checked, Condition, Decision, Finding, NewRule, Pinned, Rule, Shown, Whom};
pub use unit::{Manager, Unit, runs_for_users};

/// A file's path.
pub type PathText<'a> = Text<'a, { limits::PATH }>;

/// Names a rule.
pub type RuleId<'a> = Text<'a, { limits::RULE_ID }>;

/// SHA-256 of a file's bytes (FIPS 180-4).
pub type Digest = [u8; 32];

/// What can be asked. `proof` is the master password for whoever is in no granted terminal.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// What the daemon sees of a process: of the one that asks, or of another.
    WhoAmI {
        /// Which other one.
        pid: Option<u32>,
        /// For another one, where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// A page of the sealed rules.
    Rules {
        /// How many to pass over.
        skip: u16,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// What a rule would be; nothing is sealed.
    Draft(#[serde(borrow)] Box<NewRule<'a>>),
    /// Seals a rule.
    Allow {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// The rule.
        #[serde(borrow)]
        rule: Box<NewRule<'a>>,
        /// What whoever types the password was shown: if the files are others by now, nothing is sealed.
        #[serde(borrow)]
        shown: Option<Shown<'a>>,
    },
    /// Takes a rule away.
    RemoveRule {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// Which.
        #[serde(borrow)]
        id: RuleId<'a>,
    },
    /// The terminals that were granted.
    Grants {
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// Ends a grant, or a handle.
    Revoke {
        /// Which.
        id: u32,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// Makes a handle for the process that asks, and for what it becomes by `exec`.
    Handle {
        /// The names that it shall give, at least one glob.
        secrets: List<Glob, { limits::RULE_GLOBS }>,
        /// For how many seconds; until process or session end if nothing is given.
        lasts_s: Option<u32>,
        /// What the process is about to become an interpreter of, by its own word.
        #[serde(borrow)]
        script: Option<ScriptCopy<'a>>,
    },
    /// A page of the handles.
    Handles {
        /// How many to pass over.
        skip: u16,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// The questions that are open.
    Questions {
        /// Answer when they are others than at this [`Answer::Questions::state`], or when it took too long.
        unlike: Option<u64>,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// A page of the answers that are remembered.
    Answers {
        /// How many to pass over.
        skip: u16,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// Says yes to a question.
    Approve {
        /// Which.
        id: u32,
        /// To what.
        scope: Scope,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// Says no to a question.
    Refuse {
        /// Which.
        id: u32,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// What would become of a request of a process, and why: a page of what each rule says to it.
    Test {
        /// The process.
        pid: u32,
        /// What would be done.
        action: Action,
        /// With which secret.
        #[serde(borrow)]
        name: Name<'a>,
        /// How many rules to pass over.
        skip: u16,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// A part of the text of all rules as they shall be. With the last one they are looked at; nothing is
    /// sealed.
    Edit {
        /// How many bytes came before; with none a text begins.
        at: u32,
        /// What follows them.
        #[serde(borrow)]
        part: Bytes<'a, { limits::CHUNK }>,
        /// Whether another part comes.
        more: bool,
        /// Of which rules the text was made, as [`Answer::Edits`] told: if others are sealed by now, it is
        /// refused. With the last part.
        base: Option<Digest>,
        /// Where no granted terminal asks; with the first part.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
    /// A page of what the text that came on this connection would change.
    Edits {
        /// How many to pass over.
        skip: u16,
    },
    /// Seals the rules of the text that came on this connection, all of them or none.
    SealEdits {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
    },
    /// What the rules say to a request that was refused or waits: a page of it.
    Explain {
        /// Its number.
        id: u32,
        /// About which of its names, in their order.
        name: u8,
        /// How many rules to pass over.
        skip: u16,
        /// Where no granted terminal asks.
        #[serde(borrow)]
        proof: Option<Password<'a>>,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::WhoAmI`].
    Picture(#[serde(borrow)] Picture<'a>),
    /// To [`Request::Rules`].
    Rules {
        /// One page of them, in the order in which they were made.
        #[serde(borrow)]
        rules: List<Rule<'a>, { limits::RULES_PAGE }>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`Request::Draft`].
    Draft(#[serde(borrow)] Box<Checked<'a>>),
    /// To [`Request::Allow`]: the rule as it is sealed.
    Allowed(#[serde(borrow)] Box<Checked<'a>>),
    /// To [`Request::RemoveRule`].
    RuleRemoved,
    /// To [`Request::Grants`].
    Grants(#[serde(borrow)] List<Grant<'a>, { limits::GRANTS }>),
    /// To [`Request::Revoke`].
    Revoked,
    /// To [`Request::Handle`]; its tap comes with the first byte, as a descriptor.
    Handle {
        /// Names it.
        id: u32,
        /// The unit of the system's in which it was made, if in one: outside of that it gives nothing.
        #[serde(borrow)]
        unit: Option<Text<'a, { limits::UNIT }>>,
    },
    /// To [`Request::Handles`].
    Handles {
        /// One page of them, in the order in which they were made.
        #[serde(borrow)]
        handles: List<Handle<'a>, { limits::HANDLES_PAGE }>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`Request::Questions`].
    Questions {
        /// All that are open.
        #[serde(borrow)]
        questions: List<Question<'a>, { limits::QUESTIONS }>,
        /// Counts how often they changed.
        state: u64,
    },
    /// To [`Request::Answers`].
    Answers {
        /// One page of them.
        #[serde(borrow)]
        answers: List<Remembered<'a>, { limits::ANSWERS_PAGE }>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`Request::Approve`]; with the number of the answer, if it is remembered.
    Approved {
        /// What ends it, by [`Request::Revoke`].
        answer: Option<u32>,
    },
    /// To [`Request::Refuse`].
    Refused,
    /// To [`Request::Test`].
    Tested {
        /// What would be said.
        decision: Decision,
        /// What decides, as the log would record it; nothing if no rule speaks.
        #[serde(borrow)]
        by: Option<Text<'a, { limits::MESSAGE }>>,
        /// What each rule says to it, in the order in which they were made.
        #[serde(borrow)]
        findings: List<Finding<'a>, { limits::FINDINGS }>,
        /// Whether there are more.
        more: bool,
    },
    /// To a [`Request::Edit`] behind which more comes.
    PartTaken,
    /// To the last [`Request::Edit`], and to [`Request::Edits`].
    Edits {
        /// The rules that are sealed, as one number: SHA-256 of their text.
        base: Digest,
        /// One page of what becomes of the rules: first those of the text in its order, then those that are
        /// no longer in it.
        #[serde(borrow)]
        edits: List<Edit<'a>, { limits::EDITS_PAGE }>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`Request::SealEdits`].
    EditsSealed,
    /// To [`Request::Explain`].
    Explained(#[serde(borrow)] Box<Explained<'a>>),
}
