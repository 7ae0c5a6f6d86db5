//! The reader of vaults that is written in Python, from docs/vault-format.md alone.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use glassdome_tests::{User, World};
use serde_json::Value;

use crate::{scripts, tools};

/// What Python reads in the world's vault with this password: `--keys` for its keys, too; `--recovery` if it is the
/// recovery code.
#[track_caller]
pub fn decrypt(world: &World, password: &str, options: &[&str]) -> Value {
    let rows =
        (0..100).find_map(|_| rows(world)).expect("the copy of a vault that nobody writes can be read");
    let mut python = Command::new(interpreter());
    python.arg(scripts::scripts(world).join("decrypt_vault.py")).args(options);
    let mut python =
        python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the interpreter starts");
    let mut stdin = python.stdin.take().expect("stdin is a pipe");
    stdin.write_all(format!("{password}\n").as_bytes()).expect("it reads the password");
    stdin.write_all(&rows).expect("it reads the rows");
    drop(stdin);
    let out = python.wait_with_output().expect("it ends");
    assert!(out.status.success(), "decrypt_vault.py failed");
    serde_json::from_slice(&out.stdout).expect("it prints JSON")
}

/// The rows of a copy of the vault, which the daemon has to itself; none if it wrote in the midst of the copying.
fn rows(world: &World) -> Option<Vec<u8>> {
    // First of what the file may not have yet: what comes into it meanwhile is there twice, and does no harm.
    let copy = world.home("copy-of-the-vault");
    let (redo, copy_of_redo) = (world.vault().with_extension("redo"), copy.with_extension("redo"));
    if redo.exists() && fs::copy(redo, &copy_of_redo).is_ok() {
        User::A.own(&copy_of_redo).expect("it can be given away");
    }
    fs::copy(world.vault(), &copy).expect("the vault can be copied");
    User::A.own(&copy).expect("it can be given away");
    let reader = tools::tool(world, env!("CARGO_BIN_EXE_rows"));
    let out = world.program(&reader, &[copy.to_str().expect("paths of tests are text")]).output();
    fs::remove_file(&copy).expect("it is there");
    // The reader may have removed it.
    fs::remove_file(copy_of_redo).ok();
    (out.code == 0).then_some(out.stdout)
}

/// The interpreter that has the packages of `scripts/requirements.txt`: named by `GLASSDOME_PYTHON`,
/// else where `make test` puts it.
pub fn interpreter() -> PathBuf {
    if let Some(named) = std::env::var_os("GLASSDOME_PYTHON") {
        return named.into();
    }
    // …/target/TRIPLE/PROFILE/deps/test ─► …/target
    let test = std::env::current_exe().expect("the kernel names our own program");
    let python = test.ancestors().nth(4).expect("cargo puts tests there").join("python/bin/python");
    assert!(python.exists(), "{} is missing: run `make test`, which makes it", python.display());
    python
}
