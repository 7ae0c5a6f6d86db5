//! `ctl storage test` says what is wrong where, and exits with 10; of a vault in which nothing is, it says so.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use glassdome_tests::{PASSWORD, World, wait_until};
use serde_json::Value;

fn test(world: &World) -> (i32, Value) {
    let out = world.ctl(&["storage", "test", "--json"]).output();
    (out.code, serde_json::from_slice(&out.stdout).unwrap())
}

fn stop(world: &World) {
    world.ctl(&["stop"]).ok();
    assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
}

#[test]
fn a_sound_vault_is_sound_and_a_locked_one_is_not_read() {
    let world = World::unlocked();
    for number in 0..30 {
        world.set(&format!("n/{number}"), vec![7; 300]);
    }
    world.set("n/0", "again");
    let (code, found) = test(&world);
    assert_eq!((code, &found["sound"]), (0, &true.into()), "{found}");
    assert!(found["rows"].as_u64().unwrap() > 90 && found["log_records"].as_u64().unwrap() > 30, "{found}");
    let said = world.ctl(&["storage", "test"]).output();
    assert!(said.stderr.contains("every row opens"), "{}", said.stderr);
    world.ctl(&["lock"]).ok();
    // Whoever unlocks would wait behind it.
    let said = world.ctl(&["storage", "test"]).output();
    assert_eq!(said.code, 3, "{}", said.stderr);
    let records = world.audit();
    let of = records.iter().filter(|record| record["event"] == "storage-test");
    let outcomes: Vec<_> = of.map(|record| (record["outcome"].clone(), record["by"].clone())).collect();
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
    assert_eq!(outcomes[2], ("denied".into(), "locked".into()));
}

#[test]
fn a_vault_that_gets_another_master_key_meanwhile_is_sound() {
    let world = World::unlocked();
    let lines: String = (0..1500).map(|number| format!("N{number}={number}\n")).collect();
    world.file("many.env", lines);
    world.ctl(&["import", "many.env", "--prefix", "many"]).ok();
    let over = AtomicBool::new(false);
    let tested = thread::scope(|scope| {
        let testing = scope.spawn(|| {
            let mut tested = 0;
            while !over.load(Ordering::SeqCst) {
                let (code, found) = test(&world);
                assert_eq!((code, &found["sound"]), (0, &true.into()), "{found}");
                tested += 1;
            }
            tested
        });
        for _ in 0..4 {
            let rotate = world.ctl(&["rotate", "--password-stdin"]).stdin(format!("{PASSWORD}\n")).output();
            assert_eq!(rotate.code, 0, "{}", rotate.stderr);
        }
        over.store(true, Ordering::SeqCst);
        testing.join().unwrap()
    });
    assert!(tested > 1, "{tested}");
    let status = String::from_utf8(world.ctl(&["status"]).ok()).unwrap();
    assert!(!status.contains("damaged"), "{status}");
}

#[test]
fn a_flipped_bit_is_told_and_all_else_reads_or_nothing_is_different() {
    const ROUNDS: usize = 8;
    let world = World::unlocked();
    let values: Vec<(String, Vec<u8>)> =
        (0..30_usize).map(|number| (format!("n/{number}"), vec![number as u8; 20 + 150 * number])).collect();
    for (name, value) in &values {
        world.set(name, value.clone());
    }
    let backup = world.home("vault.backup");
    world.ctl(&["storage", "backup", backup.to_str().unwrap()]).ok();
    let (mut told, mut named) = (0, 0);
    for round in 0..ROUNDS {
        stop(&world);
        let honest = fs::read(world.vault()).unwrap();
        let mut flipped = honest.clone();
        let at = honest.len() / ROUNDS * round + 4099 * round + 1;
        flipped[at % honest.len()] ^= 1 << (round % 8);
        fs::write(world.vault(), &flipped).unwrap();
        let out = world.unlock(PASSWORD, &[]);
        if out.code != 0 {
            // What leads to everything is damaged: that is said before anything is served, and the backup has it all.
            assert!([7, 10].contains(&out.code), "round {round}: {}", out.stderr);
            told += 1;
            drop(world.ctl(&["stop"]).output());
        } else {
            let (code, found) = test(&world);
            let mut unread = Vec::new();
            for (name, value) in &values {
                let got = world.ctl(&["get", name]).output();
                match got.code {
                    0 => assert_eq!(got.stdout, *value, "round {round}: {name}"),
                    5 | 10 => unread.push(name.as_str()),
                    code => panic!("round {round}: {name}: {code}: {}", got.stderr),
                }
            }
            match code {
                0 => assert_eq!(unread, Vec::<&str>::new(), "round {round}"),
                10 => {
                    told += 1;
                    named += found["told"]
                        .as_array()
                        .unwrap()
                        .iter()
                        .filter(|fault| fault["name"].is_string())
                        .count();
                }
                code => panic!("round {round}: {code}: {found}"),
            }
            stop(&world);
        }
        assert!(wait_until(|| world.daemon().is_none(), Duration::from_secs(10)));
        fs::write(world.vault(), &honest).unwrap();
        // What was changed since by the unlock is missing in it.
        let accept = || world.unlock(PASSWORD, &["--accept-rollback"]);
        assert!(wait_until(|| accept().code == 0, Duration::from_secs(20)), "round {round}");
        assert_eq!(test(&world).0, 0, "round {round}: the control");
    }
    eprintln!("{told} of {ROUNDS} were told, with {named} names");
    assert!(told > 0);
}
