//! Someone who can write the file alters, moves, swaps, rolls back and deletes rows. Each is noticed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use glassdome_vault::{CheckStep, Damage, Error};
use support::{Fresh, NOW, fresh, kek};

/// Two secrets, one with a history.
fn filled() -> Fresh {
    let it = fresh();
    it.set("a", b"first");
    it.set("a", b"second");
    it.set("b", b"other");
    it
}

fn corrupt<T: std::fmt::Debug>(result: Result<T, Error>) -> Damage {
    match result {
        Err(Error::Corrupt(damage)) => damage,
        other => panic!("not noticed: {other:?}"),
    }
}

/// Reads everything there is, as `get`, `info`, `list` and `restore` would.
fn read_all(it: &Fresh) -> Result<(), Error> {
    for name in ["a", "b"] {
        it.vault.read(&it.keys, name)?;
        it.vault.info(&it.keys, name)?;
    }
    it.vault.page(&it.keys, None, 10)?;
    it.vault.draft(&it.keys)?.restore("a", 1, NOW).map(drop)
}

#[test]
fn control_nothing_is_wrong_with_an_honest_file() {
    let it = filled().tampered(|_| {});
    read_all(&it).unwrap();
    assert_eq!(it.check().unwrap(), CheckStep::Sound { rows: 7 });
}

#[test]
fn a_flipped_byte_anywhere_in_a_sealed_row() {
    let mut it = filled();
    for table in ["values", "meta", "history"] {
        let mut at = 0;
        loop {
            let mut key = Vec::new();
            let mut row = Vec::new();
            it = it.tampered(|raw| {
                (key, row) = raw.rows(table).remove(0);
                if at < row.len() {
                    let mut altered = row.clone();
                    altered[at] ^= 0x40;
                    raw.put(table, &key, &altered);
                }
            });
            if at >= row.len() {
                break;
            }
            assert_eq!(corrupt(read_all(&it)), Damage::Row, "{table}, byte {at}");
            assert!(matches!(it.check().unwrap(), CheckStep::Altered { .. }), "{table}, byte {at}");
            it = it.tampered(|raw| raw.put(table, &key, &row));
            // Version, nonce, commitment, text and tag: a few of each.
            at += 11;
        }
    }
    read_all(&it).unwrap();
}

#[test]
fn a_row_at_another_entry_table_or_version() {
    for (from, to) in [("values", "values"), ("meta", "meta"), ("values", "meta"), ("meta", "values")] {
        let it = filled().tampered(|raw| {
            let (source, target) = (raw.rows(from), raw.rows(to));
            raw.put(to, &target[1].0, &source[0].1);
        });
        assert_eq!(corrupt(read_all(&it)), Damage::Row, "{from} to {to}");
        assert!(matches!(it.check().unwrap(), CheckStep::Altered { .. }));
    }
    // The former version as the current one: same secret, same key, but another table.
    let it = filled().tampered(|raw| {
        let (key, row) = raw.rows("history").remove(0);
        raw.put("values", &key[..16], &row);
    });
    assert_eq!(corrupt(read_all(&it)), Damage::Row);
    // Another version written before the seal.
    let it = filled().tampered(|raw| {
        let (key, mut row) = raw.rows("history").remove(0);
        row[0] = 9;
        raw.put("history", &key, &row);
    });
    assert_eq!(corrupt(read_all(&it)), Damage::Row);
    // A former version under the key of another.
    let it = fresh();
    for version in 1..=4_u8 {
        it.set("a", &[version]);
    }
    let it = it.tampered(|raw| {
        let rows = raw.rows("history");
        raw.put("history", &rows[0].0, &rows[1].1);
    });
    assert_eq!(corrupt(it.vault.draft(&it.keys).unwrap().restore("a", 1, NOW)), Damage::Row);
}

#[test]
fn a_row_of_another_vault() {
    let other = filled();
    let mut rows = Vec::new();
    other
        .vault
        .rows(|table, key, row| {
            rows.push((table.to_owned(), key.to_vec(), row.to_vec()));
            Ok(())
        })
        .unwrap();
    let it = filled().tampered(|raw| {
        let row = &rows.iter().find(|(table, ..)| table == "values").unwrap().2;
        let key = &raw.rows("values")[0].0;
        raw.put("values", key, row);
    });
    assert_eq!(corrupt(read_all(&it)), Damage::Row);
}

#[test]
fn the_index_of_names_pointed_elsewhere() {
    let it = filled().tampered(|raw| {
        let rows = raw.rows("names");
        raw.put("names", &rows[0].0, &rows[1].1);
        raw.put("names", &rows[1].0, &rows[0].1);
    });
    for name in ["a", "b"] {
        assert_eq!(corrupt(it.vault.read(&it.keys, name)), Damage::Index);
        assert_eq!(corrupt(it.vault.info(&it.keys, name)), Damage::Index);
        assert_eq!(corrupt(it.vault.draft(&it.keys).unwrap().remove(name, true, NOW)), Damage::Index);
    }
    assert!(matches!(it.check().unwrap(), CheckStep::Altered { .. }));
    for bad in [&[0; 16][..], b"short"] {
        let it = filled().tampered(|raw| {
            for (key, _) in raw.rows("names") {
                raw.put("names", &key, bad);
            }
        });
        assert_eq!(corrupt(it.vault.read(&it.keys, "a")), Damage::Index);
    }
}

#[test]
fn a_row_deleted_or_rolled_back() {
    for table in ["values", "meta", "names", "history"] {
        let it = filled().tampered(|raw| {
            let (key, _) = raw.rows(table).remove(0);
            raw.delete(table, &key);
        });
        assert!(matches!(it.check().unwrap(), CheckStep::Altered { rows: 6 }), "{table}");
    }
    // An entry rolled back whole opens: only the check can notice.
    let it = fresh();
    it.set("a", b"old");
    let mut old = Vec::new();
    let it = it.tampered(|raw| {
        for table in ["values", "meta"] {
            old.push((table, raw.rows(table).remove(0)));
        }
    });
    it.set("a", b"new");
    let it = it.tampered(|raw| {
        for (table, (key, row)) in &old {
            raw.put(table, key, row);
        }
        let (key, _) = raw.rows("history").remove(0);
        raw.delete("history", &key);
    });
    assert_eq!(it.value("a").unwrap().unwrap(), b"old", "control: the rows themselves are honest");
    assert!(matches!(it.check().unwrap(), CheckStep::Altered { rows: 3 }));
}

#[test]
fn a_deleted_value_is_not_taken_for_a_removed_secret() {
    let it = filled().tampered(|raw| {
        for (key, _) in raw.rows("values") {
            raw.delete("values", &key);
        }
    });
    assert_eq!(corrupt(it.vault.read(&it.keys, "a")), Damage::Row);
    assert_eq!(corrupt(it.vault.draft(&it.keys).unwrap().remove("a", false, NOW)), Damage::Row);
}

#[test]
fn settings_rolled_back_altered_swapped_or_deleted() {
    let filled = || {
        let it = fresh();
        it.change(|draft| draft.setting("policy", Some(b"allow all"))).unwrap();
        let mut old = Vec::new();
        let it = it.tampered(|raw| old = raw.rows("sealed"));
        it.change(|draft| draft.setting("policy", Some(b"deny"))).unwrap();
        it.change(|draft| draft.setting("limits", Some(b"8h"))).unwrap();
        (it, old)
    };
    type Tamper = fn(&mut support::Raw, &[(Vec<u8>, Vec<u8>)]);
    let tampers: [Tamper; 5] = [
        |raw, old| raw.put("sealed", b"policy", &old.iter().find(|(key, _)| key == b"policy").unwrap().1),
        |raw, _| raw.delete("sealed", b"policy"),
        |raw, _| raw.delete("sealed", b"set"),
        |raw, old| raw.put("sealed", b"set", &old.iter().find(|(key, _)| key == b"set").unwrap().1),
        |raw, _| {
            let rows = raw.rows("sealed");
            let row = &rows.iter().find(|(key, _)| key == b"limits").unwrap().1;
            raw.put("sealed", b"policy", row);
        },
    ];
    for tamper in tampers {
        let (it, old) = filled();
        assert_eq!(it.vault.setting(&it.keys, "policy").unwrap().unwrap().as_slice(), b"deny");
        let it = it.tampered(|raw| tamper(raw, &old));
        assert_eq!(corrupt(it.vault.unwrap(&kek().1)), Damage::Control);
        assert_eq!(corrupt(it.vault.setting(&it.keys, "policy")), Damage::Control);
        assert_eq!(corrupt(it.vault.check(&it.keys).map(drop)), Damage::Control);
        let edit = it.change(|draft| draft.set("s", support::value_edit(b"v"), NOW));
        assert_eq!(corrupt(edit), Damage::Control, "a change must not sum it up as honest");
    }
}

#[test]
fn a_check_sees_one_state_however_slowly_it_goes() {
    let it = filled();
    let mut check = it.vault.check(&it.keys).unwrap();
    assert_eq!(check.step(&it.keys, 2).unwrap(), CheckStep::More);
    it.set("a", b"third");
    it.change(|draft| draft.remove("b", true, NOW)).unwrap();
    assert_eq!(check.step(&it.keys, 1000).unwrap(), CheckStep::Sound { rows: 7 });
    assert_eq!(it.check().unwrap(), CheckStep::Sound { rows: 5 });
}
