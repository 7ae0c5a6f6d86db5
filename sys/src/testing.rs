//! For tests: runs one test again in a process of its own, since what hardening takes away cannot be given back.

use std::process::Command;

const MARKER: &str = "SYS_TEST_ALONE";

/// Runs `body` in a process of its own. `test` is the calling test's full path, as `cargo test` names it.
pub(crate) fn alone(test: &str, body: impl FnOnce()) {
    if std::env::var_os(MARKER).is_some() {
        return body();
    }
    let mut command = Command::new("/proc/self/exe");
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(MARKER, "1");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{}: {text}{errors}", output.status);
}
