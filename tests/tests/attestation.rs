//! Each piece of the evidence that rules go by, attacked: the honest twin is served, the imitation is
//! not. Where an imitation is served, its test is called a limit, and SECURITY.md says so.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/askers.rs"]
mod askers;
#[path = "support/hanging.rs"]
mod hanging;
#[path = "support/scripts.rs"]
mod scripts;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use askers::{PYTHON, Staying, allow, asker, asking, recorded, runner, told};
use glassdome_tests::{PASSWORD, Run, User, World, left_out_without_root, text, wait_until};
use hanging::Hanging;
use serde_json::Value;

fn stage() -> World {
    let world = World::unlocked();
    world.set("db/a", "value a");
    world
}

/// A program that asks by `ctl` for the names that it reads.
fn run(world: &World, program: &Path) -> Run {
    world.program(program, &["-n", "1", "ctl", "get"]).stdin("db/a\n")
}

#[track_caller]
fn served(world: &World, program: &Path) {
    assert_eq!(run(world, program).ok(), b"value a");
}

#[track_caller]
fn denied(out: glassdome_tests::Out) -> String {
    assert!(out.stdout.is_empty(), "{:?}", out.stdout);
    assert!(out.stderr.starts_with("ctl: denied db/a: "), "{}", out.stderr);
    out.stderr
}

/// A script that asks, and the rule that allows it.
fn allowed_script(world: &World) -> PathBuf {
    let script = asker(world, "deploy.py");
    allow(world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    script
}

#[test]
fn an_executable_is_the_file_at_the_rules_path() {
    let world = stage();
    let program = runner(&world, "program");
    allow(&world, &["--secrets", "db/*", "--exe", text(&program)]).ok();
    served(&world, &program);
    denied(run(&world, &runner(&world, "copy")).output());
    denied(run(&world, Path::new("/usr/bin/xargs")).output());
    // Links of both kinds lead to the same file: by any name it is the same program.
    fs::hard_link(&program, world.home("hard-link")).unwrap();
    served(&world, &world.home("hard-link"));
    symlink(&program, world.home("link")).unwrap();
    served(&world, &world.home("link"));
    // But for one that makes an interpreter of it.
    fs::hard_link(&program, world.home("python3")).unwrap();
    denied(run(&world, &world.home("python3")).output());

    // It runs, and its file is taken away and replaced.
    let mut running = world.terminal("stty -echo; exec ./program -n 1 ctl get");
    running.send("db/a\n");
    running.expect("value a");
    let honest = world.home("honest");
    fs::rename(&program, &honest).unwrap();
    running.send("db/a\n");
    running.expect("denied db/a");
    scripts::copied(Path::new("/usr/bin/env"), &program);
    running.send("db/a\n");
    running.expect("denied db/a");
    fs::rename(&honest, &program).unwrap();
    running.send("db/a\n");
    running.expect("value a");
    fs::remove_file(&program).unwrap();
    running.send("db/a\n");
    running.expect("denied db/a");
    // The same bytes in another file: that one is served, the removed one is not.
    runner(&world, "program");
    served(&world, &program);
    running.send("db/a\n");
    running.expect("denied db/a");
    drop(running);

    world.shell("printf x >>program").ok();
    assert!(denied(run(&world, &program).output()).contains("changed since rule program"));
}

#[test]
fn a_path_that_lies_is_not_believed() {
    if left_out_without_root("a bind mount") {
        return;
    }
    let world = stage();
    let (program, script) = (runner(&world, "program"), allowed_script(&world));
    allow(&world, &["--secrets", "db/*", "--exe", text(&program)]).ok();
    runner(&world, "other");
    let evil = asker(&world, "evil.py");
    fs::write(&evil, [&fs::read(&evil).unwrap()[..], b"# evil"].concat()).unwrap();
    let (scripts, socket) = (scripts::scripts(&world), world.socket());
    // Root makes a mount namespace, in which the path of the rule leads to another file.
    let mounted = |mount: &str, line: &str| {
        let (uid, gid, home) = (User::A.uid(), User::A.gid(), world.home(""));
        let line = format!(
            "cd {}; {mount} setpriv --reuid {uid} --regid {gid} --clear-groups {line}",
            home.display()
        );
        world.program(Path::new("/usr/bin/unshare"), &["-m", "sh", "-c", &line]).as_user(User::Root)
    };
    let by_program = format!("{} -n 1 ctl get <name", text(&program));
    world.file("name", "db/a\n");
    assert_eq!(mounted("", &by_program).ok(), b"value a", "control: another mount namespace alone");
    denied(mounted("mount --bind other program &&", &by_program).output());
    served(&world, &program);
    for way in ["ctl", "client"] {
        let by_script = format!("{} {} {} {way} get db/a", text(&script), text(&scripts), text(&socket));
        told(mounted("", &by_script)).served("value a");
        told(mounted("mount --bind evil.py deploy.py &&", &by_script)).denied();
    }
}

#[test]
fn the_loader_is_not_what_it_loads() {
    let world = stage();
    let script = allowed_script(&world);
    told(asking(&world, PYTHON, &[text(&script)], &["client", "get", "db/a"])).served("value a");
    let loaders = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];
    let loader = loaders.into_iter().find(|path| Path::new(path).exists()).expect("one of the known loaders");
    let python = fs::canonicalize(PYTHON).unwrap();
    for way in ["ctl", "client"] {
        let line =
            told(asking(&world, loader, &[text(&python), text(&script)], &[way, "get", "db/a"])).denied();
        assert!(line.contains("runs no script file"), "a rule would be for every script: {line}");
    }
    let args = ["--secrets", "**", "--script", text(&python), "--exe", loader];
    assert!(allow(&world, &args).refused(2).contains("a rule for every program"));
}

#[test]
fn a_script_that_was_edited_since_it_started_is_refused() {
    let world = stage();
    let script = allowed_script(&world);
    let (mut first, mut late) = (Staying::new(&world, text(&script)), Staying::new(&world, text(&script)));
    assert_ne!(first.pid, late.pid, "one has asked before the edit, one has not");
    first.ask("client get db/a").served("value a");
    let bytes = fs::read(&script).unwrap();
    fs::write(&script, [&bytes[..], b"#"].concat()).unwrap();
    // What it runs cannot be told from what was there; what lies there now was not allowed.
    for way in ["client", "ctl"] {
        let line = late.ask(&format!("{way} get db/a")).denied();
        assert!(line.contains("changed since rule deploy"), "{line}");
    }
    first.ask("ctl get db/a").denied();
    fs::write(&script, bytes).unwrap();
    late.ask("ctl get db/a").served("value a");
}

#[test]
fn whoever_is_held_by_a_tracer_is_refused() {
    let world = stage();
    let script = allowed_script(&world);
    let steered = scripts::scripts(&world).join("steered.py");
    for way in ["ctl", "client"] {
        let ask = |program: &str, words: &[&str]| told(asking(&world, program, words, &[way, "get", "db/a"]));
        ask(text(&script), &[]).served("value a");
        let line = ask(PYTHON, &[text(&steered), "traced", text(&script)]).denied();
        assert!(line.contains("debugger"), "{line}");
        ask("/usr/bin/timeout", &["60", text(&script)]).served("value a");
    }
    assert!(world.audit().iter().any(|record| record["by"] == "traced"), "and it is recorded");
}

#[test]
fn whoever_runs_without_randomisation_is_refused() {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("LEFT OUT: where things lie then is not known of this architecture");
        return;
    }
    let world = stage();
    let script = allowed_script(&world);
    let ask =
        |program: &str, words: &[&str]| told(asking(&world, program, words, &["client", "get", "db/a"]));
    ask("/usr/bin/setarch", &["x86_64", text(&script)]).served("value a");
    let line = ask("/usr/bin/setarch", &["x86_64", "-R", text(&script)]).denied();
    assert!(line.contains("without address space randomisation"), "{line}");
    assert_eq!(recorded(&world, "connect", "denied")["by"], "unrandomised");
}

/// The command line is the process's own memory, and the name of its script stands there.
#[test]
fn limit_a_process_can_claim_to_run_an_allowed_script() {
    let world = stage();
    let script = allowed_script(&world);
    let evil = asker(&world, "evil.py");
    let steered = scripts::scripts(&world).join("steered.py");
    for way in ["ctl", "client"] {
        let ask = |words: &[&str]| told(asking(&world, PYTHON, words, &[way, "get", "db/a"]));
        ask(&[text(&evil)]).denied();
        ask(&[text(&steered), "words", text(&evil), text(&world.home("copy.py"))]).denied();
        ask(&[text(&steered), "words", text(&evil), text(&script)]).served("value a");
    }
}

/// In a user namespace of its own a process can have another executable shown as its own. Whoever leaves
/// for one is nobody from then on, also for the children that stayed.
#[test]
fn who_leaves_the_namespaces_lends_no_child_a_right() {
    let world = stage();
    let lender = world.file(
        "lender.py",
        "import ctypes, os, sys\n\
         told, tell = os.pipe()\n\
         if os.fork() == 0:\n    \
             os.read(told, 1)\n    \
             os.execvp('ctl', ['ctl', 'get', 'db/a'])\n\
         if sys.argv[1] == 'leave' and ctypes.CDLL(None).unshare(0x10000000) != 0:\n    \
             sys.exit(9)\n\
         os.write(tell, b'.')\n\
         sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))\n",
    );
    allow(&world, &["--secrets", "db/*", "--script", text(&lender), "--exe", PYTHON]).ok();
    let lend = |way: &str| world.program(Path::new(PYTHON), &[text(&lender), way]);
    assert_eq!(lend("stay").ok(), b"value a", "control");
    let out = lend("leave").output();
    if out.code == 9 {
        println!("left out: this machine gives users no user namespaces");
        return;
    }
    denied(out);
}

/// As above, of a program that only root can change: what is known of its file need not be looked at again.
#[test]
fn who_leaves_the_namespaces_lends_no_child_the_right_of_a_known_file() {
    if left_out_without_root("a program of root's") {
        return;
    }
    let world = stage();
    let place = tempfile::tempdir_in("/tmp").unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (source, program) = (place.path().join("lender.c"), place.path().join("lender"));
    fs::write(
        &source,
        "#define _GNU_SOURCE\n#include <sched.h>\n#include <sys/wait.h>\n#include <unistd.h>\n\
         int main(int count, char **words) {\n\
             int ends[2], status; char byte = 0;\n\
             if (pipe(ends)) return 8;\n\
             if (fork() == 0) { read(ends[0], &byte, 1); execlp(\"ctl\", \"ctl\", \"get\", \"db/a\", (char *)0); _exit(127); }\n\
             if (words[1][0] == 'l' && unshare(CLONE_NEWUSER)) return 9;\n\
             if (write(ends[1], &byte, 1) != 1) return 8;\n\
             wait(&status);\n\
             return WEXITSTATUS(status);\n\
         }\n",
    )
    .unwrap();
    let built = Command::new("cc").arg("-o").args([&program, &source]).status().unwrap();
    assert!(built.success());
    let rule = allow(&world, &["--secrets", "db/*", "--exe", text(&program)]).output();
    let sealed = format!("{}{}", String::from_utf8_lossy(&rule.stdout), rule.stderr);
    assert!(sealed.contains("which only root can change"), "or its file is looked at each time: {sealed}");
    for _ in 0..3 {
        assert_eq!(world.program(&program, &["stay"]).ok(), b"value a", "control");
        let out = world.program(&program, &["leave"]).output();
        if out.code == 9 {
            println!("left out: this machine gives users no user namespaces");
            return;
        }
        denied(out);
    }
}

/// What one program runs one after the other is judged each time, whatever is known of its file by then.
#[test]
fn a_program_of_roots_is_judged_for_each_command_that_it_runs() {
    let world = stage();
    world.set("other", "value b");
    let xargs = Path::new("/usr/bin/xargs");
    allow(&world, &["--secrets", "db/*", "--exe", text(xargs)]).ok();
    let each = |names: &str| world.program(xargs, &["-n", "1", "ctl", "get"]).stdin(names).output();
    let mixed = each("db/a\nother\ndb/a\n");
    assert_eq!((mixed.code, &*mixed.stdout), (123, &b"value avalue a"[..]), "{}", mixed.stderr);
    let told = ["denied other: xargs (pid ", " ran it, and no rule allows that"];
    assert!(told.iter().all(|told| mixed.stderr.contains(told)), "{}", mixed.stderr);

    let kept_back = ["policy", "deny", "--secrets", "db/a", "--exe", text(xargs), "--password-stdin"];
    world.ctl(&kept_back).stdin(format!("{PASSWORD}\n")).ok();
    let none = each("db/a\ndb/a\n");
    assert!(none.stdout.is_empty() && none.stderr.matches("denied db/a").count() == 2, "{}", none.stderr);
}

/// The kernel vouches for which file was executed, not for whose code runs in it.
#[test]
fn limit_an_allowed_program_can_be_steered_by_whoever_starts_it() {
    let world = stage();
    let script = allowed_script(&world);
    let modules = world.home("modules");
    fs::create_dir(&modules).unwrap();
    // In the place of a module that the script imports.
    let steering = "import os, sys\n\
                    child = os.fork()\n\
                    if child == 0:\n    os.execvp('ctl', ['ctl', 'get', 'db/a'])\n\
                    os.waitpid(child, 0)\n\
                    os._exit(0)\n";
    world.file("module", steering);
    fs::rename(world.home("module"), modules.join("subprocess.py")).unwrap();
    let run = asking(&world, text(&script), &[], &["client", "list"]).env("PYTHONPATH", &modules);
    assert_eq!(run.text(), "value a", "its own code would have asked for something else");
    // Python can be told not to listen; a rule cannot demand it of whoever starts it.
    let run = asking(&world, PYTHON, &["-I", text(&script)], &["client", "get", "db/a"])
        .env("PYTHONPATH", &modules);
    told(run).served("value a");
}

/// Likewise: the dynamic loader brings in what its environment names.
#[test]
fn limit_a_library_can_be_preloaded_into_an_allowed_program() {
    let world = stage();
    let program = runner(&world, "program");
    allow(&world, &["--secrets", "db/*", "--exe", text(&program)]).ok();
    let (source, library) = (world.top().join("steer.c"), world.top().join("steer.so"));
    fs::write(
        &source,
        "int fork(void), execvp(const char *, char *const *), waitpid(int, int *, int), unsetenv(const char *);\n\
         void _exit(int);\n\
         __attribute__((constructor)) static void steer(void) {\n\
             char *words[] = {\"ctl\", \"get\", \"db/a\", 0};\n\
             unsetenv(\"LD_PRELOAD\");\n\
             if (fork() == 0) { execvp(words[0], words); _exit(127); }\n\
             waitpid(-1, 0, 0);\n\
             _exit(0);\n\
         }\n",
    )
    .unwrap();
    // The linker that Rust links with.
    let cc = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output().unwrap();
    assert!(cc.status.success(), "cc: {}", String::from_utf8_lossy(&cc.stderr));
    let preloaded = |program: &Path| world.program(program, &["--version"]).env("LD_PRELOAD", &library);
    denied(preloaded(&runner(&world, "copy")).output());
    assert_eq!(preloaded(&program).ok(), b"value a", "which xargs --version does not ask for");
}

/// Who ran `ctl` is what its parent is when it asks, not what it was when it started it.
#[test]
fn limit_a_program_can_become_an_allowed_one_behind_the_ctl_that_it_started() {
    let world = stage();
    let script = allowed_script(&world);
    let (scripts, socket) = (scripts::scripts(&world), world.socket());
    let become_it = format!(
        "import os\nif os.fork() == 0:\n    while b'stay' not in open(f'/proc/{{os.getppid()}}/cmdline', 'rb').read(): pass\n    \
         os.execvp('ctl', ['ctl', 'get', 'db/a'])\n\
         os.execv({:?}, [{:?}, {:?}, {:?}, 'stay'])\n",
        text(&script),
        text(&script),
        text(&scripts),
        text(&socket)
    );
    let evil = world.file("evil.py", become_it);
    let mut terminal = world.terminal(&format!("{PYTHON} {}", text(&evil)));
    terminal.expect("value a");
    denied(
        world
            .shell(&format!("{PYTHON} -c \"import os; os.spawnvp(0, 'ctl', ['ctl', 'get', 'db/a'])\""))
            .output(),
    );
}

#[test]
fn a_huge_executable_delays_nobody_else() {
    const ASKERS: usize = 6;
    let world = stage();
    let program = runner(&world, "program");
    fs::OpenOptions::new().write(true).open(&program).unwrap().set_len(300 << 20).unwrap();
    allow(&world, &["--secrets", "db/*", "--exe", text(&program)]).ok();
    served(&world, &program);
    thread::scope(|scope| {
        let asks: Vec<_> = (0..ASKERS).map(|_| scope.spawn(|| run(&world, &program).output())).collect();
        while !asks.iter().all(|ask| ask.is_finished()) {
            let began = Instant::now();
            assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        }
        for ask in asks {
            let out = ask.join().unwrap();
            // Many at a time may be too many for a slow machine: then it is refused as a program that was not seen.
            let told = ["in time", "cannot be seen"].iter().any(|why| out.stderr.contains(why));
            let told = told || out.stdout == b"value a";
            assert!(told, "{}", out.stderr);
        }
    });
}

/// Takes a file system away, lazily.
#[test]
fn scripts_that_hang_whoever_looks_at_them_hold_up_nobody_who_typed() {
    if left_out_without_root("mounting a FUSE file system for others") {
        return;
    }
    const CROWD: usize = 20;
    let world = stage();
    let script = allowed_script(&world);
    let stop = world.home("stop");
    let hanging = Hanging::new(&world, &scripts::scripts(&world).join("steered.py"), &stop);
    let program = hanging.file();

    let count = CROWD.to_string();
    let words = [text(&program), "crowd", &count, text(&stop)].map(str::to_owned);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let crowd = asking(&world, PYTHON, &words, &["db/a"]).start();
    assert!(wait_until(|| stop.exists(), Duration::from_secs(20)), "they ask");
    // All of the places are taken by now or soon; what was typed needs none.
    let began = Instant::now();
    let mut slowest = Duration::ZERO;
    while began.elapsed() < Duration::from_secs(4) {
        let asked = Instant::now();
        assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "{slowest:?}");
    let asked: Vec<(String, f64)> = serde_json::from_slice::<Vec<Value>>(&crowd.output().ok())
        .unwrap()
        .into_iter()
        .map(|one| (one[0].as_str().unwrap().to_owned(), one[1].as_f64().unwrap()))
        .collect();
    assert_eq!(asked.len(), CROWD);
    for (code, seconds) in &asked {
        assert!(code == "throttled" && *seconds < 9.0, "{asked:?}");
    }
    // Programs are told to come again, in time; they are served when the file system is gone.
    let asked = Instant::now();
    let told_now = told(asking(&world, text(&script), &[], &["client", "get", "db/a"]));
    assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
    assert!(told_now.code == 8 && told_now.why.contains("in time"), "{told_now:?}");
    assert_eq!(world.ctl(&["get", "db/a"]).ok(), b"value a");
    drop(hanging);
    let ask = || told(asking(&world, text(&script), &[], &["client", "get", "db/a"])).code == 0;
    assert!(wait_until(ask, Duration::from_secs(20)), "their places are free again");
}
