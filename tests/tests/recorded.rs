//! Nothing is answered without its line in the log: comparing a guess and going on with a listing
//! are answers too.

#[path = "support/scripts.rs"]
mod scripts;

use glassdome_tests::World;

fn lines(world: &World, event: &str, secret: Option<&str>) -> usize {
    let about = |record: &serde_json::Value| record["secret"].as_str() == secret;
    world.audit().iter().filter(|record| record["event"] == event && about(record)).count()
}

#[test]
fn a_guess_that_is_compared_has_its_line() {
    let world = World::unlocked();
    world.set("bank/pin", "4711");
    world.set("bank/id", "me");
    let env = world.file("guesses.env", "pin=1234\nid=me\nnew=1\n");
    let import = ["import", env.to_str().expect("text"), "--prefix", "bank", "--dry-run"];
    for round in 1..=2 {
        world.ctl(&import).output();
        for name in ["bank/pin", "bank/id", "bank/new"] {
            assert_eq!(lines(&world, "info", Some(name)), round, "{name}");
        }
    }
    assert_eq!(lines(&world, "set", Some("bank/new")), 0, "nothing was stored");
    world.ctl(&import[..4]).output();
    assert_eq!(lines(&world, "set", Some("bank/new")), 1);
    assert_eq!(lines(&world, "info", Some("bank/pin")), 3, "left, and said to be another value");
}

#[test]
fn a_listing_has_one_line_wherever_it_begins() {
    let world = World::unlocked();
    let many: String = (0..250).map(|i| format!("many_{i}=x\n")).collect();
    let env = world.file("many.env", many);
    world.ctl(&["import", env.to_str().expect("text")]).ok();
    let before = lines(&world, "list", None);
    assert_eq!(world.ctl(&["list"]).text().lines().count(), 250, "several pages");
    assert_eq!(lines(&world, "list", None), before + 1);

    let script = scripts::scripts(&world).join("list_from.py");
    world.allow_python(&script);
    let out = world.python(&script, &[world.socket().to_str().expect("text")]).ok();
    let names: usize = String::from_utf8_lossy(&out).trim().parse().expect("a number");
    assert!(names > 50, "it was answered: {names}");
    assert_eq!(lines(&world, "list", None), before + 2, "and recorded");
}
