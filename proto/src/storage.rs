//! The storage family: where the vault is, how it is, and a copy of it. All of that is ciphertext, sizes and counts,
//! which whoever reads the vault's file has, too.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Text, limits};

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request {
    /// Where the vault is, and how large.
    Status,
    /// The next part of a backup: the first, which begins it, is part 0.
    /// A connection has one at a time.
    Backup {
        /// Which part; the one behind the last.
        part: u32,
    },
    /// The backup of which this connection had the last part is kept, on a disk or wherever it was sent: Status tells
    /// of it from now on.
    Kept,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Status`].
    Status {
        /// The vault's file.
        #[serde(borrow)]
        path: Text<'a, { limits::PATH }>,
        /// Its size.
        bytes: u64,
        /// How many secrets can be read.
        secrets: u64,
        /// When it was made, in seconds since the epoch.
        created: u64,
        /// Of when the last backup is that was kept, in seconds since the epoch.
        backup: Option<u64>,
    },
    /// To [`Request::Backup`].
    Backup {
        /// Its bytes.
        #[serde(borrow)]
        data: Bytes<'a, { limits::CHUNK }>,
        /// Whether there are more.
        more: bool,
    },
    /// To [`Request::Kept`].
    Kept,
}
