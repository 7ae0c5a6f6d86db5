//! What has arrived on a connection: small while that is idle, wiped behind each frame.

use glassdome_proto::{FrameError, HEADER_LEN, payload_len, wipe};
use zeroize::Zeroizing;

/// What an idle connection keeps.
const SMALL: usize = 512;

/// What has arrived and is not yet read. Small while idle; grown for one large frame and then given
/// back; wiped behind each frame.
#[derive(Debug)]
pub struct Inbox {
    bytes: Zeroizing<Vec<u8>>,
    read: usize,
    end: usize,
    /// Whether large frames come one behind the other.
    keeps_room: bool,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        Self { bytes: Zeroizing::new(vec![0; SMALL]), read: 0, end: 0, keeps_room: false }
    }

    /// Whether room for a large frame is kept for the next one, or given back.
    pub fn keep_room(&mut self, keeps: bool) {
        self.keeps_room = keeps;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Whether a whole frame is here behind the one that was taken last.
    pub fn has_more(&self) -> bool {
        let left = &self.bytes[self.read..self.end];
        let header = left.first_chunk::<HEADER_LEN>();
        let payload = header.and_then(|header| payload_len(*header).ok());
        payload.is_some_and(|payload| left.len() >= HEADER_LEN + payload)
    }

    pub(super) fn is_grown(&self) -> bool {
        self.bytes.len() > SMALL
    }

    /// Gives the room of a large frame back, where nothing has come for a while.
    pub(super) fn give_back(&mut self) {
        if self.is_empty() {
            self.bytes = Zeroizing::new(vec![0; SMALL]);
        }
    }

    /// Length of the payload of the first frame, if all of it is here. Makes room for the rest
    /// otherwise.
    pub(super) fn frame(&mut self) -> Result<Option<usize>, FrameError> {
        let Some(header) = self.bytes[..self.end].first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let payload = payload_len(*header)?;
        let whole = HEADER_LEN + payload;
        if self.end >= whole {
            return Ok(Some(payload));
        }
        if self.bytes.len() < whole {
            let mut larger = Zeroizing::new(vec![0; whole]);
            larger[..self.end].copy_from_slice(&self.bytes[..self.end]);
            self.bytes = larger;
        }
        Ok(None)
    }

    pub(super) fn take(&mut self, payload: usize) -> &[u8] {
        self.read = HEADER_LEN + payload;
        &self.bytes[HEADER_LEN..self.read]
    }

    /// Wipes the frame that was taken last, and moves what came behind it to the front.
    pub fn drop_read(&mut self) {
        if self.read == 0 {
            return;
        }
        let left = self.end - self.read;
        if self.is_grown() && left <= SMALL && !self.keeps_room {
            let mut small = Zeroizing::new(vec![0; SMALL]);
            small[..left].copy_from_slice(&self.bytes[self.read..self.end]);
            self.bytes = small;
        } else {
            self.bytes.copy_within(self.read..self.end, 0);
            wipe(&mut self.bytes[left..self.end]);
        }
        (self.read, self.end) = (0, left);
    }

    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.end..]
    }

    pub(super) fn filled(&mut self, len: usize) {
        self.end += len;
    }
}

#[cfg(test)]
pub(super) mod tests {
    use glassdome_proto::limits;

    use super::*;

    fn put(inbox: &mut Inbox, bytes: &[u8]) {
        inbox.room()[..bytes.len()].copy_from_slice(bytes);
        inbox.filled(bytes.len());
    }

    pub(in crate::server) fn framed(payload: &[u8]) -> Vec<u8> {
        let mut frame = (payload.len() as u32).to_le_bytes().to_vec();
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_come_out_as_they_went_in_and_are_wiped() {
        let mut inbox = Inbox::new();
        let both = [framed(b"first secret"), framed(b"second")].concat();
        put(&mut inbox, &both[..7]);
        assert_eq!(inbox.frame(), Ok(None));
        put(&mut inbox, &both[7..]);
        for expected in [&b"first secret"[..], b"second"] {
            let payload = inbox.frame().unwrap().unwrap();
            assert_eq!(inbox.take(payload), expected);
            inbox.drop_read();
        }
        assert!(inbox.is_empty() && inbox.bytes.iter().all(|&b| b == 0));
    }

    #[test]
    fn what_is_whole_behind_the_frame_that_was_taken_is_told() {
        let mut inbox = Inbox::new();
        let (first, second) = (framed(b"hello"), framed(b"request"));
        put(&mut inbox, &[&first[..], &second[..second.len() - 1]].concat());
        let payload = inbox.frame().unwrap().unwrap();
        inbox.take(payload);
        assert!(!inbox.has_more(), "its last byte is missing");
        put(&mut inbox, &second[second.len() - 1..]);
        assert!(inbox.has_more());
        inbox.drop_read();
        let payload = inbox.frame().unwrap().unwrap();
        assert_eq!(inbox.take(payload), b"request");
        assert!(!inbox.has_more());
    }

    #[test]
    fn room_for_a_large_frame_is_given_back() {
        let mut inbox = Inbox::new();
        let large = vec![7; limits::FRAME];
        let frame = framed(&large);
        let mut at = 0;
        let payload = loop {
            if let Some(payload) = inbox.frame().unwrap() {
                break payload;
            }
            let len = inbox.room().len().min(frame.len() - at);
            put(&mut inbox, &frame[at..at + len]);
            at += len;
        };
        assert_eq!(inbox.take(payload), large);
        inbox.drop_read();
        assert_eq!(inbox.bytes.len(), SMALL);
    }

    #[test]
    fn room_that_is_kept_is_given_back_when_nothing_comes() {
        let mut inbox = Inbox::new();
        inbox.keep_room(true);
        put(&mut inbox, &framed(&[7; limits::FRAME])[..SMALL]);
        assert_eq!(inbox.frame(), Ok(None));
        inbox.give_back();
        assert!(inbox.is_grown(), "not in the middle of a frame");
        (inbox.read, inbox.end) = (inbox.bytes.len(), inbox.bytes.len());
        inbox.drop_read();
        assert!(inbox.is_grown() && inbox.is_empty(), "control: it is kept");
        inbox.give_back();
        assert_eq!(inbox.bytes.len(), SMALL);
    }

    #[test]
    fn a_length_alone_costs_nothing() {
        let mut inbox = Inbox::new();
        put(&mut inbox, &u32::MAX.to_le_bytes());
        assert!(inbox.frame().is_err());
        assert_eq!(inbox.bytes.len(), SMALL);
    }
}
