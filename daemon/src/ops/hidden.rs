//! Names that are not found in a vault that is damaged where names lead: the secret may be there. That there is none is
//! not said then, and none is made of that name, which would be the second.

use glassdome_proto::Refusal;
use glassdome_vault::{Draft, Error};

use super::Asking;
use crate::refuse;

/// What the vault said about a secret. That there is none is not said where it may only not be found.
pub fn refused(asking: &Asking, error: &Error, name: &str) -> Refusal<'static> {
    match error {
        Error::NotFound if asking.state.hides_secrets() => refuse::hidden(name),
        error => refuse::secret(error, name),
    }
}

/// Whether a secret of that name may be made, if none is found.
///
/// # Errors
/// The refusal to send: one may be there.
pub fn may_make(asking: &Asking, draft: &Draft<'_>, name: &str) -> Result<(), Refusal<'static>> {
    if !asking.state.hides_secrets() || draft.knows(name).map_err(|error| refuse::secret(&error, name))? {
        return Ok(());
    }
    Err(refuse::hidden(name))
}
