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
    /// Whether any listing on this connection has met something.
    met: bool,
}

impl Unlisted {
    /// For a page behind `after`, if `last` is what the last page on this connection left. Of a listing whose earlier
    /// pages are not known here, and may have met what others have, it is not said that it is whole.
    pub fn for_page(last: Self, goes_on: bool, after: Option<Cursor>) -> Self {
        let unknown = after.is_some_and(|after| after == END || last.met);
        if goes_on { last } else { Self { unread: unknown, met: last.met, ..Self::default() } }
    }

    /// Takes in what a page has met; of the names, those that are `shown`.
    pub fn add(&mut self, page: &Page, shown: impl Fn(&str) -> bool) {
        self.unread |= page.unread;
        self.met |= page.unread || !page.damaged.is_empty();
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
        assert!(!unlisted.is_empty());
        let said = unlisted.refused().message.to_string();
        assert!(said.starts_with("the list may not be whole: what is known of some is damaged."), "{said}");
    }
    #[test]
    fn of_two_listings_on_one_connection_neither_is_called_whole() {
        let some = Some([7; 16]);
        let sound = Page::default();
        let bad = Page { damaged: vec![Damaged::Named("n".into())], ..Page::default() };
        // The first listing meets damage; the second begins, and shows its owner nothing of that.
        let mut first = Unlisted::for_page(Unlisted::default(), false, None);
        first.add(&bad, |_| true);
        let mut second = Unlisted::for_page(first, false, None);
        second.add(&bad, |_| false);
        assert!(second.is_empty());
        let first = Unlisted::for_page(second, false, some);
        assert!(!first.is_empty(), "its other page is not known any more");

        // Controls: one listing alone, and a sound vault.
        let mut alone = Unlisted::for_page(Unlisted::default(), false, None);
        alone.add(&bad, |_| true);
        assert!(Unlisted::for_page(alone, true, some).refused().message.contains(" n "));
        let mut others = Unlisted::for_page(Unlisted::default(), false, None);
        others.add(&sound, |_| true);
        assert!(Unlisted::for_page(others, false, some).is_empty());
        assert!(!Unlisted::for_page(Unlisted::default(), false, Some(END)).is_empty());
    }
}
