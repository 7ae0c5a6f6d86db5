//! Any sequence of edits gives what a map of lists of versions gives, after each commit, after opening the
//! file again, and the check finds every row in its place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::collections::HashMap;

use glassdome_vault::{CheckStep, Draft, Edit, Error, Expect, KEPT_VERSIONS};
use proptest::prelude::*;
use support::{NOW, fresh, present};

const NAMES: [&str; 4] = ["a", "b", "ключ", "d/e"];

#[derive(Debug, Clone)]
enum Step {
    Set(usize, Vec<u8>, Expect),
    Field(usize, bool),
    Remove(usize, bool),
    Rename(usize, usize),
    Restore(usize, u64),
    Commit,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let name = 0..NAMES.len();
    let expect = prop_oneof![
        4 => Just(Expect::Any),
        1 => Just(Expect::New),
        1 => (1_u64..6).prop_map(Expect::Version),
    ];
    let value = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        8 => (name.clone(), value, expect).prop_map(|(name, value, expect)| Step::Set(name, value, expect)),
        2 => (name.clone(), any::<bool>()).prop_map(|(name, set)| Step::Field(name, set)),
        2 => (name.clone(), any::<bool>()).prop_map(|(name, purge)| Step::Remove(name, purge)),
        2 => (name.clone(), name.clone()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (name, 1_u64..20).prop_map(|(name, version)| Step::Restore(name, version)),
        3 => Just(Step::Commit),
        1 => Just(Step::Reopen),
    ]
}

/// Value and the field "f".
type Content = (Option<Vec<u8>>, Option<Vec<u8>>);

/// Versions, oldest first; no content where it was removed.
type Versions = Vec<(u64, Option<Content>)>;

#[derive(Clone, Default)]
struct Model(HashMap<usize, Versions>);

impl Model {
    fn live(&self, name: usize) -> Option<(u64, Content)> {
        let (version, content) = self.0.get(&name)?.last()?;
        Some((*version, content.clone()?))
    }

    fn push(&mut self, name: usize, content: Option<Content>) -> u64 {
        let versions = self.0.entry(name).or_default();
        let version = versions.last().map_or(1, |(version, _)| version + 1);
        versions.push((version, content));
        if versions.len() > KEPT_VERSIONS + 1 {
            versions.remove(0);
        }
        version
    }

    /// Takes the step, and says whether it is refused.
    fn take(&mut self, step: &Step) -> Result<(), &'static str> {
        match step {
            Step::Set(name, value, expect) => {
                let live = self.live(*name);
                match (expect, live.as_ref().map(|(version, _)| *version)) {
                    (Expect::New, Some(_)) => return Err("exists"),
                    (Expect::Version(expected), current) if current != Some(*expected) => {
                        return Err("stale");
                    }
                    _ => {}
                }
                let field = live.and_then(|(_, (_, field))| field);
                self.push(*name, Some((Some(value.clone()), field)));
            }
            Step::Field(name, true) => {
                let value = self.live(*name).and_then(|(_, (value, _))| value);
                self.push(*name, Some((value, Some(b"field".to_vec()))));
            }
            Step::Field(name, false) => match self.live(*name) {
                Some((_, (_, None))) | None => return Err("not found"),
                Some((_, (None, Some(_)))) => return Err("empty"),
                Some((_, (value, Some(_)))) => {
                    self.push(*name, Some((value, None)));
                }
            },
            Step::Remove(name, true) => drop(self.0.remove(name).ok_or("not found")?),
            Step::Remove(name, false) => {
                self.live(*name).ok_or("not found")?;
                self.push(*name, None);
            }
            Step::Rename(from, to) => {
                let (_, content) = self.live(*from).ok_or("not found")?;
                if self.live(*to).is_some() {
                    return Err("exists");
                }
                self.push(*from, Some(content));
                let versions = self.0.remove(from).expect("pushed above");
                self.0.insert(*to, versions);
            }
            Step::Restore(name, version) => {
                let versions = self.0.get(name).ok_or("not found")?;
                let (_, former) = versions.split_last().expect("an entry has a version");
                let content =
                    former.iter().find(|(one, _)| one == version).and_then(|(_, content)| content.clone());
                let content = content.ok_or("no such version")?;
                self.push(*name, Some(content));
            }
            Step::Commit | Step::Reopen => {}
        }
        Ok(())
    }
}

fn take(draft: &mut Draft<'_>, step: &Step) -> Result<(), Error> {
    match step {
        Step::Set(name, value, expect) => {
            let edit = Edit { value: Some(value), expect: *expect, ..Edit::default() };
            draft.set(NAMES[*name], edit, NOW).map(drop)
        }
        Step::Field(name, set) => {
            let fields = [("f", set.then_some(&b"field"[..]))];
            draft.set(NAMES[*name], Edit { fields: &fields, ..Edit::default() }, NOW).map(drop)
        }
        Step::Remove(name, purge) => draft.remove(NAMES[*name], *purge, NOW),
        Step::Rename(from, to) => draft.rename(NAMES[*from], NAMES[*to], NOW).map(drop),
        Step::Restore(name, version) => draft.restore(NAMES[*name], *version, NOW).map(drop),
        Step::Commit | Step::Reopen => Ok(()),
    }
}

fn word(error: &Error) -> &'static str {
    match error {
        Error::Exists => "exists",
        Error::Stale { .. } => "stale",
        Error::NotFound => "not found",
        Error::NoSuchVersion => "no such version",
        Error::Empty => "empty",
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn a_vault_is_a_map_of_versions(steps in prop::collection::vec(step(), 1..60)) {
        let mut it = fresh();
        let mut model = Model::default();
        let mut pending: Vec<Step> = Vec::new();
        for step in steps.into_iter().chain([Step::Commit]) {
            if !matches!(step, Step::Commit | Step::Reopen) {
                pending.push(step);
                continue;
            }
            let mut draft = it.vault.draft(&it.keys).unwrap();
            for one in pending.drain(..) {
                let expected = model.take(&one);
                let got = take(&mut draft, &one).map_err(|error| word(&error));
                prop_assert_eq!(got, expected, "{:?}", one);
            }
            it.vault.commit(draft.finish().unwrap()).unwrap();
            if matches!(step, Step::Reopen) {
                drop(it.vault);
                it.vault = present(&it.path);
            }
            for (index, name) in NAMES.iter().enumerate() {
                match (it.vault.read(&it.keys, name), model.live(index)) {
                    (Ok(opened), Some((version, (value, field)))) => {
                        prop_assert_eq!(opened.version(), version);
                        prop_assert_eq!(opened.value(), value.as_deref());
                        prop_assert_eq!(opened.field("f"), field.as_deref());
                    }
                    (Err(Error::NotFound), None) => {}
                    other => prop_assert!(false, "{name}: {other:?}"),
                }
                let versions = model.0.get(&index).map(|versions| versions.iter().map(|(version, _)| *version).collect::<Vec<_>>());
                let info = it.vault.info(&it.keys, name).ok();
                prop_assert_eq!(info.map(|info| info.versions.iter().map(|one| one.version).collect::<Vec<_>>()), versions);
            }
            let sound = matches!(it.check().unwrap(), CheckStep::Sound { .. });
            prop_assert!(sound);
            let live = (0..NAMES.len()).filter(|name| model.live(*name).is_some()).count();
            prop_assert_eq!(it.vault.stats().unwrap().entries, live as u64);
        }
    }
}
