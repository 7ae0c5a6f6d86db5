//! What waits for the person.

use std::time::Duration;

use glassdome_tests::{World, wait_until};
use serde_json::Value;

/// The open questions, once there are so many.
#[track_caller]
pub fn open(world: &World, count: usize) -> Vec<Value> {
    let mut questions = Vec::new();
    let there = wait_until(
        || {
            let shown = world.ctl(&["approvals", "--json"]).text();
            questions = serde_json::from_str(&shown).expect("it prints JSON");
            questions.len() == count
        },
        Duration::from_secs(20),
    );
    assert!(there, "{count} questions: {questions:#?}");
    questions
}

/// The number of the only open question.
#[track_caller]
pub fn question(world: &World) -> String {
    open(world, 1)[0]["id"].to_string()
}
