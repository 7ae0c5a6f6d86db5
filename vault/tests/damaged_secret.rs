//! A change of a secret whose rows are damaged is refused, where it would replace or delete one that is: once the disk
//! gives again what was written, the vault is as sound as it was. Whatever does not touch such a row goes on.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use glassdome_vault::{CheckStep, Damage, Damaged, Draft, Error, KEPT_VERSIONS};
use support::{Fresh, NOW, Raw, fresh, value_edit};

type Rows = Vec<(Vec<u8>, Vec<u8>)>;
type Change = (&'static str, fn(&mut Draft<'_>) -> Result<(), Error>);

const SET: Change = ("set", |draft| draft.set("a", value_edit(b"new"), NOW).map(drop));
const REMOVE: Change = ("rm", |draft| draft.remove("a", false, NOW));
const PURGE: Change = ("rm --purge", |draft| draft.remove("a", true, NOW));
const MOVE: Change = ("mv", |draft| draft.rename("a", "b", NOW).map(drop));
const MOVE_ONTO: Change = ("mv onto it", |draft| draft.rename("other", "a", NOW).map(drop));
const RESTORE: Change = ("restore", |draft| draft.restore("a", 2, NOW).map(drop));

/// Two secrets; the first with that many versions, the last of which removed it if `removed`.
fn filled(versions: usize, removed: bool) -> Fresh {
    let it = fresh();
    it.set("other", b"as ever");
    for version in 1..=versions - usize::from(removed) {
        it.set("a", &[version as u8; 40]);
    }
    if removed {
        it.change(|draft| draft.remove("a", false, NOW)).unwrap();
    }
    it
}

/// The key of the entry of "a", which alone has a history.
fn entry(raw: &Raw) -> Vec<u8> {
    raw.rows("history")[0].0[..16].to_vec()
}

/// Puts a table's rows back as they were.
fn put_back(raw: &mut Raw, table: &str, honest: &Rows) {
    for (key, _) in raw.rows(table) {
        if honest.iter().all(|(there, _)| *there != key) {
            raw.delete(table, &key);
        }
    }
    honest.iter().for_each(|(key, row)| raw.put(table, key, row));
}

/// Damages `table`; then `refused` are, and `taken` are not, nor is any change of another secret. Put back as it was,
/// the vault is sound, and takes what it refused.
fn damaged(
    filled: impl Fn() -> Fresh,
    table: &str,
    damage: impl Fn(&mut Raw, Vec<u8>),
    refused: &[Change],
    taken: &[Change],
) {
    let mut honest = Rows::new();
    let mut it = filled().tampered(|raw| {
        honest = raw.rows(table);
        let entry = entry(raw);
        damage(raw, entry);
    });
    for (name, change) in refused {
        let ended = it.change(change);
        let lets_go = table == "history" && honest.len() == KEPT_VERSIONS;
        let damage = match *name {
            name if name == MOVE_ONTO.0 => Damage::InTheWay,
            name if name != PURGE.0 && lets_go => Damage::LetGo,
            _ => Damage::Row,
        };
        assert!(
            matches!(&ended, Err(Error::Corrupt(found)) if *found == damage),
            "{table}, {name}: {ended:?}"
        );
    }
    assert!(matches!(it.check().unwrap(), CheckStep::Altered { .. }), "{table}: it is damaged");
    it = it.tampered(|raw| put_back(raw, table, &honest));
    assert!(matches!(it.check().unwrap(), CheckStep::Sound { .. }), "{table}: nothing was changed");
    it.change(refused[0].1).unwrap();
    assert!(matches!(it.check().unwrap(), CheckStep::Sound { .. }));

    for (name, change) in taken {
        let mut damaged = Rows::new();
        let it = filled().tampered(|raw| {
            honest = raw.rows(table);
            let entry = entry(raw);
            damage(raw, entry);
            damaged = raw.rows(table);
        });
        it.change(change).unwrap_or_else(|error| panic!("{table}, {name}: {error:?}"));
        it.change(|draft| draft.set("other", value_edit(b"too"), NOW)).unwrap();
        let it = it.tampered(|raw| {
            // Only what was damaged: the rest is newer.
            for (key, row) in &damaged {
                match honest.iter().find(|(there, _)| there == key) {
                    Some((_, was)) if was != row => raw.put(table, key, was),
                    Some(_) => {}
                    None => raw.delete(table, key),
                }
            }
            for (key, row) in honest.iter().filter(|(key, _)| damaged.iter().all(|(there, _)| there != key)) {
                raw.put(table, key, row);
            }
        });
        assert!(matches!(it.check().unwrap(), CheckStep::Sound { .. }), "{table}, {name}");
    }
}

fn flip(raw: &mut Raw, table: &str, key: &[u8]) {
    let mut row = raw.rows(table).into_iter().find(|(there, _)| there == key).unwrap().1;
    *row.last_mut().unwrap() ^= 1;
    raw.put(table, key, &row);
}

fn of_version(entry: &[u8], version: u64) -> Vec<u8> {
    [entry, &version.to_be_bytes()].concat()
}

#[test]
fn a_value_that_is_altered_missing_or_put_back() {
    let refused = [SET, REMOVE, PURGE, MOVE, RESTORE];
    damaged(|| filled(3, false), "values", |raw, entry| flip(raw, "values", &entry), &refused, &[]);
    damaged(|| filled(3, false), "values", |raw, entry| raw.delete("values", &entry), &refused, &[]);
    // Of a removed secret.
    let one_of_another = |raw: &mut Raw, entry: Vec<u8>| {
        let row = raw.rows("values").remove(0).1;
        raw.put("values", &entry, &row);
    };
    damaged(|| filled(4, true), "values", one_of_another, &[SET, PURGE, RESTORE, MOVE_ONTO], &[]);
}

#[test]
fn a_former_version_that_is_altered_missing_or_another() {
    let flip_first = |raw: &mut Raw, entry: Vec<u8>| flip(raw, "history", &of_version(&entry, 1));
    let few = || filled(3, false);
    damaged(few, "history", flip_first, &[PURGE], &[SET, REMOVE, MOVE, RESTORE]);
    let gone = |raw: &mut Raw, entry: Vec<u8>| raw.delete("history", &of_version(&entry, 2));
    damaged(few, "history", gone, &[PURGE, RESTORE], &[SET, REMOVE, MOVE]);
    let swapped = |raw: &mut Raw, entry: Vec<u8>| {
        let rows = raw.rows("history");
        raw.put("history", &of_version(&entry, 1), &rows[1].1);
    };
    damaged(few, "history", swapped, &[PURGE], &[SET]);
    // What is the current version lies there already.
    let early = |raw: &mut Raw, entry: Vec<u8>| {
        let row = raw.rows("history").remove(0).1;
        raw.put("history", &of_version(&entry, 3), &row);
    };
    damaged(few, "history", early, &[SET, REMOVE, PURGE, MOVE, RESTORE], &[]);
    // Of a removed secret, in the way of another one.
    damaged(|| filled(4, true), "history", flip_first, &[PURGE, MOVE_ONTO], &[SET, RESTORE]);
    let removed_has_one = |raw: &mut Raw, entry: Vec<u8>| {
        let row = raw.rows("history").remove(0).1;
        raw.put("history", &of_version(&entry, 4), &row);
    };
    damaged(|| filled(4, true), "history", removed_has_one, &[PURGE, MOVE_ONTO], &[SET, RESTORE]);
    // The one that the next version lets go.
    let all = || filled(KEPT_VERSIONS + 1, false);
    damaged(all, "history", flip_first, &[SET, REMOVE, PURGE, MOVE, RESTORE], &[]);
}

#[test]
fn a_name_that_leads_astray_is_in_the_way_of_another_secret() {
    let astray = |raw: &mut Raw, entry: Vec<u8>| {
        let (key, _) = raw.rows("names").into_iter().find(|(_, row)| *row == entry).unwrap();
        flip(raw, "names", &key);
    };
    damaged(|| filled(4, true), "names", astray, &[MOVE_ONTO], &[]);
}

#[test]
fn where_what_is_known_does_not_open_the_value_tells_the_name() {
    let listed = |it: &Fresh| {
        let page = it.vault.page(&it.keys, None, 10).unwrap();
        assert!(page.next.is_none() && !page.unread);
        (page.secrets.into_iter().map(|(_, info)| info.name.clone()).collect::<Vec<_>>(), page.damaged)
    };
    assert_eq!(listed(&filled(3, true)), (vec!["other".to_owned()], vec![]), "the control");
    let meta = |removed, also: &str| {
        let it = filled(3, removed).tampered(|raw| {
            let entry = entry(raw);
            flip(raw, "meta", &entry);
            if !also.is_empty() {
                flip(raw, also, &entry);
            }
        });
        let (names, damaged) = listed(&it);
        assert_eq!(names, ["other"], "it is still listed");
        damaged
    };
    assert_eq!(meta(false, ""), [Damaged::Named("a".to_owned())]);
    assert_eq!(meta(false, "values"), [Damaged::Sealed]);
    assert_eq!(meta(true, ""), [Damaged::Valueless]);
}
