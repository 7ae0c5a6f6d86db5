//! The recipes of `docs/policy.md`, taken out of that page and typed as they stand there: what it shows is
//! what comes, and beside each stands somebody who gets nothing.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/groups.rs"]
mod groups;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{PASSWORD, Pty, Run, User, World, left_out_without_root, text, wait_until};
use groups::Group;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const PAGE: &str = include_str!("../../docs/policy.md");
/// Those that there are; a new one needs a test.
const TITLES: [&str; 10] = [
    "A script",
    "A cron job",
    "A systemd service",
    "CI",
    "A container",
    "A coding agent",
    "Jupyter",
    "uvicorn",
    "ssh sessions",
    "A shared machine",
];

/// One recipe.
struct Recipe {
    /// Files, by name.
    files: Vec<(String, String)>,
    /// What is typed, and what comes.
    typed: Vec<(String, Vec<String>)>,
}

fn recipes() -> impl Iterator<Item = &'static str> {
    let recipes = PAGE.split("\n## Recipes\n").nth(1).expect("the page has recipes");
    recipes.split("\n## ").next().unwrap().split("\n### ").skip(1)
}

fn recipe(title: &str) -> Recipe {
    let body =
        recipes().find(|body| body.lines().next() == Some(title)).unwrap_or_else(|| panic!("no {title}"));
    let mut recipe = Recipe { files: Vec::new(), typed: Vec::new() };
    for block in body.split("\n```").skip(1).step_by(2) {
        let (kind, content) = block.split_once('\n').unwrap();
        if kind == "console" {
            for line in content.lines() {
                match line.strip_prefix("$ ") {
                    Some(command) => recipe.typed.push((command.to_owned(), Vec::new())),
                    None => recipe.typed.last_mut().expect("a command first").1.push(line.to_owned()),
                }
            }
        } else {
            let (_, name) = kind.split_once(' ').expect("a file has a name");
            recipe.files.push((name.to_owned(), content.to_owned() + "\n"));
        }
    }
    recipe
}

impl Recipe {
    fn file(&self, name: &str) -> &str {
        &self.files.iter().find(|(file, _)| file == name).unwrap().1
    }

    /// Puts its files into the home.
    fn put(self, world: &World) -> Self {
        for (name, content) in &self.files {
            program(world, name, content);
        }
        self
    }

    /// Types all of it, in a terminal that is granted.
    fn typed(&self, world: &World) {
        let mut terminal = granted(world);
        self.typed_at(&mut terminal);
    }

    fn typed_at(&self, terminal: &mut Pty) {
        for (command, expected) in &self.typed {
            let shown = line(terminal, command);
            for expected in expected {
                assert!(shown.contains(&format!("\n{expected}\n")), "{command}: {shown}");
            }
        }
    }
}

/// Types a line, and the master password where it is asked for; what was shown, up to an exit code of 0.
fn line(terminal: &mut Pty, command: &str) -> String {
    terminal.send_line(command);
    if command.starts_with("ctl policy ") || matches!(command, "ctl unlock" | "glassdome_start") {
        terminal.expect("aster password");
        terminal.send_line(PASSWORD);
    }
    terminal.expect("[0] ")
}

fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [
        ("shop/key", "k-1234"),
        ("shop/db", "postgres://shop:pw@db"),
        ("shop/test/db", "test-db"),
        ("shop/test/key", "test-key"),
        ("bank", "gold"),
    ] {
        world.set(name, value);
    }
    world
}

fn granted(world: &World) -> Pty {
    let mut terminal = world.shell_at_terminal();
    line(&mut terminal, "glassdome_start");
    line(&mut terminal, "PATH=$PWD/bin:$PATH");
    terminal
}

/// A file of the owner's that can be executed.
fn program(world: &World, name: &str, content: &str) -> PathBuf {
    let path = world.file(name, content);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// A program of that name where the recipe's terminal finds it.
fn stand_in(world: &World, name: &str, content: &str) {
    world.shell("mkdir -p bin").ok();
    program(world, &format!("bin/{name}"), content);
}

/// That a script of the owner's, about which nothing was said, gets none of these.
fn others_get_nothing(world: &World, names: &[&str]) {
    for name in names {
        let other = program(world, "other.sh", &format!("#!/bin/sh\nctl get {name}; exit $?\n"));
        let out = world.program(&other, &[]).output();
        assert_eq!((out.code, out.stdout.len()), (4, 0), "{name}: {}", out.stderr);
    }
}

#[test]
fn each_recipe_has_a_test_here() {
    let titles: Vec<&str> = recipes().map(|body| body.lines().next().unwrap()).collect();
    assert_eq!(titles, TITLES);
}

#[test]
fn a_script() {
    let world = stage();
    let recipe = recipe("A script").put(&world);
    recipe.typed(&world);
    others_get_nothing(&world, &["shop/key"]);
    // Changed, it is refused.
    program(&world, "report.py", &recipe.file("report.py").replace("got", "took"));
    assert_ne!(world.program(&world.home("report.py"), &[]).output().code, 0);
    program(&world, "report.py", recipe.file("report.py"));
    assert_eq!(world.program(&world.home("report.py"), &[]).text(), "got 6 characters\n");
}

/// As cron(8) starts a line: by `sh`, in a session without a terminal, in the home.
fn by_cron(world: &World, crontab: &str) -> Run {
    let job = crontab.lines().find(|line| line.contains("* * *")).expect("it has a job");
    let command = job.splitn(6, ' ').nth(5).unwrap();
    let set = crontab.lines().filter_map(|line| line.split_once('=').filter(|(name, _)| !name.contains(' ')));
    let programs = text(glassdome_tests::programs()).to_owned();
    let set: Vec<String> = set
        .map(|(name, value)| match name {
            "PATH" => format!("PATH={programs}:{value}"),
            _ => format!("{name}={value}"),
        })
        .collect();
    let (home, runtime) = (format!("HOME={}", text(&world.home(""))), world.runtime());
    let runtime = format!("XDG_RUNTIME_DIR={}", text(&runtime));
    let mut args = vec!["--wait", "env", "-i", "SHELL=/bin/sh", &home, &runtime];
    args.extend(set.iter().map(String::as_str));
    args.extend(["sh", "-c", command]);
    world.program(Path::new("/usr/bin/setsid"), &args)
}

#[test]
fn a_cron_job() {
    let world = stage();
    let recipe = recipe("A cron job").put(&world);
    let ran = |world: &World| {
        fs::remove_file(world.home("backup.log")).ok();
        let code = by_cron(world, recipe.file("crontab")).output().code;
        (code, fs::read_to_string(world.home("backup.log")).unwrap())
    };
    let (code, log) = ran(&world);
    assert!(code == 4 && log.contains("denied"), "before the rule: {code}: {log}");
    recipe.typed(&world);
    for _ in 0..4 {
        assert_eq!(ran(&world), (0, "backed up with a URL of 21 characters\n".to_owned()));
    }
    let (code, log) = ran(&world);
    assert!(code == 8 && log.contains("allows 4/h"), "{code}: {log}");
    others_get_nothing(&world, &["shop/db"]);
    world.ctl(&["lock"]).ok();
    let (code, log) = ran(&world);
    assert!(code == 3 && log.contains("locked") && !log.contains("backed up"), "{code}: {log}");
    // Why a variable takes it first.
    program(&world, "backup.sh", "#!/bin/sh -e\nctl get shop/db | wc -c\n");
    let (code, log) = ran(&world);
    assert!(code == 0 && log.contains("locked"), "control: {code}: {log}");
}

#[test]
fn a_systemd_service() {
    // Of this run alone.
    let name = format!("shop-api-{}", std::process::id());
    let Some(group) = Group::new(&format!("{name}.service")) else {
        assert!(std::env::var_os("CI").is_none(), "CI has control groups of version 2 that root can make");
        eprintln!("LEFT OUT: a service, since no control group can be made here");
        return;
    };
    let world = stage();
    let mut recipe = recipe("A systemd service").put(&world);
    for (command, _) in &mut recipe.typed {
        *command = command.replace("shop-api", &name);
    }
    recipe.typed(&world);
    let unit = recipe.file("shop-api.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let start = start.replace("/usr/local/bin/shop-api", "./shop-api");
    // As the system's manager does it: at no terminal, and in its group before it executes anything.
    let (pid, go) = (world.home("pid"), world.home("go"));
    let started = |start: &str, within: Option<&Group>| {
        let waits = format!("echo $$ > new; mv new pid; until [ -e go ]; do sleep 0.02; done; exec {start}");
        let service = world.program(Path::new("/usr/bin/setsid"), &["--wait", "sh", "-c", &waits]).start();
        assert!(wait_until(|| pid.exists(), Duration::from_secs(20)), "it waits");
        let number: u32 = fs::read_to_string(&pid).unwrap().trim().parse().unwrap();
        if let Some(group) = within {
            group.take(number);
        }
        world.file("go", "");
        (service, number)
    };
    let run = |within: Option<&Group>| {
        let out = started(&start, within).0.output();
        fs::remove_file(&pid).and_then(|()| fs::remove_file(&go)).unwrap();
        out
    };
    assert!(run(None).refused(4).contains("denied shop/db"));
    assert_eq!(run(Some(&group)).ok(), b"serving with a URL of 21 characters\n");
    let by: Vec<Value> = world.audit().into_iter().filter(|record| record["secret"] == "shop/db").collect();
    assert!(by.last().unwrap()["by"].as_str().unwrap().starts_with("rule:"), "{by:?}");
    others_get_nothing(&world, &["shop/db"]);

    // While it runs, its environment is everybody's, and has nothing; but that of a program that was given a
    // variable.
    let staying = recipe.file("shop-api").to_owned() + ": > ready\nwhile :; do sleep 0.05; done\n";
    program(&world, "shop-api", &staying);
    let environment_of = |start: &str| {
        let (service, number) = started(start, Some(&group));
        assert!(wait_until(|| world.home("ready").exists(), Duration::from_secs(20)), "it serves");
        let read = world.program(Path::new("/bin/cat"), &[&format!("/proc/{number}/environ")]).text();
        kill_process(Pid::from_raw(number.cast_signed()).unwrap(), Signal::KILL).unwrap();
        service.output();
        for path in [&pid, &go, &world.home("ready")] {
            fs::remove_file(path).unwrap();
        }
        read
    };
    let read = environment_of(&start);
    assert!(read.contains("HOME=") && !read.contains("pw@db"), "{read}");
    let read = environment_of(&format!("ctl run --env DATABASE_URL=shop/db -- {start}"));
    assert!(read.contains("pw@db"), "control: {read}");

    // While it is locked, it does not start.
    world.ctl(&["lock"]).ok();
    assert!(run(Some(&group)).refused(3).contains("locked"));
}

#[test]
fn ci() {
    let world = stage();
    let recipe = recipe("CI").put(&world);
    world.ctl(&["stop"]).ok();
    let (name, content) = &recipe.files[0];
    // What the runner does: a file for each run, and no more in the environment than where that is.
    let job = |password: &str| {
        let file = world.file("master-password", password);
        let out = world.program(&world.home(name), &[]).env("MASTER_PASSWORD_FILE", &file).output();
        (out.code, String::from_utf8(out.stdout).unwrap(), out.stderr)
    };
    let ended = || wait_until(|| world.daemon().is_none(), Duration::from_secs(20));
    let (code, told, line) = job(PASSWORD);
    assert!(code == 0 && told.contains("publishing with a token of 6 characters\n"), "{code}: {line}");
    assert!(ended() && !world.home("master-password").exists());

    // A step that fails, and a job that is cancelled, lock as well.
    let fails = content.replace("-- sh -c '", "-- sh -c 'exit 9; ");
    let cancelled = content.replace("-- sh -c '", "-- sh -c 'kill -TERM $PPID; ");
    for (step, expected) in [(&fails, 9), (&cancelled, 128 + 15)] {
        program(&world, name, step);
        let (code, told, line) = job(PASSWORD);
        assert!(code == expected && !(code == 9 && told.contains("publishing")), "{code}: {told}{line}");
        assert!(ended(), "{step}");
    }
    program(&world, name, &fails.replace("trap 'ctl stop' EXIT\n", ""));
    assert_eq!(job(PASSWORD).0, 9);
    assert!(world.daemon().is_some(), "control: without the trap it goes on");

    // Why it is a file.
    let read = "tr '\\0' '\\n' < /proc/$$/environ\n";
    program(&world, name, &content.replace("rm --", &format!("{read}rm --")));
    assert!(!job(PASSWORD).1.contains(PASSWORD));
    assert!(ended());
    let unset = program(&world, "unset", &format!("#!/bin/bash\nunset MASTER_PASSWORD\n{read}"));
    let told = world.program(&unset, &[]).env("MASTER_PASSWORD", PASSWORD).text();
    assert!(told.contains(PASSWORD), "control: what is unset is there all the same");

    let (code, told, _) = job("a guess");
    assert!(code == 7 && !told.contains("publishing"), "{told}");
}

#[test]
fn a_container() {
    let world = stage();
    if world.program(Path::new("/usr/bin/unshare"), &["-Ur", "true"]).output().code != 0 {
        println!("left out: this machine gives users no user namespaces");
        return;
    }
    recipe("A container").put(&world).typed(&world);
    let without = ["-Upf", "--map-root-user", "--mount-proc", "ctl", "get", "shop/key"];
    assert_eq!(world.program(Path::new("/usr/bin/unshare"), &without).output().stdout, b"");
}

/// What runs a shell that runs Python that runs `ctl`, for each name; and tells what came.
const AGENT: &str = r#"
const run = require('child_process').spawnSync;
const python = "import os, subprocess, sys\n" +
    "def get(name):\n" +
    "    tap = int(os.environ['GLASSDOME_FD'])\n" +
    "    return subprocess.run(['ctl', 'get', name], pass_fds=[tap], capture_output=True, text=True).stdout\n" +
    "print(*filter(None, map(get, sys.argv[1:])))";
const names = ['shop/test/db', 'bank', 'shop/key', 'shop/test/key', 'shop/db'];
const told = run('sh', ['-c', '/usr/bin/python3 -c "$0" "$@"', python, ...names], { encoding: 'utf8' });
const more = run('setsid', ['--wait', 'sh', '-c', 'ctl list; ctl grants; ctl run --grant "**" -- ctl get bank; ctl policy show'], { encoding: 'utf8' });
const got = told.stdout.trim().split(' ').join(' and ');
console.log('the agent got ' + got + (more.stdout ? ', and ' + more.stdout : ', and nothing else'));
"#;

#[test]
fn a_coding_agent() {
    let world = stage();
    let node = ["/usr/local/bin", "/usr/bin"].iter().any(|place| Path::new(place).join("node").exists());
    assert!(node || std::env::var_os("CI").is_none(), "CI has Node.js");
    if !node {
        println!("left out: there is no Node.js here");
        return;
    }
    program(&world, "agent", &format!("#!/usr/bin/env node{AGENT}"));
    recipe("A coding agent").put(&world).typed(&world);
    let by: Vec<String> = world
        .audit()
        .iter()
        .filter(|record| record["event"] == "get")
        .map(|record| {
            format!("{} {}", record["secret"].as_str().unwrap(), record["outcome"].as_str().unwrap())
        })
        .collect();
    for expected in ["shop/test/db allowed", "bank denied", "shop/test/key allowed"] {
        assert!(by.iter().any(|line| line == expected), "{expected}: {by:?}");
    }
    assert!(!by.contains(&"bank allowed".to_owned()));
    // The same agent without the handle, in a granted terminal: nothing.
    let mut terminal = granted(&world);
    let shown = line(&mut terminal, "./agent");
    assert!(shown.contains("the agent got , and nothing else"), "{shown}");
}

const LENGTH: &str = "print('connected by a URL of', len(url), 'characters')\n";

#[test]
fn jupyter() {
    let world = stage();
    let content = format!("#!/usr/bin/python3\nimport os\nurl = os.environ['DATABASE_URL']\n{LENGTH}");
    stand_in(&world, "jupyter", &content);
    recipe("Jupyter").put(&world).typed(&world);
    others_get_nothing(&world, &["shop/db"]);
}

#[test]
fn uvicorn() {
    let world = stage();
    let load = "import importlib, os, sys\nsys.path.insert(0, os.getcwd())\n\
                url = importlib.import_module(sys.argv[1].split(':')[0]).database\n";
    stand_in(
        &world,
        "uvicorn",
        &format!("#!/usr/bin/python3\n{load}{LENGTH}assert 'DATABASE_URL' not in os.environ\n"),
    );
    let recipe = recipe("uvicorn").put(&world);
    recipe.typed(&world);
    let mut terminal = granted(&world);
    terminal.send_line("uvicorn shop:app");
    assert!(terminal.expect("[1] ").contains("denied shop/db"), "without the handle");
}

#[test]
fn ssh_sessions() {
    let world = stage();
    let recipe = recipe("ssh sessions").put(&world);
    let mut terminal = world.shell_at_terminal();
    terminal.send_line("ctl get shop/key | wc -c");
    assert!(terminal.expect("[0] ").contains("\n0\n"), "before it is unlocked there");
    recipe.typed_at(&mut terminal);
    // No other login has it from that.
    let mut other = world.shell_at_terminal();
    other.send_line("ctl get shop/key");
    other.expect("[4] ");
}

#[test]
fn a_shared_machine() {
    if left_out_without_root("the recipe of a shared machine") {
        return;
    }
    let world = stage();
    recipe("A shared machine").put(&world).typed(&world);
    let out = world.ctl(&["get", "shop/key"]).as_user(User::B).output();
    assert!(out.code == 6 && out.stdout.is_empty(), "{}: {}", out.code, out.stderr);
}
