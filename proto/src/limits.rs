//! Every limit of the protocol, in one place, so that a reader can see what a hostile peer can
//! cost. Sizes are in bytes, times in the unit of their type.

use std::time::Duration;

/// Payload of one frame.
pub const FRAME: usize = 64 * 1024;
/// Bytes of a value that travel in one frame; the rest of the frame is room for the message around it.
pub const CHUNK: usize = 60 * 1024;
/// A secret's value and fields together.
pub const VALUE: usize = 1024 * 1024;
/// Name of a secret, in bytes of UTF-8.
pub const NAME: usize = 512;
/// Name of a field, in bytes of UTF-8.
pub const FIELD: usize = 128;
/// Fields of one secret.
pub const FIELDS: usize = 64;
/// Master password.
pub const PASSWORD: usize = 1024;
/// Approval PIN, in bytes of UTF-8; it has at most 64 characters.
pub const PIN: usize = 256;
/// A glob over names.
pub const GLOB: usize = 512;
/// Text of a refusal.
pub const MESSAGE: usize = 1024;
/// What a client calls itself.
pub const CLIENT_NAME: usize = 64;
/// A program's version, as text.
pub const VERSION_TEXT: usize = 32;
/// Key of a setting.
pub const SETTING: usize = 64;
/// Value of a setting, as text.
pub const SETTING_VALUE: usize = 512;
/// Settings in one answer.
pub const SETTINGS: usize = 32;
/// Faults of the vault in one answer; the longest still fit a frame.
pub const FAULTS: usize = 32;
/// Name of a table of the vault, or a word about the log.
pub const TABLE: usize = 24;
/// Key slots in one answer.
pub const SLOTS: usize = 16;
/// Path of a file, in bytes.
pub const PATH: usize = 1024;
/// Name of a rule.
pub const RULE_ID: usize = 64;
/// Globs in one rule.
pub const RULE_GLOBS: usize = 8;
/// Actions in one rule.
pub const RULE_ACTIONS: usize = 16;
/// Secrets that are bait.
pub const CANARIES: usize = 256;
/// Sealed rules.
pub const RULES: usize = 1024;
/// Rules in one answer; a page of the longest still fits a frame.
pub const RULES_PAGE: usize = 8;
/// Bytes of all rules in one text to be edited: what can be sealed, with what is told beside it.
pub const EDIT: usize = 2 * 1024 * 1024;
/// What becomes of so many rules, a page.
pub const EDITS_PAGE: usize = 2;
/// What rules say to a request, in one answer.
pub const FINDINGS: usize = 512;
/// Name of a systemd unit, in bytes (systemd.unit(5)).
pub const UNIT: usize = 255;
/// Warnings about a rule.
pub const WARNINGS: usize = 8;
/// Names of rules in a picture.
pub const PICTURE_RULES: usize = 64;
/// Processes in a picture, from the one that asks upwards; a picture of the longest still fits a frame.
pub const CHAIN: usize = 24;
/// Name of a process, in bytes: the kernel has 15.
pub const PROCESS_NAME: usize = 64;
/// Name of a terminal, in bytes.
pub const TTY: usize = 32;
/// Granted terminals.
pub const GRANTS: usize = 128;
/// Handles of a session.
pub const HANDLES: usize = 64;
/// Handles in one answer; a page of the longest still fits a frame.
pub const HANDLES_PAGE: usize = 8;
/// What allowed a handle, as text.
pub const HANDLE_BY: usize = 256;
/// Questions to the person that are open at one time; all of them fit a frame.
pub const QUESTIONS: usize = 4;
/// Requests that wait for a person at one time, over all connections; the next is told to come back.
pub const WAITING: usize = 64;
/// Names of secrets in one question: all are shown. A request for more is refused at once.
pub const ASKED: usize = 16;
/// What would be done, in a word or two.
pub const DEED: usize = 24;
/// Why nothing speaks for whoever is asked about.
pub const WHY: usize = 256;
/// Requests of one program that wait for a person; its next is told to come back.
pub const WAITING_OF_ONE: usize = 8;
/// For how long a request waits for a person's answer at most, in seconds.
pub const WAIT: u16 = 600;
/// For how long an answer is remembered at most, in seconds: no session lasts longer.
pub const REMEMBERED: u32 = 24 * 60 * 60;
/// Answers that are remembered.
pub const ANSWERS: usize = 64;
/// Remembered answers in one reply; a page of the longest still fits a frame.
pub const ANSWERS_PAGE: usize = 4;
/// The token that a shell keeps, in bytes.
pub const TOKEN: usize = 64;
/// Names in one page of a listing; a page of the longest names still fits a frame.
pub const PAGE: usize = 100;
/// Former versions in one answer.
pub const VERSIONS: usize = 16;
/// Secrets stored by one request.
pub const BATCH: usize = 256;
/// Bytes of several secrets that travel together, each with its fields: the largest alone fits.
pub const WHOLES: usize = VALUE + CHUNK;
/// Globs that say what is exported.
pub const EXPORT_GLOBS: usize = 32;
/// Values asked for by one request; a request with the longest names still fits a frame.
pub const MANY: usize = 64;
/// Lines of the daemon's report on its own protections.
pub const PROTECTIONS: usize = 32;
/// Items of the predecessor in one answer.
pub const LEFTOVERS: usize = 64;
/// The name of one of them, in bytes: no longer one can be a secret's.
pub const LEFTOVER_NAME: usize = NAME;
/// Where the keyring has it, in bytes; a page of the longest still fits a frame.
pub const LEFTOVER_PATH: usize = 256;
/// Requests in flight on one connection.
pub const IN_FLIGHT: usize = 64;
/// Connections of one owner; the next is told that it is throttled.
pub const CONNECTIONS: usize = 1024;
/// Values larger than a chunk that are on their way at one time, in or out, over all connections (each
/// holds up to [`VALUE`]).
pub const LARGE_IN_TRANSIT: usize = 16;
/// Requests in flight over all connections.
pub const IN_FLIGHT_IN_ALL: usize = 512;
/// Bytes that one batch may make the daemon open and seal again: it holds up everybody meanwhile.
pub const BATCH_WORK: usize = 8 * 1024 * 1024;
/// From the challenge to the hello, and for reading the identity of who holds a handle's tap.
pub const HANDSHAKE: Duration = Duration::from_secs(2);
/// From the first byte of a frame to its last, and between the chunks of an upload.
pub const PARTIAL_FRAME: Duration = Duration::from_secs(5);
/// A peer that does not read its reply for this long is dropped.
pub const WRITE: Duration = Duration::from_secs(10);
/// A request's answer: a key derivation or a slow disk may take this long.
pub const ANSWER: Duration = Duration::from_secs(120);
