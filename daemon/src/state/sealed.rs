//! What a session begins with, besides the key: read from the vault in one go, and in force from one moment.

use std::sync::Arc;

use glassdome_vault::{Keys, PinVerifier, Vault};

use super::State;
use crate::canaries::Canaries;
use crate::clock::Now;
use crate::pins::Pins;
use crate::policy::rule::Rule;
use crate::session::{Input, Limits};
use crate::settings::{self, Settings, Unread};

/// What is sealed for the daemon itself.
#[derive(Debug, Default)]
pub struct Sealed {
    /// The settings.
    pub settings: Settings,
    /// The rules.
    pub rules: Vec<Rule>,
    /// Which secrets are bait.
    pub canaries: Canaries,
    /// The approval PIN.
    pub pin: Option<PinVerifier>,
}

impl Sealed {
    /// Reads it.
    ///
    /// # Errors
    /// [`Unread`].
    pub fn read(vault: &Vault, keys: &Keys) -> Result<Self, Unread> {
        Ok(Self {
            settings: Settings::read(vault, keys)?,
            rules: settings::rules(vault, keys)?,
            canaries: Canaries::read(vault, keys)?,
            pin: Pins::read(vault, keys)?,
        })
    }
}

impl State {
    /// Begins a session, or begins it anew. It may be over already when this returns: what has happened since the
    /// password came is judged last, and takes everything of it away.
    ///
    /// `screens` is [`Screens::locks`](crate::screens::Screens::locks) from before the password was tried.
    pub fn open(&self, key: Keys, limits: Limits, sealed: Sealed, screens: u64, now: Now) {
        let Sealed { settings, rules, canaries, pin } = sealed;
        self.step(Input::Open { key, limits }, now);
        self.keyring.begin(settings.keyring);
        self.logind.begin(settings.logind);
        self.set_canaries(canaries);
        self.pins.replace(pin);
        self.notifier.set_command(settings.notify);
        self.set_rules(rules.into_iter().map(Arc::new).collect());
        self.begin_log(settings.audit_keep, now);
        self.opens.send_modify(|count| *count += 1);
        self.do_for_screen(self.screens.begin(settings.screen, screens));
    }
}
