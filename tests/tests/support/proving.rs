//! What takes the master password or the recovery code, tried when that is allowed.

use std::time::Duration;

use glassdome_tests::{Out, World, wait_until};

/// What becomes of a try that is made when it is allowed: after a wrong one there is a pause.
pub fn when_allowed(mut once: impl FnMut() -> Out) -> Out {
    let mut last = None;
    let told = wait_until(|| last.insert(once()).code != 8, Duration::from_secs(20));
    assert!(told, "the pause is over");
    last.unwrap()
}

/// `ctl …` with these lines.
pub fn with(world: &World, args: &[&str], lines: &[&str]) -> Out {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    when_allowed(|| world.ctl(&[args, &["--password-stdin"]].concat()).stdin(lines.clone()).output())
}
