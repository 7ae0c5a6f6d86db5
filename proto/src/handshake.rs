//! The first two messages. The daemon speaks first: by the time the nonce travels, it has read who
//! the peer is, and only the peer that it read can send the nonce back under the same pid.

use serde::{Deserialize, Serialize};

use crate::{Text, limits};

/// The protocol version that this code speaks.
pub const PROTOCOL: u16 = 1;

/// A number used once, 32 random bytes.
pub type Nonce = [u8; 32];

/// Protocol versions, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Oldest.
    pub min: u16,
    /// Newest.
    pub max: u16,
}

impl Range {
    /// What this code speaks.
    pub const OURS: Range = Range { min: PROTOCOL, max: PROTOCOL };

    /// The newest version that both sides speak.
    pub fn common(self, other: Range) -> Option<u16> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }

    /// Whether `version` is one of them.
    pub fn contains(self, version: u16) -> bool {
        (self.min..=self.max).contains(&version)
    }
}

/// Sent by the daemon on the accepted socket, together with one end of a fresh socket pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// Versions that the daemon speaks.
    pub protocol: Range,
    /// To be sent back.
    pub nonce: Nonce,
}

/// Sent by the client on the fresh pair; requests may follow at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// The version that the client chose out of the daemon's range.
    pub protocol: u16,
    /// The nonce of the challenge.
    pub nonce: Nonce,
    /// What the client calls itself: its own word, shown as such.
    #[serde(borrow)]
    pub client: Text<'a, { limits::CLIENT_NAME }>,
    /// Version of the client.
    #[serde(borrow)]
    pub version: Text<'a, { limits::VERSION_TEXT }>,
    /// For how many seconds a request of this connection may wait for a person's answer, up to
    /// [`limits::WAIT`]; 0: what nothing speaks about is refused at once.
    pub wait_s: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_chosen() {
        let range = |min, max| Range { min, max };
        assert_eq!(range(1, 3).common(range(2, 5)), Some(3));
        assert_eq!(range(1, 1).common(range(1, 1)), Some(1));
        assert_eq!(range(1, 1).common(range(2, 3)), None);
        assert!(range(1, 2).contains(2) && !range(1, 2).contains(3));
    }
}
