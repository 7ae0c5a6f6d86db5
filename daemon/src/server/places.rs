//! Places to wait for a person: few in all, and few of one program, so that one which asks for everything at once
//! leaves room for the others.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use glassdome_proto::limits;

use crate::caller::Caller;

/// Those that are taken, by whom.
#[derive(Debug, Default)]
pub struct Places(RefCell<HashMap<Caller, usize>>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Place {
    of: Rc<Places>,
    by: Caller,
}

impl Places {
    /// Takes one, if there is one for this program.
    pub fn take(self: &Rc<Self>, by: Caller) -> Option<Place> {
        let mut taken = self.0.borrow_mut();
        let own = taken.get(&by).copied().unwrap_or_default();
        if own >= limits::WAITING_OF_ONE || taken.values().sum::<usize>() >= limits::WAITING {
            return None;
        }
        taken.insert(by.clone(), own + 1);
        Some(Place { of: self.clone(), by })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.of.0.borrow_mut();
        match taken.get_mut(&self.by) {
            Some(own) if *own > 1 => *own -= 1,
            _ => drop(taken.remove(&self.by)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Rc<Places>, pid: i32, times: usize) -> Vec<Place> {
        (0..times).map_while(|_| places.take(Caller::Process(pid))).collect()
    }

    #[test]
    fn one_program_leaves_room_for_others() {
        let places = Rc::new(Places::default());
        let mut first = take(&places, 1, limits::WAITING);
        assert_eq!(first.len(), limits::WAITING_OF_ONE);
        let other = take(&places, 2, 1);
        assert_eq!(other.len(), 1, "another one waits all the same");
        first.pop();
        first.extend(take(&places, 1, 2));
        assert_eq!(first.len(), limits::WAITING_OF_ONE, "what is given back is taken again, and no more");
        drop((first, other));
        assert!(places.0.borrow().is_empty());
    }

    #[test]
    fn all_together_take_so_many() {
        let places = Rc::new(Places::default());
        let all: Vec<Place> = (0..100).flat_map(|pid| take(&places, pid, 3)).collect();
        assert_eq!(all.len(), limits::WAITING);
        drop(all);
        assert_eq!(take(&places, 200, 1).len(), 1);
    }
}
