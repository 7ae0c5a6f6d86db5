//! Canaries: secrets that nobody has a reason to read. They lie among the others, and whoever asks for the value
//! of one shows that it goes through what it finds. Which ones they are is sealed as a setting, so that no
//! listing and no row of the vault tells them apart; the gate has their names while a session is open.

use std::collections::HashSet;

use glassdome_proto::{Name, limits};
use glassdome_vault::{Draft, Error, Keys, Vault};

use crate::settings::Unread;

/// The key of the sealed setting.
pub const SETTING: &str = "canaries";

/// Their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Canaries(HashSet<String>);

/// What a change of the vault means for them.
#[derive(Debug, Clone, Copy)]
pub enum Effect<'a> {
    /// Nothing: a name keeps what it is.
    None,
    /// The secret of this name is bait from now on.
    Set(&'a str),
    /// What was bait under the first name is bait under the second.
    Moved(&'a str, &'a str),
    /// The secret of this name is gone.
    Removed(&'a str),
}

/// Another one would be more than [`limits::CANARIES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMany;

impl Canaries {
    /// Reads what is sealed.
    ///
    /// # Errors
    /// Those of the vault; [`Unread::Unknown`] of names that this version does not take.
    pub fn read(vault: &Vault, keys: &Keys) -> Result<Self, Unread> {
        match vault.setting(keys, SETTING)? {
            Some(text) => Self::parse(&text).ok_or(Unread::Unknown { key: SETTING }),
            None => Ok(Self::default()),
        }
    }

    /// Seals them along with what else the draft changes.
    ///
    /// # Errors
    /// As [`Draft::setting`].
    pub fn seal(&self, draft: &mut Draft<'_>) -> Result<(), Error> {
        let text = (!self.0.is_empty()).then(|| self.text());
        draft.setting(SETTING, text.as_deref().map(str::as_bytes))
    }

    /// Whether this name is bait.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// Whether `effect` could change them: where not, nothing need be read or sealed.
    pub fn concerned(&self, effect: Effect<'_>) -> bool {
        match effect {
            Effect::None => false,
            Effect::Set(name) => !self.has(name),
            Effect::Moved(name, _) | Effect::Removed(name) => self.has(name),
        }
    }

    /// What `effect` makes of them.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn after(mut self, effect: Effect<'_>) -> Result<Self, TooMany> {
        match effect {
            Effect::None => {}
            Effect::Set(name) => {
                self.0.insert(name.to_owned());
            }
            Effect::Moved(from, to) => {
                if self.0.remove(from) {
                    self.0.insert(to.to_owned());
                }
            }
            Effect::Removed(name) => {
                self.0.remove(name);
            }
        }
        if self.0.len() > limits::CANARIES { Err(TooMany) } else { Ok(self) }
    }

    /// A name a line, in order. No name has a line of its own.
    fn text(&self) -> String {
        let mut names: Vec<&str> = self.0.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.join("\n")
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let names = std::str::from_utf8(text).ok()?.split('\n');
        let names = names.map(|name| Name::parse(name).ok().map(|name| name.to_string()));
        names.collect::<Option<HashSet<_>>>().filter(|names| names.len() <= limits::CANARIES).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Canaries {
        Canaries(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn they_come_back_from_their_text() {
        let canaries = of(&["b", "a/ключ", "a"]);
        assert_eq!(canaries.text(), "a\na/ключ\nb");
        assert_eq!(Canaries::parse(canaries.text().as_bytes()), Some(canaries));
        for bad in [&b""[..], b"a\n", b"a//b", b"\xff", b"a\r\nb"] {
            assert_eq!(Canaries::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn they_move_and_end_with_their_secrets() {
        let canaries = of(&["a"]);
        for (effect, concerned, after) in [
            (Effect::None, false, of(&["a"])),
            (Effect::Set("a"), false, of(&["a"])),
            (Effect::Set("b"), true, of(&["a", "b"])),
            (Effect::Moved("a", "b"), true, of(&["b"])),
            (Effect::Moved("b", "c"), false, of(&["a"])),
            (Effect::Removed("a"), true, of(&[])),
            (Effect::Removed("b"), false, of(&["a"])),
        ] {
            assert_eq!(canaries.concerned(effect), concerned, "{effect:?}");
            assert_eq!(canaries.clone().after(effect).unwrap(), after, "{effect:?}");
        }
    }

    #[test]
    fn there_are_no_more_than_can_be_sealed() {
        let longest = |n: usize| format!("{n:0width$}", width = limits::NAME);
        let full = Canaries((0..limits::CANARIES).map(longest).collect());
        assert!(full.text().len() <= glassdome_vault::MAX_SETTING);
        assert_eq!(Canaries::parse(full.text().as_bytes()), Some(full.clone()));
        assert_eq!(full.after(Effect::Set("one more")), Err(TooMany));
    }
}
