//! The rotation family: a new master key for the vault, step by step while it is served. Whoever asks for the steps sees
//! how far it is; what was done is on the disk, and whoever begins later goes on from there.

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::settings::RecoveryCode;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Whether one is unfinished.
    State,
    /// Begin, or go on with the one that is unfinished. It belongs to the connection.
    Begin {
        /// The master password, typed for this: it opens the vault from then on, too.
        #[serde(borrow)]
        password: Password<'a>,
        /// The recovery code that opens the vault from then on; one if, and only if, there is one now.
        #[serde(borrow)]
        recovery: Option<RecoveryCode<'a>>,
    },
    /// The next step.
    Step,
    /// Have the new key in force, once all is done.
    Finish,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// To [`Request::State`].
    State {
        /// Since when it lies unfinished, in seconds since the epoch; `None` if none does.
        since: Option<u64>,
        /// How far the one is that is under way now.
        under_way: Option<Progress>,
    },
    /// To [`Request::Begin`].
    Begun {
        /// Rows that were done already; 0 if it is begun anew.
        done_before: u64,
    },
    /// To [`Request::Step`].
    Done(Progress),
    /// To [`Request::Finish`]: the new key is in force, on the disk.
    Finished {
        /// What became of the old file.
        former: Former,
    },
}

/// What became of the old file, when a new one has taken its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Former {
    /// It is being overwritten, or will be: when nobody reads it any more, or at the daemon's next start.
    Later,
    /// It is overwritten and gone.
    Overwritten,
    /// It is not overwritten, since it has so many names elsewhere: it is somebody's copy.
    Linked(u64),
}

/// How far a rotation is, in rows of the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Rows that are done.
    pub done: u64,
    /// Rows in all, when it was counted.
    pub total: u64,
    /// Whether nothing is left but [`Request::Finish`].
    pub ready: bool,
}
