//! Ciphers and hash functions leave round keys and states in stack frames they have returned from. Nothing owns
//! those bytes any more, so they are overwritten by depth.

/// Overwrites 64 KiB of dead stack below the caller, several times what the deepest of our ciphers uses, so that the
/// leftovers of a cipher that has just returned are gone.
///
/// The cipher must have been called from the same function or a deeper one, and must not have been inlined into it;
/// wrap it in an `#[inline(never)]` function to be sure.
#[inline(never)]
pub fn scrub_stack() {
    scrub_stack_to::<{ 64 * 1024 }>();
}

/// As [`scrub_stack`], but `DEPTH` bytes: for work whose depth is known, and asserted by a test.
#[inline(never)]
pub fn scrub_stack_to<const DEPTH: usize>() {
    zeroize::zeroize_stack::<DEPTH>();
}

#[cfg(test)]
mod tests {
    use super::scrub_stack;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt;

    const MARK: [u8; 32] = *b"glassdome-left-on-the-stack-mark";

    /// Leaves `MARK` in a frame, deep enough that a later system call does not reach it, and says where.
    #[inline(never)]
    fn leave_mark() -> usize {
        let mut frame = [0_u8; 16 * 1024];
        frame[..MARK.len()].copy_from_slice(&MARK);
        black_box(&mut frame).as_ptr() as usize
    }

    #[test]
    fn what_a_returned_function_left_is_gone() {
        // Read through the kernel: a pointer into a dead frame must not be followed.
        let memory = std::fs::File::open("/proc/self/mem").unwrap();
        let mut seen = [0_u8; MARK.len()];

        let at = leave_mark();
        memory.read_exact_at(&mut seen, at as u64).unwrap();
        assert_eq!(seen, MARK, "control: without scrubbing the mark stays");

        let at = leave_mark();
        scrub_stack();
        memory.read_exact_at(&mut seen, at as u64).unwrap();
        assert_eq!(seen, [0; MARK.len()]);
    }
}
