//! What one line of the log says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record<'a> {
    /// Counts the lines of a log from 1, without gaps.
    pub seq: u64,
    /// Wall clock, RFC 3339 with milliseconds, UTC.
    #[serde(borrow)]
    pub time: Cow<'a, str>,
    /// `CLOCK_BOOTTIME` in milliseconds: what tells when the wall clock was set.
    pub boot_ms: u64,
    /// What was asked, or happened.
    pub event: Event,
    /// What became of it.
    pub outcome: Outcome,
    /// Name of the secret, if it is about one.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Cow<'a, str>>,
    /// Rule or grant that decided, or the reason in one word.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
    /// Like records that were left out since the last one of this kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// Who was judged in the place of the peer, where that is one of our clients: whoever ran it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged<'a>>,
    /// Who asked, if somebody did.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer<'a>>,
}

/// Whoever ran a client of ours, and was judged in its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judged<'a> {
    /// Process id.
    pub pid: i32,
    /// Name of its executable, or the one it gave itself.
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// The script that it runs, by its own word.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub script: Option<Cow<'a, str>>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// What was asked, or happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// The daemon began.
    Start,
    /// The daemon ended.
    Stop,
    /// A program connected.
    Connect,
    /// A vault was made.
    Create,
    /// A session was opened, or somebody tried.
    Unlock,
    /// A session ended.
    Lock,
    /// The session was ended, and none is opened until that is taken back.
    Panic,
    /// That was taken back, or somebody tried.
    EndPanic,
    /// A value was read.
    Get,
    /// Names were read.
    List,
    /// What is known of a secret, its versions included.
    Info,
    /// A value was stored.
    Set,
    /// A secret was taken away.
    Remove,
    /// A secret got another name.
    Move,
    /// A former version became current.
    Restore,
    /// The master password was changed.
    ChangePassword,
    /// The sealed settings were read.
    Settings,
    /// A sealed setting was changed.
    ChangeSetting,
    /// The sealed rules were read.
    Rules,
    /// A sealed rule was made or taken away.
    ChangeRules,
    /// A terminal was granted.
    Grant,
    /// The granted terminals were shown.
    Grants,
    /// The remembered answers were shown.
    Answers,
    /// A grant, or a remembered answer, was ended by hand.
    Revoke,
    /// A handle was made for a program.
    Handle,
    /// The handles were shown.
    Handles,
    /// The person was asked.
    Ask,
    /// The open questions were shown.
    Questions,
    /// The person said yes.
    Approve,
    /// The person said no.
    Refuse,
    /// Another process than the one that asked was shown as the daemon sees it.
    WhoAmI,
    /// Bait was asked for.
    Canary,
    /// The check of the vault found records put back, changed or taken away.
    VaultDamaged,
    /// The approval PIN or the master password was shown for a connection, to answer for the person.
    Prove,
    /// The approval PIN was made, changed or taken away.
    ChangePin,
    /// A screen locked, and what was granted to terminals or answered rests.
    Pause,
    /// That holds again.
    Resume,
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Done.
    Allowed,
    /// Refused, by the session or the policy.
    Denied,
    /// Allowed, and then not done.
    Failed,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer<'a> {
    /// What the kernel says.
    #[serde(borrow)]
    pub kernel: Kernel<'a>,
    /// What the peer says of itself.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub claims: Option<Claims<'a>>,
}

/// What the kernel says of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kernel<'a> {
    /// Process id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// User id.
    pub uid: u32,
    /// Group id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// The file that was executed.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub exe: Option<Exe<'a>>,
}

/// An executable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exe<'a> {
    /// Its path as the kernel prints it: for people; files are told apart by device and inode.
    #[serde(borrow)]
    pub path: Cow<'a, str>,
    /// Device number.
    pub dev: u64,
    /// Inode number.
    pub ino: u64,
}

/// What a peer says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims<'a> {
    /// What the client calls itself.
    #[serde(borrow)]
    pub client: Cow<'a, str>,
    /// Its version.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
}
