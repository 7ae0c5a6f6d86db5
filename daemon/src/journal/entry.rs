//! What the rooms hand to the journal: an event, and who asked.

use std::borrow::Cow;

use glassdome_audit::{self as audit, Event, Outcome};
use glassdome_proto::deceives;

use crate::attest::{Evidence, Kernel};
use crate::standing::Asker;

/// What is to be recorded.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// What was asked, or happened.
    pub event: Event,
    /// What became of it.
    pub outcome: Outcome,
    /// Which secret.
    pub secret: Option<&'a str>,
    /// What it was to be called, of a renaming.
    pub to: Option<&'a str>,
    /// What decided, in a word.
    pub by: Option<&'a str>,
    /// Who asked.
    pub peer: Who<'a>,
}

/// Who asked.
#[derive(Debug, Clone, Copy)]
pub enum Who<'a> {
    /// Nobody: it happened.
    Nobody,
    /// Somebody of whom no more is known.
    User {
        /// Its uid.
        uid: u32,
        /// Its pid, where that is worth telling.
        pid: Option<i32>,
    },
    /// A process that did not complete the handshake.
    Process(&'a Kernel),
    /// A peer.
    Peer(&'a Evidence),
    /// A peer, and who was judged: whoever ran it, if it is one of our clients, or itself with its script.
    Ran(&'a Evidence, &'a Asker),
}

impl Entry<'_> {
    /// A wrong PIN: there are five at most until the master password is typed, and each stands there by who tried it.
    pub(super) fn is_guess(&self) -> bool {
        self.event == Event::Prove && self.by == Some("wrong-pin")
    }

    /// Whether it is brought to the disk at once: what changes who may what, and every refusal that is
    /// written. The others go there within a second, many with one sync.
    pub(super) fn is_urgent(&self) -> bool {
        let ordinary = matches!(
            self.event,
            Event::Connect
                | Event::Get
                | Event::List
                | Event::Info
                | Event::Set
                | Event::Remove
                | Event::Move
                | Event::Restore
                | Event::Encrypt
                | Event::Decrypt
                | Event::Settings
                | Event::Rules
                | Event::Grants
                | Event::Answers
                | Event::Handles
                | Event::Ask
                | Event::Questions
                | Event::WhoAmI
        );
        !ordinary || self.outcome == Outcome::Denied
    }
}

impl<'a> Who<'a> {
    /// As the log records it.
    pub(super) fn record(self) -> Option<audit::Peer<'a>> {
        match self {
            Self::Nobody => None,
            Self::User { uid, pid } => {
                Some(audit::Peer { kernel: audit::Kernel { pid, uid, gid: None, exe: None }, claims: None })
            }
            Self::Process(kernel) => Some(audit::Peer { kernel: kernel.record(), claims: None }),
            Self::Peer(evidence) | Self::Ran(evidence, _) => Some(evidence.record()),
        }
    }

    /// Whoever ran a client of ours, or runs a script.
    pub(super) fn judged(self) -> Option<audit::Judged<'a>> {
        let Self::Ran(_, Asker { pid, name, script, .. }) = self else { return None };
        Some(audit::Judged { pid: *pid, name: plain(name), script: script.as_deref().map(plain) })
    }

    /// What makes two askers alike.
    pub(super) fn subject(self) -> (u32, (u64, u64)) {
        match self {
            Self::Nobody => (0, (0, 0)),
            Self::User { uid, .. } => (uid, (0, 0)),
            Self::Process(kernel)
            | Self::Peer(Evidence { kernel, .. })
            | Self::Ran(Evidence { kernel, .. }, _) => {
                (kernel.uid, kernel.exe.as_ref().map_or((0, 0), |exe| (exe.dev, exe.ino)))
            }
        }
    }
}

/// What others chose, for whoever reads the log on a terminal: JSON escapes less than what can mislead.
fn plain(text: &str) -> Cow<'_, str> {
    match text.contains(deceives) {
        true => text.replace(deceives, "\u{fffd}").into(),
        false => text.into(),
    }
}
