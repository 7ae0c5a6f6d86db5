//! The policy family: who may have what, for whom the daemon takes a process, and which terminals
//! were granted.
//!
//! What the kernel vouches for and what a process merely says of itself stay apart here too: a
//! [`Process`] is facts, its [`Script`] and the [`Claims`] are words.

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::{Glob, List, Name, Rate, Text, limits};

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
}

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

/// A unit of systemd (systemd.unit(5)), by the control group that its processes are in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit<'a> {
    /// Whose.
    pub manager: Manager,
    /// Its name, with its kind behind the dot.
    #[serde(borrow)]
    pub name: Text<'a, { limits::UNIT }>,
}

/// Who runs a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Manager {
    /// The system: only root puts a process there.
    System,
    /// The user: weak, since any process of theirs can have one made.
    User,
}

/// The files of a [`Answer::Draft`] that somebody has seen.
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

/// What may be done with secrets.
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
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Get, Self::List, Self::Set, Self::Remove];

    /// The word that people type and logs record.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Set => "set",
            Self::Remove => "remove",
        }
    }

    /// The action of that name.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == word)
    }
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

/// What the daemon sees of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture<'a> {
    /// The process, what started it, and so on, as far as it can be seen.
    #[serde(borrow)]
    pub chain: List<Process<'a>, { limits::CHAIN }>,
    /// Who of these is the one that rules are about.
    pub subject: u8,
    /// What told that the first one is an installed client; nothing if it is another program.
    pub client: Option<Ours>,
    /// What it says of itself. Only of the process that asks.
    #[serde(borrow)]
    pub claims: Option<Claims<'a>>,
    /// The grant of a terminal that covers it.
    pub grant: Option<u32>,
    /// What is missing for that, or for anything to be given to it, as a line.
    #[serde(borrow)]
    pub missing: Option<Text<'a, { limits::MESSAGE }>>,
    /// The rules that fit the subject.
    #[serde(borrow)]
    pub rules: List<RuleId<'a>, { limits::PICTURE_RULES }>,
}

/// What tells an installed client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ours {
    /// The group that only installed programs can have.
    Stamp,
    /// The file that was executed: weak, since a process of the same user can steer it.
    File,
}

/// Facts about a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process<'a> {
    /// Process id.
    pub pid: u32,
    /// Its user.
    pub uid: u32,
    /// When it started, in seconds since the epoch.
    pub started: u64,
    /// Its name, as the kernel has it: a process can change it.
    #[serde(borrow)]
    pub name: Text<'a, { limits::PROCESS_NAME }>,
    /// The session that it is in (credentials(7)); 0 if that began outside the daemon's namespace.
    pub session: u32,
    /// Its terminal; empty without one.
    #[serde(borrow)]
    pub tty: Text<'a, { limits::TTY }>,
    /// Whether it is a fork that never executed anything of its own.
    pub forked: bool,
    /// Whether it is passed over when the subject is looked for: `env`, `timeout` and such.
    pub launcher: bool,
    /// The file that was executed, if it can be seen.
    #[serde(borrow)]
    pub exe: Option<Exe<'a>>,
    /// The script that it runs, by its own word.
    #[serde(borrow)]
    pub script: Option<Script<'a>>,
}

/// An executable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exe<'a> {
    /// Its path as the kernel prints it: for people.
    #[serde(borrow)]
    pub path: PathText<'a>,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
    /// Whose file it is.
    pub owner: u32,
    /// Whether somebody other than root can change it.
    pub writable: bool,
    /// Of its bytes, where they were read.
    pub sha256: Option<Digest>,
}

/// The script that an interpreter was started with, by the interpreter's own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script<'a> {
    /// Its path.
    #[serde(borrow)]
    pub path: PathText<'a>,
    /// Of its bytes, where they were read.
    pub sha256: Option<Digest>,
}

/// What a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims<'a> {
    /// What it calls itself.
    #[serde(borrow)]
    pub client: Text<'a, { limits::CLIENT_NAME }>,
    /// Its version.
    #[serde(borrow)]
    pub version: Text<'a, { limits::VERSION_TEXT }>,
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

/// A yes that is remembered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered<'a> {
    /// What ends it, by [`Request::Revoke`].
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
