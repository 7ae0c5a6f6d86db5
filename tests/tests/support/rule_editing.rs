//! Rules that are edited: a world with one, a terminal to do it at, editors, and what became of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use glassdome_tests::{PASSWORD, Pty, Run, World, text};
use serde_json::Value;

use crate::askers::{allow, asker, with_password};

/// Two secrets, and a script that may have both.
pub fn stage() -> (World, PathBuf) {
    let world = World::unlocked();
    world.set("db/a", "value a");
    world.set("db/b", "value b");
    let script = asker(&world, "deploy.py");
    allow(&world, &["--secrets", "db/*", "--script", text(&script)]).ok();
    (world, script)
}

/// The rules, as programs read them.
pub fn shown(world: &World) -> Value {
    serde_json::from_slice(&world.ctl(&["policy", "show", "--json"]).ok()).unwrap()
}

/// Their names.
pub fn ids(world: &World) -> Vec<String> {
    shown(world).as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap().to_owned()).collect()
}

/// How often rules were sealed.
pub fn sealings(world: &World) -> usize {
    let sealed = |record: &&Value| record["event"] == "change-rules" && record["outcome"] == "allowed";
    world.audit().iter().filter(sealed).count()
}

/// A terminal in which the master password was typed.
pub fn granted(world: &World) -> Pty {
    let mut terminal = world.shell_at_terminal();
    terminal.run("ctl unlock");
    terminal.expect("Master password, to grant this terminal: ");
    terminal.send_line(PASSWORD);
    terminal.expect("this terminal is granted");
    terminal.expect("[0] ");
    sized(&mut terminal, 40, 200);
    terminal
}

/// How much its programs think that it shows at once.
pub fn sized(terminal: &mut Pty, rows: usize, columns: usize) {
    terminal.run(&format!("stty rows {rows} cols {columns}"));
    terminal.expect("[0] ");
}

/// An editor: a script that is given the file's name.
pub fn editor(world: &World, lines: &str) -> String {
    let path = world.file("editor", format!("#!/bin/sh\n{lines}\n"));
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    text(&path).to_owned()
}

/// Types the command, and goes on to the first question.
pub fn edit(terminal: &mut Pty, editor: &str) -> String {
    terminal.send_line(&format!("EDITOR=\"{editor}\" ctl policy edit"));
    terminal.expect("give up [q]? ")
}

/// Says yes to what is shown, with the password.
pub fn seal(terminal: &mut Pty) {
    terminal.send_line("s");
    terminal.expect("Master password: ");
    terminal.send_line(PASSWORD);
}

/// What of an editor's place is left.
pub fn left(world: &World) -> Vec<String> {
    let names = fs::read_dir(world.runtime().join("glassdome")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("edit-") || name.starts_with("policy-")).collect()
}

/// All rules taken from a file, with the password.
pub fn by_file(world: &World, file: &str) -> Run {
    with_password(world, &["policy", "edit", "--file", file])
}
