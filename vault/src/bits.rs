//! A set of pages, one bit each: a file of 256 GiB has 64 million.

use std::ops::Range;

/// Pages below a bound.
#[derive(Debug)]
pub(crate) struct Bits {
    words: Vec<u64>,
    length: u64,
}

impl Bits {
    /// None of the pages below `length`.
    pub fn new(length: u64) -> Self {
        let mut bits = Self { words: Vec::new(), length: 0 };
        bits.grow(length);
        bits
    }

    /// Sets the bound at `length`, if it is not beyond that.
    pub fn grow(&mut self, length: u64) {
        if length > self.length {
            self.length = length;
            self.words.resize(place(length.next_multiple_of(64)).0, 0);
        }
    }

    /// Adds pages, of which none may be there already.
    #[must_use]
    pub fn take(&mut self, pages: Range<u64>) -> bool {
        let free = pages.end <= self.length && pages.clone().all(|page| !self.has(page));
        if free {
            pages.for_each(|page| self.words[place(page).0] |= place(page).1);
        }
        free
    }

    /// Takes pages out.
    pub fn remove(&mut self, pages: Range<u64>) {
        for page in pages.start..pages.end.min(self.length) {
            self.words[place(page).0] &= !place(page).1;
        }
    }

    /// Whether a page is there.
    pub fn has(&self, page: u64) -> bool {
        page < self.length && self.words[place(page).0] & place(page).1 != 0
    }

    /// The bound.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Whether any page is in both.
    pub fn meets(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }
}

/// Which word, and which bit of it.
fn place(page: u64) -> (usize, u64) {
    ((page / 64) as usize, 1 << (page % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_taken_twice_or_beyond_the_end() {
        let mut bits = Bits::new(130);
        assert!(bits.take(60..70) && bits.take(128..130));
        assert!(!bits.take(69..71) && !bits.has(70), "a part of it was taken");
        assert!(!bits.take(129..131) && !bits.take(130..131) && !bits.has(130));
        bits.remove(60..65);
        assert!(!bits.has(64) && bits.has(65) && bits.take(60..65));
        let mut other = Bits::new(500);
        assert!(!bits.meets(&other) && other.take(129..200) && bits.meets(&other));
    }
}
