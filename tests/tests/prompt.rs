//! The session in the prompt: what the shells draw from the state file, in real panes, and what they do not fall
//! for; and what the daemon writes there, and when.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glassdome_tests::{PASSWORD, Tmux, User, World, left_out_without_root, wait_until};

const SOON: Duration = Duration::from_secs(20);

/// A shell: its start-up file, whose prompt is the last exit code, and how it says that of one that did nothing.
struct Shell {
    name: &'static str,
    startup: &'static str,
    content: &'static str,
    /// Draws often, and prints the page faults of ended children (`cminflt`, proc_pid_stat(5)) before, after, and
    /// after a child that there was; then the segment.
    draws: &'static str,
}

const SHELLS: [Shell; 3] = [
    Shell {
        name: "bash",
        startup: "home/.bashrc",
        content: "PS1='[$?] '\neval \"$(ctl shell-init bash --prompt)\"\n",
        draws: "faults() { local a; read -ra a </proc/$$/stat; echo ${a[10]}; }\n\
                faults; for ((i = 0; i < 50; i++)); do __glassdome_segment; done; faults; (:); faults\n\
                echo \"$glassdome_segment\"",
    },
    Shell {
        name: "zsh",
        startup: "home/.zshrc",
        content: "PS1='[%?] '\neval \"$(ctl shell-init zsh --prompt)\"\n",
        draws: "faults() { local a=($(</proc/$$/stat)); echo $a[11] }\n\
                faults; for ((i = 0; i < 50; i++)); do __glassdome_segment; done; faults; (:); faults\n\
                echo \"$glassdome_segment\"",
    },
    Shell {
        name: "fish",
        startup: "config/fish/config.fish",
        content: "function fish_prompt; echo \"[$status] \"; end\nset -g fish_greeting\n\
                  ctl shell-init fish --prompt | source\n",
        draws: "function faults; read -l -a a </proc/$fish_pid/stat; echo $a[11]; end\n\
                faults; for i in (string split '' -- (string repeat -n 50 x)); __glassdome_segment; end; faults; command true; faults\n\
                echo \"$glassdome_segment\"",
    },
];

fn world() -> World {
    let world = World::with_vault();
    world.configure("state_file = true\n");
    for Shell { startup, content, .. } in SHELLS {
        let path = world.top().join(startup);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        User::A.own(path.parent().unwrap()).unwrap();
        User::A.own(&path).unwrap();
    }
    world
}

/// With a session that has a good deal of its minute left.
fn open() -> World {
    let world = world();
    assert_eq!(world.unlock(PASSWORD, &["--for", "6h12m58s"]).code, 0);
    assert!(says(&world, "unlocked"));
    world
}

fn state_file(world: &World) -> PathBuf {
    world.runtime().join("glassdome/daemon.sock.state")
}

fn words(world: &World) -> Option<Vec<String>> {
    let line = fs::read_to_string(state_file(world)).ok()?;
    assert_eq!(line.lines().count(), 1, "{line:?}");
    Some(line.trim_end_matches('\n').split(' ').map(str::to_owned).collect())
}

fn says(world: &World, state: &str) -> bool {
    wait_until(|| words(world).is_some_and(|words| words[0] == state), SOON)
}

/// Process and start of a process that lives: this one.
fn alive() -> (u32, String) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned();
    (std::process::id(), start)
}

fn in_seconds(seconds: u64) -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() + seconds
}

#[test]
fn each_shell_draws_the_session_and_falls_for_nothing() {
    let world = open();
    let tmux = Tmux::start(&world);
    let panes = SHELLS.map(|shell| tmux.pane(&[shell.name, "-i"], &[]));
    let drawn = |line: &str| {
        for pane in &panes {
            pane.line("");
        }
        for pane in &panes {
            pane.expect_line(line);
        }
    };
    for pane in &panes {
        pane.expect_line("🔓 6h12 [0]");
        pane.line("false");
        pane.expect_line("🔓 6h12 [1]");
        pane.line("true");
    }
    world.unlock(PASSWORD, &["--renew", "--for", "3m58s"]).ok();
    let ends = |soon: u64| {
        let until = |words: Vec<String>| words[1].parse::<u64>().unwrap();
        wait_until(|| words(&world).is_some_and(|words| until(words) <= in_seconds(soon)), SOON)
    };
    assert!(ends(238));
    drawn("⚠ 3m [0]");
    world.ctl(&["lock"]).ok();
    assert!(says(&world, "locked"));
    drawn("🔒 [0]");
    world.daemon().unwrap().kill();
    assert!(state_file(&world).exists(), "control: what it said last is there");
    drawn("[0]");

    // What others write there, with a process that lives or the same at another time.
    let (pid, start) = alive();
    let forged = |line: String| {
        fs::write(state_file(&world), line).unwrap();
        User::A.own(&state_file(&world)).unwrap();
    };
    forged(format!("unlocked {} {pid} {start} more\n", in_seconds(7258)));
    drawn("🔓 2h00 [0]");
    forged(format!("paused {} {pid} {start}\n", in_seconds(7258)));
    drawn("⏸ 2h00 [0]");
    forged(format!("unlocked {} {pid} 1{start}\n", in_seconds(7258)));
    drawn("[0]");
    forged(format!("unlocked {} {pid} {start}\n", in_seconds(0)));
    drawn("🔒 [0]");
    for bad in ["a[$(touch${IFS}~/pwned)]", "\u{1b}]0;pwned\u{7}", "-1"] {
        forged(format!("unlocked {bad} {pid} {start}\n"));
        drawn("[0]");
        forged(format!("{bad} {} {pid} {start}\n", in_seconds(7258)));
        drawn("[0]");
    }
    assert!(!world.home("pwned").exists());
    // So many that whoever read them all would not be back in time.
    forged("x".repeat(1 << 26));
    drawn("[0]");
    fs::write(state_file(&world), "").unwrap();
    fs::File::options().write(true).open(state_file(&world)).unwrap().set_len(1 << 36).unwrap();
    drawn("[0]");
    forged(format!("unlocked {} {pid} {start}\n", in_seconds(7258)));
    drawn("🔓 2h00 [0]");
}

/// The daemon may replace the file at any moment: here, while bash takes a line apart.
#[test]
fn bash_takes_apart_the_line_that_it_remembers() {
    let world = world();
    let prompt = world.ctl(&["shell-init", "bash", "--prompt"]).text();
    let races = "GLASSDOME_SOCKET=~/sock\n\
                 mapfile -t -d ' ' -s 21 -n 1 start </proc/$$/stat\n\
                 says() { echo \"$1 $2 $$ $start\" >~/sock.state; }\n\
                 eval \"really$(declare -f __glassdome_take)\"\n\
                 __glassdome_take() { says unlocked 99999999999; really__glassdome_take \"$@\"; }\n\
                 for i in 1 2; do says locked 0; __glassdome_segment; echo \"$glassdome_segment\"; done\n\
                 __glassdome_segment; says locked 0; __glassdome_segment; echo \"$glassdome_segment\"\n\
                 says unlocked 99999999999; __glassdome_segment; echo \"${glassdome_segment:0:1}\"\n";
    // The icons are chosen as it is loaded.
    let script = world.file("races.bash", format!("glassdome_ascii=1\n{prompt}\n{races}"));
    let said = world.program(Path::new("/usr/bin/bash"), &["--norc", script.to_str().unwrap()]).text();
    assert_eq!(said, "L \nL \nL \nU\n");
}

/// And no longer: each of the three is taken away, with a control that the line was not read again before.
#[test]
fn bash_remembers_a_line_while_its_mark_stands_and_its_process_lives() {
    let world = world();
    let prompt = world.ctl(&["shell-init", "bash", "--prompt"]).text();
    let steps = "GLASSDOME_SOCKET=~/sock\n\
                 mark=0; marked() { ((mark += 1)); touch ~/sock.state.5-$mark; }\n\
                 start() { mapfile -t -d ' ' -s 21 -n 1 start <\"/proc/$1/stat\"; }\n\
                 says() { start \"$2\"; echo \"$1 99999999999 $2 $start 5-$mark\" >~/sock.state; }\n\
                 shows() { __glassdome_segment; echo \"$1 ${glassdome_segment:0:1}\"; }\n\
                 # Held open, what the shell finds of a process is as old as this.\n\
                 exec 8</proc/$$\n\
                 marked; says unlocked $$; shows read; says locked $$; shows remembered\n\
                 rm ~/sock.state.5-$mark; shows unmarked\n\
                 marked; says unlocked $$; shows read\n\
                 touch -d '1 hour ago' ~/sock.state.5-$mark; says locked $$; shows younger\n\
                 sleep 100 & exec 9</proc/$!\n\
                 marked; says unlocked $!; shows read; says locked $!; shows remembered\n\
                 kill -9 $!; wait $! 2>/dev/null; shows gone\n\
                 mkfifo ~/fifo; sh -c 'sleep 100 & echo $! >~/fifo; exec sleep 101' & read -r child <~/fifo\n\
                 exec 9</proc/$child\n\
                 until [[ $(readlink /proc/$!/exe) == */sleep ]]; do :; done\n\
                 marked; says unlocked $child; shows read; says locked $child; shows remembered\n\
                 kill -9 $child; until read -r stat </proc/$child/stat && [[ $stat == *') Z '* ]]; do :; done\n\
                 shows uncollected; kill -9 $!\n";
    let script = world.file("remembers.bash", format!("glassdome_ascii=1\n{prompt}\n{steps}"));
    let said = world.program(Path::new("/usr/bin/bash"), &["--norc", script.to_str().unwrap()]).text();
    let expected = "read U, remembered U, unmarked L, read U, younger L, read U, remembered U, gone , read U, \
                    remembered U, uncollected ";
    assert_eq!(said.lines().collect::<Vec<_>>().join(", "), expected);
}

#[test]
fn drawing_starts_no_process() {
    let world = open();
    for Shell { name, draws, .. } in SHELLS {
        let prompt = world.ctl(&["shell-init", name, "--prompt"]).text();
        let script = world.file(&format!("draw.{name}"), format!("{prompt}\n{draws}\n"));
        let shell = PathBuf::from(format!("/usr/bin/{name}"));
        let quiet: &[&str] = match name {
            "bash" => &["--norc"],
            "zsh" => &["-f"],
            _ => &["--no-config"],
        };
        let said = world.program(&shell, &[quiet, &[script.to_str().unwrap()]].concat()).text();
        let lines: Vec<&str> = said.lines().collect();
        let faults: Vec<u64> = lines[..3].iter().map(|line| line.parse().unwrap()).collect();
        assert_eq!(faults[0], faults[1], "{name}: a process was started");
        assert!(faults[1] < faults[2], "{name}: control: one is noticed");
        assert_eq!(lines[3], "🔓 6h12 ", "{name}");
    }
}

#[test]
fn the_file_says_state_and_end_and_is_there_on_request_only() {
    let world = open();
    let file = fs::metadata(state_file(&world)).unwrap();
    assert_eq!((file.mode() & 0o7777, file.uid()), (0o600, User::A.uid()));
    let line = words(&world).unwrap();
    let expires_at = world.status()["expires_at"].as_u64().unwrap();
    assert!(line[1].parse::<u64>().unwrap().abs_diff(expires_at) <= 1, "{line:?}");
    assert_eq!(line[2], world.daemon_pid().to_string());
    let stat = fs::read_to_string(format!("/proc/{}/stat", line[2])).unwrap();
    assert_eq!(line[3], stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap());
    assert_eq!(line.len(), 5, "and nothing else");
    let mark = |line: &[String]| world.runtime().join(format!("glassdome/daemon.sock.state.{}", line[4]));
    let marked = mark(&line);
    assert!(marked.exists());
    // What changes nothing of it is not written.
    world.set("a", "1");
    world.ctl(&["status"]).ok();
    assert_eq!(fs::metadata(state_file(&world)).unwrap().ino(), file.ino());

    // An idle limit ends it before, and use moves that.
    world.unlock(PASSWORD, &["--renew", "--idle", "8s"]).ok();
    let until = || words(&world).map_or(u64::MAX, |words| words[1].parse().unwrap());
    assert!(wait_until(|| until() <= in_seconds(8), SOON), "{:?}", words(&world));
    let first = until();
    let moved = || {
        world.ctl(&["get", "a"]).output();
        until() >= first + 2
    };
    assert!(wait_until(moved, SOON));
    assert!(until() <= in_seconds(8), "never more than there is");
    world.ctl(&["lock"]).ok();
    assert!(says(&world, "locked"));
    assert_eq!(words(&world).unwrap()[1], "0");
    assert!(mark(&words(&world).unwrap()).exists() && !marked.exists());
    for _ in 0..3 {
        world.start(PASSWORD);
        assert_eq!(words(&world).unwrap()[0], "unlocked", "whoever unlocks finds it so in the next prompt");
        world.ctl(&["lock"]).ok();
        assert!(says(&world, "locked"));
    }

    let line = |world: &World| world.ctl(&["doctor"]).text().lines().any(|line| line.contains("state file"));
    assert!(line(&world));
    let daemon = world.daemon().unwrap();
    world.ctl(&["stop"]).ok();
    daemon.wait_for_end();
    let left = || -> Vec<_> {
        let entries = fs::read_dir(world.runtime().join("glassdome")).unwrap();
        entries.map(|entry| entry.unwrap().file_name()).collect()
    };
    assert_eq!(left(), ["daemon.lock"], "it goes with the daemon");
    world.configure("");
    world.start(PASSWORD);
    world.ctl(&["get", "a"]).ok();
    let mut there = left();
    there.sort();
    assert_eq!(there, ["daemon.lock", "daemon.sock"], "nobody asked for it");
    assert!(!line(&world));
}

#[test]
fn a_full_file_system_costs_the_file_and_nothing_else() {
    if left_out_without_root("a_full_file_system_costs_the_file_and_nothing_else") {
        return;
    }
    let world = world();
    // One page: room for one such file, and not for the next beside it.
    world.mount_tmpfs(&world.runtime(), 4);
    world.start(PASSWORD);
    let doctor = || world.ctl(&["doctor"]).text();
    assert!(wait_until(|| doctor().contains("it cannot be written"), SOON), "{}", doctor());
    assert!(!state_file(&world).exists(), "what is no longer so is not said");
    assert!(world.daemon_log().contains("the state file cannot be written"));
    world.set("a", "1");
    assert_eq!(world.ctl(&["get", "a"]).ok(), b"1", "the session is as it should be");
    // With the old one gone there is room.
    world.ctl(&["lock"]).ok();
    assert!(says(&world, "locked"));
    assert!(!doctor().contains("it cannot be written"));
}

#[test]
fn tmux_shows_it_in_its_status_line() {
    let world = open();
    let tmux = Tmux::start(&world);
    let snippet = include_str!("../../packaging/prompt/glassdome.tmux.conf");
    let snippet = world.file("glassdome.tmux.conf", snippet);
    let source = || tmux.told(&["source-file", snippet.to_str().unwrap()]);
    let right = || tmux.told(&["show", "-gv", "status-right"]);
    let before = right();
    source();
    source();
    assert_eq!(right(), format!("{} #{{E:@glassdome}}\n", before.trim_end()), "once");
    // Only for a client that is there does tmux run what stands in the line.
    let mut client = world.terminal("exec tmux -S \"$XDG_RUNTIME_DIR/tmux\" attach");
    client.expect("🔓 6h12");
    world.ctl(&["lock"]).ok();
    tmux.told(&["refresh-client", "-S", "-t", tmux.told(&["list-clients", "-F", "#{client_name}"]).trim()]);
    client.expect("🔒");
}

/// starship itself is not run here: only that its module is a table with a command that does as it says.
#[test]
fn starships_module_runs_what_it_names() {
    let snippet = include_str!("../../packaging/prompt/glassdome.starship.toml");
    let value = |key: &str| {
        let line = snippet.lines().find_map(|line| line.strip_prefix(&format!("{key} = "))).unwrap();
        line.trim_matches('"').to_owned()
    };
    assert_eq!((value("when"), value("shell")), ("true".to_owned(), "[\"sh\"]".to_owned()));
    let world = open();
    let shown = || world.program(Path::new("/bin/sh"), &["-c", &value("command")]).text();
    // On a busy machine it says nothing rather than keep a prompt waiting.
    assert!(wait_until(|| shown() == "🔓 6h12\n", SOON), "{:?}", shown());
    world.daemon().unwrap().kill();
    assert_eq!(shown(), "");
}
