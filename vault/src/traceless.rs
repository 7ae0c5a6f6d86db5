//! Ciphers and hashes leave keys, keystream and plaintext in stack frames that they have returned from. Nobody
//! owns those bytes, so whoever runs one overwrites them.

use glassdome_lockmem::scrub_stack;

/// Runs `work`, which must own what it answers in no more than pointers, and leaves nothing of it on the stack,
/// however it returns. About a microsecond.
pub(crate) fn traceless<T>(work: impl FnOnce() -> T) -> T {
    let answer = below(work);
    scrub_stack();
    answer
}

/// Never inlined: a frame of its own, which is dead when the caller scrubs.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    work()
}
