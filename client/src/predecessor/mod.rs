//! What the program left that this one replaces: a Python program of the same name. Its session was a file that
//! says until when it lasts, beside its master key, which lies in the OS keyring, or in a file, for every program
//! of the user to take. What follows was read off its source, `glassdome/core/secrets.py`, `session.py` and
//! `paths.py` in github.com/ntounix-prog/glassdome.
//!
//! | what | holds | is |
//! |---|---|---|
//! | `session_cache.json` | since when and until when, and how many secrets | [`erase`]d |
//! | `session_key.bin` | the master key as it is | read, [`erase`]d |
//! | in the keyring, service `glassdome`: `master_key` | the master key in base64 | read, taken away |
//! | in the keyring, service `glassdome`: any other name | a secret as it is | read, taken away |
//! | `secrets.encrypted` | JSON: names, and [`fernet`] tokens in base64 once more | read |
//! | `master_key.enc` | the master key, sealed with the predecessor's password | left alone |

pub(crate) mod erase;
pub(crate) mod fernet;
pub(crate) mod files;
pub(crate) mod keyring;
pub(crate) mod sealed;
pub(crate) mod take_over;

/// What its own check of the keyring leaves there when it is cut short: this name, and this value.
const CHECK: (&str, &[u8]) = ("test_key", b"test_value");
/// The master key, in the keyring.
const MASTER_KEY: &str = "master_key";
