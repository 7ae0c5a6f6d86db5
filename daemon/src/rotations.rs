//! The rotation that is under way: it belongs to the connection that began it, and to the session. There is one at a
//! time. What it has done lies on the disk; what is here is what goes on with it.

use std::cell::{Cell, RefCell};
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
    room: Room,
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
        Self { new, slots, pass: None, check: None, progress, file, room }
    }

    /// Its room, to be kept until nothing of it is left to be done.
    pub fn room(&self) -> Room {
        self.room.clone()
    }

    /// The new keys: they are in force.
    pub fn into_keys(self) -> Keys {
        self.new
    }

    /// The new file; `None` once it was taken out.
    pub fn rotation(&self) -> Option<&Arc<Rotation>> {
        self.file.rotation.as_ref()
    }

    /// Whether nobody but this has the new file: no step of it is being written.
    pub fn is_at_rest(&self) -> bool {
        self.file.rotation.as_ref().is_some_and(|rotation| Arc::strong_count(rotation) == 1)
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

/// Whoever has it may have one under way. It is taken as long as there is one of its clones.
#[derive(Debug, Clone)]
pub struct Room {
    /// Whether the vault has the new key already, and only the former file is to go.
    ending: Rc<Cell<bool>>,
}

impl Room {
    /// What is left to be done is to overwrite the former file.
    pub fn is_ending(&self) {
        self.ending.set(true);
    }
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// One is under way.
    UnderWay,
    /// The former file of the last one is read still.
    FormerRead,
}

/// The one that is under way.
#[derive(Debug, Default)]
pub struct Rotations {
    room: RefCell<Weak<Cell<bool>>>,
    place: RefCell<Weak<RefCell<Option<Rotating>>>>,
}

impl Rotations {
    /// Whether there is room.
    ///
    /// # Errors
    /// Why not.
    pub fn has_room(&self) -> Result<(), Taken> {
        match self.room.borrow().upgrade() {
            None => Ok(()),
            Some(ending) if ending.get() => Err(Taken::FormerRead),
            Some(_) => Err(Taken::UnderWay),
        }
    }

    /// Room for one that is to be kept in `place`.
    ///
    /// # Errors
    /// As [`Rotations::has_room`].
    pub fn room(&self, place: &Place) -> Result<Room, Taken> {
        self.has_room()?;
        let ending = Rc::default();
        *self.room.borrow_mut() = Rc::downgrade(&ending);
        *self.place.borrow_mut() = Rc::downgrade(place);
        Ok(Room { ending })
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

/// Has the log say that a former file is somebody's copy, too, and so was left as it is.
pub fn log_linked(other_names: u64) {
    let names =
        if other_names == 1 { "1 other name".to_owned() } else { format!("{other_names} other names") };
    tracing::warn!("the former vault's file was not overwritten: it has {names}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_at_a_time_until_nothing_of_it_is_left() {
        let (rotations, place) = (Rotations::default(), Place::default());
        let room = rotations.room(&place).unwrap();
        assert_eq!(rotations.room(&place).err(), Some(Taken::UnderWay));
        let kept = room.clone();
        drop(room);
        assert_eq!(rotations.has_room(), Err(Taken::UnderWay), "its end keeps it");
        kept.is_ending();
        assert_eq!(rotations.room(&place).err(), Some(Taken::FormerRead));
        drop(kept);
        assert!(rotations.room(&place).is_ok());
    }
}
