//! Whether what logind says ends the session. Pure: [`watch::logind`](crate::watch::logind) listens, and this
//! judges.
//!
//! A logout is the end of the owner's last login, or of one with a desktop. A terminal that was opened over the
//! network, or a console, may end while others go on.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use glassdome_proto::session::{self as wire, LockReason};

/// What of it a session ends with: sealed settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heed {
    /// The machine goes to sleep.
    pub sleep: bool,
    /// The owner logs out, or the machine ends.
    pub logout: bool,
}

impl Heed {
    /// Whether it is anything at all.
    pub fn is_any(self) -> bool {
        self.sleep || self.logout
    }
}

impl Default for Heed {
    fn default() -> Self {
        Self { sleep: true, logout: true }
    }
}

/// A login of the owner's: a session, as logind calls it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Login {
    /// Whether it has a desktop.
    pub desktop: bool,
}

/// All logins of the owner's, by the names that logind gives them.
pub type Logins = BTreeMap<String, Login>;

/// What logind said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The machine is about to sleep.
    Sleep,
    /// The machine is about to end.
    Shutdown,
    /// These logins there are.
    Logins(Logins),
}

/// The logind of one machine, as it is listened to while a session is open.
#[derive(Debug)]
pub struct Logind {
    heard: Cell<wire::Logind>,
    /// Of the session that is open.
    heed: Cell<Option<Heed>>,
    logins: RefCell<Logins>,
}

impl Default for Logind {
    fn default() -> Self {
        Self { heard: Cell::new(wire::Logind::Unwatched), heed: Cell::default(), logins: RefCell::default() }
    }
}

impl Logind {
    /// A session has begun, or has begun anew.
    pub fn begin(&self, heed: Heed) {
        self.heed.set(Some(heed));
    }

    /// None is open any more.
    pub fn end(&self) {
        self.heed.set(None);
        self.logins.borrow_mut().clear();
        self.heard.set(wire::Logind::Unwatched);
    }

    /// What the session that is open has to do with it.
    pub fn heed(&self) -> Option<Heed> {
        self.heed.get()
    }

    /// Why the session must end for what logind said, if it must.
    #[must_use = "the session is to be ended"]
    pub fn hear(&self, said: Said) -> Option<LockReason> {
        let ends = match said {
            Said::Sleep => Some(LockReason::Suspend),
            Said::Shutdown => Some(LockReason::Logout),
            Said::Logins(now) => {
                let was = self.logins.replace(now);
                let now = self.logins.borrow();
                let desktop_ended = was.iter().any(|(id, login)| login.desktop && !now.contains_key(id));
                let last_ended = !was.is_empty() && now.is_empty();
                (desktop_ended || last_ended).then_some(LockReason::Logout)
            }
        }?;
        let heed = self.heed.get()?;
        let heeded = match ends {
            LockReason::Suspend => heed.sleep,
            _ => heed.logout,
        };
        heeded.then_some(ends)
    }

    /// How far it is listened to now; nothing of a session that has ended.
    pub fn note(&self, heard: wire::Logind) {
        if self.heed.get().is_some() {
            self.heard.set(heard);
        }
    }

    /// As the wire has it.
    pub fn state(&self) -> wire::Logind {
        self.heard.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: Heed = Heed { sleep: true, logout: true };

    fn logins(all: &[(&str, bool)]) -> Logins {
        all.iter().map(|(id, desktop)| ((*id).to_owned(), Login { desktop: *desktop })).collect()
    }

    fn told(heed: Heed, all: &[&[(&str, bool)]]) -> Vec<Option<LockReason>> {
        let logind = Logind::default();
        logind.begin(heed);
        all.iter().map(|all| logind.hear(Said::Logins(logins(all)))).collect()
    }

    #[test]
    fn sleep_and_the_machines_end_are_heeded_as_it_is_sealed() {
        for sleep in [true, false] {
            for logout in [true, false] {
                let logind = Logind::default();
                assert_eq!(logind.hear(Said::Sleep), None, "nothing is open");
                logind.begin(Heed { sleep, logout });
                assert_eq!(logind.hear(Said::Sleep), sleep.then_some(LockReason::Suspend));
                assert_eq!(logind.hear(Said::Shutdown), logout.then_some(LockReason::Logout));
                logind.end();
                assert_eq!((logind.hear(Said::Sleep), logind.hear(Said::Shutdown)), (None, None));
            }
        }
    }

    #[test]
    fn a_logout_is_the_end_of_a_desktop_or_of_the_last_login() {
        let out = Some(LockReason::Logout);
        let (desktop, tty, ssh) = (("2", true), ("3", false), ("c9", false));
        assert_eq!(told(BOTH, &[&[desktop], &[]]), [None, out]);
        assert_eq!(told(BOTH, &[&[desktop, ssh], &[ssh]]), [None, out], "the desktop");
        assert_eq!(told(BOTH, &[&[desktop, tty, ssh], &[desktop, ssh], &[desktop]]), [None; 3], "control");
        assert_eq!(told(BOTH, &[&[tty, ssh], &[ssh], &[]]), [None, None, out]);
        assert_eq!(told(BOTH, &[&[], &[], &[ssh], &[]]), [None, None, None, out], "none from the start");
        assert_eq!(told(BOTH, &[&[ssh], &[tty]]), [None, None], "another came");
        let heed = Heed { logout: false, ..BOTH };
        assert_eq!(told(heed, &[&[desktop], &[]]), [None, None]);
    }

    #[test]
    fn the_logins_of_one_session_are_not_those_of_the_next() {
        let logind = Logind::default();
        logind.begin(BOTH);
        assert_eq!(logind.hear(Said::Logins(logins(&[("2", true)]))), None);
        logind.begin(BOTH);
        assert_eq!(logind.hear(Said::Logins(logins(&[]))), Some(LockReason::Logout), "begun anew");
        logind.begin(BOTH);
        assert_eq!(logind.hear(Said::Logins(logins(&[("2", true)]))), None);
        logind.note(wire::Logind::Watched);
        assert_eq!(logind.state(), wire::Logind::Watched);
        logind.end();
        logind.note(wire::Logind::Watched);
        assert_eq!(logind.state(), wire::Logind::Unwatched);
        logind.begin(BOTH);
        assert_eq!(logind.hear(Said::Logins(logins(&[]))), None);
    }

    proptest! {
        /// Whatever logins come and go: as long as none was said to end that matters, nothing ends.
        #[test]
        fn nothing_but_a_logout_is_one(steps in prop::collection::vec(
            prop::collection::btree_map("[a-d]", any::<bool>().prop_map(|desktop| Login { desktop }), 0..4), 0..20,
        )) {
            let logind = Logind::default();
            logind.begin(BOTH);
            let mut was = Logins::new();
            for now in steps {
                let gone: Vec<_> = was.iter().filter(|(id, _)| !now.contains_key(*id)).collect();
                let out = !gone.is_empty() && (now.is_empty() || gone.iter().any(|(_, login)| login.desktop));
                prop_assert_eq!(logind.hear(Said::Logins(now.clone())), out.then_some(LockReason::Logout));
                was = now;
            }
        }
    }
}
