//! The crypto family: data that lives outside the vault, encrypted and decrypted by the daemon, chunk by chunk. No key
//! travels.
//!
//! | message | answer | then |
//! |---|---|---|
//! | Encrypt | the header of the stream | Next with each chunk of plaintext |
//! | Decrypt, with the header | | Next with each chunk of ciphertext |
//! | Next | the chunk, the other way | until the last |
//!
//! Several Next may be on their way: they are done, and answered, in the order in which they come. The stream's format
//! is written down in `docs/encrypted-stream.md`.

use serde::{Deserialize, Serialize};

use crate::{Bytes, Name, limits};

/// Length of a stream's header, in bytes.
pub const HEADER: usize = 104;

/// Bytes of plaintext in each chunk but the last.
pub const CHUNK: usize = limits::CHUNK;

/// What a chunk of ciphertext has more, in bytes.
pub const TAG: usize = 16;

/// A chunk, of plaintext or ciphertext.
pub type ChunkBytes<'a> = Bytes<'a, { CHUNK + TAG }>;

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// Begins to encrypt. A connection has one stream at a time: this gives up one that it had begun.
    Encrypt {
        /// For what: only a Decrypt that names the same can read it.
        #[serde(borrow)]
        context: Name<'a>,
    },
    /// Begins to decrypt, likewise.
    Decrypt {
        /// For what it was encrypted.
        #[serde(borrow)]
        context: Name<'a>,
        /// What the stream begins with.
        #[serde(borrow)]
        header: Bytes<'a, HEADER>,
    },
    /// The next chunk.
    Next {
        /// Whether it is the last.
        last: bool,
        /// Its bytes.
        #[serde(borrow)]
        data: ChunkBytes<'a>,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Encrypt`].
    Encrypt {
        /// What the stream begins with.
        #[serde(borrow)]
        header: Bytes<'a, HEADER>,
    },
    /// To [`Request::Decrypt`].
    Decrypt,
    /// To [`Request::Next`].
    Next {
        /// The chunk, encrypted or decrypted; last in its message, see [`encode_around`](crate::encode_around).
        #[serde(borrow)]
        data: ChunkBytes<'a>,
    },
}
