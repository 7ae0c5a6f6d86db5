//! Making the vault, and unlocking it beside bare Argon2id with the vault's own parameters, its
//! memory fresh each time. The password is what a session costs; everything around it should not
//! show, however much the vault holds.

use argon2::{Algorithm, Argon2, Params, Version};
use glassdome_proto::session::{self, Lifetime};
use glassdome_proto::{Body, Bytes};
use glassdome_vault::{Found, SlotKind, Vault};

use crate::error::Error;
use crate::home::{Home, PASSWORD, unlock as open_session};
use crate::rounds::take_turns;
use crate::table::{Budget, Table};

const ROUNDS: usize = 8;
const CALLS: usize = 1;

/// Makes a vault, and starts the daemon anew: locked.
pub(crate) fn create(home: &mut Home) -> Result<Params, Error> {
    let password = Bytes::new(PASSWORD.as_bytes()).ok_or(Error::Wrong("the password"))?;
    let request = session::Request::Create { password, accept_weak: true, lifetime: Lifetime::default() };
    home.connect()?.call(Body::Session(request))?;
    home.stop()?;
    let params = parameters(home)?;
    home.start()?;
    Ok(params)
}

/// What the vault's password slot asks of Argon2id; nobody else may have the vault open.
fn parameters(home: &Home) -> Result<Params, Error> {
    let Found::Present(vault) = Vault::open(&home.vault())? else {
        return Err(Error::Wrong("creating a vault"));
    };
    let input = vault.kdf_input(SlotKind::Password)?.ok_or(Error::Wrong("creating a vault"))?;
    let params = input.params();
    Params::new(params.m_kib(), params.t(), params.p(), Some(32)).map_err(Error::Argon2)
}

/// Measures an unlock. Leaves the vault unlocked.
pub(crate) fn unlock(home: &Home, params: &Params, secrets: usize, table: &mut Table) -> Result<(), Error> {
    let mut connection = home.connect()?;
    // It greets with its first request, for which no daemon waits as long as the floor may take on a busy machine.
    connection.status()?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let [floor, ours] = take_turns(
        ROUNDS,
        CALLS,
        [
            &mut |_| {
                let mut key = [0; 32];
                argon2
                    .hash_password_into(PASSWORD.as_bytes(), b"sixteen bytes ..", &mut key)
                    .map_err(Error::Argon2)
            },
            &mut |_| {
                // A fraction of a thousandth of what follows.
                connection.call(Body::Session(session::Request::Lock))?;
                open_session(&mut connection)
            },
        ],
    )?;
    home.settle()?;
    table.times("unlock", secrets, [&floor, &ours], Budget::Times(1.05));
    Ok(())
}
