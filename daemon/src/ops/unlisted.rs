//! What of a listing is damaged: told behind its last name, when all that can be listed has been.

use glassdome_proto::Refusal;
use glassdome_proto::secrets::Cursor;
use glassdome_vault::{Damaged, Page};

use crate::refuse;

/// Where a listing goes on of which only what is damaged is still to be told: behind every entry.
pub const END: Cursor = [0xff; 16];
/// How many of the names are told.
const NAMED: usize = 5;

/// What one listing has met.
#[derive(Default)]
pub struct Unlisted {
    names: Vec<String>,
    /// Of those whose name is known, how many are not among these.
    more: usize,
    /// Of how many the name is not known.
    nameless: usize,
    /// Whether some could not be gone through.
    unread: bool,
}

impl Unlisted {
    /// Of a listing whose earlier pages went to somebody else.
    pub fn unknown() -> Self {
        Self { unread: true, ..Self::default() }
    }

    /// Takes in what a page has met; of the names, those that are `shown`.
    pub fn add(&mut self, page: &Page, shown: impl Fn(&str) -> bool) {
        self.unread |= page.unread;
        for damaged in &page.damaged {
            match damaged {
                Damaged::Named(name) if !shown(name) => {}
                Damaged::Named(name) if self.names.len() < NAMED => self.names.push(name.clone()),
                Damaged::Named(_) => self.more += 1,
                Damaged::Sealed | Damaged::Valueless => self.nameless += 1,
            }
        }
    }

    /// Whether there is nothing to be told.
    pub fn is_empty(&self) -> bool {
        !self.unread && self.names.is_empty() && self.nameless == 0
    }

    /// The refusal to send behind what was listed.
    pub fn refused(&self) -> Refusal<'static> {
        refuse::unlisted(&self.names, self.more, self.nameless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_to_those_who_may_see_them_and_are_counted_where_they_are_many() {
        let mut unlisted = Unlisted::default();
        let page = |damaged| Page { damaged, ..Page::default() };
        unlisted.add(&page(vec![Damaged::Named("kept/back".into())]), |name| name != "kept/back");
        assert!(unlisted.is_empty());
        let named = |at| Damaged::Named(format!("n/{at}"));
        unlisted.add(&page((0..4).map(named).collect()), |_| true);
        unlisted.add(&page(vec![named(4), named(5), Damaged::Sealed, Damaged::Valueless]), |_| true);
        let said = unlisted.refused().message.to_string();
        assert!(!unlisted.is_empty() && said.contains("n/0, n/1, n/2, n/3, n/4, 1 more"), "{said}");
        assert!(said.contains("2 whose name is not known"), "{said}");
    }

    #[test]
    fn what_could_not_be_gone_through_is_told_without_a_name() {
        let mut unlisted = Unlisted::default();
        unlisted.add(&Page { unread: true, ..Page::default() }, |_| true);
        assert!(!unlisted.is_empty() && !Unlisted::unknown().is_empty());
        let said = unlisted.refused().message.to_string();
        assert!(said.starts_with("the list may not be whole: what is known of some is damaged."), "{said}");
    }
}
