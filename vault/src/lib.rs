//! Key slots, the key hierarchy, sealing and storage of secrets.
//!
//! The crate knows no socket, no process and no clock: times come in as Unix seconds. It splits the work
//! by what it touches, so that a caller can keep keys on one thread:
//!
//! | work | needs | may take |
//! |---|---|---|
//! | [`kdf::derive`], [`kdf::calibrate`], [`strength::estimate`] | the password | half a second |
//! | [`Kek::with_device`](kdf::Kek::with_device), [`Vault::unwrap`], [`Vault::read`], [`Vault::info`], [`Vault::page`], [`Draft`], [`Check`], [`Examination`], [`Sealer`], [`Opener`] | [`Keys`] | microseconds |
//! | [`Vault::commit`], [`Vault::settle`], [`Vault::store_throttle`], [`Vault::store_panic`], [`Vault::backup`], [`Vault::examine`] | ciphertext only | a disk's time |
//!
//! The format is written down in `docs/vault-format.md`.
#![forbid(unsafe_code)]

mod aad;
mod backup;
mod bits;
mod check;
mod checked;
mod contexts;
mod create;
mod device;
mod draft;
mod edit;
mod entry;
mod error;
mod examine;
mod free_pages;
mod half_made;
mod header;
mod identity;
mod info;
pub mod kdf;
mod keys;
mod last_backup;
mod last_test;
mod locks;
mod look;
mod mark;
mod multiset;
mod name;
mod overlay;
mod page;
mod pages;
mod panic;
mod pin;
mod record;
mod recover;
mod redo;
mod rotation;
mod rows;
mod seal;
mod setting;
mod slot;
mod state;
mod store;
mod stream;
pub mod strength;
mod survey;
mod table_definition;
mod throttle;
mod traceless;
mod unread;
mod vault;

pub use backup::Backup;
pub use check::{Check, CheckStep};
pub use device::{DeviceKey, DeviceKeyId};
pub use draft::{Change, Draft};
pub use edit::{Edit, Expect, Expires};
pub use entry::EntryId;
pub use error::{Damage, Error};
pub use examine::{Examination, Examined, Fault, FaultKind};
pub use half_made::sweep;
pub use header::{FORMAT_VERSION, VaultId};
pub use info::{FieldInfo, Info, KEPT_VERSIONS, VersionInfo, VersionKind};
pub use keys::Keys;
pub use last_test::LastTest;
pub use look::Look;
pub use mark::Mark;
pub use name::{MAX_FIELD_NAME, MAX_NAME};
pub use page::{Damaged, Page};
pub use pin::PinVerifier;
pub use record::{MAX_FIELDS, MAX_SECRET, Opened};
pub use recover::{Recovered, open_backup};
pub use rotation::{
    Carried, Cleared, Erased, Former, MovedIn, Pass, Plan, Rotation, Unfinished, clear_up,
    discard_unfinished, make_way, unfinished_since,
};
pub use setting::{MAX_SETTING, MAX_SETTINGS};
pub use slot::{SlotInfo, SlotKind};
pub use store::Stats;
pub use stream::{Opener, STREAM_CHUNK, STREAM_HEADER, STREAM_TAG, Sealer, StreamError};
pub use throttle::Throttle;
pub use vault::{Found, Vault};

#[cfg(test)]
mod residue_tests;
