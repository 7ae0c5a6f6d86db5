//! A rotation as its tests make one, step by step, and all that a person sees of a vault before and after.
#![allow(dead_code, reason = "each test program uses a part")]

use std::collections::BTreeMap;
use std::path::Path;

use glassdome_vault::{
    Carried, CheckStep, Error, Keys, Pass, PinVerifier, Plan, Rotation, Throttle, Unfinished, Vault,
};

use super::{NOW, kek};

/// Rows in one step: few, so that there are many.
pub const ROWS: u32 = 3;

pub fn begin(vault: &Vault, old: &Keys, path: &Path) -> (Rotation, Keys) {
    let (input, kek) = kek();
    let (plan, new) = Plan::new(vault, old, input, kek).unwrap();
    (plan.build(path).unwrap(), new)
}

/// Goes on with the one that lies there, as the password and the old keys open it.
pub fn resume(vault: &Vault, old: &Keys, path: &Path) -> Option<(Rotation, Keys)> {
    let unfinished = Unfinished::find(path).unwrap()?;
    assert_eq!(unfinished.input(), &kek().0);
    let new = unfinished.unwrap(vault, old, &kek().1).unwrap()?;
    let rotation = Rotation::open(path).unwrap()?;
    rotation.fits(vault, &new).unwrap().then_some((rotation, new))
}

pub fn begin_or_resume(vault: &Vault, old: &Keys, path: &Path) -> (Rotation, Keys) {
    resume(vault, old, path).unwrap_or_else(|| begin(vault, old, path))
}

/// Carries everything, and calls `between` after each step.
pub fn carry(
    vault: &Vault,
    old: &Keys,
    rotation: &Rotation,
    new: &Keys,
    mut between: impl FnMut(&Pass),
) -> Result<Pass, Error> {
    loop {
        let mut pass = rotation.pass(vault, old)?;
        loop {
            let carried = pass.carry(rotation, old, new, ROWS)?;
            let change = rotation.change(&mut pass, new)?;
            rotation.vault().commit(change)?;
            between(&pass);
            if carried == Carried::All {
                break;
            }
        }
        if pass.is_current(vault, old)? {
            return Ok(pass);
        }
    }
}

pub fn finish(vault: &Vault, old: &Keys, rotation: Rotation, new: &Keys) {
    let pass = carry(vault, old, &rotation, new, |_| {}).unwrap();
    rotation.vault().commit(rotation.finish(&pass, vault, old, new).unwrap()).unwrap();
    drop(pass);
    let former = vault.take_up(vault.move_in(rotation).unwrap());
    assert!(former.is_free());
    former.erase().unwrap();
}

/// What is known of a secret, its value with its fields, and what its former versions would come back as.
pub type Secret = (String, Option<Vec<u8>>, Vec<String>);

/// All that a person can find out: by name; then the settings, and what is kept without a key.
#[derive(Debug, PartialEq)]
pub struct Seen {
    pub secrets: BTreeMap<String, Secret>,
    pub settings: Vec<Option<Vec<u8>>>,
    pub plain: (Throttle, Option<u64>, Option<u64>),
    pub about: ([u8; 16], u64),
    pub pins: Vec<bool>,
    pub rows: BTreeMap<String, u64>,
}

pub const SETTINGS: [&str; 3] = ["policy", "canaries", PinVerifier::SETTING];
pub const PINS: [&[u8]; 2] = [b"402913", b"731846"];

pub fn seen(vault: &Vault, keys: &Keys, names: &[String]) -> Seen {
    let mut secrets = BTreeMap::new();
    for name in names {
        let Ok(info) = vault.info(keys, name) else { continue };
        let value = vault.read(keys, name).ok().map(|opened| {
            let fields = opened.fields().flat_map(|(name, value)| [name.as_bytes(), value].concat());
            [opened.value().unwrap_or(b"none"), &fields.collect::<Vec<_>>()].concat()
        });
        // What was before it, as it would come back.
        let former = info.versions.iter().map(|version| {
            let mut draft = vault.draft(keys).unwrap();
            match draft.restore(name, version.version, NOW) {
                Ok(_) => format!("{:?}", draft.read(name).unwrap().value()),
                Err(error) => error.to_string(),
            }
        });
        let info = format!(
            "{:?}",
            (&info.name, info.created, info.expires, info.size, &info.fields, &info.versions)
        );
        secrets.insert(name.clone(), (info, value, former.collect()));
    }
    let mut rows = BTreeMap::new();
    vault
        .rows(|table, key, _| {
            let counted = table != "sealed" || SETTINGS.iter().any(|setting| setting.as_bytes() == key);
            *rows.entry(table.to_owned()).or_default() += u64::from(counted);
            Ok(())
        })
        .unwrap();
    let setting = |key| vault.setting(keys, key).unwrap().map(|value| value.to_vec());
    let pin = vault.setting(keys, PinVerifier::SETTING).unwrap();
    let pin = pin.map(|pin| PinVerifier::parse(&pin).unwrap());
    let is_pin = |typed| pin.as_ref().is_some_and(|pin| vault.is_pin(keys, pin, typed).unwrap());
    Seen {
        secrets,
        settings: SETTINGS.map(setting).to_vec(),
        plain: (vault.throttle().unwrap(), vault.panic().unwrap(), vault.last_backup().unwrap()),
        about: (*vault.id().as_bytes(), vault.created()),
        pins: PINS.map(is_pin).to_vec(),
        rows,
    }
}

pub fn sound(vault: &Vault, keys: &Keys) {
    let mut check = vault.check(keys).unwrap();
    loop {
        match check.step(keys, 100).unwrap() {
            CheckStep::More => {}
            CheckStep::Sound { .. } => break,
            CheckStep::Altered { .. } => panic!("the vault is not sound"),
        }
    }
}

pub fn name_of(number: u8) -> String {
    format!("n/{number}")
}
