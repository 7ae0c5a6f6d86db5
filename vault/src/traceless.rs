//! Ciphers and hashes leave keys, keystream and plaintext in stack frames that they have returned from. Nobody
//! owns those bytes, so whoever runs one overwrites them.

use glassdome_lockmem::{scrub_stack, scrub_stack_to};

/// How much of the stack is overwritten behind one cipher, in bytes: at least `MARGIN` times what it reaches, which a
/// test measures. Without optimisation everything lies deeper.
pub(crate) const CIPHER: usize = if cfg!(debug_assertions) { 128 * 1024 } else { 20 * 1024 };
/// Likewise behind the hash of a few bytes.
pub(crate) const HASH: usize = if cfg!(debug_assertions) { 128 * 1024 } else { 4 * 1024 };

/// Runs `work`, which must own what it answers in no more than pointers, and leaves nothing of it on the stack,
/// however it returns. About a microsecond.
pub(crate) fn traceless<T>(work: impl FnOnce() -> T) -> T {
    let answer = below(work);
    scrub_stack();
    answer
}

/// As [`traceless`], for one cipher, with the hash that makes its key, and nothing around it: less than half of the time,
/// on the way of every read.
pub(crate) fn traceless_cipher<T>(work: impl FnOnce() -> T) -> T {
    let answer = below(work);
    scrub_stack_to::<CIPHER>();
    answer
}

/// As [`traceless`], for the hash of a few bytes and nothing around it.
pub(crate) fn traceless_hash<T>(work: impl FnOnce() -> T) -> T {
    let answer = below(work);
    scrub_stack_to::<HASH>();
    answer
}

/// Never inlined: a frame of its own, which is dead when the caller scrubs.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt;

    use super::below;

    /// How many times deeper than it reaches is overwritten.
    const MARGIN: usize = 4;
    /// How deep is looked, in bytes.
    const LOOKED_AT: usize = 256 * 1024;
    /// What neither a cipher nor a hash writes in long runs.
    const PAINT: u8 = 0xA5;

    /// Asserts that `work` reaches no deeper than `overwritten` bytes behind it allow for.
    #[inline(never)]
    pub(crate) fn assert_shallow(what: &str, overwritten: usize, work: impl FnOnce()) {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut seen = vec![0; LOOKED_AT];
        let bottom = paint();
        below(work);
        // Through the kernel: a pointer into a dead frame must not be followed.
        memory.read_exact_at(&mut seen, bottom).unwrap();
        let depth = LOOKED_AT - seen.iter().take_while(|byte| **byte == PAINT).count();
        assert!(depth > 256, "control: {what} was seen");
        assert!(depth * MARGIN <= overwritten, "{what} reaches {depth} bytes deep");
    }

    /// Paints dead stack, and says where the paint begins.
    #[inline(never)]
    fn paint() -> u64 {
        let mut frame = [PAINT; LOOKED_AT];
        black_box(&mut frame).as_ptr().addr() as u64
    }
}
