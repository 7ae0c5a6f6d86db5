//! The rotation that is under way: it belongs to the connection that began it, and to the session. There is one at a
//! time. What it has done lies on the disk; what is here is what goes on with it.

use std::cell::RefCell;
use std::fmt;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use glassdome_proto::rotation::Progress;
use glassdome_vault::{Check, Keys, Pass, Rotation};

use crate::worker::Worker;

/// A rotation, as far as a connection has it.
pub struct Rotating {
    /// The new keys, in locked memory. Wiped with this.
    pub new: Keys,
    /// The key slots of the vault when it was begun.
    pub slots: [u8; 32],
    /// The pass over the vault's rows that is under way.
    pub pass: Option<Pass>,
    /// The check of what was made of them, once all were carried.
    pub check: Option<Check>,
    /// How far it is.
    pub progress: Progress,
    file: NewFile,
    _room: Room,
}

/// The new file, which is closed where nobody waits for the disk.
struct NewFile {
    rotation: Option<Arc<Rotation>>,
    store: Worker,
}

impl Rotating {
    /// One that is about to carry.
    pub fn new(rotation: Rotation, new: Keys, slots: [u8; 32], store: Worker, room: Room) -> Self {
        let progress = Progress { done: 0, total: 0, ready: false };
        let file = NewFile { rotation: Some(Arc::new(rotation)), store };
        Self { new, slots, pass: None, check: None, progress, file, _room: room }
    }

    /// The new keys: they are in force.
    pub fn into_keys(self) -> Keys {
        self.new
    }

    /// The new file; `None` once it was taken out.
    pub fn rotation(&self) -> Option<&Arc<Rotation>> {
        self.file.rotation.as_ref()
    }

    /// Takes the new file out. Nothing here reads it any more.
    pub fn take(&mut self) -> Option<Arc<Rotation>> {
        self.pass = None;
        self.check = None;
        self.file.rotation.take()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(rotation) = self.rotation.take() {
            self.store.later(move || drop(rotation));
        }
    }
}

impl fmt::Debug for Rotating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotating").field("progress", &self.progress).finish_non_exhaustive()
    }
}

/// Where a connection keeps the one that it has begun.
pub type Place = Rc<RefCell<Option<Rotating>>>;

/// Whoever has it may have one under way.
#[derive(Debug)]
pub struct Room {
    _taken: Rc<()>,
}

/// The one that is under way.
#[derive(Debug, Default)]
pub struct Rotations {
    room: RefCell<Weak<()>>,
    place: RefCell<Weak<RefCell<Option<Rotating>>>>,
}

impl Rotations {
    /// Room for one that is to be kept in `place`; `None` while there is another.
    pub fn room(&self, place: &Place) -> Option<Room> {
        let mut taken = self.room.borrow_mut();
        if taken.strong_count() > 0 {
            return None;
        }
        let room = Rc::new(());
        *taken = Rc::downgrade(&room);
        *self.place.borrow_mut() = Rc::downgrade(place);
        Some(Room { _taken: room })
    }

    /// The session has ended: the new keys are gone, and what was done rests on the disk.
    pub fn end(&self) {
        if let Some(place) = self.place.borrow().upgrade() {
            place.replace(None);
        }
    }

    /// How far the one is that is under way.
    pub fn progress(&self) -> Option<Progress> {
        let place = self.place.borrow().upgrade()?;
        let place = place.borrow();
        place.as_ref().map(|rotating| rotating.progress)
    }
}
