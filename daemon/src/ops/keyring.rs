//! What the OS keyring and the screens have to say when a session is to begin: a sealed setting may want the
//! keyring open, and what locks while the password is being tried wins.

use glassdome_audit::{Event, Outcome};
use glassdome_proto::session::Keyring;
use glassdome_proto::{Code, Refusal};
use tokio::time::timeout;

use super::Asking;
use crate::keyring::Heed;
use crate::refuse;
use crate::state::State;
use crate::watch::keyring::FIRST_LOOK;

/// How they stood when the password came.
#[derive(Debug, Clone, Copy)]
pub struct Before {
    falls: u64,
    screens: u64,
}

impl Before {
    /// As they stand now. Asks for a look at the keyring, which is made while the password is tried.
    pub fn of(state: &State) -> Self {
        state.keyring().ask();
        Self { falls: state.keyring().falls(), screens: state.screens().locks() }
    }

    /// How often a screen had locked.
    pub fn screens(self) -> u64 {
        self.screens
    }

    /// Whether a session may begin, as far as the keyring is concerned.
    ///
    /// # Errors
    /// The refusal, which is recorded.
    pub async fn allows(self, asking: &Asking, heed: Heed) -> Result<(), Refusal<'static>> {
        let keyring = asking.state.keyring();
        if heed == Heed::Require {
            // Still not looked at is as good as not open.
            let _ = timeout(FIRST_LOOK, keyring.looked()).await;
            let seen = keyring.state();
            if seen != Keyring::Unlocked {
                asking.record(Event::Unlock, Outcome::Denied, None, "keyring")?;
                return Err(not_open(seen));
            }
        }
        self.stands(&asking.state, heed)
    }

    /// Whether no lock of the keyring has overtaken the password.
    ///
    /// # Errors
    /// The refusal.
    pub fn stands(self, state: &State, heed: Heed) -> Result<(), Refusal<'static>> {
        match state.keyring().falls() == self.falls || heed == Heed::Off {
            true => Ok(()),
            false => Err(refuse::keyring_fell()),
        }
    }
}

fn not_open(seen: Keyring) -> Refusal<'static> {
    let seen = seen.why_not();
    let mend = "and the sealed setting 'keyring' requires it. Unlock the keyring, then: glassdome_start; or: ctl \
                settings set keyring lock";
    Refusal::new(Code::Locked, format!("locked: {seen}, {mend}"))
}
