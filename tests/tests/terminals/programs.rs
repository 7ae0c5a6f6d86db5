//! What a program runs in a granted shell was not typed there: refused, and the line says who ran it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use glassdome_tests::{Out, PASSWORD, Pane, Tmux, User, World, left_out_without_root, wait_until};

use crate::hanging::Hanging;
use crate::scripts::scripts;
use crate::shells::{BASH, VALUE, denied, grant_first, handed_out, mine, served, world};

const SOON: Duration = Duration::from_secs(20);

/// Leaves what `ctl get a` did in files: what runs it may show nothing of it.
const INTO_FILES: &str = "ctl get a > \"$HOME/stolen\" 2> \"$HOME/refused\"; echo $? > \"$HOME/code\"";

/// What a command that ran [`INTO_FILES`] left.
fn left(world: &World) -> Out {
    let read = |name| fs::read(world.home(name)).unwrap_or_else(|_| panic!("{name}: ctl was not run"));
    let text = |name| String::from_utf8(read(name)).unwrap();
    let out =
        Out { code: text("code").trim().parse().unwrap(), stdout: read("stolen"), stderr: text("refused") };
    for name in ["code", "stolen", "refused"] {
        fs::remove_file(world.home(name)).unwrap();
    }
    out
}

fn directory(world: &World, name: &str) -> PathBuf {
    let path = world.home(name);
    fs::create_dir(&path).unwrap();
    User::A.own(&path).unwrap();
    path
}

fn executable(world: &World, name: &str, content: &str) -> PathBuf {
    let path = world.file(name, content);
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    path
}

/// Refused, since what begins so ran it, from the shell on.
#[track_caller]
fn denied_for(out: &Out, chain: &str) -> String {
    let line = denied(out, chain);
    assert!(line.contains(&format!("; {chain}")), "{chain}: {line}");
    line
}

#[test]
fn what_programs_run_is_refused_and_the_line_names_them() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);
    served(&pane.typed("ctl get a"), "control");
    let before = handed_out_after_a_refusal(&world, &pane);

    world.file("Makefile", "all:\n\tctl get a\n");
    let out = pane.typed("make");
    denied_for(&out, "bash → make");
    assert!(out.stderr.contains("Error 4"), "{}", out.stderr);
    denied_for(&pane.typed("echo a | xargs ctl get"), "bash → xargs");
    denied_for(&pane.typed("find . -maxdepth 0 -exec ctl get a ';'"), "bash → find");

    // Scripts, which a rule could name.
    world.file("by_bash.sh", "ctl get a; :\n");
    let by_shebang = executable(&world, "by_shebang", "#!/bin/bash\nctl get a\nexit $?\n");
    let line = denied_for(&pane.typed("bash by_bash.sh"), "bash → bash");
    assert!(line.contains(" running ") && line.contains("by_bash.sh"), "{line}");
    let out = pane.typed("./by_shebang");
    let line = denied_for(&out, "bash → by_shebang");
    assert!(out.code == 4 && line.contains(&format!("--script '{}'", by_shebang.display())), "{line}");
    let steals =
        world.file("steals.py", "import subprocess, sys\nsys.exit(subprocess.call(['ctl', 'get', 'a']))");
    let out = pane.typed("/usr/bin/python3 steals.py");
    let line = denied_for(&out, "bash → python3");
    assert!(out.code == 4 && line.contains(&format!("--script '{}'", steals.display())), "{line}");

    let line = denied(&pane.typed("timeout 9 ctl get a"), "timeout");
    assert!(line.starts_with("timeout ran it"), "{line}");

    // What a rule cannot name.
    let out = pane.typed("bash -c 'ctl get a; exit $?'");
    assert_eq!(out.code, 4);
    denied_for(&out, "bash → bash");
    let out = pane.typed("/usr/bin/python3 -c 'import os; os.system(\"ctl get a\")'");
    denied_for(&out, "bash → python3");

    assert_eq!(handed_out(&world), before, "the log knows of nothing that was handed out");
}

/// So that there is one in the log.
fn handed_out_after_a_refusal(world: &World, pane: &Pane<'_>) -> usize {
    denied(&pane.typed("/usr/bin/python3 -c 'import os; os.system(\"ctl get a\")'"), "control");
    handed_out(world)
}

#[test]
fn what_interactive_programs_run_is_refused() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);

    // A shell that was started there is another one; its own password would grant it.
    pane.line("PS1='nested ' bash --norc --noprofile -i");
    pane.expect("\nnested ");
    let out = pane.typed("ctl get a");
    assert_eq!(out.code, 4, "{}", out.stderr);
    denied_for(&out, "bash → bash");
    pane.line("exit");
    pane.expect("at-prompt ");

    let ed = pane.begin("ed -s");
    pane.line(&format!("!{INTO_FILES}"));
    pane.line("q");
    ed.end();
    denied_for(&left(&world), "bash → ed → sh");

    world.file("page", "one line\n".repeat(200));
    let vim = pane.begin("vim.tiny -u NONE -i NONE page > /dev/tty");
    pane.expect("one line");
    pane.line(&format!(":!{INTO_FILES}"));
    assert!(wait_until(|| world.home("code").exists(), SOON), "it ran it");
    // It waits for a key.
    pane.line("");
    pane.line(":q!");
    vim.end();
    denied_for(&left(&world), "bash → vim.tiny → sh");

    let less = pane.begin("less page > /dev/tty");
    pane.expect("one line");
    pane.line(&format!("!{INTO_FILES}"));
    pane.line("q");
    less.end();
    denied_for(&left(&world), "bash → less → sh");

    executable(&world, "into_files", &format!("#!/bin/sh\n{INTO_FILES}\n"));
    let watch = pane.begin("watch -t -n 1000 './into_files; echo is  done' > /dev/tty");
    pane.expect("is done");
    pane.line("\u{3}");
    watch.end();
    let line = denied_for(&left(&world), "bash → watch");
    assert!(line.contains("→ into_files"), "{line}");
    assert!(handed_out_after_a_refusal(&world, &pane) == 0);
}

#[test]
fn packages_that_run_it_while_they_are_installed_are_refused() {
    let world = world();
    let tmux = Tmux::start(&world);
    let pane = BASH.plain(&tmux);
    grant_first(&pane);

    world.program(Path::new("/usr/bin/python3"), &["-m", "venv", "venv"]).ok();
    // Python from 3.12 on leaves it out of new environments.
    let setuptools = "venv/bin/python -c 'import setuptools' || venv/bin/pip install -q setuptools";
    world.shell(setuptools).ok();
    let pip = "venv/bin/pip install --no-index --no-build-isolation --disable-pip-version-check";
    directory(&world, "hostile_setup");
    let script = INTO_FILES.replace('"', "\\\"");
    world.file(
        "hostile_setup/setup.py",
        format!("import os\nfrom setuptools import setup\nos.system(\"{script}\")\nsetup(name='hostile', version='1')\n"),
    );
    let out = pane.typed(&format!("{pip} ./hostile_setup"));
    let told = String::from_utf8_lossy(&out.stdout);
    assert!(out.code == 0 && told.contains("Successfully installed hostile"), "{told} {}", out.stderr);
    let line = denied(&left(&world), "setup.py");
    assert!(line.contains("bash → pip → python"), "{line}");

    // A package with a build backend of its own: what pip runs before anything is installed.
    directory(&world, "hostile_pip");
    world.file(
        "hostile_pip/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"hostile\"\nbackend-path = [\".\"]\n\
         [project]\nname = \"hostile\"\nversion = \"1\"\n",
    );
    world.file(
        "hostile_pip/hostile.py",
        format!(
            "import os\ndef build_wheel(directory, config=None, metadata=None):\n    \
             os.system(\"{script}\")\n    raise SystemExit('it has what it came for')\n"
        ),
    );
    let out = pane.typed(&format!("{pip} ./hostile_pip"));
    assert!(out.stderr.contains("it has what it came for"), "{}", out.stderr);
    let line = denied(&left(&world), "pip install");
    assert!(line.contains("bash → pip → python"), "{line}");

    if !Path::new("/usr/bin/npm").exists() && !Path::new("/usr/local/bin/npm").exists() {
        assert!(std::env::var_os("CI").is_none(), "CI has npm");
        eprintln!("LEFT OUT: npm install, since there is no npm");
        return;
    }
    directory(&world, "hostile_npm");
    world.file("hostile_npm/postinstall.sh", INTO_FILES);
    world.file(
        "hostile_npm/package.json",
        r#"{"name": "hostile", "version": "1.0.0", "scripts": {"postinstall": "sh ./postinstall.sh; :"}}"#,
    );
    let out = pane.typed("npm install --offline --no-audit --no-fund --install-links ./hostile_npm");
    assert_eq!(out.code, 0, "{}", out.stderr);
    let line = denied(&left(&world), "npm install");
    assert!(line.contains("bash → “npm install"), "{line}");
    assert!(handed_out_after_a_refusal(&world, &pane) == 0);
}

#[test]
fn what_the_shell_becomes_is_granted_nothing() {
    let world = world();
    let tmux = Tmux::start(&world);
    let (pane, other) = (BASH.plain(&tmux), BASH.plain(&tmux));
    grant_first(&other);
    let grants = |expected: usize| {
        let told: Vec<serde_json::Value> =
            serde_json::from_slice(&other.typed("ctl grants --json").ok()).unwrap();
        assert_eq!(told.len(), expected, "{told:?}");
    };
    let out = pane.answered("ctl unlock", PASSWORD);
    assert_eq!(out.code, 0, "{}", out.stderr);
    served(&pane.typed("ctl get a"), "control");
    grants(2);

    let becomes = format!(
        "import subprocess\ndone = subprocess.run(['bash', '-c', {INTO_FILES:?}])\nopen('ended', 'w')\n\
         input()\n"
    );
    world.file("become.py", becomes);
    pane.line("exec /usr/bin/python3 become.py");
    let ended = || world.home("ended").exists();
    assert!(wait_until(ended, SOON));
    let line = denied(&left(&world), VALUE);
    assert!(line.contains("python3 → bash"), "{line}");
    grants(1);
}

#[test]
fn what_the_shell_becomes_is_granted_nothing_while_its_address_space_is_kept() {
    if left_out_without_root("mounting a FUSE file system for others") {
        return;
    }
    let world = world();
    let keep = scripts(&world).join("kept_space.py");
    let hanging = Hanging::new(&world, &keep, &world.home("hang"));
    let tmux = Tmux::start(&world);
    let (pane, other) = (BASH.plain(&tmux), BASH.plain(&tmux));
    grant_first(&other);
    let out = pane.answered("ctl unlock", PASSWORD);
    assert_eq!(out.code, 0, "{}", out.stderr);
    let shell = mine(&pane)["pid"].clone();
    let (keep, file) = (keep.display(), hanging.file());
    let keep =
        format!("/usr/bin/python3 {keep} {shell} {} hang ready ended kept < /dev/null &", file.display());
    assert_eq!(other.typed(&keep).code, 0);
    assert!(wait_until(|| world.home("ready").exists(), SOON), "it is kept");
    served(&pane.typed("ctl get a"), "control: that changes nothing yet");

    // Itself the parent of what asks, as the shell was.
    let becomes = "import subprocess\n\
                   done = subprocess.run(['ctl', 'get', 'a'], stdout=open('stolen', 'w'), stderr=open('refused', 'w'))\n\
                   open('code', 'w').write(str(done.returncode))\n\
                   open('ended', 'w').close()\n\
                   input()\n";
    world.file("become.py", becomes);
    pane.line("exec /usr/bin/python3 become.py");
    assert!(wait_until(|| world.home("kept").exists(), SOON));
    let kept = fs::read_to_string(world.home("kept")).unwrap();
    assert_eq!(kept, "kept", "control: a handle on the shell's address space answers as before");
    let line = denied(&left(&world), VALUE);
    assert!(line.contains("python3"), "{line}");
    let told: Vec<serde_json::Value> =
        serde_json::from_slice(&other.typed("ctl grants --json").ok()).unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
}
