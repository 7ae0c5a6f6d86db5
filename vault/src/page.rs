//! Listing, in bounded steps: no call looks at more entries than its caller allows, however many there are. Where the
//! row of an entry does not open, its value tells the name; where a page of such rows cannot be read, the values tell
//! which entries there are.

use crate::aad::Place;
use crate::header::VaultId;
use crate::info::Info;
use crate::keys::Keys;
use crate::record::Opened;
use crate::store::{Reader, Table};
use crate::{Damage, EntryId, Error};

/// A part of the list of secrets, in the order of their entry ids, which is no order of names.
#[derive(Debug, Default)]
pub struct Page {
    /// The secrets of this part. Removed ones are left out.
    pub secrets: Vec<(EntryId, Info)>,
    /// The entries of this part of which what is known cannot be read.
    pub damaged: Vec<Damaged>,
    /// Whether some of what is known of entries could not be gone through: of those, the ones without a value are
    /// missing here.
    pub unread: bool,
    /// Where to go on; `None` at the end.
    pub next: Option<EntryId>,
}

/// An entry of which what is known cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Damaged {
    /// Its value opens, and was sealed with this name.
    Named(String),
    /// Its value does not open, either.
    Sealed,
    /// It has no value: it was removed, or its value was.
    Valueless,
}

/// Up to `examine` entries behind `after`.
pub(crate) fn page(
    vault: &VaultId,
    keys: &Keys,
    reader: &Reader,
    after: Option<EntryId>,
    examine: usize,
) -> Result<Page, Error> {
    let page = Page { next: after, ..Page::default() };
    let mut walk = Walk { vault, keys, reader, page, left: examine, more: false };
    match walk.all_known() {
        Err(error) if error.is_unreadable() && walk.left == 0 => walk.more = true,
        Err(error) if error.is_unreadable() => match walk.all_with_values() {
            // What was found before that is told first: the next call meets it at once.
            Err(error) if error.is_unreadable() && walk.page.next != after => walk.more = true,
            walked => walked?,
        },
        walked => walked?,
    }
    if !walk.more {
        walk.page.next = None;
    }
    Ok(walk.page)
}

struct Walk<'a> {
    vault: &'a VaultId,
    keys: &'a Keys,
    reader: &'a Reader,
    page: Page,
    /// How many entries may still be looked at.
    left: usize,
    /// Whether there are some behind those.
    more: bool,
}

impl Walk<'_> {
    fn all_known(&mut self) -> Result<(), Error> {
        self.each(Table::Meta, |walk, id, row| walk.known(id, row))
    }

    /// From where the rows of what is known cannot be gone through. Each is looked for on its own.
    fn all_with_values(&mut self) -> Result<(), Error> {
        self.page.unread = true;
        self.each(Table::Values, |walk, id, value| match walk.reader.get(Table::Meta, id.as_bytes()) {
            Ok(Some(row)) => walk.known(id, row.value()),
            // A value that nothing is known of.
            Ok(None) => Ok(()),
            Err(error) if error.is_unreadable() => {
                let damaged = walk.by_value(&id, value)?;
                walk.page.damaged.push(damaged);
                Ok(())
            }
            Err(error) => Err(error),
        })
    }

    fn each(
        &mut self,
        table: Table,
        mut each: impl FnMut(&mut Self, EntryId, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let (reader, after) = (self.reader, self.page.next);
        reader.each(table, after.as_ref().map(|id| &id.as_bytes()[..]), |key, row| {
            if self.left == 0 {
                self.more = true;
                return Ok(false);
            }
            let id = EntryId::read(key).ok_or(Damage::Row)?;
            each(self, id, row)?;
            self.left -= 1;
            self.page.next = Some(id);
            Ok(true)
        })
    }

    fn known(&mut self, id: EntryId, row: &[u8]) -> Result<(), Error> {
        match Info::from_row(self.keys, &self.place(Table::Meta, &id), row) {
            Ok(info) if info.is_removed() => {}
            Ok(info) => self.page.secrets.push((id, info)),
            Err(Error::Corrupt(_)) => {
                let damaged = match self.reader.get(Table::Values, id.as_bytes()) {
                    Ok(Some(value)) => self.by_value(&id, value.value())?,
                    Ok(None) => Damaged::Valueless,
                    Err(error) if error.is_unreadable() => Damaged::Sealed,
                    Err(error) => return Err(error),
                };
                self.page.damaged.push(damaged);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn by_value(&self, id: &EntryId, row: &[u8]) -> Result<Damaged, Error> {
        match Opened::from_row(self.keys, &self.place(Table::Values, id), row) {
            Ok(value) => Ok(Damaged::Named(value.name().to_owned())),
            Err(Error::Corrupt(_)) => Ok(Damaged::Sealed),
            Err(error) => Err(error),
        }
    }

    /// Where an entry's row lies; its version is read from the row.
    fn place<'b>(&'b self, table: Table, id: &'b EntryId) -> Place<'b> {
        Place { vault: self.vault, table, id: id.as_bytes(), version: 0 }
    }
}
