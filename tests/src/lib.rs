//! The harness of the black-box tests: a home that is thrown away, the real programs in it, run as
//! ordinary users, and hands to kill, confine and watch them with.
//!
//! Tests know the programs from outside only: what is typed, what is printed, exit codes, files and
//! bytes on the socket. The harness therefore depends on none of the other crates, but for the file of
//! a vault that costs little to open.
//!
//! | file | holds |
//! |---|---|
//! | `world` | one home with its daemon, ended and removed with the test |
//! | `run` | one program, from its arguments to its output, with a deadline |
//! | `typist` | who starts it: to the daemon, what a test runs was typed by the home's owner |
//! | `terminal` | a program at a terminal that the test types on |
//! | `tmux` | shells in panes that the test types in |
//! | `daemon_process` | the daemon of a home as a process: its pid, signals, its end |
//! | `vault_file` | the vault that most tests open |
//! | `user` | the two ordinary users, and what needs root |
//! | `programs` | where the programs lie so that those users can run them, stamped or not |
//! | `wheel` | a Python that has the Python package |
//! | `confine` | limits that a program is started under |
//! | `wait` | waiting for what happens by itself |
#![deny(unsafe_code)]

mod confine;
mod daemon_process;
mod programs;
mod run;
mod terminal;
mod tmux;
mod typist;
mod user;
mod vault_file;
mod wait;
mod wheel;
mod world;

pub use confine::Confine;
pub use daemon_process::DaemonProcess;
pub use programs::{programs, stamped};
pub use run::{Out, Run, Started};
pub use terminal::Pty;
pub use tmux::{Pane, Tmux, Typed};
pub use typist::type_orders;
pub use user::{User, left_out_without_root};
pub use wait::wait_until;
pub use wheel::{pytest, python_with_package};
pub use world::{PASSWORD, World, text};
