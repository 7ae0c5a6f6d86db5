//! Processes as the daemon sees them: what the kernel says of one, and apart from it what the process says of
//! itself.

use serde::{Deserialize, Serialize};

use super::{Digest, PathText, RuleId};
use crate::{List, Text, limits};

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
