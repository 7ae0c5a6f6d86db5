//! What is known of secrets but their values: all names that match a glob, page after page until there is none;
//! and everything about one.

use std::cmp::Ordering;

use glassdome_proto::secrets::{self, Cursor, Entry, FieldInfo, Info};
use glassdome_proto::{Answer, Body, Code, Field, Glob, List, Name};

use crate::connection::Connection;
use crate::errand::{Errand, Heard};
use crate::error::Error;

impl Connection {
    /// Names and what is known about them, sorted by name.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn list(&mut self, glob: Option<&Glob>) -> Result<Vec<Entry<'static>>, Error> {
        self.run(&mut Listing::of(glob.cloned()))
    }

    /// As [`Connection::list`]; where the vault is damaged, what can be listed, and the refusal that comes behind it,
    /// which says what cannot.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn list_what_can_be(
        &mut self,
        glob: Option<&Glob>,
    ) -> Result<(Vec<Entry<'static>>, Option<Error>), Error> {
        let mut listing = Listing::of(glob.cloned());
        match self.run(&mut listing) {
            Ok(all) => Ok((all, None)),
            Err(error) if error.code() == Some(Code::Corrupt) => Ok((listing.sorted(), Some(error))),
            Err(error) => Err(error),
        }
    }

    /// Everything about a secret but its value. It borrows from a buffer that is wiped by the next call.
    ///
    /// # Errors
    /// As [`Connection::call`]; a refusal as `NotFound` when there is no such secret.
    pub fn info(&mut self, name: Name<'_>) -> Result<Info<'_>, Error> {
        told(self.call(Body::Secrets(secrets::Request::Info { name }))?)
    }
}

/// All names that match, as far as they are known.
pub(crate) struct Listing {
    glob: Option<Glob>,
    after: Option<Cursor>,
    all: Vec<Entry<'static>>,
}

impl Listing {
    pub(crate) fn of(glob: Option<Glob>) -> Self {
        Self { glob, after: None, all: Vec::new() }
    }

    /// What has come.
    fn sorted(&mut self) -> Vec<Entry<'static>> {
        self.all.sort_unstable_by(by_name);
        std::mem::take(&mut self.all)
    }
}

impl Errand for Listing {
    type Told = Vec<Entry<'static>>;

    fn ask(&self) -> Result<Body<'_>, Error> {
        Ok(Body::Secrets(secrets::Request::List { glob: self.glob.clone(), after: self.after }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Self::Told>, Error> {
        let Answer::Secrets(secrets::Answer::Page { entries, next }) = answer else {
            return Err(Error::Unexpected);
        };
        self.all.extend(entries.into_vec().into_iter().map(into_owned));
        self.after = moved_on(self.after, next)?;
        if self.after.is_some() {
            return Ok(Heard::Page);
        }
        Ok(Heard::All(self.sorted()))
    }
}

/// What is known about a secret, for whoever is told later.
pub(crate) struct About<'a> {
    pub(crate) name: Name<'a>,
}

impl Errand for About<'_> {
    type Told = Info<'static>;

    fn ask(&self) -> Result<Body<'_>, Error> {
        Ok(Body::Secrets(secrets::Request::Info { name: self.name.by_ref() }))
    }

    fn hear(&mut self, answer: Answer<'_>) -> Result<Heard<Self::Told>, Error> {
        let Info { entry, created, fields, versions } = told(answer)?;
        let field = |FieldInfo { name, size }| FieldInfo { name: Field::into_owned(name), size };
        let fields =
            List::new(fields.into_vec().into_iter().map(field).collect()).ok_or(Error::Unexpected)?;
        Ok(Heard::All(Info { entry: into_owned(entry), created, fields, versions }))
    }
}

fn told(answer: Answer<'_>) -> Result<Info<'_>, Error> {
    match answer {
        Answer::Secrets(secrets::Answer::Info(about)) => Ok(about),
        _ => Err(Error::Unexpected),
    }
}

fn by_name(one: &Entry<'_>, other: &Entry<'_>) -> Ordering {
    one.name.as_bytes().cmp(other.name.as_bytes())
}

fn into_owned(entry: Entry<'_>) -> Entry<'static> {
    let Entry { name, version, changed, expires, size, fields } = entry;
    Entry { name: Name::into_owned(name), version, changed, expires, size, fields }
}

/// A listing that stands still would never end.
fn moved_on(before: Option<Cursor>, next: Option<Cursor>) -> Result<Option<Cursor>, Error> {
    if next.is_some() && next == before { Err(Error::Unexpected) } else { Ok(next) }
}
