//! By whose memory the audit log is judged once a vault was recovered: the newest that there is. A backup remembers an
//! older state of the log than the vault that lies in the place, and with it alone what was cut off since would not be
//! missed, and what is honest would be taken for another's.

use glassdome_audit as audit;
use glassdome_vault::{self as vault, Change, Keys, Look, Vault};
use zeroize::Zeroizing;

use crate::journal::Anchor;
use crate::journal::anchor;
use crate::kept::Kept;
use crate::ops::rollback;
use crate::run::Error;
use crate::settings::{AUDITOR, Unread};

/// Whose memory it is.
pub(super) enum Judge {
    /// That of the vault that is in the place, which the recovered one takes over.
    Present(Remembered),
    /// The backup's, which is the newest.
    Newest,
    /// The backup's, and what lies in the place cannot be asked.
    Backup,
    /// That of the log which begins with the recovery: nothing was ever here.
    Anew,
}

/// What a vault remembers of the log.
pub(super) struct Remembered {
    anchor: Option<Anchor>,
    /// The sealed settings, as they are.
    settings: [(&'static str, Option<Zeroizing<Vec<u8>>>); 2],
    /// How many changes it has seen.
    generation: u64,
}

/// Judges by what `there` remembers, if `keys`, which open `recovered`, open it too.
///
/// # Errors
/// Those of the vaults, and what a newer version wrote.
pub(super) fn judge(
    there: Option<&Look>,
    recovered: &Vault,
    keys: &Keys,
    began_elsewhere: bool,
) -> Result<Judge, Error> {
    let backup = Remembered::read(|key| recovered.setting(keys, key), || recovered.generation(keys))?;
    let there = there.filter(|there| there.id() == recovered.id());
    let present =
        there.map(|there| Remembered::read(|key| there.setting(keys, key), || there.generation(keys)));
    match present {
        Some(Ok(present)) if present.is_newer_than(&backup) => Ok(Judge::Present(present)),
        Some(Ok(_)) => Ok(Judge::Newest),
        Some(Err(Error::Vault(vault::Error::Corrupt(_)))) | None if began_elsewhere => Ok(Judge::Anew),
        Some(Err(Error::Vault(vault::Error::Corrupt(_)))) | None => Ok(Judge::Backup),
        Some(Err(error)) => Err(error),
    }
}

impl Remembered {
    fn read(
        setting: impl Fn(&str) -> Result<Option<Zeroizing<Vec<u8>>>, vault::Error>,
        generation: impl FnOnce() -> Result<u64, vault::Error>,
    ) -> Result<Self, Error> {
        let read = |key| setting(key).map_err(Error::Vault);
        let settings = [(anchor::SETTING, read(anchor::SETTING)?), (AUDITOR, read(AUDITOR)?)];
        let unknown = || Error::Unread(Unread::Unknown { key: anchor::SETTING });
        let anchor =
            settings[0].1.as_ref().map(|bytes| Anchor::read(bytes).ok_or_else(unknown)).transpose()?;
        Ok(Self { anchor, settings, generation: generation().map_err(Error::Vault)? })
    }

    /// Of two memories of one log the one that goes further. Where they are of different logs, that of the vault that
    /// has seen more: a file of the vault from before, put back by somebody, is no judge over a newer backup.
    fn is_newer_than(&self, other: &Self) -> bool {
        match (self.anchor, other.anchor) {
            (Some(this), Some(other)) if this.log == other.log => this.head.seq >= other.head.seq,
            (Some(_), Some(_)) => self.generation >= other.generation,
            (this, _) => this.is_some(),
        }
    }
}

impl Judge {
    /// What the recovered vault is to remember instead of what it does, where the log stands at `begins` with the
    /// recovery. It counts its changes on behind the newest state of it that the log knows, and behind as many as the
    /// keyring does: that it is older is no news then, and what was there before cannot come back unnoticed.
    ///
    /// # Errors
    /// Those of the vault.
    pub fn change(
        &self,
        begins: Anchor,
        (told, kept): (Option<audit::Vault>, Kept),
        recovered: &Vault,
        keys: &Keys,
    ) -> Result<Change, vault::Error> {
        let (mut draft, mark) = (recovered.draft(keys)?, recovered.mark(keys)?);
        let differs = (rollback::compare_log(told, &mark, keys), kept.compare(&mark, keys));
        if let Some(next) = rollback::count_on(told, differs, &mark) {
            draft.count_from(next);
        }
        match self {
            Self::Newest | Self::Backup => {}
            Self::Anew => draft.setting(anchor::SETTING, Some(&begins.to_bytes()))?,
            Self::Present(remembered) => {
                for (key, value) in &remembered.settings {
                    draft.setting(key, value.as_ref().map(|value| &value[..]))?;
                }
            }
        }
        draft.finish()
    }
}

#[cfg(test)]
mod tests {
    use glassdome_audit::Hex;
    use glassdome_audit::chain::Head;

    use super::*;

    fn of(anchor: Option<(u8, u64)>, generation: u64) -> Remembered {
        let anchor = anchor.map(|(log, seq)| Anchor {
            log: Hex([log; 16]),
            head: Head { seq, hash: Hex([0; 32]) },
            alarm: None,
            accepted: 0,
        });
        Remembered { anchor, settings: [(anchor::SETTING, None), (AUDITOR, None)], generation }
    }

    #[test]
    fn the_newest_memory_judges() {
        for (present, backup, newer) in [
            // One log: it goes on, whatever else was changed, or undone by an earlier recovery.
            (of(Some((1, 9)), 3), of(Some((1, 7)), 90), true),
            (of(Some((1, 7)), 3), of(Some((1, 7)), 3), true),
            (of(Some((1, 6)), 90), of(Some((1, 7)), 3), false),
            // A log was set aside in between; or an old file was put back.
            (of(Some((2, 3)), 90), of(Some((1, 700)), 80), true),
            (of(Some((1, 700)), 80), of(Some((2, 3)), 90), false),
            (of(None, 90), of(Some((1, 1)), 1), false),
            (of(Some((1, 1)), 1), of(None, 90), true),
            (of(None, 9), of(None, 1), false),
        ] {
            assert_eq!(present.is_newer_than(&backup), newer);
        }
    }
}
