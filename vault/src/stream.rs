//! Encrypted streams: data of any size that lives outside the vault, sealed chunk by chunk under the key of a
//! context. The format is written down in `docs/encrypted-stream.md`.
//!
//! It is STREAM of Hoang, Reyhanitabar, Rogaway and Vizár (*Online Authenticated-Encryption and its Nonce-Reuse
//! Misuse-Resistance*, CRYPTO 2015), as `age` uses it: each chunk's nonce is its number and whether it is the last,
//! so that none can be altered, moved, repeated, left out or put behind the end. The key is of one message, and
//! committed to, since ChaCha20-Poly1305 alone commits to none.
//!
//! What is on its way holds no key: each chunk derives its own from the [`Keys`] that it is given. So none is left
//! when a session ends in the middle, and a stream goes on when the master key is another one meanwhile.

use std::fmt;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::Error;
use crate::contexts::{self, ContextKey, KEY_ID, KeyId};
use crate::keys::Keys;
use crate::seal::{COMMITMENT, TAG, derive};
use crate::traceless::traceless_cipher;

/// Plaintext of each chunk but the last, in bytes: what fits a frame of the wire protocol.
pub const STREAM_CHUNK: usize = 60 * 1024;
/// What sealing adds to a chunk, in bytes.
pub const STREAM_TAG: usize = TAG;
/// Length of the header, in bytes.
pub const STREAM_HEADER: usize = MAGIC.len() + KEY_ID + CONTEXT_ID + SALT + COMMITMENT;

/// What a stream begins with; its last byte is the version of the format.
const MAGIC: &[u8; 8] = b"GLDMENC1";
const CONTEXT_ID: usize = 16;
const SALT: usize = 32;
const NONCE: usize = 12;

/// BLAKE3 context of the id of a context.
const NAME: &str = "glassdome v1 context id";
/// BLAKE3 context of key and commitment of one message.
const MESSAGE: &str = "glassdome v1 message";

/// Why a stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// It does not begin as one.
    #[error("it is not what ctl encrypt writes")]
    NotAStream,
    /// It was made under a key that these keys do not have.
    #[error("it was encrypted with another vault's key")]
    ForeignKey,
    /// It was made for another context.
    #[error("it was encrypted for another context")]
    ForeignContext,
    /// Its header is not as it was written.
    #[error("its header was altered")]
    Header,
    /// It ends before its last chunk.
    #[error("it is cut short")]
    Truncated,
    /// Something stands behind its last chunk.
    #[error("something was put behind its end")]
    Trailing,
    /// A chunk is not what was written at its place: altered, or another one.
    #[error("it was altered at byte {offset}, or behind")]
    Altered {
        /// Where the chunk begins in the stream, in bytes.
        offset: u64,
    },
    /// The last chunk that there is, is not what was written at its place: cut in it, altered, or another one.
    #[error("it was cut or altered at byte {offset}, or behind")]
    CutOrAltered {
        /// Where the chunk begins in the stream, in bytes.
        offset: u64,
    },
    /// A chunk has a size that none at its place can have.
    #[error("a chunk of it has no size that a chunk can have")]
    Size,
    /// It was at its end, or had failed.
    #[error("it is over")]
    Over,
}

/// One message on its way: what its chunks' keys are derived from, and how far it is.
struct Message {
    key: KeyId,
    context: String,
    salt: [u8; SALT],
    /// The number of the next chunk.
    next: u64,
    over: bool,
}

impl Message {
    fn derived(&self, context: &ContextKey) -> Derived {
        let mut both = Zeroizing::new([0; 32 + COMMITMENT]);
        // Both parts have one length each.
        derive(MESSAGE, &[context.expose(), &self.salt], &mut both[..]);
        Derived(both)
    }

    /// Key and commitment, from the keys of now.
    fn derive(&self, keys: &Keys) -> Result<Derived, StreamError> {
        let context = ContextKey::find(keys, &self.key, &self.context).ok_or(StreamError::ForeignKey)?;
        Ok(self.derived(&context))
    }

    /// Checks that a chunk with so much plaintext can be next, and gives its number.
    fn begin(&self, plain: usize, last: bool) -> Result<u64, StreamError> {
        if self.over {
            return Err(StreamError::Over);
        }
        // A message has one form: whole chunks, then what is left, which is nothing only if all is nothing.
        let fits = match last {
            false => plain == STREAM_CHUNK,
            true => plain <= STREAM_CHUNK && (plain > 0 || self.next == 0),
        };
        if fits { Ok(self.next) } else { Err(StreamError::Size) }
    }

    fn went(&mut self, last: bool) {
        self.next += 1;
        self.over = last;
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("next", &self.next).field("over", &self.over).finish_non_exhaustive()
    }
}

/// A message that is being encrypted.
#[derive(Debug)]
pub struct Sealer(Message);

impl Sealer {
    /// Begins one for `context`, and gives its header.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new(keys: &Keys, context: &str) -> Result<(Self, [u8; STREAM_HEADER]), Error> {
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt)?;
        Ok(traceless_cipher(|| Self::with(keys, context, salt)))
    }

    /// As [`Sealer::new`], with a given salt, which must never be used twice.
    fn with(keys: &Keys, context: &str, salt: [u8; SALT]) -> (Self, [u8; STREAM_HEADER]) {
        let key = contexts::current(keys);
        let message = Message { key, context: context.to_owned(), salt, next: 0, over: false };
        let context = ContextKey::find(keys, &key, context).expect("the current key is there");
        let mut header = [0; STREAM_HEADER];
        let derived = message.derived(&context);
        let parts: [&[u8]; 5] = [MAGIC, key.as_bytes(), &context_id(&context), &salt, derived.commitment()];
        let mut rest = &mut header[..];
        for part in parts {
            let (place, behind) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = behind;
        }
        (Self(message), header)
    }

    /// Encrypts the next chunk into `out`, which is [`STREAM_TAG`] longer. Each but the last has [`STREAM_CHUNK`]
    /// bytes.
    ///
    /// # Errors
    /// [`StreamError::Size`], [`StreamError::Over`], [`StreamError::ForeignKey`] if the keys are another vault's.
    pub fn seal(&mut self, keys: &Keys, plain: &[u8], last: bool, out: &mut [u8]) -> Result<(), StreamError> {
        let number = self.0.begin(plain.len(), last)?;
        let (text, tag) = out.split_last_chunk_mut::<TAG>().ok_or(StreamError::Size)?;
        let buffer = InOutBuf::new(plain, text).map_err(|_| StreamError::Size)?;
        let message = &self.0;
        *tag = traceless_cipher(|| {
            let cipher = message.derive(keys)?.cipher();
            let sealed = cipher.encrypt_inout_detached(&nonce(number, last), &[], buffer);
            sealed.map(Into::into).map_err(|_| StreamError::Size)
        })?;
        self.0.went(last);
        Ok(())
    }
}

/// A message that is being decrypted.
#[derive(Debug)]
pub struct Opener(Message);

impl Opener {
    /// Begins with a message's header.
    ///
    /// # Errors
    /// [`StreamError::NotAStream`], [`StreamError::ForeignKey`], [`StreamError::ForeignContext`],
    /// [`StreamError::Header`].
    pub fn new(keys: &Keys, context: &str, header: &[u8]) -> Result<Self, StreamError> {
        let parsed = Header::parse(header)?;
        traceless_cipher(|| parsed.open(keys, context))
    }

    /// Decrypts the next chunk into `out`, which is [`STREAM_TAG`] shorter. There is something of it in `out` only
    /// if it is the chunk that was written there. After any error the message is over.
    ///
    /// # Errors
    /// [`StreamError::Truncated`], [`StreamError::Trailing`], [`StreamError::Altered`], [`StreamError::CutOrAltered`],
    /// [`StreamError::Size`], [`StreamError::Over`], [`StreamError::ForeignKey`] if the keys are another vault's by now.
    pub fn open(
        &mut self,
        keys: &Keys,
        sealed: &[u8],
        last: bool,
        out: &mut [u8],
    ) -> Result<(), StreamError> {
        let opened = traceless_cipher(|| self.open_next(keys, sealed, last, out));
        match opened {
            Ok(()) => self.0.went(last),
            Err(_) => self.0.over = true,
        }
        opened
    }

    fn open_next(&self, keys: &Keys, sealed: &[u8], last: bool, out: &mut [u8]) -> Result<(), StreamError> {
        let (text, tag) = sealed.split_last_chunk::<TAG>().ok_or(match self.0.over {
            true => StreamError::Over,
            // A message that ends with a whole chunk that is not its last, or in the middle of a tag.
            false => StreamError::Truncated,
        })?;
        // Cut just behind a tag: where there was more, no chunk is written with nothing in it.
        if text.is_empty() && last && self.0.next > 0 && !self.0.over {
            return Err(StreamError::Truncated);
        }
        let number = self.0.begin(text.len(), last)?;
        let cipher = self.0.derive(keys)?.cipher();
        let open = |last, out: &mut [u8]| {
            let buffer = InOutBuf::new(text, out).map_err(|_| StreamError::Size)?;
            let opened = cipher.decrypt_inout_detached(&nonce(number, last), &[], buffer, &Tag::from(*tag));
            opened.map_err(|_| StreamError::Altered { offset: offset(number) })
        };
        open(last, out).map_err(|error| {
            // Only to say what happened: nothing of it leaves here.
            let mut elsewhere = Zeroizing::new(vec![0; text.len()]);
            match (open(!last, &mut elsewhere), last) {
                (Ok(()), true) => StreamError::Truncated,
                (Ok(()), false) => StreamError::Trailing,
                (Err(_), true) => StreamError::CutOrAltered { offset: offset(number) },
                (Err(_), false) => error,
            }
        })
    }
}

/// Where a chunk begins in a stream, in bytes.
fn offset(number: u64) -> u64 {
    (STREAM_HEADER as u64).saturating_add(number.saturating_mul((STREAM_CHUNK + TAG) as u64))
}

/// What stands at the front of a message.
struct Header<'a> {
    key: KeyId,
    context: &'a [u8; CONTEXT_ID],
    salt: &'a [u8; SALT],
    commitment: &'a [u8; COMMITMENT],
}

impl<'a> Header<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, StreamError> {
        let parsed = || {
            let rest = bytes.strip_prefix(MAGIC)?;
            let (key, rest) = rest.split_first_chunk()?;
            let (context, rest) = rest.split_first_chunk()?;
            let (salt, rest) = rest.split_first_chunk()?;
            let commitment = rest.try_into().ok()?;
            Some(Self { key: KeyId::from_bytes(*key), context, salt, commitment })
        };
        parsed().ok_or(StreamError::NotAStream)
    }

    fn open(&self, keys: &Keys, name: &str) -> Result<Opener, StreamError> {
        let context = ContextKey::find(keys, &self.key, name).ok_or(StreamError::ForeignKey)?;
        if !bool::from(context_id(&context).ct_eq(self.context)) {
            return Err(StreamError::ForeignContext);
        }
        let message =
            Message { key: self.key, context: name.to_owned(), salt: *self.salt, next: 0, over: false };
        if !bool::from(message.derived(&context).commitment().ct_eq(self.commitment)) {
            return Err(StreamError::Header);
        }
        Ok(Opener(message))
    }
}

/// Key and commitment of one message.
struct Derived(Zeroizing<[u8; 32 + COMMITMENT]>);

impl Derived {
    fn cipher(&self) -> ChaCha20Poly1305 {
        let key: &[u8; 32] = self.0.first_chunk().expect("64 bytes hold 32");
        ChaCha20Poly1305::new(<&Key>::from(key))
    }

    fn commitment(&self) -> &[u8] {
        &self.0[32..]
    }
}

/// The number of the chunk, 11 bytes, big-endian, and whether it is the last.
fn nonce(number: u64, last: bool) -> Nonce {
    let mut nonce = [0; NONCE];
    nonce[3..NONCE - 1].copy_from_slice(&number.to_be_bytes());
    nonce[NONCE - 1] = last.into();
    nonce.into()
}

/// Tells contexts apart; of the name it shows nothing to whoever has no key.
fn context_id(context: &ContextKey) -> [u8; CONTEXT_ID] {
    let mut id = [0; CONTEXT_ID];
    derive(NAME, &[context.expose()], &mut id);
    id
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
