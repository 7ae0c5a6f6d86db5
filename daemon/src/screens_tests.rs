//! What is seen of screens, in every order: what locked rests until that same one is seen open, or the password is
//! typed.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const GNOME: Source = Source::Saver("org.gnome.ScreenSaver");

fn login(path: &str) -> Source {
    Source::Login(path.to_owned())
}

fn logins(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

/// Of a session that has just begun, where logind tells of an open screen.
fn begun(heed: Heed) -> Screens {
    let screens = Screens::default();
    assert_ne!(screens.begin(heed, screens.locks()), Verdict::Lock);
    assert_eq!(screens.see(login("/1"), false), Verdict::Nothing);
    assert_eq!(screens.looked(Bus::System, &logins(&["/1"])), Verdict::Nothing);
    assert_eq!(screens.looked(Bus::Session, &logins(&[])), Verdict::Nothing);
    screens
}

#[test]
fn a_screen_that_locks_is_heeded_as_it_is_sealed() {
    for (heed, locked, opened) in [
        (Heed::Pause, Verdict::Pause, Verdict::Resume),
        (Heed::Lock, Verdict::Lock, Verdict::Nothing),
        (Heed::Off, Verdict::Nothing, Verdict::Nothing),
    ] {
        let screens = begun(heed);
        assert_eq!(screens.see(login("/1"), true), locked);
        assert_eq!(screens.see(login("/1"), true), Verdict::Nothing, "once");
        assert_eq!(screens.see(login("/1"), false), opened);
        assert_eq!(screens.see(GNOME, true), locked, "one that comes later");
    }
    let screens = Screens::default();
    assert_eq!(screens.see(login("/1"), true), Verdict::Nothing, "nothing is open");
}

#[test]
fn all_that_locked_are_seen_open_before_it_goes_on() {
    let screens = begun(Heed::Pause);
    assert_eq!(screens.see(login("/1"), true), Verdict::Pause);
    assert_eq!(screens.see(GNOME, true), Verdict::Nothing);
    assert_eq!(screens.see(login("/1"), false), Verdict::Nothing);
    assert_eq!(screens.state(), Screen::Locked);
    assert_eq!(screens.see(GNOME, false), Verdict::Resume);
    assert_eq!(screens.state(), Screen::Open);
}

#[test]
fn what_was_asked_for_is_as_good_as_locked() {
    let screens = begun(Heed::Pause);
    assert_eq!(screens.ask("/2", true), Verdict::Nothing, "of somebody else");
    assert_eq!(screens.ask("/1", true), Verdict::Pause);
    assert_eq!(screens.see(login("/1"), false), Verdict::Nothing, "not locked yet is not opened");
    assert_eq!(screens.ask("/1", false), Verdict::Resume, "asked for, too");
    // Where the screen says that it locked, its opening ends both.
    assert_eq!(screens.ask("/1", true), Verdict::Pause);
    assert_eq!(screens.see(login("/1"), true), Verdict::Nothing);
    assert_eq!(screens.ask("/1", false), Verdict::Nothing, "it is locked still");
    assert_eq!(screens.ask("/1", true), Verdict::Nothing);
    assert_eq!(screens.see(login("/1"), false), Verdict::Resume);
}

#[test]
fn the_password_is_typed_in_front_of_locked_screens() {
    let screens = Screens::default();
    assert_eq!(screens.begin(Heed::Pause, 0), Verdict::Resume);
    assert_eq!(screens.see(login("/1"), true), Verdict::Nothing, "as it was");
    assert_eq!(screens.looked(Bus::System, &logins(&["/1"])), Verdict::Nothing);
    assert_eq!(screens.see(login("/1"), false), Verdict::Nothing);
    assert_eq!(screens.see(login("/1"), true), Verdict::Pause, "it locks");
    let locks = screens.locks();
    assert_eq!(screens.typed(locks), Verdict::Resume);
    assert_eq!(screens.see(login("/1"), true), Verdict::Nothing, "as it was");
    assert_eq!(screens.see(GNOME, true), Verdict::Nothing, "its first look");
    assert_eq!(screens.looked(Bus::Session, &logins(&[])), Verdict::Nothing);
    // One that locks while the password is tried wins.
    assert_eq!(screens.ask("/1", true), Verdict::Pause);
    assert_eq!(screens.typed(locks), Verdict::Pause);
    assert_eq!(screens.begin(Heed::Pause, locks), Verdict::Pause, "a renewal, too");
    assert_eq!(screens.begin(Heed::Lock, locks), Verdict::Lock);
}

#[test]
fn what_is_gone_opens_nothing() {
    let screens = begun(Heed::Pause);
    assert_eq!(screens.see(login("/1"), true), Verdict::Pause);
    screens.lost(Bus::System);
    assert_eq!(screens.state(), Screen::Locked);
    assert_eq!(screens.looked(Bus::System, &logins(&[])), Verdict::Nothing);
    assert_eq!(screens.see(login("/1"), false), Verdict::Nothing, "another one of that name");
    assert_eq!(screens.state(), Screen::Locked);
    assert_eq!(screens.typed(screens.locks()), Verdict::Resume);
}

#[test]
fn what_locked_while_nobody_looked_is_heeded() {
    // The bus was lost, and the screen locked meanwhile.
    let screens = begun(Heed::Pause);
    screens.lost(Bus::System);
    assert_eq!(screens.see(login("/1"), true), Verdict::Pause);
    // There was no bus at all when the password was typed.
    let screens = Screens::default();
    assert_eq!(screens.begin(Heed::Pause, 0), Verdict::Resume);
    screens.lost(Bus::System);
    assert_eq!(screens.see(login("/1"), true), Verdict::Pause);
}

#[derive(Debug, Clone)]
enum Step {
    See(Source, bool),
    Ask(&'static str, bool),
    Looked(Bus, Vec<&'static str>),
    Lost(Bus),
    /// With the locks that were counted when the password came: now, or before the last step.
    Typed(bool),
    Begin(Heed, bool),
    End,
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop_oneof![Just("/1"), Just("/2")];
    let source = prop_oneof![3 => path().prop_map(login), 1 => Just(GNOME)];
    let bus = || prop_oneof![Just(Bus::System), Just(Bus::Session)];
    let heed = prop_oneof![1 => Just(Heed::Off), 3 => Just(Heed::Pause), 1 => Just(Heed::Lock)];
    prop_oneof![
        8 => (source, any::<bool>()).prop_map(|(source, locked)| Step::See(source, locked)),
        2 => (path(), any::<bool>()).prop_map(|(path, lock)| Step::Ask(path, lock)),
        2 => (bus(), prop::collection::vec(path(), 0..3)).prop_map(|(bus, paths)| Step::Looked(bus, paths)),
        1 => bus().prop_map(Step::Lost),
        1 => any::<bool>().prop_map(Step::Typed),
        2 => (heed, any::<bool>()).prop_map(|(heed, late)| Step::Begin(heed, late)),
        1 => Just(Step::End),
    ]
}

proptest! {
    /// Driven as the daemon drives it, against what was seen last of each screen.
    #[test]
    fn nothing_goes_on_while_a_screen_that_locked_was_not_seen_open(
        steps in prop::collection::vec(step(), 0..80)
    ) {
        let screens = Screens::default();
        let mut session: Option<(Heed, bool)> = None;
        // What locked since the password was typed, and was not seen open since.
        let mut shut: BTreeSet<Source> = BTreeSet::new();
        let mut last: BTreeMap<Source, bool> = BTreeMap::new();
        let mut before = 0;
        for step in steps {
            let count = screens.locks();
            let typed = |late: bool| if late { before } else { count };
            let verdict = match step {
                Step::See(source, locked) => {
                    let was = last.insert(source.clone(), locked);
                    match (was, locked) {
                        (Some(false), true) => { shut.insert(source.clone()); }
                        (_, false) => { shut.remove(&source); }
                        _ => {}
                    }
                    screens.see(source, locked)
                }
                Step::Ask(path, lock) => screens.ask(path, lock),
                Step::Looked(bus, paths) => {
                    let paths = logins(&paths);
                    if bus == Bus::System {
                        last.retain(|source, _| !matches!(source, Source::Login(path) if !paths.contains(path)));
                    }
                    screens.looked(bus, &paths)
                }
                Step::Lost(bus) => { screens.lost(bus); Verdict::Nothing }
                Step::Typed(late) => {
                    if typed(late) == count { shut.clear(); }
                    screens.typed(typed(late))
                }
                Step::Begin(heed, late) => {
                    if typed(late) == count { shut.clear(); }
                    session = Some((heed, false));
                    screens.begin(heed, typed(late))
                }
                Step::End => {
                    session = None;
                    Verdict::Lock
                }
            };
            match (verdict, &mut session) {
                (Verdict::Pause, Some((_, paused))) => *paused = true,
                (Verdict::Resume, Some((_, paused))) => *paused = false,
                (Verdict::Lock, _) => {
                    session = None;
                    screens.end();
                    shut.clear();
                    last.clear();
                }
                _ => {}
            }
            before = count;
            match session {
                Some((Heed::Pause, paused)) => prop_assert!(paused || shut.is_empty(), "{shut:?}"),
                Some((Heed::Lock, _)) => prop_assert!(shut.is_empty(), "{shut:?}"),
                _ => {}
            }
        }
    }
}
