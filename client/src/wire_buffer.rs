//! A buffer for frames: small until a large one comes, and what it grows out of is wiped; and wiped as far as it
//! was used, so that wiping costs what was said and not what could be said.

use glassdome_proto::{HEADER_LEN, limits, wipe};

/// The largest frame, and room for the greeting that goes out in front of the first one.
pub(crate) const CAPACITY: usize = 2 * HEADER_LEN + limits::FRAME + GREETING;
/// Room for a greeting: nonce, versions and the client's name.
const GREETING: usize = 256;
/// What it begins with: nearly all that is ever said fits.
const SMALL: usize = 2 * 1024;
const _: () = assert!(SMALL > HEADER_LEN + GREETING);
/// What is asked of the allocator for a large one. From 128 KiB on the C library has the kernel map it
/// (`M_MMAP_THRESHOLD`, mallopt(3)): zero already, and a page of it exists once it is used. Less than that would be
/// cleared byte by byte.
const ALLOCATED: usize = 128 * 1024;
const _: () = assert!(CAPACITY <= ALLOCATED);

/// Bytes on their way.
pub(crate) struct WireBuffer {
    bytes: Vec<u8>,
    /// First byte that was not taken yet.
    start: usize,
    /// One past the last byte that was put in.
    end: usize,
    /// One past the last byte that was ever touched since the buffer was wiped.
    touched: usize,
}

impl WireBuffer {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; SMALL], start: 0, end: 0, touched: 0 }
    }

    /// Makes room for the largest frame behind what is filled; whether there is more than before.
    pub(crate) fn grow(&mut self) -> bool {
        if self.bytes.len() == CAPACITY {
            return false;
        }
        let mut larger = vec![0; ALLOCATED];
        larger.truncate(CAPACITY);
        larger[..self.end].copy_from_slice(&self.bytes[..self.end]);
        wipe(&mut self.bytes);
        self.bytes = larger;
        self.touched = self.end;
        true
    }

    /// Whether a frame of so many bytes, which begins with what is filled, can be held.
    pub(crate) fn holds(&self, frame: usize) -> bool {
        self.start + frame <= self.bytes.len()
    }

    /// Bytes that were put in and not taken.
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Room behind the filled bytes; [`WireBuffer::advance`] says how much of it was used. All of it
    /// counts as touched, since a writer may fail half-way.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    /// `len` more bytes of the room are filled.
    pub(crate) fn advance(&mut self, len: usize) {
        self.end = (self.end + len).min(self.bytes.len());
        self.touched = self.touched.max(self.end);
    }

    /// A writer failed somewhere in the room.
    pub(crate) fn spoil(&mut self) {
        self.touched = self.bytes.len();
    }

    /// Takes `len` bytes from the front; they stay readable through the slice until the next change.
    pub(crate) fn take(&mut self, len: usize) -> &[u8] {
        let start = self.start;
        self.start = (start + len).min(self.end);
        &self.bytes[start..self.start]
    }

    /// Moves what is filled to the front, so that there is room for a whole frame behind it.
    pub(crate) fn compact(&mut self) {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        wipe(&mut self.bytes[self.end..self.touched]);
        self.touched = self.end;
    }

    /// Forgets and wipes everything.
    pub(crate) fn wipe(&mut self) {
        wipe(&mut self.bytes[..self.touched]);
        (self.start, self.end, self.touched) = (0, 0, 0);
    }
}

impl Drop for WireBuffer {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(buffer: &mut WireBuffer, bytes: &[u8]) {
        buffer.room()[..bytes.len()].copy_from_slice(bytes);
        buffer.advance(bytes.len());
    }

    #[test]
    fn bytes_come_out_in_order() {
        let mut buffer = WireBuffer::new();
        put(&mut buffer, b"abcdef");
        assert_eq!(buffer.take(2), b"ab");
        put(&mut buffer, b"gh");
        buffer.compact();
        assert_eq!(buffer.filled(), b"cdefgh");
        assert_eq!(buffer.take(100), b"cdefgh");
        assert_eq!(buffer.filled(), b"");
    }

    #[test]
    fn nothing_is_left_behind() {
        let mut buffer = WireBuffer::new();
        put(&mut buffer, &[7; 1000]);
        buffer.take(900);
        buffer.compact();
        assert!(buffer.bytes[100..].iter().all(|&byte| byte == 0));
        buffer.wipe();
        assert!(buffer.bytes.iter().all(|&byte| byte == 0));
        buffer.room()[1500] = 7;
        buffer.spoil();
        buffer.wipe();
        assert!(buffer.bytes.iter().all(|&byte| byte == 0));
    }

    #[test]
    fn it_grows_once_and_keeps_what_it_holds() {
        let mut buffer = WireBuffer::new();
        put(&mut buffer, b"abcdef");
        buffer.take(2);
        assert!(buffer.holds(SMALL - 2) && !buffer.holds(SMALL - 1));
        assert!(buffer.grow() && !buffer.grow());
        assert!(buffer.holds(HEADER_LEN + limits::FRAME));
        assert_eq!(buffer.filled(), b"cdef");
        assert_eq!(buffer.room().len(), CAPACITY - 6);
        assert!(buffer.bytes[6..].iter().all(|&byte| byte == 0));
    }
}
