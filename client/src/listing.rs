//! All names that match a glob: asks for page after page until there is none.

use std::cmp::Ordering;

use glassdome_proto::secrets::{self, Cursor, Entry};
use glassdome_proto::{Answer, Body, Glob, Name};

use crate::connection::Connection;
use crate::error::Error;

impl Connection {
    /// Names and what is known about them, sorted by name.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn list(&mut self, glob: Option<&Glob>) -> Result<Vec<Entry<'static>>, Error> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let request = secrets::Request::List { glob: glob.cloned(), after };
            let Answer::Secrets(secrets::Answer::Page { entries, next }) =
                self.call(Body::Secrets(request))?
            else {
                return Err(Error::Unexpected);
            };
            all.extend(entries.into_vec().into_iter().map(into_owned));
            let Some(next) = moved_on(after, next)? else { break };
            after = Some(next);
        }
        all.sort_unstable_by(by_name);
        Ok(all)
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
