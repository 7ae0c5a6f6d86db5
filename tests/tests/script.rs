//! `ctl run --script`: what was read is what runs, and nothing of the user's runs before it. Each attack stands
//! beside the same one on a program that is started without `--script`, where it works.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{PASSWORD, Run, World, stamped, text, wait_until};
use serde_json::Value;

fn stage() -> World {
    let world = World::unlocked();
    for (name, value) in [("shop/a", "value a"), ("shop/b", "value b"), ("other", "value c")] {
        world.set(name, value);
    }
    world
}

/// A script of the owner's that can be executed.
fn script(world: &World, name: &str, text: &str) -> PathBuf {
    let path = world.file(name, text);
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// `ctl run --grant 'shop/*' --keep PATH --script SCRIPT …`: `ctl` lies where no system looks.
fn granted(world: &World, script: &Path, args: &[&str]) -> Run {
    let run = ["run", "--grant", "shop/*", "--keep", "PATH", "--script", text(script)];
    world.ctl(&[&run[..], args].concat())
}

fn sha256(path: &Path) -> String {
    let out = std::process::Command::new("sha256sum").arg(path).output().unwrap();
    String::from_utf8(out.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

const PYTHON: &str = "#!/usr/bin/python3 -u
import os, subprocess, sys
def get(name):
    fd = int(os.environ['GLASSDOME_FD'])
    done = subprocess.run(['ctl', 'get', name], pass_fds=[fd], capture_output=True, text=True)
    return done.stdout or done.returncode
print(get('shop/a'), get('other'), sys.argv[1:], os.environ['GLASSDOME_SCRIPT'], open(__file__).read(2))
";

#[test]
fn a_script_gets_what_it_is_given_and_is_seen_by_its_digest() {
    let world = stage();
    let python = script(&world, "deploy.py", PYTHON);
    let told = granted(&world, Path::new("deploy.py"), &["--", "--region", "eu"]).text();
    assert_eq!(told, format!("value a 4 ['--region', 'eu'] {} #!\n", text(&python)));
    let made = world.audit().into_iter().rfind(|record| record["event"] == "handle").unwrap();
    let by = made["by"].as_str().unwrap();
    assert!(by.ends_with(&format!(" runs sha256:{}", sha256(&python))), "{by}");

    let staying =
        script(&world, "stay.sh", "#!/bin/sh -e\nctl get shop/b\n: > there\nwhile :; do sleep 0.05; done");
    let mut run = granted(&world, &staying, &[]).start();
    assert!(wait_until(|| world.home("there").exists(), Duration::from_secs(20)), "it runs");
    let shown: Value = serde_json::from_slice(&world.ctl(&["grants", "--json"]).ok()).unwrap();
    let handle = shown.as_array().unwrap().iter().find(|grant| grant["kind"] == "handle").unwrap().clone();
    assert_eq!(handle["script"]["path"], text(&staying));
    assert_eq!(handle["script"]["sha256"], sha256(&staying).as_str());
    let table = world.ctl(&["grants"]).text();
    let short = format!("runs \"{}\", sha256 {}…", text(&staying), &sha256(&staying)[..16]);
    assert!(table.contains(&short), "{table}");
    assert!(!run.has_ended());
    run.signal(rustix::process::Signal::TERM);
}

#[test]
fn each_interpreter_runs_it_with_its_arguments() {
    let world = stage();
    for (name, text) in [
        ("a.py", "#!/usr/bin/env python3\nimport sys; print(*sys.argv[1:])"),
        ("a.bash", "#!/bin/bash -eu\necho \"$@\""),
        ("a.sh", "#!/bin/sh\necho \"$@\""),
        ("a.zsh", "#!/usr/bin/env zsh\necho \"$@\""),
        ("a.fish", "#!/usr/bin/env fish\necho $argv"),
        ("a.pl", "#!/usr/bin/perl -w\nprint \"@ARGV\\n\""),
        ("a.js", "#!/usr/bin/env node\nconsole.log(...process.argv.slice(2))"),
    ] {
        let interpreter =
            text.split(['\n', ' ', '/']).find(|word| !matches!(*word, "#!" | "usr" | "bin" | "env"));
        if !["/usr/local/bin", "/usr/bin", "/bin"]
            .iter()
            .any(|place| Path::new(place).join(interpreter.unwrap()).exists())
        {
            println!("left out: there is no {} here", interpreter.unwrap());
            continue;
        }
        let path = script(&world, name, text);
        assert_eq!(granted(&world, &path, &["--", "one", "-two"]).text(), "one -two\n", "{name}");
    }
    // Secrets in variables, and no handle.
    let env = script(&world, "env.sh", "#!/bin/sh\nexport -p; echo $A");
    let told = world.ctl(&["run", "--env", "A=shop/a", "--script", text(&env)]).text();
    assert!(told.contains("value a") && !told.contains("GLASSDOME_FD"), "{told}");
    let only: Vec<&str> =
        told.lines().filter_map(|line| line.strip_prefix("export ")?.split('=').next()).collect();
    for name in ["A", "GLASSDOME_SCRIPT", "HOME", "LANG", "PATH", "TERM", "TZ", "XDG_RUNTIME_DIR"] {
        assert!(only.contains(&name), "{name}: {only:?}");
    }
    for name in ["XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        assert!(!only.contains(&name), "{name}: {only:?}");
    }
    assert!(told.contains("PATH='/usr/local/bin:/usr/bin:/bin'"), "{told}");
}

/// What replaces a script, again and again, by one that gives away what it gets; and back.
const SWAP: &str = "trap 'exit 0' TERM; while :; do cp honest.sh new && mv new deploy.sh; cp evil.sh new && mv new deploy.sh; done";

#[test]
fn what_was_read_runs_however_the_file_is_changed() {
    let world = stage();
    let honest = script(&world, "honest.sh", "#!/bin/sh\n# honest\ncat \"$0\" | sha256sum");
    let evil = script(&world, "evil.sh", "#!/bin/sh\n# evil\ncat \"$0\" | sha256sum");
    let path = script(&world, "deploy.sh", "#!/bin/sh\n# honest\ncat \"$0\" | sha256sum");
    let swapping =
        world.program(Path::new("/bin/sh"), &["-c", SWAP]).within(Duration::from_secs(180)).start();
    let (mut ran, digests) = ([0, 0], [sha256(&honest), sha256(&evil)]);
    for _ in 0..60 {
        let told = granted(&world, &path, &[]).text();
        let told = told.split(' ').next().unwrap();
        let by =
            world.audit().into_iter().rfind(|record| record["event"] == "handle").unwrap()["by"].to_string();
        assert!(by.contains(&format!("sha256:{told}")), "{told} ran: {by}");
        ran[usize::from(told == digests[1])] += 1;
        assert!(digests.contains(&told.to_owned()), "a whole file: {told}");
    }
    swapping.signal(rustix::process::Signal::TERM);
    assert!(ran[0] > 0 && ran[1] > 0, "it was changed: {ran:?}");

    // In the middle: a pipe in the file's place is read once, and what follows in the file does not run.
    world.shell("cp honest.sh deploy.sh").ok();
    let slow = script(&world, "slow.sh", "#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\necho first\n");
    let grow = |run: Run| {
        fs::remove_file(world.home("go")).ok();
        world.file("slow.sh", "#!/bin/sh\nuntil [ -e go ]; do sleep 0.02; done\necho first\n");
        fs::set_permissions(&slow, Permissions::from_mode(0o755)).unwrap();
        let run = run.start();
        let runs = || {
            fs::read(format!("/proc/{}/cmdline", run.pid())).is_ok_and(|line| line.starts_with(b"/bin/sh"))
        };
        assert!(wait_until(runs, Duration::from_secs(20)), "it runs");
        std::thread::sleep(Duration::from_millis(300));
        world.shell("echo 'echo second' >> slow.sh; : > go").ok();
        String::from_utf8(run.output().ok()).unwrap()
    };
    assert_eq!(grow(granted(&world, &slow, &[])), "first\n");
    let plain = world.ctl(&["run", "--grant", "shop/*", "--", text(&slow)]);
    assert_eq!(grow(plain), "first\nsecond\n", "control: a shell reads its script as it goes");
}

/// What it is called, the script, and the variables that it is started with.
type Attack<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

/// Leaves a trace.
const STOLEN: &str = "echo stolen > stolen";

#[test]
fn nothing_in_the_environment_or_the_home_runs_before_it() {
    let world = stage();
    world.file("rc.sh", STOLEN);
    world.file(".zshenv", STOLEN);
    world.file("sitecustomize.py", "open('stolen', 'w').write('x')");
    world.file("subprocess.py", "open('stolen', 'w').write('x')");
    world.file("Evil.pm", "open(my $f, '>', 'stolen'); print $f 'x'; 1;");
    world.file("evil.js", "require('fs').writeFileSync('stolen', 'x')");
    let modules = world.home(".node_modules");
    world.shell("mkdir .node_modules && cp evil.js .node_modules/optional.js").ok();
    assert!(modules.is_dir());
    world
        .shell(
            "set -e
             packages=$(/usr/bin/python3 -m site --user-site)
             mkdir -p $packages
             cp sitecustomize.py $packages/usercustomize.py
             mkdir -p ../config/fish/functions .config/fish/functions .local/share/fish/vendor_functions.d
             echo 'function greet; echo x > stolen; end' | tee ../config/fish/functions/greet.fish .local/share/fish/vendor_functions.d/greet.fish > .config/fish/functions/greet.fish
             echo 'echo x > stolen' | tee ../config/fish/config.fish > .config/fish/config.fish",
        )
        .ok();
    let home = text(&world.home("")).to_owned();
    let rc = text(&world.home("rc.sh")).to_owned();
    let required = format!("--require={}", text(&world.home("evil.js")));
    let python = "#!/usr/bin/python3\nprint(end='ran')";
    let imports = "#!/usr/bin/python3\nimport subprocess; print(end='ran')";
    let node = "#!/usr/bin/node\ntry { require('optional') } catch (e) {}\nprocess.stdout.write('ran')";
    let attacks: [Attack<'_>; 12] = [
        ("PYTHONPATH", python, vec![("PYTHONPATH", &home)]),
        ("usercustomize.py", python, vec![]),
        ("a module beside the script", imports, vec![]),
        (
            "PYTHONSTARTUP",
            "#!/usr/bin/python3\nprint(end='ran')",
            vec![("PYTHONPATH", &home), ("PYTHONSTARTUP", &rc)],
        ),
        ("BASH_ENV", "#!/bin/bash\nprintf ran", vec![("BASH_ENV", &rc)]),
        (
            "a function",
            "#!/bin/bash\nprintf ran",
            vec![("BASH_FUNC_printf%%", "() { echo stolen > stolen; echo ran; }")],
        ),
        (
            "SHELLOPTS",
            "#!/bin/bash\nprintf ran",
            vec![("SHELLOPTS", "xtrace"), ("PS4", "$(echo stolen > stolen)")],
        ),
        (".zshenv", "#!/usr/bin/zsh\nprintf ran", vec![]),
        ("config.fish", "#!/usr/bin/fish\ngreet 2>/dev/null\nprintf ran", vec![]),
        ("PERL5OPT", "#!/usr/bin/perl\nprint 'ran'", vec![("PERL5OPT", "-MEvil"), ("PERL5LIB", &home)]),
        ("NODE_OPTIONS", node, vec![("NODE_OPTIONS", &required)]),
        (".node_modules", node, vec![]),
    ];
    for (what, script_text, variables) in attacks {
        let interpreter = script_text[2..].split(['\n', ' ']).next().unwrap();
        if !Path::new(interpreter).exists() {
            println!("left out: there is no {interpreter} here");
            continue;
        }
        let path = script(&world, "victim", script_text);
        let with = |run: Run| variables.iter().fold(run, |run, (name, value)| run.env(name, value));
        let stolen = world.home("stolen");
        let plain = with(world.ctl(&["run", "--grant", "shop/*", "--", text(&path)])).output();
        assert_eq!(plain.code, 0, "{what}: {}", plain.stderr);
        assert!(stolen.exists(), "control: {what} works without --script");
        fs::remove_file(&stolen).unwrap();
        let isolated = with(granted(&world, &path, &[])).output();
        assert_eq!((isolated.code, &isolated.stdout[..]), (0, &b"ran"[..]), "{what}: {}", isolated.stderr);
        assert!(!stolen.exists(), "{what}");
    }
}

#[test]
fn what_is_preloaded_comes_not_along() {
    let world = stage();
    let path = script(&world, "deploy.sh", "#!/bin/sh\nexport -p; cat /proc/$$/environ | tr '\\0' '\\n'");
    let preload = [
        ("LD_PRELOAD", "/nowhere/evil.so"),
        ("LD_LIBRARY_PATH", "/tmp"),
        ("GCONV_PATH", "/tmp"),
        ("LC_ALL", "/tmp"),
    ];
    let with = |run: Run| preload.iter().fold(run, |run, (name, value)| run.env(name, value));
    let told = String::from_utf8(with(granted(&world, &path, &[])).output().ok()).unwrap();
    assert!(!told.contains("evil") && !told.contains("/tmp\n"), "{told}");
    let control = with(world.program(Path::new("/bin/sh"), &[text(&path)])).output();
    assert!(String::from_utf8(control.stdout).unwrap().contains("evil"), "control");
    // Nor may it be asked for, or stand in a file.
    for name in ["LD_PRELOAD", "PYTHONPATH", "BASH_ENV", "NODE_OPTIONS"] {
        let line = granted(&world, &path, &["--keep", name]).refused(125);
        assert!(line.contains(name) && line.contains("--script"), "{line}");
        let file = world.file("vars.env", format!("{name}=/tmp/x\n"));
        granted(&world, &path, &["--env-file", text(&file)]).refused(125);
    }
    let file = world.file("vars.env", "REGION=eu\n");
    assert!(granted(&world, &path, &["--env-file", text(&file)]).text().contains("REGION='eu'"), "control");
    let kept = granted(&world, &path, &["--keep", "XDG_DATA_HOME"]).text();
    assert!(kept.contains("XDG_DATA_HOME"), "control");
}

#[test]
fn what_cannot_be_kept_to_its_script_is_not_started() {
    let world = stage();
    let cases = [
        ("none", "echo ran", "names no interpreter"),
        ("awk", "#!/usr/bin/awk -f\nBEGIN { print \"ran\" }", "no interpreter that is known"),
        ("env", "#!/usr/bin/env -i sh\necho ran", "at most one word of options"),
        ("login", "#!/bin/bash -l\necho ran", "might run something else"),
        ("module", "#!/usr/bin/python3 -msite\nprint('ran')", "might run something else"),
        ("nowhere", "#!/usr/bin/env no-such-interpreter\n", "there is no no-such-interpreter"),
    ];
    for (name, script_text, why) in cases {
        let line = granted(&world, &script(&world, name, script_text), &[]).refused(125);
        assert!(line.contains(why), "{name}: {line}");
    }
    granted(&world, &script(&world, "gone", "#!/nowhere/python3\n"), &[]).refused(127);
    granted(&world, Path::new("no-such-script"), &[]).refused(125);
    // By a name that is typed it runs, whatever the first line says.
    let none = script(&world, "none", "echo ran $1");
    assert_eq!(granted(&world, &none, &["--exe", "sh", "x"]).text(), "ran x\n");
    assert_eq!(granted(&world, &none, &["--exe", "/bin/bash", "--", "x"]).text(), "ran x\n");
    // A name of an interpreter is not an interpreter.
    world.shell("cp /usr/bin/awk python3").ok();
    world.shell("ln -s /usr/bin/awk bash").ok();
    granted(&world, &none, &["--exe", text(&world.home("bash"))]).refused(125);
    world.ctl(&["run", "--script", text(&none)]).refused(125);
    world.ctl(&["run", "--grant", "shop/*", "--exe", "sh", "--", "true"]).refused(125);
    assert!(!world.audit().iter().any(|record| record["event"] == "handle" && record["outcome"] == "denied"));
}

#[test]
fn whoever_may_not_get_it_starts_nothing() {
    let world = stage();
    let marker = world.home("started");
    let path = script(&world, "deploy.sh", &format!("#!/bin/sh\n: > {}", text(&marker)));
    let line = format!("ctl run --grant 'shop/*' --script {}; exit $?", text(&path));
    let out = world.program(Path::new("/bin/bash"), &[text(&world.file("asks.sh", line))]).output();
    assert_eq!(out.code, 125, "{}", out.stderr);
    assert!(!marker.exists());
    granted(&world, &path, &[]).ok();
    assert!(marker.exists(), "control");
}

#[test]
fn what_was_cleared_is_not_given_back_by_a_file_or_a_secret() {
    let world = stage();
    let marker = world.home("started");
    let path = script(&world, "deploy.sh", &format!("#!/bin/sh\n: > {}; export -p; exec ls", text(&marker)));
    // What a program of the user's would have run instead.
    world.shell("mkdir bin && printf '#!/bin/sh\\necho stolen' > bin/ls && chmod +x bin/ls").ok();
    let bin = text(&world.home("bin")).to_owned();
    for (name, value) in
        [("bin", &*bin), ("path", "/tmp/zone"), ("berlin", "Europe/Berlin"), ("de", "de_DE.UTF-8")]
    {
        world.set(name, value);
    }
    let run = |given: &[&str]| world.ctl(&[&["run"], given, &["--script", text(&path)]].concat());
    let in_file = |line: &str| text(&world.file("vars.env", format!("{line}\n"))).to_owned();
    for (line, why) in [
        (format!("PATH={bin}"), "PATH says where"),
        ("PATH=glassdome://bin".into(), "PATH says where"),
        (format!("HOME={bin}"), "HOME says where"),
        ("TERMINFO=/tmp".into(), "TERMINFO says where"),
        ("XDG_RUNTIME_DIR=/tmp".into(), "XDG_RUNTIME_DIR says where"),
        ("GLASSDOME_SCRIPT=/nowhere".into(), "GLASSDOME_SCRIPT says where"),
        ("GLASSDOME_SOCKET=/nowhere".into(), "GLASSDOME_SOCKET says where"),
        ("TZ=/tmp/zone".into(), "TZ is a path"),
        ("TZ=glassdome://path".into(), "TZ is a path"),
        ("LANG=/tmp/locale".into(), "LANG is a path"),
        ("LANGUAGE=glassdome://path".into(), "LANGUAGE is a path"),
        ("LC_ALL=glassdome://path".into(), "LC_ALL is a path"),
    ] {
        let told = run(&["--env-file", &in_file(&line)]).refused(125);
        assert!(told.contains(why) && !told.contains("/tmp"), "{line}: {told}");
        if let Some((name, secret)) = line.split_once("=glassdome://") {
            let told = run(&["--env", &format!("{name}={secret}")]).refused(125);
            assert!(told.contains(why) && !told.contains("/tmp"), "{line}: {told}");
        }
        assert!(!marker.exists(), "{line}");
    }
    // Control: what names nothing of the user's goes along, and so does what the user keeps.
    for (line, shown) in [
        ("TZ=glassdome://berlin", "TZ='Europe/Berlin'"),
        ("LANG=glassdome://de", "LANG='de_DE.UTF-8'"),
        ("TERM=dumb", "TERM='dumb'"),
    ] {
        let told = run(&["--env-file", &in_file(line)]).text();
        assert!(told.contains(shown) && !told.contains("stolen"), "{told}");
    }
    let told =
        run(&["--env", "A=shop/a", "--keep", "PATH"]).env("PATH", format!("{bin}:/usr/bin:/bin")).text();
    assert!(told.ends_with("stolen\n"), "{told}");
    // Without --script nothing is cleared, and nothing is refused.
    let told = world.ctl(&["run", "--env", "TZ=path", "--", "/bin/sh", "-c", "echo $TZ"]).text();
    assert_eq!(told, "/tmp/zone\n");
}

/// Gets a secret, and shows where programs are looked for; and by which of two of one name.
const LOOKS: &str = "#!/bin/sh\nctl get shop/a; echo; sort --version | head -n 1; echo \"$PATH\"";
const SYSTEM: &str = "/usr/local/bin:/usr/bin:/bin";

#[test]
fn a_script_finds_ctl_where_it_was_installed() {
    if stamped() {
        // By root, elsewhere than where the system looks.
        let world = stage();
        let path = script(&world, "deploy.sh", LOOKS);
        let told = world.ctl(&["run", "--grant", "shop/*", "--script", text(&path)]).text();
        let place = format!("\n{SYSTEM}:{}\n", text(glassdome_tests::programs()));
        assert!(told.starts_with("value a\n") && told.ends_with(&place), "{told}");
        return;
    }
    // By a user.
    let world = World::new();
    let bin = world.home(".local/bin");
    world.shell("umask 022; mkdir -p .local/bin").ok();
    for name in ["ctl", "glassdome_start", "glassdomed"] {
        let (from, to) = (glassdome_tests::programs().join(name), bin.join(name));
        let (from, to) = (text(&from), text(&to));
        world.program(Path::new("/bin/cp"), &[from, to]).ok();
    }
    script(&world, ".local/bin/sort", "#!/bin/sh\necho stolen");
    let start = ["--password-stdin", "--accept-weak"];
    world.program(&bin.join("glassdome_start"), &start).stdin(format!("{PASSWORD}\n")).ok();
    let ctl = |args: &[&str]| world.program(&bin.join("ctl"), args);
    ctl(&["set", "shop/a", "--stdin"]).stdin("value a").ok();
    let path = script(&world, "deploy.sh", LOOKS);
    let run = || ctl(&["run", "--grant", "shop/*", "--script", text(&path)]).output();
    let mode = |place: &str, mode: u32| {
        fs::set_permissions(world.home(place), Permissions::from_mode(mode)).unwrap();
    };
    let found = || {
        let out = run();
        let told = String::from_utf8(out.stdout).unwrap();
        assert!(!told.contains("stolen"), "the system's own go first: {told}");
        let place = format!("\n{SYSTEM}:{}\n", text(&bin));
        let found = told.starts_with("value a\n") && told.ends_with(&place);
        assert!(
            found || (told.ends_with(&format!("\n{SYSTEM}\n")) && out.stderr.contains("not found")),
            "{told}"
        );
        found
    };
    assert!(found());
    // Where others can put programs, nothing is looked for.
    for (place, open) in [(".local/bin", 0o777), (".local/bin", 0o775), (".local", 0o777)] {
        mode(place, open);
        assert!(!found(), "{place} {open:o}");
        mode(place, 0o755);
        assert!(found(), "control");
    }
    // Nor without a handle, or in the place of what the user keeps.
    let told = ctl(&["run", "--env", "A=shop/a", "--script", text(&path)]).text();
    assert!(told.ends_with(&format!("\n{SYSTEM}\n")), "{told}");
    let kept = ctl(&["run", "--grant", "shop/*", "--keep", "PATH", "--script", text(&path)]);
    assert!(kept.env("PATH", SYSTEM).text().ends_with(&format!("\n{SYSTEM}\n")));
    ctl(&["stop"]).ok();
}
