//! The sealed settings: what could weaken security lives in the vault and changes only with the
//! master password. Each setting is one line of [`ALL`]; its text form is what is stored.

mod auditor;

use std::time::Duration;

use glassdome_lockmem::Level;
use glassdome_proto::span;
use glassdome_vault::{Error, Keys, Vault};

use crate::grants::Terminals;
use crate::journal::keep;
use crate::keyring::Heed;
use crate::logind;
use crate::notify::Command;
use crate::policy::rule::Rule;
use crate::policy::text;
use crate::screens;
use crate::session::{CEILING, Limits};

pub use auditor::{Auditor, SETTING as AUDITOR};

/// What is sealed in a vault, read at unlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The longest session.
    pub ceiling: Duration,
    /// The longest pause between authorised requests.
    pub idle: Option<Duration>,
    /// The least protection of the key's memory.
    pub memory: Level,
    /// What a typed password opens.
    pub terminals: Terminals,
    /// What tells the person that there is something to look at.
    pub notify: Option<Command>,
    /// What a session has to do with the OS keyring.
    pub keyring: Heed,
    /// What of the machine and of logins it ends with.
    pub logind: logind::Heed,
    /// What a locked screen does to it.
    pub screen: screens::Heed,
    /// How many bytes of the audit log are kept; `None`: all.
    pub audit_keep: Option<u64>,
}

/// A setting's key, what it is without being set, what it does, and how its text is read.
pub struct Spec {
    /// Its key.
    pub key: &'static str,
    /// Its value when nobody set it.
    pub default: &'static str,
    /// What it does, and which values it takes.
    pub about: &'static str,
    apply: fn(&mut Settings, &str) -> Option<()>,
}

/// All settings.
pub const ALL: [Spec; 10] = [
    Spec {
        key: "ceiling",
        default: "8h",
        about: "the longest session, such as 4h or 90m; 8h at the most",
        apply: |settings, text| {
            let seconds = span::parse(text)?;
            settings.ceiling = Duration::from_secs(seconds.into());
            (settings.ceiling <= CEILING).then_some(())
        },
    },
    Spec {
        key: "idle",
        default: "off",
        about: "lock when no program was served for this long, such as 30m; off for never",
        apply: |settings, text| {
            settings.idle = match text {
                "off" => None,
                _ => Some(Duration::from_secs(span::parse(text)?.into())),
            };
            Some(())
        },
    },
    Spec {
        key: "memory",
        default: "locked",
        about: "the least protection of the key's memory: locked (mlock) or secret (memfd_secret)",
        apply: |settings, text| {
            settings.memory = Level::parse(text)?;
            Some(())
        },
    },
    Spec {
        key: "terminals",
        default: "own",
        about: "what a typed password opens: own (the shell that it was typed in), tree (all panes of its \
                multiplexer) or none (rules only)",
        apply: |settings, text| {
            settings.terminals = match text {
                "own" => Terminals::Own,
                "tree" => Terminals::Tree,
                "none" => Terminals::None,
                _ => return None,
            };
            Some(())
        },
    },
    Spec {
        key: "notify",
        default: "off",
        about: "a command that is run when a question waits or bait was touched, as words with {title} and {body}: \
                notify-send {title} {body}; off for none",
        apply: |settings, text| {
            settings.notify = match text {
                "off" => None,
                _ => Some(Command::parse(text)?),
            };
            Some(())
        },
    },
    Spec {
        key: "keyring",
        default: "lock",
        about: "what the desktop's keyring has to say: off (nothing), lock (a session ends when the keyring locks \
                or goes away) or require (and begins only while it is open)",
        apply: |settings, text| {
            settings.keyring = Heed::parse(text)?;
            Some(())
        },
    },
    Spec {
        key: "screen",
        default: "pause",
        about: "when the screen locks: pause (what is granted to terminals and what you answered rests until it opens, \
                rules and handles go on), lock or off",
        apply: |settings, text| {
            settings.screen = screens::Heed::parse(text)?;
            Some(())
        },
    },
    Spec {
        key: "sleep",
        default: "lock",
        about: "when the machine goes to sleep: lock (before it does) or off",
        apply: |settings, text| {
            settings.logind.sleep = locks(text)?;
            Some(())
        },
    },
    Spec {
        key: "logout",
        default: "lock",
        about: "when you log out of your desktop, or of your last login, and when the machine shuts down: lock or off",
        apply: |settings, text| {
            settings.logind.logout = locks(text)?;
            Some(())
        },
    },
    Spec {
        key: "audit-keep",
        default: "1GiB",
        about: "how much of the audit log is kept, such as 200MiB; off keeps all. The oldest full files of 16 MiB go, \
                and the log says so",
        apply: |settings, text| {
            settings.audit_keep = keep::parse(text)?;
            Some(())
        },
    },
];

fn locks(text: &str) -> Option<bool> {
    match text {
        "lock" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

/// The setting of that key.
pub fn find(key: &str) -> Option<&'static Spec> {
    ALL.iter().find(|spec| spec.key == key)
}

impl Spec {
    /// Whether `text` is a value that this setting takes.
    pub fn takes(&self, text: &str) -> bool {
        (self.apply)(&mut Settings::default(), text).is_some()
    }

    /// Its value as text, and whether that is its default.
    ///
    /// # Errors
    /// Those of the vault.
    pub fn value(&self, vault: &Vault, keys: &Keys) -> Result<(String, bool), Error> {
        let stored = vault.setting(keys, self.key)?;
        Ok(match stored {
            Some(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), false),
            None => (self.default.to_owned(), true),
        })
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            ceiling: CEILING,
            idle: None,
            memory: Level::Locked,
            terminals: Terminals::default(),
            notify: None,
            keyring: Heed::default(),
            logind: logind::Heed::default(),
            screen: screens::Heed::default(),
            audit_keep: Some(1 << 30),
        }
    }
}

impl Settings {
    /// Reads what is sealed.
    ///
    /// # Errors
    /// Those of the vault. A sealed text that this version does not understand is `Usage`: a newer
    /// version wrote it, and guessing could loosen what it meant.
    pub fn read(vault: &Vault, keys: &Keys) -> Result<Self, Unread> {
        let mut settings = Self::default();
        for spec in &ALL {
            let (value, _) = spec.value(vault, keys)?;
            (spec.apply)(&mut settings, &value).ok_or(Unread::Unknown { key: spec.key })?;
        }
        Ok(settings)
    }

    /// How long a session may last: what is sealed, shortened by what was asked for.
    pub fn limits(&self, total: Option<Duration>, idle: Option<Duration>) -> Limits {
        let total = total.map_or(self.ceiling, |asked| asked.min(self.ceiling));
        let idle = [self.idle, idle].into_iter().flatten().min();
        Limits { total, idle }
    }
}

/// Reads the sealed rules.
///
/// # Errors
/// Those of the vault; [`Unread::Rules`] of what this version does not understand.
pub fn rules(vault: &Vault, keys: &Keys) -> Result<Vec<Rule>, Unread> {
    match vault.setting(keys, text::SETTING)? {
        Some(sealed) => Ok(text::read(&sealed)?),
        None => Ok(Vec::new()),
    }
}

/// Why the settings could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unread {
    /// The vault said no.
    #[error(transparent)]
    Vault(#[from] Error),
    /// Rules that this version does not know.
    #[error("the sealed rules are in a form that this version does not know ({0})")]
    Rules(#[from] text::Unreadable),
    /// A value that this version does not know.
    #[error("the sealed setting {key} has a value that this version does not know")]
    Unknown {
        /// Which.
        key: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_default_is_taken_and_is_the_default() {
        let mut settings = Settings::default();
        for spec in &ALL {
            assert!(spec.takes(spec.default), "{}", spec.key);
            (spec.apply)(&mut settings, spec.default).unwrap();
        }
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn nothing_lengthens_the_ceiling() {
        let ceiling = find("ceiling").unwrap();
        assert!(
            ceiling.takes("1h") && !ceiling.takes("9h") && !ceiling.takes("8h1s") && !ceiling.takes("off")
        );
        let settings = Settings { ceiling: Duration::from_secs(100), ..Settings::default() };
        let asked = Some(Duration::from_secs(1000));
        assert_eq!(settings.limits(asked, None).total, Duration::from_secs(100));
        let asked = Some(Duration::from_secs(10));
        assert_eq!(settings.limits(asked, None).total, Duration::from_secs(10));
    }

    #[test]
    fn the_shorter_idle_limit_holds() {
        let seconds = |n| Some(Duration::from_secs(n));
        let settings = Settings { idle: seconds(60), ..Settings::default() };
        assert_eq!(settings.limits(None, seconds(600)).idle, seconds(60));
        assert_eq!(settings.limits(None, seconds(6)).idle, seconds(6));
        assert_eq!(Settings::default().limits(None, None).idle, None);
    }

    #[test]
    fn unknown_words_are_refused() {
        assert!(find("screens").is_none());
        assert!(["off", "pause", "lock"].iter().all(|text| find("screen").unwrap().takes(text)));
        assert!(!find("screen").unwrap().takes("rest"));
        assert!(!find("memory").unwrap().takes("none"));
        assert!(!find("idle").unwrap().takes(""));
        for key in ["sleep", "logout"] {
            assert!(["off", "lock"].iter().all(|text| find(key).unwrap().takes(text)));
            assert!(["", "on", "pause", "Lock"].iter().all(|text| !find(key).unwrap().takes(text)), "{key}");
        }
        assert!(find("notify").unwrap().takes("notify-send -a Glassdome {title} '{body}'"));
        for bad in ["", "./ring", "ring 'x"] {
            assert!(!find("notify").unwrap().takes(bad), "{bad}");
        }
    }
}
