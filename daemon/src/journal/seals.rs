//! The key of the next seal, in locked memory, and what ties one run's seals to the next's.

use std::io;

use glassdome_audit::chain::{self, Head};
use glassdome_audit::link::Link;
use glassdome_audit::{Hex, LineError, Record, WrittenPeer, seal};
use glassdome_lockmem::{LockedBytes, scrub_stack, scrub_stack_to};
use zeroize::Zeroizing;

/// How much of the stack is overwritten behind a seal, in bytes: several times what BLAKE3 reaches,
/// as a test measures. Without optimisation everything lies deeper.
const HASH: usize = if cfg!(debug_assertions) { 128 * 1024 } else { 16 * 1024 };

/// The key of the next record's seal.
#[derive(Debug)]
pub(super) struct Seals(LockedBytes);

impl Seals {
    /// A key of its own, and the box in which the auditor gets it.
    pub(super) fn fresh(auditor: &Hex<32>) -> io::Result<(Self, Hex<80>)> {
        let mut key = LockedBytes::zeroed(seal::KEY).map_err(io::Error::other)?;
        getrandom::fill(key.expose_mut()).map_err(io::Error::other)?;
        let seals = Self(key);
        let sealed = close(auditor, seals.key());
        scrub_stack();
        Ok((seals, sealed?))
    }

    /// The key.
    pub(super) fn key(&self) -> &[u8; seal::KEY] {
        self.0.expose().try_into().expect("it was made with that many bytes")
    }

    /// The record is written: the key is the next one's.
    #[inline(never)]
    pub(super) fn step(&mut self) {
        seal::step(self.0.expose_mut().try_into().expect("it was made with that many bytes"));
    }

    /// What shows a later run's seals to go on behind record `seq`, the last that was sealed.
    pub(super) fn link(&self, log: Hex<16>, seq: u64) -> Link {
        let link = link_of(self.key(), log, seq);
        forget();
        link
    }
}

#[inline(never)]
fn close(auditor: &Hex<32>, key: &[u8; seal::KEY]) -> io::Result<Hex<80>> {
    let mut ephemeral = Zeroizing::new([0; 32]);
    getrandom::fill(ephemeral.as_mut_slice()).map_err(io::Error::other)?;
    seal::seal(&auditor.0, key, &ephemeral).map(Hex).map_err(io::Error::other)
}

#[inline(never)]
fn link_of(key: &[u8; seal::KEY], log: Hex<16>, seq: u64) -> Link {
    Link { log, seq, key: *seal::link(key) }
}

/// [`chain::write`]. Whoever gave a key calls [`forget`] when the line is where it belongs, or is not.
///
/// Never inlined: a frame of its own, which is dead when [`forget`] scrubs.
#[inline(never)]
pub(super) fn write(
    head: &Head,
    record: Record<'_>,
    peer: Option<&WrittenPeer>,
    key: Option<&[u8; seal::KEY]>,
    line: &mut Vec<u8>,
) -> Result<Head, LineError> {
    chain::write(head, record, peer, key, line)
}

/// Leaves nothing of a key on the stack below.
#[inline(always)]
pub(super) fn forget() {
    scrub_stack_to::<HASH>();
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::hint::black_box;
    use std::os::unix::fs::FileExt;

    use glassdome_audit::{Event, Outcome};

    use super::*;

    /// How many times deeper than it reaches is overwritten.
    const MARGIN: usize = 4;
    const LOOKED_AT: usize = 256 * 1024;
    const PAINT: u8 = 0xA5;

    /// Paints dead stack, and says where the paint begins.
    #[inline(never)]
    fn paint() -> u64 {
        let mut frame = [PAINT; LOOKED_AT];
        black_box(&mut frame).as_ptr().addr() as u64
    }

    #[test]
    fn nothing_of_a_key_stays_on_the_stack() {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut seen = vec![0; LOOKED_AT];
        let mut line = Vec::with_capacity(4096);
        let mut seals = Seals(LockedBytes::copied_from(&[7; seal::KEY]).unwrap());
        let bottom = paint();
        let record = Record { secret: Some("a/b".into()), ..Record::new(Event::Get, Outcome::Allowed) };
        let head = write(&Head::NONE, record, None, Some(seals.key()), &mut line);
        seals.step();
        // Through the kernel: a pointer into a dead frame must not be followed.
        memory.read_exact_at(&mut seen, bottom).unwrap();
        let depth = LOOKED_AT - seen.iter().take_while(|byte| **byte == PAINT).count();
        assert!(head.is_ok() && depth > 256, "control: it was seen");
        assert!(depth * MARGIN <= HASH, "a seal reaches {depth} bytes deep");
        let key = *seals.key();
        forget();
        memory.read_exact_at(&mut seen, bottom).unwrap();
        let below = &seen[..LOOKED_AT - 8192];
        assert!(!below.windows(32).any(|bytes| bytes == key || bytes == [7; 32]));
    }
}
