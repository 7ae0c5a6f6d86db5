//! The secrets family: read, list and change what the vault holds, by name.

use serde::{Deserialize, Serialize};

use crate::session::Password;
use crate::{Bytes, Field, Glob, List, Name, limits};

/// What can be asked.
#[derive(Debug, Serialize, Deserialize)]
pub enum Request<'a> {
    /// One value, or one field of it.
    Get {
        /// Which secret.
        #[serde(borrow)]
        name: Name<'a>,
        /// Which field; the main value if none.
        #[serde(borrow)]
        field: Option<Field<'a>>,
    },
    /// A page of names.
    List {
        /// Only names that match.
        glob: Option<Glob>,
        /// Where the page before ended.
        after: Option<Cursor>,
    },
    /// Everything about a secret but its value.
    Info {
        /// Which.
        #[serde(borrow)]
        name: Name<'a>,
    },
    /// Store a value, or one field of it; the former version is kept.
    Set {
        /// Which secret.
        #[serde(borrow)]
        name: Name<'a>,
        /// Which field; the main value if none.
        #[serde(borrow)]
        field: Option<Field<'a>>,
        /// When it should be replaced, in seconds since the epoch: a reminder, no lock.
        expires: Option<u64>,
        /// What must be there for this to be done.
        expect: Expect,
        /// Whether it is bait from then on: whoever asks for its value is refused, and the session ends.
        canary: bool,
        /// Bytes of the whole value.
        total: u32,
        /// The first part; [`crate::Body::More`] brings the rest.
        #[serde(borrow)]
        first: Bytes<'a, { limits::CHUNK }>,
    },
    /// Store many small values in one step: all or none.
    SetMany {
        /// What to store.
        #[serde(borrow)]
        items: List<Item<'a>, { limits::BATCH }>,
        /// Replace what is there; else it is left and reported.
        overwrite: bool,
        /// Only report what would happen.
        dry_run: bool,
    },
    /// Take a secret away.
    Remove {
        /// Which.
        #[serde(borrow)]
        name: Name<'a>,
        /// Its former versions too, for good.
        purge: bool,
    },
    /// Give a secret another name.
    Move {
        /// The present name.
        #[serde(borrow)]
        from: Name<'a>,
        /// The next one, which must be free.
        #[serde(borrow)]
        to: Name<'a>,
    },
    /// The versions that are kept.
    History {
        /// Of which secret, also a removed one.
        #[serde(borrow)]
        name: Name<'a>,
    },
    /// Make a former version the current one.
    Restore {
        /// Of which secret, also a removed one.
        #[serde(borrow)]
        name: Name<'a>,
        /// Which version.
        version: u64,
    },
    /// Many values at once: all or none.
    GetMany {
        /// Which, at least one.
        #[serde(borrow)]
        items: List<Wanted<'a>, { limits::MANY }>,
    },
    /// Store secrets as a whole in one step, all or none: what is there has no other value, fields and expiry then.
    SetWholes {
        /// Replace what is there; else it is left and reported.
        overwrite: bool,
        /// Only report what would happen.
        dry_run: bool,
        /// Bytes of all of them, as [`crate::whole::write`] writes them.
        total: u32,
        /// The first part; [`crate::Body::More`] brings the rest.
        #[serde(borrow)]
        first: Bytes<'a, { limits::CHUNK }>,
    },
    /// Every secret, bait among them, as a whole.
    Export {
        /// The master password, typed for this.
        #[serde(borrow)]
        password: Password<'a>,
        /// Only names that match one of these; all if there is none.
        globs: List<Glob, { limits::EXPORT_GLOBS }>,
    },
}

/// One of many that are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted<'a> {
    /// Which secret.
    #[serde(borrow)]
    pub name: Name<'a>,
    /// Which field; the main value if none.
    #[serde(borrow)]
    pub field: Option<Field<'a>>,
}

/// Where a page of a listing ended.
pub type Cursor = [u8; 16];

/// What must be there for a value to be stored: compare-and-set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expect {
    /// Anything or nothing.
    Any,
    /// No secret of this name.
    New,
    /// Exactly this version.
    Version(u64),
}

/// One of many.
#[derive(Debug, Serialize, Deserialize)]
pub struct Item<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Name<'a>,
    /// Its value.
    #[serde(borrow)]
    pub value: Bytes<'a, { limits::CHUNK }>,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer<'a> {
    /// To [`Request::Get`].
    Value {
        /// The version that this is.
        version: u64,
        /// When it should be replaced, in seconds since the epoch.
        expires: Option<u64>,
        /// Bytes of the whole value.
        total: u32,
        /// The first part; [`crate::Answer::More`] brings the rest.
        #[serde(borrow)]
        first: Bytes<'a, { limits::CHUNK }>,
    },
    /// To [`Request::List`].
    Page {
        /// Names of this page, in no order that means anything.
        #[serde(borrow)]
        entries: List<Entry<'a>, { limits::PAGE }>,
        /// Where the next page goes on; `None` after the last.
        next: Option<Cursor>,
    },
    /// To [`Request::Info`].
    Info(#[serde(borrow)] Info<'a>),
    /// To [`Request::Set`] and [`Request::Restore`].
    Stored {
        /// The version that is current now.
        version: u64,
    },
    /// To [`Request::SetMany`] and [`Request::SetWholes`], in the order of the items.
    StoredMany(List<Stored, { limits::BATCH }>),
    /// To [`Request::Remove`].
    Removed,
    /// To [`Request::Move`].
    Moved,
    /// To [`Request::History`], newest first.
    History(List<Version, { limits::VERSIONS }>),
    /// To [`Request::GetMany`], in the order of the items. The values have [`limits::CHUNK`] bytes at most
    /// together.
    Values(#[serde(borrow)] List<Found<'a>, { limits::MANY }>),
    /// To [`Request::Export`]: some of the secrets. Others follow in answers of their own under the same id.
    Exported {
        /// Whether these are the last; there may be none in them.
        last: bool,
        /// Bytes of all of them, for [`crate::whole::read`].
        total: u32,
        /// The first part; [`crate::Answer::More`] brings the rest.
        #[serde(borrow)]
        first: Bytes<'a, { limits::CHUNK }>,
    },
}

/// One of many that were asked for.
#[derive(Debug, Serialize, Deserialize)]
pub enum Found<'a> {
    /// It travels with the others.
    Here {
        /// The version that this is.
        version: u64,
        /// When it should be replaced, in seconds since the epoch.
        expires: Option<u64>,
        /// All of it.
        #[serde(borrow)]
        value: Bytes<'a, { limits::CHUNK }>,
    },
    /// It is there, and the others left no room for it: [`Request::Get`] brings it.
    Alone,
}

/// A secret in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Name<'a>,
    /// Current version.
    pub version: u64,
    /// When that was stored, in seconds since the epoch.
    pub changed: u64,
    /// When it should be replaced, in seconds since the epoch.
    pub expires: Option<u64>,
    /// Bytes of the main value; `None` when it has only fields.
    pub size: Option<u32>,
    /// How many fields it has.
    pub fields: u8,
}

/// Everything about a secret but its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info<'a> {
    /// As in a listing.
    #[serde(borrow)]
    pub entry: Entry<'a>,
    /// When its first version was stored, in seconds since the epoch.
    pub created: u64,
    /// Its fields.
    #[serde(borrow)]
    pub fields: List<FieldInfo<'a>, { limits::FIELDS }>,
    /// How many versions are kept, the current one included.
    pub versions: u8,
}

/// A field's name and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldInfo<'a> {
    /// Its name.
    #[serde(borrow)]
    pub name: Field<'a>,
    /// Its bytes.
    pub size: u32,
}

/// What became of one of many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stored {
    /// A new secret.
    Created,
    /// A new version of one that was there.
    Replaced,
    /// The very value that was there: nothing was done.
    Same,
    /// Another value is there, and was left.
    Exists,
}

/// A version that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub version: u64,
    /// When it became current, in seconds since the epoch.
    pub time: u64,
    /// Bytes of value, fields and field names together; `None` when it was removed.
    pub size: Option<u32>,
    /// What made it.
    pub change: Change,
    /// Whether it is the one that `get` gives.
    pub current: bool,
}

/// What made a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A value was stored.
    Set,
    /// The name was taken away.
    Removed,
    /// A former version was made current again.
    Restored,
    /// It got another name.
    Moved,
}
