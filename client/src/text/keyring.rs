//! Why the desktop's keyring cannot be asked, in words: the same wherever it is said.

use glassdome_proto::session::Keyring;

/// How the daemon saw it.
pub(crate) fn unreachable(seen: Keyring) -> &'static str {
    match seen {
        Keyring::NoBus => "the daemon sees no session bus",
        Keyring::NoKeyring => "no keyring runs",
        Keyring::NoCollection => "the keyring has no such collection",
        Keyring::Locked => "the keyring is locked",
        Keyring::Unwatched => "the keyring was not seen yet",
        Keyring::Silent | Keyring::Unlocked => "the keyring does not answer",
    }
}
