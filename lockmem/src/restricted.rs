//! For tests: runs one test again in a process of its own with something taken away from it, since a limit, a
//! capability or a system call cannot be given back.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

const MARKER: &str = "LOCKMEM_TEST_RESTRICTED";

/// What the test's own process goes without.
#[derive(Clone, Copy)]
pub(crate) enum Without {
    /// `memfd_secret(2)`, by a seccomp filter that answers ENOSYS.
    MemfdSecret,
    /// `CAP_IPC_LOCK` and more of `RLIMIT_MEMLOCK` than this many bytes.
    Mlock(u64),
    /// Without both.
    Either(u64),
}

/// Runs `body` in a process of its own. `test` is the calling test's full path, as `cargo test` names it.
pub(crate) fn run(test: &str, without: Without, body: impl FnOnce()) {
    if std::env::var_os(MARKER).is_some() {
        return body();
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(MARKER, "1");
    // SAFETY: only system calls on values of this closure between fork and exec.
    unsafe { command.pre_exec(move || restrict(without)) };
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{}: {text}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
}

fn restrict(without: Without) -> io::Result<()> {
    match without {
        Without::MemfdSecret => refuse_memfd_secret(),
        Without::Mlock(limit) => limit_locking(limit),
        Without::Either(limit) => refuse_memfd_secret().and_then(|()| limit_locking(limit)),
    }
}

fn limit_locking(bytes: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: plain system calls on a value of ours. An ordinary user has no bounding set to change and no capability
    // to lose, so the drop's result does not matter to them, and to root a failure shows in the test.
    unsafe {
        libc::prctl(libc::PR_CAPBSET_DROP, 14 /* CAP_IPC_LOCK, capability.h */, 0, 0, 0);
        check(libc::setrlimit(libc::RLIMIT_MEMLOCK, &limit))
    }
}

fn refuse_memfd_secret() -> io::Result<()> {
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // Load the call's number; equal to memfd_secret: ENOSYS; else allow.
    let mut program = [
        step((libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16, 0, 0, 0),
        step((libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16, 0, 1, libc::SYS_memfd_secret as u32),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32),
        step((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the filter and its program live until the kernel has copied them.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter))
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
