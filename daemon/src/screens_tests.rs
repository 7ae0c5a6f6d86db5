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

#[test]
fn a_saver_that_leaves_opens_nothing_and_the_next_counts_anew() {
    let screens = begun(Heed::Pause);
    assert_eq!(screens.left(GNOME), Verdict::Nothing, "there was none");
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
    assert_eq!(screens.left(GNOME), Verdict::Nothing);
    assert_eq!(screens.see(GNOME, false), Verdict::Nothing, "another one of that name");
    assert_eq!(screens.left(GNOME), Verdict::Nothing);
    assert_eq!(screens.typed(screens.locks()), Verdict::Resume);
    assert_eq!(screens.see(GNOME, true), Verdict::Pause, "it comes locked");
    // The same where the bus was lost; there it may be the same one.
    screens.lost(Bus::Session);
    assert_eq!(screens.see(GNOME, false), Verdict::Resume);
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
    assert_eq!(screens.typed(screens.locks()), Verdict::Resume);
    screens.lost(Bus::Session);
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
}

#[test]
fn what_was_asked_for_is_over_when_a_saver_opens() {
    let screens = begun(Heed::Pause);
    assert_eq!(screens.ask("/1", true), Verdict::Pause);
    assert_eq!(screens.see(GNOME, false), Verdict::Nothing, "not locked yet is not opened");
    assert_eq!(screens.see(GNOME, true), Verdict::Nothing);
    assert_eq!(screens.see(GNOME, false), Verdict::Resume);
    assert_eq!(screens.ask("/1", true), Verdict::Pause, "anew");
}

#[test]
fn another_setting_holds_at_once() {
    for (heed, locks) in [(Heed::Off, true), (Heed::Off, false), (Heed::Lock, true)] {
        let screens = begun(Heed::Pause);
        assert_eq!(screens.see(GNOME, true), Verdict::Pause);
        let locks = screens.locks() - u64::from(!locks);
        assert_eq!(screens.begin(heed, locks), Verdict::Resume, "{heed:?}");
    }
    let screens = begun(Heed::Pause);
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
    assert_eq!(screens.begin(Heed::Lock, 0), Verdict::Lock, "it locked while the password was tried");
    let screens = begun(Heed::Off);
    assert_eq!(screens.see(GNOME, true), Verdict::Nothing);
    assert_eq!(screens.begin(Heed::Pause, screens.locks()), Verdict::Resume, "as it was");
    assert_eq!(screens.see(GNOME, false), Verdict::Nothing);
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
}

#[test]
fn one_waits_for_it_to_stay_open() {
    let screens = begun(Heed::Pause);
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
    assert_eq!(screens.see(GNOME, false), Verdict::Resume);
    assert!(screens.settle() && !screens.settle());
    assert_eq!(screens.see(GNOME, true), Verdict::Pause);
    assert_eq!(screens.settled(), Verdict::Pause);
    assert_eq!(screens.see(GNOME, false), Verdict::Resume);
    assert!(screens.settle());
    assert_eq!(screens.settled(), Verdict::Resume);
    assert!(screens.settle());
    screens.end();
    assert_eq!(screens.settled(), Verdict::Nothing);
}

#[derive(Debug, Clone)]
enum Step {
    See(Source, bool),
    Ask(&'static str, bool),
    Looked(Bus, Vec<&'static str>),
    Lost(Bus),
    /// A saver's name has no owner any more, or another.
    Left,
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
        1 => Just(Step::Left),
        1 => any::<bool>().prop_map(Step::Typed),
        2 => (heed, any::<bool>()).prop_map(|(heed, late)| Step::Begin(heed, late)),
        1 => Just(Step::End),
    ]
}

/// Why a session rests, as one would explain it.
#[derive(Debug, Default)]
struct Model {
    heed: Option<Heed>,
    /// What was seen last of each that is there.
    last: BTreeMap<Source, bool>,
    /// What locked since the password was typed, and was not seen open since.
    shut: BTreeSet<Source>,
    asked: BTreeSet<&'static str>,
    gone: bool,
    /// The buses that were looked at.
    known: (bool, bool),
}

impl Model {
    fn rests(&self) -> bool {
        !self.shut.is_empty() || !self.asked.is_empty() || self.gone
    }

    fn know(&mut self, bus: Bus) {
        match bus {
            Bus::System => self.known.0 = true,
            Bus::Session => self.known.1 = true,
        }
    }

    fn typed(&mut self, in_time: bool) {
        if in_time {
            (self.shut, self.asked, self.gone) = (BTreeSet::new(), BTreeSet::new(), false);
        }
    }

    fn leaves(&mut self, source: &Source) {
        self.last.remove(source);
        self.gone |= self.shut.remove(source);
    }

    fn see(&mut self, source: Source, locked: bool) {
        let known = if source == GNOME { self.known.1 } else { self.known.0 };
        let was = self.last.insert(source.clone(), locked);
        if !locked {
            match &source {
                Source::Saver(_) if was == Some(true) => self.asked.clear(),
                Source::Login(path) if was == Some(true) => self.asked.retain(|asked| asked != path),
                _ => {}
            }
            self.shut.remove(&source);
        } else if was == Some(false) || was.is_none() && known {
            self.shut.insert(source);
        }
    }

    fn looked(&mut self, paths: &BTreeSet<String>) {
        let ended = |source: &&Source| matches!(source, Source::Login(path) if !paths.contains(path));
        let ended: Vec<Source> = self.last.keys().chain(&self.shut).filter(ended).cloned().collect();
        ended.iter().for_each(|source| self.leaves(source));
        let before = self.asked.len();
        self.asked.retain(|path| paths.contains(*path));
        self.gone |= self.asked.len() < before;
    }
}

proptest! {
    /// Driven as the daemon drives it, against a model.
    #[test]
    fn it_rests_when_the_model_says_so(steps in prop::collection::vec(step(), 0..80)) {
        let (screens, mut model) = (Screens::default(), Model::default());
        let (mut paused, mut before) = (false, 0);
        for step in steps {
            let count = screens.locks();
            let typed = |late: bool| if late { before } else { count };
            let ends = matches!(step, Step::End);
            let verdict = match step {
                Step::See(source, locked) => {
                    model.see(source.clone(), locked);
                    screens.see(source, locked)
                }
                Step::Ask(path, lock) => {
                    match (model.last.contains_key(&login(path)), lock) {
                        (true, true) => { model.asked.insert(path); }
                        (true, false) => { model.asked.remove(path); }
                        (false, _) => {}
                    }
                    screens.ask(path, lock)
                }
                Step::Looked(bus, paths) => {
                    let paths = logins(&paths);
                    model.know(bus);
                    if bus == Bus::System {
                        model.looked(&paths);
                    }
                    screens.looked(bus, &paths)
                }
                Step::Lost(bus) => {
                    model.know(bus);
                    if bus == Bus::Session {
                        model.last.remove(&GNOME);
                    }
                    screens.lost(bus);
                    Verdict::Nothing
                }
                Step::Left => {
                    model.leaves(&GNOME);
                    screens.left(GNOME)
                }
                Step::Typed(late) => {
                    model.typed(typed(late) == count);
                    screens.typed(typed(late))
                }
                Step::Begin(heed, late) => {
                    model.typed(typed(late) == count);
                    model.heed = Some(heed);
                    screens.begin(heed, typed(late))
                }
                Step::End => Verdict::Lock,
            };
            match verdict {
                Verdict::Pause => paused = true,
                Verdict::Resume => paused = false,
                Verdict::Lock => {
                    prop_assert!(ends || model.heed == Some(Heed::Lock) && model.rests());
                    paused = false;
                    screens.end();
                    model = Model::default();
                }
                Verdict::Nothing => {}
            }
            before = count;
            prop_assert_eq!(paused, model.heed == Some(Heed::Pause) && model.rests());
            prop_assert!(model.heed != Some(Heed::Lock) || !model.rests());
        }
    }
}
