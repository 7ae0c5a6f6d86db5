//! What each room keeps for itself while the daemon runs, as the others find it.

use super::State;
use crate::answers::Answers;
use crate::backups::Backups;
use crate::granted::Granted;
use crate::grants::Grants;
use crate::handles::Handles;
use crate::keyring::Keyring;
use crate::logind::Logind;
use crate::looks::Looks;
use crate::notify::Notifier;
use crate::pins::Pins;
use crate::policy::rate::Rates;
use crate::questions::Questions;
use crate::refusals::Refusals;
use crate::rotations::Rotations;
use crate::screens::Screens;
use crate::state_file::StateFile;
use crate::storage_tests::StorageTests;

impl State {
    /// What rules have allowed in this session, of those that may only so often.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// The granted terminals.
    pub fn grants(&self) -> &Grants {
        &self.grants
    }

    /// What speaks for whoever they cover.
    pub fn granted(&self) -> &Granted {
        &self.granted
    }

    /// The handles.
    pub fn handles(&self) -> &Handles {
        &self.handles
    }

    /// What waits for a person.
    pub fn questions(&self) -> &Questions {
        &self.questions
    }

    /// What a person said and wants remembered.
    pub fn answers(&self) -> &Answers {
        &self.answers
    }

    /// How often each program was refused.
    pub fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// What tells the person that there is something to look at.
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }

    /// The OS keyring, as far as it is seen.
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What prompts read, if the owner wants it.
    pub fn state_file(&self) -> Option<&StateFile> {
        self.state_file.as_ref()
    }

    /// logind, as far as it is listened to.
    pub fn logind(&self) -> &Logind {
        &self.logind
    }

    /// The owner's screens, as far as they are seen.
    pub fn screens(&self) -> &Screens {
        &self.screens
    }

    /// The approval PIN, of an open session.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The backups that are under way.
    pub fn backups(&self) -> &Backups {
        &self.backups
    }

    /// The rotation that is under way.
    pub fn rotations(&self) -> &Rotations {
        &self.rotations
    }

    /// The test of vault and log that is under way.
    pub fn storage_tests(&self) -> &StorageTests {
        &self.storage_tests
    }

    /// Looks at whoever asks, to judge it.
    pub fn looks(&self) -> &Looks {
        &self.looks
    }

    /// Looks that anybody may ask for: pictures and drafts. They take nothing from the others.
    pub fn looks_on_request(&self) -> &Looks {
        &self.looks_on_request
    }

    /// Looks for whoever has given the master password: nobody else can keep these from them.
    pub fn looks_proven(&self) -> &Looks {
        &self.looks_proven
    }
}
