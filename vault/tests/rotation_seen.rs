//! Whatever was done to a vault, before it gets a new master key and while it does: a person finds all of it as it was.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod support;

use glassdome_vault::{Carried, Expires, Keys, PinVerifier, Throttle, Vault};
use proptest::prelude::*;

use support::rotating::{PINS, ROWS, SETTINGS, begin, begin_or_resume, carry, finish, name_of, seen, sound};
use support::{Fresh, NOW, fresh, kek, present, value_edit};

/// What a person may do to a vault.
#[derive(Debug, Clone)]
enum Deed {
    Set { name: u8, length: usize },
    Field { name: u8, field: u8 },
    Expire { name: u8 },
    Remove { name: u8, purge: bool },
    Rename { name: u8, to: u8 },
    Restore { name: u8, version: u64 },
    Setting { key: u8, length: usize },
    Pin(Option<bool>),
    Throttle(u32),
    Backup(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let name = || 0..6_u8;
    prop_oneof![
        6 => (name(), 0..3000_usize).prop_map(|(name, length)| Deed::Set { name, length }),
        2 => (name(), 0..3_u8).prop_map(|(name, field)| Deed::Field { name, field }),
        1 => name().prop_map(|name| Deed::Expire { name }),
        2 => (name(), any::<bool>()).prop_map(|(name, purge)| Deed::Remove { name, purge }),
        3 => (name(), name()).prop_map(|(name, to)| Deed::Rename { name, to }),
        2 => (name(), 1..5_u64).prop_map(|(name, version)| Deed::Restore { name, version }),
        1 => (0..2_u8, 0..2000_usize).prop_map(|(key, length)| Deed::Setting { key, length }),
        1 => any::<Option<bool>>().prop_map(Deed::Pin),
        1 => any::<u32>().prop_map(Deed::Throttle),
        1 => any::<u64>().prop_map(Deed::Backup),
    ]
}

/// Does it, if it can be done. `salt` makes each value another one.
fn act(vault: &Vault, keys: &Keys, deed: &Deed, salt: usize) {
    let mut draft = vault.draft(keys).unwrap();
    let bytes = |length: usize| vec![salt as u8; length + 1];
    let done = match *deed {
        Deed::Set { name, length } => {
            draft.set(&name_of(name), value_edit(&bytes(length)), NOW + salt as u64).map(drop)
        }
        Deed::Field { name, field } => {
            let (field, value) = (format!("f{field}"), bytes(5));
            let fields = [(&field[..], Some(&value[..]))];
            let edit = glassdome_vault::Edit { fields: &fields, ..Default::default() };
            draft.set(&name_of(name), edit, NOW).map(drop)
        }
        Deed::Expire { name } => {
            let edit = glassdome_vault::Edit { expires: Expires::At(NOW + 7), ..Default::default() };
            draft.set(&name_of(name), edit, NOW).map(drop)
        }
        Deed::Remove { name, purge } => draft.remove(&name_of(name), purge, NOW),
        Deed::Rename { name, to } => draft.rename(&name_of(name), &name_of(to), NOW).map(drop),
        Deed::Restore { name, version } => draft.restore(&name_of(name), version, NOW).map(drop),
        Deed::Setting { key, length } => draft.setting(SETTINGS[usize::from(key)], Some(&bytes(length))),
        Deed::Pin(pin) => {
            let pin = pin.map(|which| PinVerifier::new(keys, PINS[usize::from(which)]).unwrap());
            draft.set_pin(pin.as_ref())
        }
        Deed::Throttle(failures) => {
            return vault.store_throttle(&Throttle { failures, not_before: 9 }).unwrap();
        }
        Deed::Backup(at) => return vault.store_last_backup(at).unwrap(),
    };
    if done.is_ok() {
        vault.commit(draft.finish().unwrap()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn whoever_looks_sees_what_they_saw_before(
        before in prop::collection::vec(deed(), 0..40),
        meanwhile in prop::collection::vec(deed(), 0..25),
        killed in prop::collection::vec(any::<bool>(), 0..3),
        settled in any::<bool>(),
    ) {
        let it = fresh();
        let names: Vec<String> = (0..6).map(name_of).collect();
        let mut salt = 0;
        let mut all = |deeds: &[Deed]| {
            for deed in deeds {
                salt += 1;
                act(&it.vault, &it.keys, deed, salt);
            }
        };
        all(&before);
        let mut rest = meanwhile.chunks(3);
        let mut rotation = None;
        for done in killed {
            // Begun, changed meanwhile, and left in the middle or at the end.
            let (one, new) = begin_or_resume(&it.vault, &it.keys, &it.path);
            let mut pass = one.pass(&it.vault, &it.keys).unwrap();
            while pass.carry(&one, &it.keys, &new, ROWS).unwrap() != Carried::All {
                one.vault().commit(one.change(&mut pass, &new).unwrap()).unwrap();
                rest.next().into_iter().for_each(&mut all);
                if !done {
                    break;
                }
            }
            rotation = Some(new);
        }
        let (one, new) = begin_or_resume(&it.vault, &it.keys, &it.path);
        if let Some(former) = rotation {
            prop_assert!(one.fits(&it.vault, &former).unwrap(), "it went on where it stood");
        }
        let pass = carry(&it.vault, &it.keys, &one, &new, |_| rest.next().into_iter().for_each(&mut all));
        drop(pass.unwrap());
        rest.for_each(&mut all);
        if settled {
            it.vault.settle().unwrap();
        }
        let expected = seen(&it.vault, &it.keys, &names);
        let generation = it.vault.generation(&it.keys).unwrap();
        finish(&it.vault, &it.keys, one, &new);
        prop_assert_eq!(&seen(&it.vault, &new, &names), &expected);
        sound(&it.vault, &new);
        prop_assert!(it.vault.generation(&new).unwrap() > generation);
        prop_assert!(it.vault.setting(&it.keys, "policy").is_err(), "the former keys open nothing");

        // It can be written to, rotated once more, and opened by its password.
        act(&it.vault, &new, &Deed::Set { name: 9, length: 9 }, 9);
        let (two, newer) = begin(&it.vault, &new, &it.path);
        finish(&it.vault, &new, two, &newer);
        let Fresh { vault, path, directory, .. } = it;
        drop(vault);
        let vault = present(&path);
        let opened = vault.unwrap(&kek().1).unwrap();
        prop_assert_eq!(seen(&vault, &opened, &names).secrets, expected.secrets);
        let added = vault.read(&opened, &name_of(9)).unwrap();
        prop_assert_eq!(added.value(), Some(&[9; 10][..]));
        sound(&vault, &opened);
        drop(directory);
    }
}
