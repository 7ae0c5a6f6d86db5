//! A descriptor that came with this process by its number, and shall not go on to the next program.

use std::io;

/// Closes the descriptor `number` of this process with the next `exec` (`FD_CLOEXEC`).
///
/// # Errors
/// What fcntl(2) says: `EBADF` if it is not open.
pub fn close_on_exec(number: i32) -> io::Result<()> {
    // SAFETY: it changes a flag of a descriptor, and neither closes it nor touches memory.
    match unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::close_on_exec;
    use rustix::io::{FdFlags, fcntl_getfd};
    use std::os::fd::AsRawFd;

    #[test]
    fn it_closes_on_exec() {
        let (read_end, _write_end) = rustix::pipe::pipe().unwrap();
        assert_eq!(fcntl_getfd(&read_end).unwrap(), FdFlags::empty(), "control");
        close_on_exec(read_end.as_raw_fd()).unwrap();
        assert_eq!(fcntl_getfd(&read_end).unwrap(), FdFlags::CLOEXEC);
        assert_eq!(close_on_exec(900_000).unwrap_err().raw_os_error(), Some(libc::EBADF));
    }
}
