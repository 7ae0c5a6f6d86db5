//! The other faces of the Python package: the predecessor's, `keyring`'s (with pip and twine as they are), variables
//! and settings. The examples and the rules are those of `docs/python.md`, taken out of that page.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::path::Path;

use glassdome_tests::{PASSWORD, Run, World, pytest, python_with_package, text};

/// The part of the page that is about them.
fn page() -> &'static str {
    let page = include_str!("../../docs/python.md");
    let from = page.find("\n## Scripts of the predecessor\n").expect("the page tells of it");
    let end = page[from..].find("\n## Settings\n").expect("the page tells of it") + from;
    let after = page[end + 1..].find("\n## ").map_or(page.len(), |at| end + 1 + at);
    &page[from..after]
}

/// The scripts that the page shows: name, content, and what comes of it.
fn examples() -> Vec<(&'static str, &'static str, &'static str)> {
    let (_, blocks) = page().split_once("\n```python ").unwrap();
    let example = |block: &'static str| {
        let (name, rest) = block.split_once('\n').unwrap();
        let (content, rest) = rest.split_once("\n```\n").unwrap();
        let shown = rest.strip_prefix("\n```text\n").and_then(|shown| shown.split_once("```")).expect(name).0;
        (name, content, shown)
    };
    blocks.split("\n```python ").map(example).collect()
}

/// A world with what the page speaks of, and its scripts.
fn stage() -> World {
    let world = World::unlocked();
    world.set("predecessor/openai_api_key", "sk-of-the-predecessor");
    world.set("shop/dev/password", "hunter2");
    world.set("shop/dev/DATABASE_URL", "postgres://db");
    world.ctl(&["set", "shop/db", "--field", "user", "--stdin"]).stdin("ann").ok();
    for (name, content, _) in examples() {
        world.file(name, format!("{content}\n"));
    }
    world
}

/// A line of a shell in which the environment of the package is active.
fn active(world: &World, line: &str) -> Run {
    let scripts = text(python_with_package().parent().unwrap());
    world.shell(&format!("PATH={scripts}:$PATH; {line}"))
}

/// Seals the rules that the page shows.
fn seal_rules(world: &World) {
    let rules: Vec<_> = page().lines().filter_map(|line| line.strip_prefix("$ ctl policy allow ")).collect();
    assert_eq!(rules.len(), 4, "{rules:?}");
    for rule in rules {
        active(world, &format!("ctl policy allow --password-stdin {rule}"))
            .stdin(format!("{PASSWORD}\n"))
            .ok();
    }
}

/// Runs a script of the home directory by the package's Python.
fn run(world: &World, script: &Path) -> Run {
    world.program(python_with_package(), &[text(script)])
}

/// A rule for a script, whatever it asks.
fn allow(world: &World, script: &Path) {
    world.allow(&["--script", text(script), "--exe", text(python_with_package())]);
}

#[test]
fn each_face_passes_its_tests_and_keyrings_own() {
    let world = stage();
    seal_rules(&world);
    let runner = world.file("run_tests.py", "import sys, pytest\nsys.exit(pytest.main(sys.argv[1:]))\n");
    allow(&world, &runner);
    let many = "import sys\nfrom glassdome.core import get_session\nfor name in sys.argv[1:]:\n    \
                print(get_session().get_secret(name))\n";
    let many = world.file("many.py", many);
    let of_many = [
        "--secrets",
        "key_*,predecessor/key_*",
        "--script",
        text(&many),
        "--exe",
        text(python_with_package()),
    ];
    world
        .ctl(&[&["policy", "allow", "--password-stdin"], &of_many[..]].concat())
        .stdin(format!("{PASSWORD}\n"))
        .ok();

    let faces = world.home("tests/faces");
    pytest(&world, &runner, &[text(&faces)], &[("OLD_SCRIPT", &many)]);
}

#[test]
fn what_the_page_shows_is_what_comes() {
    let world = stage();
    seal_rules(&world);
    let examples = examples();
    assert_eq!(examples.len(), 5);
    let scripts: Vec<_> = examples.iter().map(|(name, ..)| world.home(name)).collect();
    for (script, (name, _, shown)) in scripts.iter().zip(&examples) {
        if *name != "old.py" {
            allow(&world, script);
        }
        assert_eq!(run(&world, script).text(), *shown, "{name}");
    }
    let names = world.ctl(&["list", "keyring/**"]).text();
    assert!(page().contains(&format!("$ ctl list 'keyring/**'\n{names}```\n")), "{names}");
    let config = world.file("mypy.ini", "[mypy]\nplugins = pydantic.mypy\nstrict = True\n");
    let all: Vec<_> = scripts.iter().map(|script| text(script)).collect();
    let arguments = [&["-m", "mypy", "--no-incremental", "--config-file", text(&config)], &all[..]].concat();
    world.program(python_with_package(), &arguments).ok();
}

#[test]
fn an_old_script_is_told_what_to_do_and_never_asks() {
    let world = stage();
    let old = world.home("old.py");
    let told = |line: &str, code: i32| {
        let out = run(&world, &old).output();
        assert_eq!((out.code, &*out.stdout), (code, &b""[..]), "{}", out.stderr);
        let last = out.stderr.lines().last().unwrap();
        assert!(last.contains(line), "{}", out.stderr);
    };
    told("glassdome.errors.DeniedError: denied openai_api_key: no rule allows it", 1);
    told("Allow: ctl policy allow --secrets 'openai_api_key' --script", 1);
    seal_rules(&world);
    assert_eq!(run(&world, &old).text(), "sk-of-the-predecessor\n");
    let changed = fs::read_to_string(&old).unwrap() + "# changed\n";
    fs::write(&old, changed).unwrap();
    told("changed since rule old allowed it", 1);

    world.ctl(&["lock"]).ok();
    told("glassdome.errors.LockedError: locked: you locked it. Unlock: glassdome_start", 1);
    // At a terminal, where the predecessor asked for the password.
    let mut terminal = world.shell_at_terminal();
    terminal.send_line(&format!("{} old.py", text(python_with_package())));
    let shown = terminal.expect("[1] ");
    assert!(shown.contains("LockedError") && !shown.to_lowercase().contains("password"), "{shown}");
    world.ctl(&["stop"]).ok();
    told("glassdome.errors.NoDaemonError: no daemon at", 1);
    assert!(world.daemon().is_none(), "it started one");
}

#[test]
fn keyring_without_a_script_takes_a_handle_or_a_yes() {
    let world = stage();
    world.set("keyring/svc/me", "by a handle");
    let get = format!("{} -m keyring get svc me", text(python_with_package()));
    let refused = world.shell(&get).output();
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("KeyringError: denied keyring/svc/me: "), "{}", refused.stderr);
    let handle = format!("ctl run --grant 'keyring/svc/*' -- {get}; exit $?");
    assert_eq!(world.granted_shell("/bin/bash", &handle).text(), "by a handle\n");
    let answered = format!(
        "GLASSDOME_WAIT=30s {get} & \
         until id=$(ctl approvals | grep -o '^[0-9]*'); do sleep 0.05; done; ctl approve --yes $id; wait $!; exit $?"
    );
    let yes = world.granted_shell("/bin/bash", &answered).output();
    assert_eq!((yes.code, &*yes.stdout), (0, &b"by a handle\n"[..]), "{}", yes.stderr);
}
