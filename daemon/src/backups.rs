//! The backups that are under way: each belongs to the connection that began it, and they are few, since each is a
//! snapshot that the vault's file grows around.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use glassdome_vault::{Backup, Error, Vault};
use tokio::sync::Notify;

/// Backups under way at one time: each keeps the vault's file from using the space again of what changes meanwhile.
pub const UNDER_WAY: usize = 2;
/// From one part to the next; then it gives its place up.
const IDLE: Duration = Duration::from_secs(30);
/// What each may take in all, however large the vault is.
const LEAST: Duration = Duration::from_secs(10 * 60);
/// For so many bytes of the vault's file it may take a second more.
const A_SECOND: u64 = 1024 * 1024;
/// How often is looked for those that have taken too long.
pub const SWEPT_EVERY: Duration = Duration::from_secs(10);

/// A backup, as far as a connection has it.
#[derive(Debug)]
pub struct Begun {
    backup: Backup,
    next: u32,
    /// Of what moment it is, in Unix seconds.
    of: u64,
    last: Instant,
    until: Instant,
}

impl Begun {
    /// One of which nothing was read, of the moment `of` in Unix seconds, of a file of `size` bytes.
    pub fn new(backup: Backup, of: u64, size: u64, now: Instant) -> Self {
        let until = now + LEAST + Duration::from_secs(size / A_SECOND);
        Self { backup, next: 0, of, last: now, until }
    }

    /// The part that comes next.
    pub fn next(&self) -> u32 {
        self.next
    }

    /// Of what moment it is, in Unix seconds.
    pub fn of(&self) -> u64 {
        self.of
    }

    /// Writes the next part, of that vault, into `out`, and says how much that is.
    ///
    /// # Errors
    /// As [`Backup::read`].
    pub fn read(&mut self, vault: &Vault, out: &mut [u8], now: Instant) -> Result<usize, Error> {
        let read = self.backup.read(vault, out)?;
        self.next = self.next.wrapping_add(1);
        self.last = now;
        Ok(read)
    }

    fn takes_too_long(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) >= IDLE || now >= self.until
    }
}

/// How far the backup of a connection is.
#[derive(Debug, Default)]
pub enum Stage {
    /// There is none.
    #[default]
    Nothing,
    /// Some parts may have been read.
    UnderWay(Box<Begun>),
    /// All parts were read; whether they are kept anywhere is not known. Of which moment it is, in Unix seconds.
    Read(u64),
}

impl Stage {
    fn is_under_way(&self) -> bool {
        matches!(self, Self::UnderWay(_))
    }
}

/// Where a connection keeps the one that it has begun.
pub type Place = Rc<RefCell<Stage>>;

/// All that are under way.
#[derive(Debug, Default)]
pub struct Backups {
    places: RefCell<Vec<Weak<RefCell<Stage>>>>,
    began: Notify,
}

impl Backups {
    /// Takes one of the places; `false` if all are in use.
    pub fn take(&self, place: &Place, now: Instant) -> bool {
        let room = self.sweep(now) < UNDER_WAY;
        if room {
            self.places.borrow_mut().push(Rc::downgrade(place));
        }
        room
    }

    /// One was begun: it is to be looked after.
    pub fn one_began(&self) {
        self.began.notify_one();
    }

    /// Until one is begun.
    pub async fn begun(&self) {
        self.began.notified().await;
    }

    /// Ends those that have taken too long, and says how many are under way then.
    pub fn sweep(&self, now: Instant) -> usize {
        let mut places = self.places.borrow_mut();
        places.retain(|place| {
            let Some(place) = place.upgrade() else { return false };
            let mut stage = place.borrow_mut();
            if matches!(&*stage, Stage::UnderWay(begun) if begun.takes_too_long(now)) {
                *stage = Stage::Nothing;
            }
            stage.is_under_way()
        });
        places.len()
    }
}

#[cfg(test)]
mod tests {
    use glassdome_vault::kdf::{self, KdfParams};
    use glassdome_vault::{SlotKind, Vault};

    use super::*;

    #[test]
    fn they_are_few_and_who_does_not_go_on_gives_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
        let password = glassdome_lockmem::LockedBytes::copied_from(b"a password").unwrap();
        let kek = kdf::derive(&input, &password).unwrap();
        let (vault, _) = Vault::create(&directory.path().join("vault"), &input, &kek, 0).unwrap();
        let now = Instant::now();
        let size = 5 * A_SECOND;
        let begun = |now| Stage::UnderWay(Begun::new(vault.backup().unwrap(), 1, size, now).into());
        let backups = Backups::default();
        let places = [(); UNDER_WAY + 1].map(|()| Place::default());
        let (last, first) = places.split_last().unwrap();
        for place in first {
            assert!(backups.take(place, now));
            place.replace(begun(now));
        }
        assert!(!backups.take(last, now));
        // One that has come to its end, then those whose clients stand still.
        first[0].replace(Stage::Read(1));
        assert!(backups.take(last, now));
        last.replace(begun(now));
        assert!(!backups.take(&first[0], now));
        let moment = Duration::from_millis(1);
        assert_eq!(backups.sweep(now + IDLE - moment), UNDER_WAY);
        assert_eq!(backups.sweep(now + IDLE), 0);
        assert!(!first[1].borrow().is_under_way() && !last.borrow().is_under_way());

        // One that goes on has its time, and no more.
        assert!(backups.take(last, now));
        last.replace(begun(now));
        let end = now + LEAST + Duration::from_secs(5);
        let mut at = now;
        while at + IDLE < end {
            at += IDLE - moment;
            assert_eq!(backups.sweep(at), 1);
            let Stage::UnderWay(begun) = &mut *last.borrow_mut() else { panic!("it is under way") };
            begun.read(&vault, &mut [0], at).unwrap();
        }
        assert_eq!((backups.sweep(end - moment), backups.sweep(end)), (1, 0));
    }
}
