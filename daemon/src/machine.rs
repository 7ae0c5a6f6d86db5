//! What this machine lets programs of one user do to each other: read from the kernel's own switches.

use std::sync::OnceLock;

/// Whether address spaces are randomised in full (proc_sys_kernel(5), `randomize_va_space`). Asked
/// once: it is part of how each peer is judged. Where they are not, no layout says anything.
pub fn randomises() -> bool {
    static FULLY: OnceLock<bool> = OnceLock::new();
    *FULLY.get_or_init(|| switch("kernel/randomize_va_space") == Some(2))
}

/// Whether a program can put bytes into the input of its own terminal (ioctl_tty(2), `TIOCSTI`). Before
/// Linux 6.2 there is no switch, and every program can.
pub fn terminals_take_input() -> bool {
    switch("dev/tty/legacy_tiocsti") != Some(0)
}

/// Whether a program can attach to any other of its user that is dumpable (ptrace(2), Yama).
pub fn programs_can_be_debugged() -> bool {
    switch("kernel/yama/ptrace_scope").unwrap_or(0) == 0
}

fn switch(name: &str) -> Option<u32> {
    std::fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn switches_are_read() {
        let text = std::fs::read_to_string("/proc/sys/kernel/randomize_va_space").unwrap();
        assert_eq!(switch("kernel/randomize_va_space"), text.trim().parse().ok());
        assert_eq!(switch("kernel/no_such_switch"), None);
    }
}
