//! Whose the audit log's seals are: sealed in the vault, so that what the log itself says of it can
//! be compared with something.

use glassdome_audit::Hex;
use glassdome_vault::{Draft, Error, Keys, Vault};

use super::Unread;

/// The sealed setting.
pub const SETTING: &str = "auditor-key";

/// The auditor, as the vault knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auditor {
    /// None yet: the log is chained, and not sealed.
    None,
    /// This public key.
    Is(Hex<32>),
    /// A new one is being brought into the log, in the place of another or of none: a crash may have
    /// come between the two.
    Becomes {
        /// The new one.
        new: Hex<32>,
        /// The one before.
        old: Option<Hex<32>>,
    },
}

impl Auditor {
    /// Reads it.
    ///
    /// # Errors
    /// Those of the vault, and what a newer version wrote.
    pub fn read(vault: &Vault, keys: &Keys) -> Result<Self, Unread> {
        let Some(bytes) = vault.setting(keys, SETTING)? else { return Ok(Self::None) };
        let key = |at: usize| bytes.get(at..at + 32).and_then(|key| key.try_into().ok()).map(Hex);
        match (bytes.len(), key(0), key(32)) {
            (32, Some(key), _) => Ok(Self::Is(key)),
            (64, Some(new), Some(old)) => {
                Ok(Self::Becomes { new, old: Some(old).filter(|old| *old != Hex([0; 32])) })
            }
            _ => Err(Unread::Unknown { key: SETTING }),
        }
    }

    /// Drafts it.
    ///
    /// # Errors
    /// Those of the vault.
    pub fn draft(self, draft: &mut Draft<'_>) -> Result<(), Error> {
        match self {
            Self::None => draft.setting(SETTING, None),
            Self::Is(key) => draft.setting(SETTING, Some(&key.0)),
            Self::Becomes { new, old } => {
                draft.setting(SETTING, Some(&[new.0, old.unwrap_or(Hex([0; 32])).0].concat()))
            }
        }
    }

    /// Whether an honest log may be sealed to `log`, or to nobody.
    pub fn may_be(self, log: Option<Hex<32>>) -> bool {
        match self {
            Self::None => log.is_none(),
            Self::Is(key) => log == Some(key),
            Self::Becomes { new, old } => log == Some(new) || log == old,
        }
    }

    /// Whom a log that goes on, or begins anew, is sealed to, where it was sealed to `log` so far.
    pub fn sealed_to(self, log: Option<Hex<32>>) -> Option<Hex<32>> {
        match self {
            Self::None => None,
            Self::Is(key) => Some(key),
            // What was not finished did not happen; it is to be made anew.
            Self::Becomes { new, old } => {
                if log == Some(new) {
                    Some(new)
                } else {
                    old
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_auditor_that_was_not_yet_in_the_log_is_not_missed_there() {
        let [new, old, other] = [1, 2, 3].map(|n| Hex([n; 32]));
        assert!(Auditor::None.may_be(None) && !Auditor::None.may_be(Some(other)));
        assert!(Auditor::Is(new).may_be(Some(new)));
        assert!(!Auditor::Is(new).may_be(None) && !Auditor::Is(new).may_be(Some(other)));
        let becomes = Auditor::Becomes { new, old: Some(old) };
        assert!(becomes.may_be(Some(new)) && becomes.may_be(Some(old)));
        assert!(!becomes.may_be(None) && !becomes.may_be(Some(other)));
        assert_eq!(becomes.sealed_to(Some(new)), Some(new));
        assert_eq!(becomes.sealed_to(Some(old)), Some(old));
        let first = Auditor::Becomes { new, old: None };
        assert!(first.may_be(None) && first.may_be(Some(new)) && !first.may_be(Some(old)));
    }
}
