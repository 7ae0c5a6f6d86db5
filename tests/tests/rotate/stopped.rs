//! It is stopped before its end, by a lock or by a kill, and gone on with where it was left.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use glassdome_tests::{PASSWORD, World};
use serde_json::{Value, json};

use super::{
    directory, fill, is_filled, recorded, rotate, script, storage, told, when_allowed, with_password,
};

#[test]
fn a_lock_leaves_it_to_be_gone_on_with_and_it_is_told() {
    let world = World::unlocked();
    fill(&world);
    let lines = r#"
rotation = Rotation()
before, step = rotation.begin(), rotation.step()
rotate, status = ctl("rotate", "--password-stdin", lines=[PASSWORD]), ctl("status")
storage = ctl("storage", "status", "--json")["stdout"]
ctl("lock")
try:
    rotation.step()
    after = None
except Refused as refused:
    after = refused.code
print(json.dumps({"before": before, "step": step, "rotate": rotate, "status": status["stderr"],
                  "storage": json.loads(storage)["rotation"], "after": after}))
"#;
    let seen = told(script(&world, lines));
    assert_eq!((&seen["before"], &seen["after"]), (&json!(0), &json!("locked")), "{seen}");
    let (done, total) = (seen["step"][0].as_u64().unwrap(), seen["step"][1].as_u64().unwrap());
    assert!(0 < done && done < total && seen["step"][2] == false, "{seen}");
    // There is one at a time, and it is told before the password is tried.
    assert_eq!(seen["rotate"]["code"], 9);
    assert!(seen["rotate"]["stderr"].as_str().unwrap().contains("under way already"), "{seen}");
    assert!(seen["status"].as_str().unwrap().contains(&format!("under way: {done} of {total}")), "{seen}");
    assert_eq!(seen["storage"]["done"], done);

    let rotation = &storage(&world)["rotation"];
    assert!(rotation["since"].is_u64() && rotation["done"].is_null(), "{rotation}");
    assert!(world.ctl(&["status"]).output().stderr.contains("unfinished since "));
    assert!(world.ctl(&["storage"]).text().contains("Go on: ctl rotate"));
    rotate(&world).refused(3);
    world.start(PASSWORD);
    let out = rotate(&world);
    assert!(out.stderr.contains("going on where it was left"), "{}", out.stderr);
    out.ok();
    assert_eq!(storage(&world)["rotation"], Value::Null);
    let words: Vec<_> = recorded(&world).into_iter().map(|(_, by)| by).collect();
    assert_eq!(words, ["begun", "resumed", "done"]);
    is_filled(&world);
}

/// Stores numbers until it is over, and gives the last of each name that was acknowledged. It comes to an end by itself
/// if it is never over.
fn load(world: &World, first: u64, over: &AtomicBool) -> Vec<(String, u64)> {
    let mut stored = Vec::new();
    for number in first..first + 1000 {
        let name = format!("client/{}", number % 3);
        let set = world.ctl(&["set", &name, "--stdin"]).stdin(number.to_string()).output();
        match set.code {
            0 => stored.push((name, number)),
            3 | 6 => break,
            code => panic!("code {code}: {}", set.stderr),
        }
        if over.load(Ordering::Relaxed) {
            break;
        }
    }
    stored
}

#[test]
fn killed_under_load_it_goes_on_where_it_was_left_and_loses_nothing() {
    let world = World::unlocked();
    fill(&world);
    let mut acknowledged: HashMap<String, u64> = HashMap::new();
    let rounds = [
        ("rotation.step()", true),
        ("rotation.carry()", true),
        ("rotation.carry()\nrotation.ask_for_the_end()", false),
    ];
    for (round, (until, is_left)) in (0..).zip(rounds) {
        let over = AtomicBool::new(false);
        let daemon = world.daemon_pid();
        let lines =
            format!("rotation = Rotation()\nprint(rotation.begin())\n{until}\nos.kill({daemon}, 9)\n");
        let (before, stored) = thread::scope(|scope| {
            let client = scope.spawn(|| load(&world, round * 1000, &over));
            let out = script(&world, &lines).output();
            over.store(true, Ordering::Relaxed);
            assert_eq!(out.code, 0, "{}", out.stderr);
            (
                String::from_utf8(out.stdout).unwrap().trim_end().parse::<u64>().unwrap(),
                client.join().unwrap(),
            )
        });
        assert!(!stored.is_empty(), "there was load");
        // What the rounds before have done is not done again.
        assert_eq!(before > 0, round > 0, "round {round}: {before}");
        acknowledged.extend(stored);
        when_allowed(|| world.unlock(PASSWORD, &[])).ok();
        assert!(!is_left || !storage(&world)["rotation"].is_null(), "round {round}");
        for (name, last) in &acknowledged {
            let there: u64 = world.ctl(&["get", name]).text().parse().unwrap();
            assert!(there >= *last, "round {round}: {name} is {there}, and {last} was acknowledged");
        }
        is_filled(&world);
    }
    let out = with_password(&world, &["rotate"]);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert!(!directory(&world).exists());
    is_filled(&world);
    assert!(!world.daemon_log().contains("damaged"), "{}", world.daemon_log());
}
