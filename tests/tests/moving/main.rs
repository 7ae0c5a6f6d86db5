//! People move in with what other programs wrote, and out again: each secret comes in and leaves byte for byte.
#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

mod bitwarden;
mod keepassxc;
mod out;
mod pass;

use glassdome_tests::{Out, PASSWORD, World};
use serde_json::Value;

/// What `ctl import … --json` reports.
fn report(out: &Out) -> Value {
    serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{error}: {}", out.stderr))
}

/// `ctl import` with these arguments, which must store everything; the line that it ends with.
#[track_caller]
fn taken_in(world: &World, args: &[&str]) -> String {
    let out = world.ctl(&[&["import"], args].concat()).output();
    assert_eq!(out.code, 0, "{}", out.stderr);
    out.stderr
}

/// `ctl export` with these arguments.
fn export(world: &World, args: &[&str]) -> Out {
    let args = [&["export", "--password-stdin"], args].concat();
    world.ctl(&args).stdin(format!("{PASSWORD}\n")).output()
}

/// That these secrets are there: name, field or nothing for the value, bytes.
#[track_caller]
fn holds(world: &World, expected: &[(&str, &str, &[u8])]) {
    for (name, field, value) in expected {
        let field: &[&str] = if field.is_empty() { &[] } else { &["--field", field] };
        let got = world.ctl(&[&["get", name], field].concat()).output();
        assert_eq!(got.code, 0, "{name} {field:?}: {}", got.stderr);
        assert_eq!(got.stdout, *value, "{name} {field:?}");
    }
}

/// That an export into another vault brings all of it there, and that what leaves it again says the same.
#[track_caller]
fn moves_on(world: &World, expected: &[(&str, &str, &[u8])]) {
    let first = export(world, &[]).ok();
    let other = World::unlocked();
    let file = other.file("from-the-other.json", &first);
    taken_in(&other, &[glassdome_tests::text(&file)]);
    holds(&other, expected);
    let again = export(&other, &[]).ok();
    assert_eq!(sorted(&first), sorted(&again));
}

/// An export's secrets in the order of their names, fields in theirs.
fn sorted(export: &[u8]) -> Vec<Value> {
    let document: Value = serde_json::from_slice(export).unwrap();
    let mut secrets = document["secrets"].as_array().unwrap().clone();
    secrets.sort_by_key(|secret| secret["name"].as_str().unwrap().to_owned());
    secrets
}
