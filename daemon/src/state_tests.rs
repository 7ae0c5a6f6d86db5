//! Whatever happens in whatever order, a session is open when a simple model says so: locks in a storm, a lock
//! or a keyring that locks while a password is tried, clocks that are set, buses that come and go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use glassdome_lockmem::LockedBytes;
use glassdome_vault::SlotKind;
use glassdome_vault::kdf::{self, KdfParams, Kek};
use proptest::prelude::*;

use super::sealed::Sealed;
use super::*;
use crate::keyring::{Collection, Heed as KeyringHeed, Sight};
use crate::logind::{Heed as LogindHeed, Login, Logins, Said};
use crate::ops::keyring::Before;
use crate::policy::rule::Rule;
use crate::screens::{Heed as ScreenHeed, Source};
use crate::session::{CEILING, LATE, Limits, TICK};
use crate::settings::Settings;

const SAVERS: [&str; 2] = ["a", "b"];

#[derive(Debug, Clone)]
enum Step {
    /// A password comes.
    Typed,
    /// It was the right one.
    Opens {
        total: u64,
        idle: Option<u64>,
        keyring: KeyringHeed,
        logind: LogindHeed,
        screen: ScreenHeed,
    },
    Lock,
    Tick,
    Used,
    Keyring(Sight),
    Said(Said),
    Screen(usize, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let opened = |owner: &str| Sight::Open(Collection { owner: owner.to_owned(), path: "/c".to_owned() });
    let sight = prop_oneof![
        2 => Just(opened(":1.1")),
        1 => Just(opened(":1.2")),
        1 => Just(Sight::Locked),
        1 => Just(Sight::NoBus),
        1 => Just(Sight::NoKeyring),
        1 => Just(Sight::Silent),
    ];
    let logins =
        prop::collection::btree_map("[a-c]", any::<bool>().prop_map(|desktop| Login { desktop }), 0..3);
    let said = prop_oneof![
        1 => Just(Said::Sleep),
        1 => Just(Said::Shutdown),
        6 => logins.prop_map(Said::Logins),
    ];
    let heeds = (
        prop_oneof![Just(KeyringHeed::Off), Just(KeyringHeed::Lock)],
        (any::<bool>(), any::<bool>()).prop_map(|(sleep, logout)| LogindHeed { sleep, logout }),
        prop_oneof![Just(ScreenHeed::Off), Just(ScreenHeed::Pause), Just(ScreenHeed::Lock)],
    );
    let total = prop_oneof![1_u64..40, 1_u64..40_000];
    let opens = (total, proptest::option::of(1_u64..200), heeds);
    prop_oneof![
        4 => Just(Step::Typed),
        6 => opens.prop_map(|(total, idle, (keyring, logind, screen))| Step::Opens { total, idle, keyring, logind, screen }),
        1 => Just(Step::Lock),
        8 => Just(Step::Tick),
        2 => Just(Step::Used),
        3 => sight.prop_map(Step::Keyring),
        4 => said.prop_map(Step::Said),
        6 => (0..SAVERS.len(), any::<bool>()).prop_map(|(saver, locked)| Step::Screen(saver, locked)),
    ]
}

/// Seconds that pass before it by the clock that nobody sets, and where the other one stands besides.
fn steps() -> impl Strategy<Value = Vec<(Step, u64, i64)>> {
    let passed = prop_oneof![100 => 0_u64..4, 1 => 0_u64..30_000];
    let shift = prop_oneof![4 => Just(0_i64), 1 => -90_000_i64..90_000];
    prop::collection::vec((step(), passed, shift), 1..120)
}

/// An open session, as one would explain it.
#[derive(Debug)]
struct Open {
    begun: Now,
    total: Duration,
    idle: Option<Duration>,
    used: Duration,
    ticked: Duration,
    keyring: KeyringHeed,
    logind: LogindHeed,
    screen: ScreenHeed,
    logins: Logins,
}

impl Open {
    fn is_over(&self, now: Now) -> bool {
        now.boot >= self.begun.boot + self.total
            || now.wall >= self.begun.wall + self.total
            || self.idle.is_some_and(|idle| now.boot >= self.used + idle)
            || now.boot > self.ticked + TICK + LATE
    }
}

#[derive(Debug, Default)]
struct Model {
    open: Option<Open>,
    /// The collection that was seen open last, if nothing else was seen since.
    keyring: Option<Collection>,
    screens: BTreeMap<usize, bool>,
    rests: BTreeSet<usize>,
    /// The password that is being tried: what has happened since it came.
    tried: Option<Since>,
}

#[derive(Debug, Default)]
struct Since {
    locked: bool,
    keyring_fell: bool,
    screen_locked: bool,
}

impl Model {
    fn lock(&mut self) {
        if self.open.take().is_some() {
            self.screens.clear();
            self.rests.clear();
        }
        if let Some(since) = &mut self.tried {
            since.locked = true;
        }
    }

    fn is_paused(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.screen == ScreenHeed::Pause) && !self.rests.is_empty()
    }

    fn step(&mut self, step: Step, now: Now) {
        match step {
            Step::Typed => self.tried = Some(Since::default()),
            Step::Opens { total, idle, keyring, logind, screen } => {
                let Some(since) = self.tried.take() else { return };
                if since.locked || (since.keyring_fell && keyring != KeyringHeed::Off) {
                    return;
                }
                if !since.screen_locked {
                    self.rests.clear();
                }
                let logins = self.open.take().map(|open| open.logins).unwrap_or_default();
                let (total, idle) = (Duration::from_secs(total).min(CEILING), idle.map(Duration::from_secs));
                let (used, ticked) = (now.boot, now.boot);
                self.open =
                    Some(Open { begun: now, total, idle, used, ticked, keyring, logind, screen, logins });
                if screen == ScreenHeed::Lock && !self.rests.is_empty() {
                    self.lock();
                }
            }
            Step::Lock => self.lock(),
            Step::Tick => self.open.iter_mut().for_each(|open| open.ticked = now.boot),
            Step::Used => self.open.iter_mut().for_each(|open| open.used = now.boot),
            Step::Keyring(sight) => {
                let sight = match sight {
                    Sight::Open(collection) => Some(collection),
                    _ => None,
                };
                let fell = self.keyring.is_some() && self.keyring != sight;
                self.keyring = sight;
                if fell {
                    self.tried.iter_mut().for_each(|since| since.keyring_fell = true);
                    if self.open.as_ref().is_some_and(|open| open.keyring == KeyringHeed::Lock) {
                        self.lock();
                    }
                }
            }
            Step::Said(said) => {
                let Some(open) = &mut self.open else { return };
                let ends = match said {
                    Said::Sleep => open.logind.sleep,
                    Said::Shutdown => open.logind.logout,
                    Said::Logins(now) => {
                        let was = std::mem::replace(&mut open.logins, now);
                        let gone = |login: &(&String, &Login)| !open.logins.contains_key(login.0);
                        let gone: Vec<_> = was.iter().filter(gone).collect();
                        let out = gone.iter().any(|(_, login)| login.desktop)
                            || (!gone.is_empty() && open.logins.is_empty());
                        out && open.logind.logout
                    }
                };
                if ends {
                    self.lock();
                }
            }
            // Screens are looked at while a session is open.
            Step::Screen(screen, locked) => {
                let Some(heed) = self.open.as_ref().map(|open| open.screen) else { return };
                let was = self.screens.insert(screen, locked);
                if !locked {
                    self.rests.remove(&screen);
                } else if was == Some(false) {
                    self.rests.insert(screen);
                    self.tried.iter_mut().for_each(|since| since.screen_locked = true);
                    if heed == ScreenHeed::Lock {
                        self.lock();
                    }
                }
            }
        }
    }
}

/// The daemon's own, and what there is to a password.
struct Real {
    state: State,
    tried: Option<(Before, watch::Receiver<u64>)>,
    _dir: tempfile::TempDir,
}

/// Argon2id takes its time: one vault for all.
static VAULT: LazyLock<(tempfile::TempDir, Vault, Kek)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
    let kek = kdf::derive(&input, &LockedBytes::zeroed(8).unwrap()).unwrap();
    let (vault, _) = Vault::create(&dir.path().join("vault"), &input, &kek, 1).unwrap();
    (dir, vault, kek)
});

impl Real {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let state = State::new(Found {
            owner: rustix::process::geteuid().as_raw(),
            stamp: None,
            memory: None,
            vault: None,
            vault_path: dir.path().join("vault"),
            journal: Journal::open(&dir.path().join("audit.jsonl"), None, None, clock::now()).unwrap(),
            store: Worker::start("disk").unwrap(),
            backoff: Backoff::default(),
            panic: None,
            helper: None,
            state_file: None,
        });
        Self { state, tried: None, _dir: dir }
    }

    fn lock_for(&self, reason: Option<LockReason>) {
        if let Some(reason) = reason {
            self.state.lock(reason);
        }
    }

    fn step(&mut self, step: Step, now: Now) {
        match step {
            Step::Typed => self.tried = Some((Before::of(&self.state), self.state.locks())),
            Step::Opens { total, idle, keyring, logind, screen } => {
                let Some((before, locks)) = self.tried.take() else { return };
                // As every request is cut off by a lock.
                if locks.has_changed().unwrap() || before.stands(&self.state, keyring).is_err() {
                    return;
                }
                let keys = VAULT.1.unwrap(&VAULT.2).unwrap();
                let settings = Settings { keyring, logind, screen, ..Settings::default() };
                let sealed = Sealed { settings, rules: vec![Rule::any()], ..Sealed::default() };
                let (total, idle) = (Duration::from_secs(total), idle.map(Duration::from_secs));
                self.state.open(keys, Limits { total, idle }, sealed, before.screens(), now);
            }
            Step::Lock => self.state.lock(LockReason::Requested),
            Step::Tick => self.state.tick(now),
            Step::Used => self.state.used(now),
            Step::Keyring(sight) => {
                let fell = self.state.keyring().see(sight);
                self.lock_for(fell.then_some(LockReason::KeyringLocked));
            }
            Step::Said(said) => {
                if self.state.is_open(now) {
                    self.lock_for(self.state.logind().hear(said));
                }
            }
            Step::Screen(screen, locked) => {
                if self.state.is_open(now) {
                    let verdict = self.state.screens().see(Source::Saver(SAVERS[screen]), locked);
                    self.state.do_for_screen(verdict);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_session_is_open_when_the_model_says_so(steps in steps()) {
        let (mut model, mut real) = (Model::default(), Real::new());
        let far = Duration::from_secs(100_000_000);
        // Ahead of the clocks of this machine, by which some of what ends a session is recorded.
        let start = clock::now();
        let mut boot = start.boot + far;
        for (step, passed, shift) in steps {
            boot += Duration::from_secs(passed);
            let wall = shifted(boot - start.boot + start.wall, shift);
            let now = Now { boot, wall };
            // Time is judged first.
            if model.open.as_ref().is_some_and(|open| open.is_over(now)) {
                model.lock();
            }
            prop_assert_eq!(real.state.is_open(now), model.open.is_some());
            model.step(step.clone(), now);
            real.step(step, now);
            prop_assert_eq!(real.state.is_open(now), model.open.is_some());
            prop_assert_eq!(real.state.is_paused(), model.is_paused());
            // No session, no key, and nothing of what was known to it.
            prop_assert_eq!(real.state.keys().is_some(), model.open.is_some());
            prop_assert_eq!(real.state.rules().len(), usize::from(model.open.is_some()));
            if let Some(open) = &model.open {
                prop_assert!(boot < open.begun.boot + CEILING);
            }
        }
    }
}

#[tokio::test]
async fn a_log_that_cannot_be_brought_to_the_disk_ends_the_session() {
    let (mut real, now) = (Real::new(), clock::now());
    let (keyring, logind, screen) = (KeyringHeed::Off, LogindHeed::default(), ScreenHeed::Off);
    let opens = Step::Opens { total: 1000, idle: None, keyring, logind, screen };
    for step in [Step::Typed, opens.clone()] {
        real.step(step, now);
    }
    real.state.settle_log().await;
    assert!(real.state.is_open(now), "control");
    real.state.journal().fail_next_sync();
    real.state.settle_log().await;
    assert!(!real.state.is_open(now) && real.state.keys().is_none());
    assert_eq!(real.state.session().last_lock(), Some(LockReason::Unlogged));
    // The next one may hold.
    for step in [Step::Typed, opens] {
        real.step(step, now);
    }
    real.state.settle_log().await;
    assert!(real.state.is_open(now));
}

fn shifted(time: Duration, seconds: i64) -> Duration {
    let shift = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { time - shift } else { time + shift }
}
