//! The daemon that holds the key. Every request walks the same rooms in the same order, once:
//!
//! ```text
//!  socket ─► server ─► attest ─► session ─► policy ─► ops ─► journal ─► reply
//!            frames    who is    is it      may this  vault   written
//!            limits    this?     open?      one?              before the
//!                      └──────── gate ──────┘                 plaintext leaves
//! ```
//!
//! | room | decides | touches |
//! |---|---|---|
//! | [`server`] | frames, limits, the handshake | sockets |
//! | [`attest`] | who a peer is, and that it stays so | `/proc`, pidfds |
//! | [`session`] | whether a key exists, and until when | nothing: pure |
//! | [`standing`] | what speaks for a peer: the grant of its terminal, rules about it | `/proc`, files |
//! | [`handles`] | which rights of programs to a few names still hold | pidfds |
//! | [`policy`] | whether this peer may | nothing: pure |
//! | [`questions`], [`answers`] | what a person is asked, and what of the answers is remembered | nothing: pure |
//! | [`refusals`] | when a program that is refused in a loop is told to come back later | nothing: pure |
//! | [`pins`] | how often the approval PIN may be guessed | the vault |
//! | [`canaries`] | which secrets are bait | the vault |
//! | [`gate`] | asks them, and hands on a permit, the only way to a key | – |
//! | [`ops`] | what each message does | the vault |
//! | [`backups`] | which backups are under way | snapshots of the vault |
//! | [`mod@storage_tests`] | which test of vault and log is under way | – |
//! | [`journal`] | the record | the log's file |
//! | [`journald`] | what the system's journal gets of it | journald's socket |
//! | [`notify`] | what the person is told by a command of theirs | a socket to the helper that runs it |
//! | [`keyring`] | whether what was seen of the OS keyring ends the session | nothing: pure |
//! | [`mod@state_file`] | what prompts are told without asking | a file beside the socket |
//! | [`screens`] | whether a locked screen keeps what was granted from being used | nothing: pure |
//! | [`logind`] | whether what logind said ends the session | nothing: pure |
//! | [`watch`] | when a session must end although nobody asks | clocks, the disk, the session and the system bus |
//!
//! Everything that holds a key runs on one thread. What waits for a disk, a peer or Argon2id runs on
//! others, which never see the master key ([`worker`]); but for the one that makes a vault, which
//! draws the key, hands it over and ends.
#![forbid(unsafe_code)]

pub mod answers;
pub mod attest;
pub mod backups;
pub mod caller;
pub mod canaries;
pub mod clock;
pub mod config;
pub mod device;
pub mod found;
pub mod gate;
pub mod granted;
pub mod grants;
pub mod handles;
pub mod harden;
pub mod journal;
pub mod journald;
pub mod kept;
pub mod keyring;
pub mod logind;
pub mod looks;
pub mod machine;
pub mod notify;
pub mod ops;
pub mod options;
pub mod pins;
pub mod policy;
pub mod questions;
pub mod recover;
pub mod refusals;
pub mod refuse;
pub mod rotations;
pub mod run;
pub mod screens;
pub mod server;
pub mod session;
pub mod settings;
pub mod standing;
pub mod state;
pub mod state_file;
pub mod storage_tests;
pub mod throttle;
pub mod watch;
pub mod worker;
