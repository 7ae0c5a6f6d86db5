//! The few Linux system calls that no crate wraps, or wraps in a way that does not fit here, as safe functions over
//! owned and borrowed descriptors. With `lockmem`, this is the only crate that may hold `unsafe`.
//!
//! | question | answered by |
//! |---|---|
//! | who connected? | [`peer_creds`], [`peer_pidfd`], [`pidfd_info`] |
//! | does it still live, and as the same program? | [`pidfd_alive`], [`AddressSpace`] |
//! | who sent these bytes? | [`pass_credentials`], [`recv`] |
//! | how does a descriptor travel, and how is it kept out? | [`send_with_fd`], [`recv_with_fd`], [`try_recv_with_fd`], [`refuse_descriptors`], [`close_on_exec`] |
//! | how is a process started and kept to itself? | [`spawn_detached`], [`harden_process`], [`set_no_new_privs`], [`raise_nofile`] |
//! | is the program at the other end an installed one? | [`Stamp`] |
//! | what must be put right before a signal ends us? | [`HeldSignals`] |
//! | how much memory is kept for nothing? | [`share_one_heap`], [`let_go_of_code`], [`divide_code`] |
//! | is this directory ours alone? | [`private_dir()`] |
//! | how does a program begin that is started often? | [`program!`] |

mod address_space;
mod code;
mod creds;
mod descriptor;
mod detached;
mod harden;
mod heap;
mod held_signals;
mod message;
mod pidfd;
mod private_dir;
mod program;
mod socket;
mod stamp;

#[cfg(test)]
mod testing;

pub use address_space::AddressSpace;
pub use code::{divide_code, let_go_of_code};
pub use creds::{Creds, peer_creds};
pub use descriptor::close_on_exec;
pub use detached::spawn_detached;
pub use harden::{harden_process, raise_nofile, set_no_new_privs};
pub use heap::share_one_heap;
pub use held_signals::HeldSignals;
pub use message::{Received, recv, recv_with_fd, send_with_fd, try_recv_with_fd};
pub use pidfd::{PidInfo, peer_pidfd, pidfd_alive, pidfd_info};
pub use private_dir::{DirError, private_dir};
pub use program::run_program;
pub use socket::{pass_credentials, refuse_descriptors, stream_pair};
pub use stamp::Stamp;
