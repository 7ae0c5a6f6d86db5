//! Handles, as a client asks for them and about them.

use std::os::fd::OwnedFd;

use glassdome_proto::policy::{Answer as Policy, Handle, Request, ScriptCopy};
use glassdome_proto::session::Password;
use glassdome_proto::{Answer, Body, Glob, List, Text, limits};

use crate::connection::Connection;
use crate::error::Error;

impl Connection {
    /// Makes a handle for this process, and for what it becomes by `exec`; its tap, which closes on exec, and
    /// the unit of the system's to which it is bound. `script` is what this process will run then, for people to see.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`Error::TooLong`] for more than [`limits::RULE_GLOBS`] globs.
    pub fn handle(
        &mut self,
        secrets: Vec<Glob>,
        lasts_s: Option<u32>,
        script: Option<ScriptCopy<'_>>,
    ) -> Result<(OwnedFd, Option<String>), Error> {
        let many = Error::TooLong { what: "a list of --grant", max: limits::RULE_GLOBS };
        let secrets = List::new(secrets).ok_or(many)?;
        self.expect_descriptor();
        match self.call(Body::Policy(Request::Handle { secrets, lasts_s, script }))? {
            Answer::Policy(Policy::Handle { unit, .. }) => {
                let unit = unit.map(Text::into_owned);
                Ok((self.take_descriptor().ok_or(Error::Unexpected)?, unit))
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// All handles, in the order in which they were made.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn handles(&mut self, proof: Option<Password<'_>>) -> Result<Vec<Handle<'static>>, Error> {
        let mut all: Vec<Handle<'static>> = Vec::new();
        loop {
            let skip = u16::try_from(all.len()).map_err(|_| Error::Unexpected)?;
            let Answer::Policy(Policy::Handles { handles, more }) =
                self.call(Body::Policy(Request::Handles { skip, proof }))?
            else {
                return Err(Error::Unexpected);
            };
            let stands_still = handles.is_empty();
            all.extend(handles.into_vec().into_iter().map(into_owned));
            match more {
                false => return Ok(all),
                true if stands_still || all.len() >= limits::HANDLES => return Err(Error::Unexpected),
                true => {}
            }
        }
    }
}

fn into_owned(handle: Handle<'_>) -> Handle<'static> {
    let Handle { id, pid, name, by, secrets, since, ends, script, unit } = handle;
    Handle {
        id,
        pid,
        name: Text::cut(name.into_owned()),
        by: Text::cut(by.into_owned()),
        secrets,
        since,
        ends,
        script: script
            .map(|ScriptCopy { path, sha256 }| ScriptCopy { path: Text::cut(path.into_owned()), sha256 }),
        unit: unit.map(|unit| Text::cut(unit.into_owned())),
    }
}
