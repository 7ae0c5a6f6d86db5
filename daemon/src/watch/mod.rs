//! What watches the world beside the requests. Each watcher is one file and does one thing: it
//! tells [`State`](crate::state::State) that the session must end, keeps the log on disk, the vault settled or
//! prompts informed, ends what takes too long, gives memory back, or has the keyring keep the vault's newest state. Two more only
//! look when they are told to: for what the predecessor left in the keyring, and for what is ours there.

pub mod backups;
pub mod bus;
pub mod clock;
pub mod disk;
pub mod integrity;
pub mod items;
pub mod kept;
pub mod keyring;
pub mod leftovers;
pub mod logind;
pub mod memory;
mod no_descriptors;
pub mod screen;
pub mod service;
pub mod socket;
pub mod state_file;
pub mod vault;
mod while_open;
