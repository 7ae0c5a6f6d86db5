//! Killed in the middle of writing, a vault opens again, without a long scan, and holds every change that was
//! acknowledged.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on must panic")]

mod support;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use glassdome_vault::CheckStep;
use support::{NOW, PASSWORD, derive, fresh, present, value_edit};

/// Set where the writer is: the vault's path.
const WRITER: &str = "GLASSDOME_TEST_WRITER";
const NAME: &str = "what_was_acknowledged_survives_a_kill";

#[test]
fn what_was_acknowledged_survives_a_kill() {
    if let Some(path) = std::env::var_os(WRITER) {
        return write_for_ever(Path::new(&path));
    }
    let it = fresh();
    it.set("s", &0_u64.to_le_bytes());
    let (path, keys, _directory) = (it.path, it.keys, it.directory);
    drop(it.vault);
    let mut reached = 0;
    for round in 1..=6 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", NAME, "--nocapture"])
            .env(WRITER, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = 0;
        let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
        for line in lines.by_ref() {
            if let Some(number) = line.unwrap().strip_prefix("written ") {
                acknowledged = number.parse().unwrap();
                if acknowledged >= reached + 7 * round {
                    break;
                }
            }
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            acknowledged = line.strip_prefix("written ").and_then(|n| n.parse().ok()).unwrap_or(acknowledged);
        }
        let vault = present(&path);
        let value: [u8; 8] = vault.read(&keys, "s").unwrap().value().unwrap().try_into().unwrap();
        let found = u64::from_le_bytes(value);
        assert!(
            acknowledged > reached && found >= acknowledged,
            "{acknowledged} acknowledged, {found} found"
        );
        let mut check = vault.check(&keys).unwrap();
        assert!(matches!(check.step(&keys, 1000).unwrap(), CheckStep::Sound { .. }));
        reached = found;
    }
}

fn write_for_ever(path: &Path) {
    let vault = present(path);
    let keys = vault.unwrap(&derive(&vault.kdf_input().unwrap(), PASSWORD)).unwrap();
    let value: [u8; 8] = vault.read(&keys, "s").unwrap().value().unwrap().try_into().unwrap();
    for number in u64::from_le_bytes(value) + 1.. {
        let mut draft = vault.draft(&keys).unwrap();
        draft.set("s", value_edit(&number.to_le_bytes()), NOW).unwrap();
        vault.commit(draft.finish().unwrap()).unwrap();
        println!("written {number}");
    }
}
