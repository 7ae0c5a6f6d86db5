//! What was seen, in every order: no session outlives the keyring that it relied on.

use glassdome_proto::session::LockReason;
use proptest::prelude::*;

use super::*;
use crate::clock::Now;
use crate::session::{CEILING, Input, Limits, Session};

const NOW: Now =
    Now { boot: std::time::Duration::from_secs(9), wall: std::time::Duration::from_secs(1_800_000_000) };

fn open(owner: &str, path: &str) -> Sight {
    Sight::Open(Collection { owner: owner.to_owned(), path: path.to_owned() })
}

fn login() -> Sight {
    open(":1.2", "/login")
}

#[test]
fn whatever_else_is_seen_ends_a_session_that_had_it_open() {
    for heed in [Heed::Lock, Heed::Require] {
        for end in [
            Sight::Locked,
            Sight::NoKeyring,
            Sight::NoBus,
            Sight::NoCollection,
            Sight::Silent,
            Sight::Unwatched,
            open(":1.3", "/login"),
            open(":1.2", "/session"),
        ] {
            let keyring = Keyring::default();
            assert!(!keyring.see(login()));
            keyring.begin(heed);
            assert!(!keyring.see(login()), "as it was");
            assert!(keyring.see(end.clone()), "{end:?}");
        }
    }
}

#[test]
fn what_was_never_open_ends_nothing_until_it_was() {
    for first in [Sight::Unwatched, Sight::Locked, Sight::NoKeyring, Sight::NoBus, Sight::Silent] {
        let keyring = Keyring::default();
        assert!(!keyring.see(first));
        keyring.begin(Heed::Lock);
        assert!(!keyring.see(Sight::NoKeyring) && !keyring.see(Sight::Locked));
        assert!(!keyring.see(login()));
        assert!(keyring.see(Sight::Locked), "from then on");
    }
}

#[test]
fn who_does_not_heed_it_and_who_is_locked_are_left_alone() {
    let keyring = Keyring::default();
    assert!(!keyring.see(login()));
    keyring.begin(Heed::Off);
    assert!(!keyring.see(Sight::Locked) && !keyring.see(login()));
    keyring.end();
    assert!(!keyring.see(Sight::Locked), "no session");
    assert_eq!(keyring.falls(), 2, "but an unlock under way sees that it fell");
}

#[derive(Debug, Clone)]
enum Step {
    See(Sight),
    /// With the falls that were counted when the password came: now, or before the last step.
    Begin(Heed, bool),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    let sight = prop_oneof![
        3 => Just(login()),
        1 => Just(open(":1.2", "/session")),
        1 => Just(open(":1.3", "/login")),
        2 => Just(Sight::Locked),
        1 => Just(Sight::NoKeyring),
        1 => Just(Sight::NoBus),
        1 => Just(Sight::NoCollection),
        1 => Just(Sight::Silent),
    ];
    let heed = prop_oneof![Just(Heed::Off), Just(Heed::Lock), Just(Heed::Require)];
    prop_oneof![
        6 => sight.prop_map(Step::See),
        2 => (heed, any::<bool>()).prop_map(|(heed, late)| Step::Begin(heed, late)),
        1 => Just(Step::End),
    ]
}

proptest! {
    /// Driven as the daemon drives it, against a model that remembers all that was seen since the session
    /// began.
    #[test]
    fn no_order_of_events_leaves_a_session_open_with_a_keyring_seen_locked(
        steps in prop::collection::vec(step(), 0..60)
    ) {
        let keyring = Keyring::default();
        let mut session = Session::<u8>::default();
        let mut since: Vec<Sight> = Vec::new();
        let mut falls_before = 0;
        for step in steps {
            let falls = keyring.falls();
            match step {
                Step::See(sight) => {
                    since.push(sight.clone());
                    if keyring.see(sight) {
                        let (next, ended) = session.step(Input::Lock(LockReason::KeyringLocked), NOW);
                        session = next;
                        prop_assert_eq!(ended, Some(LockReason::KeyringLocked), "only an open one is told to end");
                        keyring.end();
                    }
                }
                Step::Begin(heed, late) => {
                    let before = if late { falls_before } else { falls };
                    let required = heed != Heed::Require || keyring.sight().open().is_some();
                    if required && (before == keyring.falls() || heed == Heed::Off) {
                        let limits = Limits { total: CEILING, idle: None };
                        session = session.step(Input::Open { key: 1, limits }, NOW).0;
                        keyring.begin(heed);
                        since = vec![keyring.sight().clone()];
                    }
                }
                Step::End => {
                    session = session.step(Input::Lock(LockReason::Requested), NOW).0;
                    keyring.end();
                }
            }
            falls_before = falls;
            let open = session.open().is_some();
            prop_assert_eq!(keyring.heed().is_some(), open);
            if !open || keyring.heed() == Some(Heed::Off) {
                continue;
            }
            // From the first sight of an open keyring on, nothing else was seen.
            let relied: Vec<_> = since.iter().skip_while(|sight| sight.open().is_none()).collect();
            prop_assert!(relied.windows(2).all(|two| two[0] == two[1]), "{:?}", since);
            if keyring.heed() == Some(Heed::Require) {
                prop_assert_eq!(relied.len(), since.len(), "{:?}", since);
            }
        }
    }
}
