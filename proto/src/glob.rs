//! Globs over names: `*` stops at `/`, `**` crosses it, `?` is one character but `/`.
//!
//! All the places in the pattern that the text so far can have reached are kept as bits and moved on
//! together, so matching takes a few operations on words for each character of a name, whatever the
//! pattern: a hostile glob costs no more than an honest one of its length.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::{Name, limits};

/// Why a glob was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GlobError {
    /// Nothing there.
    #[error("a glob must not be empty")]
    Empty,
    /// More bytes than [`limits::GLOB`].
    #[error("a glob of {len} bytes is over the limit of {} bytes", limits::GLOB)]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
}

/// One bit for each place between two tokens: one more than there are tokens.
const WORDS: usize = limits::GLOB / 64 + 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Places([u64; WORDS]);

/// A parsed glob: for each kind of token, the places in front of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    /// In front of each character that stands for itself; sorted by it.
    chars: Vec<(char, Places)>,
    wild: Box<Wild>,
    end: usize,
    /// Whether it was read with wildcards: else all of its text stands for itself.
    wildcards: bool,
    /// How much of its text, in bytes, stands for itself before the first wildcard: compared as it is.
    literal: usize,
}

/// One step through a name, or through another glob.
#[derive(Clone, Copy)]
enum Symbol {
    Char(char),
    One,
    Segment,
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Wild {
    /// In front of `?`.
    one: Places,
    /// In front of `*`.
    segment: Places,
    /// In front of `**`.
    any: Places,
}

impl Glob {
    /// Reads a glob.
    ///
    /// # Errors
    /// An empty or overlong text.
    pub fn parse(text: &str) -> Result<Self, GlobError> {
        match text.len() {
            0 => return Err(GlobError::Empty),
            len if len > limits::GLOB => return Err(GlobError::TooLong { len }),
            _ => {}
        }
        Ok(Self::read(text, true))
    }

    /// What matches this name and no other, whatever characters are in it; not to be read again from its
    /// text.
    pub fn exact(name: &Name<'_>) -> Self {
        Self::read(name, false)
    }

    fn read(text: &str, wildcards: bool) -> Self {
        let wild = Box::new(Wild { one: Places::NONE, segment: Places::NONE, any: Places::NONE });
        let literal = text.find(['*', '?']).filter(|_| wildcards).unwrap_or(text.len());
        let mut glob = Self { text: text.to_owned(), chars: Vec::new(), wild, end: 0, wildcards, literal };
        for symbol in symbols(text, wildcards) {
            match symbol {
                Symbol::Any => glob.wild.any.set(glob.end),
                Symbol::Segment => glob.wild.segment.set(glob.end),
                Symbol::One => glob.wild.one.set(glob.end),
                Symbol::Char(c) => {
                    let at = glob.chars.binary_search_by_key(&c, |(c, _)| *c).unwrap_or_else(|at| {
                        glob.chars.insert(at, (c, Places::NONE));
                        at
                    });
                    glob.chars[at].1.set(glob.end);
                }
            }
            glob.end += 1;
        }
        glob
    }

    /// All of its text, if that stands for itself: it matches this and nothing else.
    pub fn as_exact(&self) -> Option<&str> {
        (self.literal == self.text.len()).then_some(&*self.text)
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        let literal = &self.text[..self.literal];
        match name.strip_prefix(literal) {
            Some(rest) if self.literal < self.text.len() => {
                self.takes_from(literal.chars().count(), rest.chars().map(Symbol::Char))
            }
            Some(rest) => rest.is_empty(),
            None => false,
        }
    }

    /// Whether everything that `other` matches certainly matches too. What `*` and `?` together make of
    /// each other is not looked into: of `*?` it is not known that it contains `?*`.
    pub fn contains(&self, other: &Self) -> bool {
        self.takes_from(0, symbols(&other.text, other.wildcards))
    }

    fn takes_from(&self, place: usize, symbols: impl Iterator<Item = Symbol>) -> bool {
        let mut at = Places::NONE;
        at.set(place);
        self.pass_stars(&mut at);
        for symbol in symbols {
            let mut step = match symbol {
                Symbol::Char(c) => match self.chars.binary_search_by_key(&c, |(c, _)| *c) {
                    Ok(found) => at.and(&self.chars[found].1),
                    Err(_) => Places::NONE,
                },
                Symbol::One | Symbol::Segment | Symbol::Any => Places::NONE,
            };
            let mut stay = at.and(&self.wild.any);
            if !matches!(symbol, Symbol::Char('/') | Symbol::Any) {
                stay.add(&at.and(&self.wild.segment));
                if !matches!(symbol, Symbol::Segment) {
                    step.add(&at.and(&self.wild.one));
                }
            }
            at = step.next();
            at.add(&stay);
            self.pass_stars(&mut at);
        }
        at.has(self.end)
    }

    /// A star also matches nothing.
    fn pass_stars(&self, at: &mut Places) {
        let mut stars = at.and(&self.wild.any);
        stars.add(&at.and(&self.wild.segment));
        at.add(&stars.next());
    }
}

fn symbols(text: &str, wildcards: bool) -> impl Iterator<Item = Symbol> {
    let mut chars = text.chars().peekable();
    std::iter::from_fn(move || {
        Some(match chars.next()? {
            '*' if wildcards => {
                // Three stars match what two do, and no two symbols in a row are stars.
                let mut stars = 1;
                while chars.next_if_eq(&'*').is_some() {
                    stars += 1;
                }
                if stars == 1 { Symbol::Segment } else { Symbol::Any }
            }
            '?' if wildcards => Symbol::One,
            c => Symbol::Char(c),
        })
    })
}

impl Places {
    const NONE: Self = Self([0; WORDS]);

    fn set(&mut self, place: usize) {
        self.0[place / 64] |= 1 << (place % 64);
    }

    fn has(&self, place: usize) -> bool {
        self.0[place / 64] >> (place % 64) & 1 == 1
    }

    fn and(&self, other: &Self) -> Self {
        let mut both = *self;
        both.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
        both
    }

    fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
    }

    /// Each place moved on by one.
    fn next(&self) -> Self {
        let mut carry = 0;
        let mut moved = *self;
        for word in &mut moved.0 {
            let out = *word >> 63;
            *word = *word << 1 | carry;
            carry = out;
        }
        moved
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Glob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Glob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Glob::parse(<&str>::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str, name: &str) -> bool {
        Glob::parse(text).unwrap().matches(name)
    }

    #[test]
    fn stars_and_slashes() {
        assert!(glob("aws/*", "aws/key"));
        assert!(!glob("aws/*", "aws/prod/key"));
        assert!(glob("aws/**", "aws/prod/key"));
        assert!(glob("**/key", "aws/prod/key"));
        assert!(!glob("**/key", "key"));
        assert!(glob("**key", "key"));
        assert!(glob("*", "key"));
        assert!(!glob("*", "a/b"));
        assert!(glob("a?c", "aбc"));
        assert!(!glob("a?c", "a/c"));
        assert!(!glob("a", "ab"));
        assert!(!glob("ab", "a"));
        assert!(glob("***", "a/b"));
    }

    #[test]
    fn what_contains_what() {
        let contains = |one, other| Glob::parse(one).unwrap().contains(&Glob::parse(other).unwrap());
        for (one, other) in [
            ("a/*", "a/*"),
            ("a/*", "a/b"),
            ("a/*", "a/b?*"),
            ("a/**", "a/*/c"),
            ("**", "*/x"),
            ("a?*b", "axb"),
        ] {
            assert!(contains(one, other), "{one} {other}");
        }
        for (one, other) in
            [("a/*", "a/**"), ("a/*", "a/b/c"), ("a/*", "*"), ("a?", "a*"), ("a/b", "a/*"), ("*", "a/*")]
        {
            assert!(!contains(one, other), "{one} {other}");
        }
    }

    #[test]
    fn globs_of_any_length_up_to_the_limit() {
        let longest = "a".repeat(limits::GLOB);
        assert!(glob(&longest, &longest) && !glob(&longest, &longest[1..]));
        let stars = "*a".repeat(limits::GLOB / 2);
        assert!(!glob(&stars, &"a".repeat(100)));
        assert!(glob(&stars, &"a".repeat(limits::GLOB / 2)));
    }

    /// The same by its definition: slow, and easy to see right.
    fn by_definition(glob: &[char], name: &[char]) -> bool {
        match (glob, name) {
            ([], _) => name.is_empty(),
            (['*', '*', rest @ ..], _) => (0..=name.len()).any(|n| by_definition(rest, &name[n..])),
            (['*', rest @ ..], _) => {
                let segment = name.iter().take_while(|c| **c != '/').count();
                (0..=segment).any(|n| by_definition(rest, &name[n..]))
            }
            (['?', rest @ ..], [c, name @ ..]) => *c != '/' && by_definition(rest, name),
            ([g, rest @ ..], [c, name @ ..]) => g == c && by_definition(rest, name),
            (_, []) => false,
        }
    }

    #[test]
    fn an_exact_one_is_contained_as_a_name() {
        let exact = |name| Glob::exact(&Name::parse(name).unwrap());
        assert!(exact("a*").contains(&exact("a*")) && Glob::parse("a?").unwrap().contains(&exact("a*")));
        assert!(!exact("a*").contains(&exact("ab")) && !exact("a*").contains(&Glob::parse("a*").unwrap()));
    }

    proptest! {
        #[test]
        fn what_is_contained_is_matched(wide in "[ab/?*]{1,8}", narrow in "[ab/?*]{1,8}", name in "[ab/]{0,8}") {
            let (wide, narrow) = (Glob::parse(&wide).unwrap(), Glob::parse(&narrow).unwrap());
            prop_assert!(narrow.contains(&narrow));
            if narrow.matches(&name) {
                prop_assert!(wide.matches(&name) || !wide.contains(&narrow));
            }
        }

        #[test]
        fn it_matches_by_its_definition(pattern in "[ab/?*]{1,12}", name in "[ab/]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&pattern, &name), by_definition(&chars(&pattern), &chars(&name)));
        }

        #[test]
        fn what_contains_another_matches_all_that_it_matches(
            one in "(a|ab/?){0,1}(b|\\?|\\*){0,2}(\\*|\\*\\*)?",
            other in "[ab/?*]{1,6}",
            name in "[ab/]{0,8}",
        ) {
            prop_assume!(!one.is_empty());
            let [one, other] = [one, other].map(|text| Glob::parse(&text).unwrap());
            if one.contains(&other) && other.matches(&name) {
                prop_assert!(one.matches(&name), "{one} contains {other}, which matches {name}");
            }
        }

        #[test]
        fn a_name_matches_itself_and_everything(name in "[a-zé/]{1,40}") {
            prop_assert!(glob(&name, &name));
            prop_assert!(glob("**", &name));
            let own = Name::parse(name.clone()).ok();
            prop_assert!(own.is_none_or(|own| Glob::exact(&own).matches(&name)));
            prop_assert_eq!(glob("*", &name), !name.contains('/'));
        }
    }
}
