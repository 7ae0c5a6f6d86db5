//! What one line of the log says.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::marks::{Hex, Key, Log, Vault};

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
    /// The `unlock` record that began the session which is open, by its `seq`; in a session only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// Name of the secret, if it is about one.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Cow<'a, str>>,
    /// The name that it was to get, of a renaming. Lines that an earlier version wrote have none.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Cow<'a, str>>,
    /// Rule or grant that decided, or the reason in one word.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
    /// Like records that were left out since the last one of this kind.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeated: u64,
    /// Who was judged, where the peer alone does not tell: whoever ran it, if it is one of our clients;
    /// itself, if it runs a script.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub judged: Option<Judged<'a>>,
    /// Which log this is: the first line of every file, and no other, has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<Log>,
    /// The key of the seals from the next record on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Key>,
    /// Bytes of a torn last line that were cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<u64>,
    /// The state of the vault by then, where no record of this file has told it: the first line does. Or that which the
    /// files before have told of another vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<Vault>,
    /// Who asked, if somebody did.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub peer: Option<Peer<'a>>,
    /// BLAKE3 of the whole line before, without its newline; zeros in the first of a log. Only
    /// lines that an earlier version wrote have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Hex<32>>,
    /// The seal: [`crate::seal::mac`] of this line before this member. None while there is no auditor's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Hex<16>>,
}

impl Record<'_> {
    /// A record that says no more than this.
    pub fn new(event: Event, outcome: Outcome) -> Self {
        Self {
            seq: 0,
            time: Cow::Borrowed(""),
            boot_ms: 0,
            event,
            outcome,
            session: None,
            secret: None,
            to: None,
            by: None,
            repeated: 0,
            judged: None,
            log: None,
            key: None,
            cut: None,
            vault: None,
            peer: None,
            prev: None,
            mac: None,
        }
    }
}

/// Who was judged: whoever ran a client of ours, or a peer that runs a script.
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
    /// A file of the log begins.
    Log,
    /// The seals go on with a fresh key.
    Seal,
    /// A torn last line was cut off.
    Repair,
    /// The log, or what lay under a name of its files, was not as it should be: what, is in `by`.
    Alarm,
    /// The owner has seen that, and begins with what is there.
    AcceptLog,
    /// From now on the seals are for another auditor.
    Auditor,
    /// A backup of the vault was begun.
    Backup,
    /// The vault was recovered from a backup.
    Recover,
    /// The recovery code was made, changed, taken away or used: which, is in `by`.
    Recovery,
    /// The vault is older than the log remembers it, or another.
    Rollback,
    /// Its owner has put it there, and goes on with it.
    AcceptRollback,
    /// All of the vault and of the log was read, to see whether it is sound.
    StorageTest,
    /// The vault gets another master key: `by` says whether that was begun, resumed, done or given up.
    Rotate,
    /// Old files of the log were deleted.
    Retire,
    /// What the predecessor left in the OS keyring was read, to be taken over.
    TakeOver,
    /// It was taken away from there.
    TakeAway,
    /// The password's slot was bound to a device key in the OS keyring, or to none, or spare ones were taken away from
    /// there: which, is in `by`.
    DeviceKey,
    /// Data outside the vault was encrypted.
    Encrypt,
    /// Data outside the vault was decrypted.
    Decrypt,
    /// Secrets were exported in plain text: a record for the export, and one for each secret before it leaves.
    Export,
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

impl Exe<'_> {
    /// How the program is called: the last part of its path; the whole of one that has none.
    pub fn name(&self) -> &str {
        Self::name_in(&self.path)
    }

    /// The same, of a path that is not the kernel's.
    pub fn name_in(path: &str) -> &str {
        path.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(path)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_by_the_end_of_their_path() {
        for (path, name) in [("/usr/bin/ctl", "ctl"), ("ctl", "ctl"), ("/a/", "/a/"), ("", "")] {
            assert_eq!(Exe { path: path.into(), dev: 1, ino: 2 }.name(), name);
        }
    }
}
