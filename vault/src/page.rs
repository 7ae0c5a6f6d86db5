//! Listing, in bounded steps: no call looks at more entries than its caller allows, however many there are.

use crate::aad::Place;
use crate::header::VaultId;
use crate::info::Info;
use crate::keys::Keys;
use crate::store::{Reader, Table};
use crate::{Damage, EntryId, Error};

/// A part of the list of secrets, in the order of their entry ids, which is no order of names.
#[derive(Debug, Default)]
pub struct Page {
    /// The secrets of this part. Removed ones are left out.
    pub secrets: Vec<(EntryId, Info)>,
    /// Where to go on; `None` at the end.
    pub next: Option<EntryId>,
}

/// Up to `examine` entries behind `after`.
pub(crate) fn page(
    vault: &VaultId,
    keys: &Keys,
    reader: &Reader,
    after: Option<EntryId>,
    examine: usize,
) -> Result<Page, Error> {
    let mut page = Page { secrets: Vec::new(), next: after };
    let mut examined = 0;
    let mut more = false;
    reader.each(Table::Meta, after.as_ref().map(|id| &id.as_bytes()[..]), |key, row| {
        if examined == examine {
            more = true;
            return Ok(false);
        }
        examined += 1;
        let id = EntryId::read(key).ok_or(Damage::Row)?;
        let place = Place { vault, table: Table::Meta, id: id.as_bytes(), version: 0 };
        let info = Info::from_row(keys, &place, row)?;
        page.next = Some(id);
        if !info.is_removed() {
            page.secrets.push((id, info));
        }
        Ok(true)
    })?;
    if !more {
        page.next = None;
    }
    Ok(page)
}
