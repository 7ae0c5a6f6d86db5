//! Globs over names: `*` stops at `/`, `**` crosses it, `?` is one character but `/`.
//!
//! Matching takes time proportional to pattern times name, whatever the pattern: a hostile glob
//! cannot stall the daemon.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};

use crate::limits;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Segment,
    Any,
}

/// A parsed glob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    text: String,
    tokens: Vec<Token>,
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
        let mut tokens = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let token = match c {
                '*' if chars.next_if_eq(&'*').is_some() => Token::Any,
                '*' => Token::Segment,
                '?' => Token::One,
                _ => Token::Char(c),
            };
            tokens.push(token);
        }
        Ok(Self { text: text.to_owned(), tokens })
    }

    /// Whether the whole of `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        // The set of tokens that the text so far can have reached, as in Thompson's construction.
        let end = self.tokens.len();
        let mut at = vec![false; end + 1];
        at[0] = true;
        self.skip_stars(&mut at);
        let mut next = vec![false; end + 1];
        for c in name.chars() {
            next.fill(false);
            for (i, token) in self.tokens.iter().enumerate().filter(|&(i, _)| at[i]) {
                match token {
                    Token::Char(expected) if *expected == c => next[i + 1] = true,
                    Token::One if c != '/' => next[i + 1] = true,
                    Token::Segment if c != '/' => next[i] = true,
                    Token::Any => next[i] = true,
                    _ => {}
                }
            }
            self.skip_stars(&mut next);
            std::mem::swap(&mut at, &mut next);
        }
        at[end]
    }

    fn skip_stars(&self, at: &mut [bool]) {
        for (i, token) in self.tokens.iter().enumerate() {
            if at[i] && matches!(token, Token::Segment | Token::Any) {
                at[i + 1] = true;
            }
        }
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
    fn a_hostile_glob_is_cheap() {
        let stars = "*a".repeat(limits::GLOB / 2);
        assert!(!glob(&stars, &"a".repeat(100)));
    }

    proptest! {
        #[test]
        fn a_name_matches_itself_and_everything(name in "[a-zé/]{1,40}") {
            prop_assert!(glob(&name, &name));
            prop_assert!(glob("**", &name));
            prop_assert_eq!(glob("*", &name), !name.contains('/'));
        }
    }
}
