//! Who may have what, as a client asks about it. A proof is the master password, for whoever is in no
//! granted terminal.

use glassdome_proto::policy::{
    Action, Answer as Policy, Checked, Condition, Decision, Grant, NewRule, Picture, Pinned, Question,
    Remembered, Request, Rule, RuleId, Scope, Shown, Unit,
};
use glassdome_proto::session::Password;
use glassdome_proto::{Answer, Body, List, Name, Text, limits};

use crate::connection::Connection;
use crate::error::Error;

mod edit;
mod explain;

pub(crate) use edit::{Edits, too_long};
pub(crate) use explain::{Explained, Said};

/// What would become of a request of a process, and what each rule says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tested {
    /// What would be said.
    pub decision: Decision,
    /// What decides; nothing if no rule speaks.
    pub by: Option<String>,
    /// Each rule, what it says, and why it does not speak.
    pub findings: Vec<(String, Decision, Option<Condition>)>,
}

impl Connection {
    /// What would become of a request of another process, and why.
    ///
    /// # Errors
    /// As [`Connection::rules`].
    pub fn test(
        &mut self,
        pid: u32,
        action: Action,
        name: &Name<'_>,
        proof: Option<Password<'_>>,
    ) -> Result<Tested, Error> {
        let mut all: Option<Tested> = None;
        loop {
            let known = all.as_ref().map_or(0, |tested| tested.findings.len());
            let skip = u16::try_from(known).map_err(|_| Error::Unexpected)?;
            let name = Name::parse(&**name)?;
            let Policy::Tested { decision, by, findings, more } =
                self.ask(Request::Test { pid, action, name, skip, proof })?
            else {
                return Err(Error::Unexpected);
            };
            let stands_still = findings.is_empty();
            let by = by.map(Text::into_owned);
            let tested = all.get_or_insert_with(|| Tested { decision, by, findings: Vec::new() });
            let findings = findings.into_vec().into_iter();
            tested.findings.extend(findings.map(|f| (f.rule.into_owned(), f.decision, f.unmet)));
            match all.take_if(|_| !more) {
                Some(tested) => return Ok(tested),
                None if stands_still || known >= limits::RULES => return Err(Error::Unexpected),
                None => {}
            }
        }
    }

    /// What the daemon sees of this process, or of the one called `pid`.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn who_am_i(&mut self, pid: Option<u32>, proof: Option<Password<'_>>) -> Result<Picture<'_>, Error> {
        match self.ask(Request::WhoAmI { pid, proof })? {
            Policy::Picture(picture) => Ok(picture),
            _ => Err(Error::Unexpected),
        }
    }

    /// All sealed rules, in the order in which they were made.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`Error::Unexpected`] when the daemon tells of more than
    /// [`limits::RULES`].
    pub fn rules(&mut self, proof: Option<Password<'_>>) -> Result<Vec<Rule<'static>>, Error> {
        let mut all: Vec<Rule<'static>> = Vec::new();
        loop {
            let skip = u16::try_from(all.len()).map_err(|_| Error::Unexpected)?;
            let Policy::Rules { rules, more } = self.ask(Request::Rules { skip, proof })? else {
                return Err(Error::Unexpected);
            };
            let stands_still = rules.is_empty();
            all.extend(rules.into_vec().into_iter().map(rule_into_owned));
            match more {
                false => return Ok(all),
                true if stands_still || all.len() >= limits::RULES => return Err(Error::Unexpected),
                true => {}
            }
        }
    }

    /// What a rule would be; nothing is sealed.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn draft(&mut self, rule: NewRule<'_>) -> Result<Checked<'static>, Error> {
        match self.ask(Request::Draft(rule.into()))? {
            Policy::Draft(checked) => Ok(checked_into_owned(*checked)),
            _ => Err(Error::Unexpected),
        }
    }

    /// Seals a rule, and returns it as it is sealed. With what was shown of it, only if the files are still
    /// those.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn allow(
        &mut self,
        password: Password<'_>,
        rule: NewRule<'_>,
        shown: Option<Shown<'_>>,
    ) -> Result<Checked<'static>, Error> {
        match self.ask(Request::Allow { password, rule: rule.into(), shown })? {
            Policy::Allowed(checked) => Ok(checked_into_owned(*checked)),
            _ => Err(Error::Unexpected),
        }
    }

    /// Takes a rule away.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn remove_rule(&mut self, password: Password<'_>, id: RuleId<'_>) -> Result<(), Error> {
        match self.ask(Request::RemoveRule { password, id })? {
            Policy::RuleRemoved => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// The granted terminals.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn grants(&mut self, proof: Option<Password<'_>>) -> Result<Vec<Grant<'_>>, Error> {
        match self.ask(Request::Grants { proof })? {
            Policy::Grants(grants) => Ok(grants.into_vec()),
            _ => Err(Error::Unexpected),
        }
    }

    /// The answers that are remembered.
    ///
    /// # Errors
    /// As [`Connection::call`]; [`Error::Unexpected`] when the daemon tells of more than
    /// [`limits::ANSWERS`].
    pub fn answers(&mut self, proof: Option<Password<'_>>) -> Result<Vec<Remembered<'static>>, Error> {
        let mut all: Vec<Remembered<'static>> = Vec::new();
        loop {
            let skip = u16::try_from(all.len()).map_err(|_| Error::Unexpected)?;
            let Policy::Answers { answers, more } = self.ask(Request::Answers { skip, proof })? else {
                return Err(Error::Unexpected);
            };
            let stands_still = answers.is_empty();
            all.extend(answers.into_vec().into_iter().map(answer_into_owned));
            match more {
                false => return Ok(all),
                true if stands_still || all.len() >= limits::ANSWERS => return Err(Error::Unexpected),
                true => {}
            }
        }
    }

    /// The questions that are open, and the number of this state of them; waits until there is one unlike
    /// `unlike`, or for half a minute.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn questions(
        &mut self,
        unlike: Option<u64>,
        proof: Option<Password<'_>>,
    ) -> Result<(Vec<Question<'_>>, u64), Error> {
        match self.ask(Request::Questions { unlike, proof })? {
            Policy::Questions { questions, state } => Ok((questions.into_vec(), state)),
            _ => Err(Error::Unexpected),
        }
    }

    /// Says yes to a question; the number of the answer, if it is remembered.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn approve(
        &mut self,
        id: u32,
        scope: Scope,
        proof: Option<Password<'_>>,
    ) -> Result<Option<u32>, Error> {
        match self.ask(Request::Approve { id, scope, proof })? {
            Policy::Approved { answer } => Ok(answer),
            _ => Err(Error::Unexpected),
        }
    }

    /// Says no to a question.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn refuse(&mut self, id: u32, proof: Option<Password<'_>>) -> Result<(), Error> {
        match self.ask(Request::Refuse { id, proof })? {
            Policy::Refused => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    /// Ends a grant or a remembered answer.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub fn revoke(&mut self, id: u32, proof: Option<Password<'_>>) -> Result<(), Error> {
        match self.ask(Request::Revoke { id, proof })? {
            Policy::Revoked => Ok(()),
            _ => Err(Error::Unexpected),
        }
    }

    fn ask(&mut self, request: Request<'_>) -> Result<Policy<'_>, Error> {
        match self.call(Body::Policy(request))? {
            Answer::Policy(answer) => Ok(answer),
            _ => Err(Error::Unexpected),
        }
    }
}

fn checked_into_owned(checked: Checked<'_>) -> Checked<'static> {
    let warnings = checked.warnings.into_vec().into_iter().map(text_into_owned).collect();
    let warnings = List::new(warnings).unwrap_or_else(|| unreachable!("as many as there were"));
    Checked { rule: rule_into_owned(checked.rule), warnings }
}

fn rule_into_owned(rule: Rule<'_>) -> Rule<'static> {
    let Rule { id, decision, secrets, actions, exe, script, made, unit, rate, expires } = rule;
    let unit = unit.map(|unit| Unit { manager: unit.manager, name: text_into_owned(unit.name) });
    let (exe, script) = (exe.map(pinned_into_owned), script.map(pinned_into_owned));
    Rule { id: text_into_owned(id), decision, secrets, actions, exe, script, made, unit, rate, expires }
}

fn answer_into_owned(answer: Remembered<'_>) -> Remembered<'static> {
    let Remembered { id, since, pid, name, action, names, script, exe, left_s } = answer;
    let names = names.into_vec().into_iter().map(text_into_owned).collect();
    Remembered {
        id,
        since,
        pid,
        name: text_into_owned(name),
        action,
        // As many as there were.
        names: List::new(names).unwrap_or_else(|| unreachable!("no more than were read")),
        script: script.map(text_into_owned),
        exe: exe.map(text_into_owned),
        left_s,
    }
}

fn pinned_into_owned(pinned: Pinned<'_>) -> Pinned<'static> {
    Pinned { path: text_into_owned(pinned.path), sha256: pinned.sha256 }
}

/// Cuts nothing: it is as long as it was.
fn text_into_owned<const MAX: usize>(text: Text<'_, MAX>) -> Text<'static, MAX> {
    Text::cut(text.into_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use glassdome_proto::{Outcome, decode};

    use super::*;
    use crate::connection_tests::{Daemon, told};
    use crate::text::rule::tests::rule;

    fn page(rules: usize, more: bool) -> Outcome<'static> {
        let rules = List::new(vec![rule(); rules]).unwrap();
        Outcome::Ok(Answer::Policy(Policy::Rules { rules, more }))
    }

    /// Answers with one page after the other, and checks from where each is asked for.
    fn pages(counts: &'static [(usize, bool)]) -> impl FnOnce(UnixStream) + Send + 'static {
        move |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let mut told = 0;
            for &(count, more) in counts {
                let frame = daemon.receive();
                let glassdome_proto::Request { id, body: Body::Policy(Request::Rules { skip, proof }) } =
                    decode(&frame).unwrap()
                else {
                    panic!("not a question about rules");
                };
                assert_eq!((usize::from(skip), proof.map(|proof| proof.expose())), (told, Some(&b"pw"[..])));
                daemon.reply(id, page(count, more));
                told += count;
            }
        }
    }

    fn rules(mut connection: Connection) -> Result<usize, Error> {
        let all = connection.rules(Password::new(b"pw"))?;
        assert!(all.iter().all(|one| *one == rule()));
        Ok(all.len())
    }

    #[test]
    fn rules_are_read_page_by_page() {
        assert_eq!(told(pages(&[(0, false)]), rules).unwrap(), 0);
        assert_eq!(told(pages(&[(8, true), (8, true), (3, false)]), rules).unwrap(), 19);
    }

    #[test]
    fn a_listing_that_does_not_end_is_refused() {
        assert!(matches!(told(pages(&[(8, true), (0, true)]), rules), Err(Error::Unexpected)));
        const FULL: [(usize, bool); limits::RULES / limits::RULES_PAGE] =
            [(limits::RULES_PAGE, true); limits::RULES / limits::RULES_PAGE];
        assert!(matches!(told(pages(&FULL), rules), Err(Error::Unexpected)));
    }

    #[test]
    fn an_answer_to_another_question_is_refused() {
        let served = |accepted| {
            let mut daemon = Daemon::greeted(accepted);
            let id = decode::<glassdome_proto::Request<'_>>(&daemon.receive()).unwrap().id;
            daemon.reply(id, page(1, false));
        };
        let grants = |mut connection: Connection| connection.grants(None).map(|grants| grants.len());
        assert!(matches!(told(served, grants), Err(Error::Unexpected)));
    }
}
