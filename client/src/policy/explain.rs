//! What the rules say to a request that was refused or waits.

use glassdome_proto::policy::{Action, Answer as Policy, Condition, Decision, Request};
use glassdome_proto::session::Password;
use glassdome_proto::{Text, limits};

use crate::connection::Connection;
use crate::error::Error;

/// A request, and what the rules that there are now say to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// What would be done.
    pub action: Action,
    /// The process that asked; 0 of what was typed in a granted terminal.
    pub pid: u32,
    /// Its program.
    pub program: String,
    /// The script that it ran, by its own word.
    pub script: Option<String>,
    /// Why nothing spoke for it.
    pub why: String,
    /// For each of its names what is said; of a listing of all names once.
    pub said: Vec<Said>,
}

/// What is said to one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The name; nothing means all names, to be listed.
    pub name: Option<String>,
    /// What would be said.
    pub decision: Decision,
    /// What decides; nothing if no rule speaks.
    pub by: Option<String>,
    /// Each rule that covers it, what it says, and why it does not speak.
    pub findings: Vec<(String, Decision, Option<Condition>)>,
}

impl Connection {
    /// What the rules say to the request of that number.
    ///
    /// # Errors
    /// As [`Connection::rules`].
    pub fn explain(&mut self, id: u32, proof: Option<Password<'_>>) -> Result<Explained, Error> {
        let (mut explained, names) = self.explain_name(id, 0, proof)?;
        for of in 1..names {
            let of = u8::try_from(of).map_err(|_| Error::Unexpected)?;
            let (next, _) = self.explain_name(id, of, proof)?;
            explained.said.extend(next.said);
        }
        Ok(explained)
    }

    /// About one of its names; and how many there are.
    fn explain_name(
        &mut self,
        id: u32,
        of: u8,
        proof: Option<Password<'_>>,
    ) -> Result<(Explained, usize), Error> {
        let mut findings = Vec::new();
        loop {
            let known = findings.len();
            let skip = u16::try_from(known).map_err(|_| Error::Unexpected)?;
            let Policy::Explained(told) = self.ask(Request::Explain { id, name: of, skip, proof })? else {
                return Err(Error::Unexpected);
            };
            let page = told.findings.into_vec().into_iter();
            findings.extend(page.map(|finding| (finding.rule.into_owned(), finding.decision, finding.unmet)));
            if told.more && (findings.len() == known || known >= limits::RULES + limits::ANSWERS) {
                return Err(Error::Unexpected);
            }
            if !told.more {
                let names = told.names.len();
                let name = told.names.into_vec().into_iter().nth(of.into()).map(Text::into_owned);
                let by = told.by.map(Text::into_owned);
                let said = vec![Said { name, decision: told.decision, by, findings }];
                let explained = Explained {
                    action: told.action,
                    pid: told.pid,
                    program: told.program.into_owned(),
                    script: told.script.map(Text::into_owned),
                    why: told.why.into_owned(),
                    said,
                };
                return Ok((explained, names));
            }
        }
    }
}
