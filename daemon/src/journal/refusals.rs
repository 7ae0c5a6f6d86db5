//! Refusals of one kind from one program are written once a minute and counted in between, so that
//! nobody fills the disk, or keeps it busy, by being refused.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use glassdome_audit::Event;

use super::entry::{Entry, Who};
use crate::clock::Now;

/// Like refusals within this time are counted, not written.
const COALESCE: Duration = Duration::from_secs(60);
/// Kinds of refusals told apart; all further ones count as one kind.
pub(super) const KINDS: usize = 256;

/// What was refused of late.
#[derive(Debug, Default)]
pub(super) struct Refusals(RefCell<HashMap<Kind, Seen>>);

/// What makes two refusals alike. `None`: one of the many past [`KINDS`].
type Kind = Option<(Event, String, u32, (u64, u64))>;

#[derive(Debug)]
struct Seen {
    written: Duration,
    since: u64,
}

impl Refusals {
    /// How many like this were left out, if this one is to be written.
    pub(super) fn count(&self, entry: &Entry<'_>, now: Now) -> Option<u64> {
        let mut refusals = self.0.borrow_mut();
        let (uid, exe) = entry.peer.subject();
        let mut by = entry.by.unwrap_or_default().to_owned();
        if let Who::Ran(_, asker) = entry.peer {
            // Not the client makes two refusals alike, but who ran it.
            by = [&by, &*asker.name, asker.script.as_deref().unwrap_or_default()].join("\0");
        }
        let mut kind = Some((entry.event, by, uid, exe));
        if refusals.len() >= KINDS && !refusals.contains_key(&kind) {
            refusals.retain(|_, seen| seen.since > 0 || now.boot < seen.written + COALESCE);
            if refusals.len() >= KINDS {
                kind = None;
            }
        }
        match refusals.get_mut(&kind) {
            Some(seen) if now.boot < seen.written + COALESCE => {
                seen.since += 1;
                None
            }
            Some(seen) => {
                let since = std::mem::take(&mut seen.since);
                seen.written = now.boot;
                Some(since)
            }
            None => {
                refusals.insert(kind, Seen { written: now.boot, since: 0 });
                Some(0)
            }
        }
    }
}
