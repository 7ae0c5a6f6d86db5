//! How a connection stands with the policy: what speaks for whoever asks. It is found out once, with
//! the first request that needs it, and again only when something changed that could change it.
//!
//! Not `ctl` is judged but whoever ran it: else every program could simply run `ctl`.

use std::cell::{Cell, RefCell};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use glassdome_audit::{Event, Outcome};
use glassdome_proto::Refusal;

use crate::attest::lineage::{self, Member};
use crate::attest::matching::{self, Found};
use crate::attest::seen::Seen;
use crate::attest::unit::Unit;
use crate::attest::{Exe, Peer, Unattested};
use crate::clock::{self, Now};
use crate::grants::{Token, Uncovered};
use crate::handles::Handle;
use crate::journal::{Entry, Who};
use crate::policy::decided::Settled;
use crate::policy::rule::{Origin, Rule};
use crate::policy::{By, Decision, Question, Standing, Verdict, decide};
use crate::refuse;
use crate::state::State;

/// Of one connection.
#[derive(Debug, Default)]
pub struct Stand {
    known: RefCell<Option<Known>>,
    token: RefCell<Option<Token>>,
    /// What was shown to answer for the person, and in which epoch of the PIN.
    proven: Cell<Option<(Proven, u64)>>,
    /// What it came out of; then nothing else speaks for it.
    handle: Option<Rc<Handle>>,
}

/// What shows that a person stands behind a connection: it answers questions, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proven {
    /// The approval PIN.
    Pin,
    /// The master password.
    Password,
}

impl Proven {
    /// As the log records it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pin => "pin",
            Self::Password => "master-password",
        }
    }
}

#[derive(Debug)]
struct Known {
    /// What was in force when it was found out.
    generation: u64,
    settled: Rc<Settled>,
    asker: Rc<Asker>,
}

impl Known {
    fn new(generation: u64, settled: Rc<Settled>, asker: Asker) -> Self {
        Self { generation, settled, asker: Rc::new(asker) }
    }

    fn standing(&self) -> &Standing {
        &self.settled.standing
    }

    fn holds(&self, state: &State, now: Now) -> bool {
        self.generation == state.generation()
            && self.standing().grant.is_none_or(|id| state.grants().holds(id, now.boot))
    }
}

/// Who asks, for the line of a refusal.
#[derive(Debug, Default)]
pub struct Asker {
    /// The one that is judged.
    pub pid: i32,
    /// Its name: its executable's, or the one it gave itself.
    pub name: String,
    /// The script that it runs, by its own word.
    pub script: Option<String>,
    /// Its executable, unless the first line of its script leads to that.
    pub exe: Option<String>,
    /// Whether its program could be told.
    pub seen: bool,
    /// Whether it runs what others wrote: then only a script of its own gives it an identity.
    pub interpreter: bool,
    /// Its terminal; empty without one.
    pub tty: String,
    /// Whether it asks itself, or ran one of ours.
    pub itself: bool,
    /// The names from the first of its session down to it; none of a program that a rule allows something, or that
    /// rules were compared with at once.
    pub line: Vec<String>,
    /// Why no grant covers it.
    pub uncovered: Option<Uncovered>,
    /// A rule about it whose files have changed since.
    pub changed: Option<Arc<Rule>>,
    /// What rules can be compared with when it is gone.
    pub evidence: Option<Box<Seen>>,
}

impl Asker {
    /// Whether it is the same program, as far as its name and files tell.
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.name, &self.script, &self.exe) == (&other.name, &other.script, &other.exe)
    }
}

impl Stand {
    /// Of a connection that came out of a handle.
    pub fn by(handle: Rc<Handle>) -> Self {
        Self { handle: Some(handle), ..Self::default() }
    }

    /// The handle that it came out of.
    pub fn handle(&self) -> Option<&Rc<Handle>> {
        self.handle.as_ref()
    }

    /// The token that was handed over.
    pub fn bring(&self, token: Token) {
        *self.token.borrow_mut() = Some(token);
        *self.known.borrow_mut() = None;
    }

    /// The token, for a grant.
    pub fn token(&self) -> Option<Token> {
        self.token.borrow().clone()
    }

    /// Whoever is judged, where the peer alone does not tell: it is another process, or runs a script.
    pub fn judged(&self) -> Option<Rc<Asker>> {
        let known = self.known.borrow();
        known
            .as_ref()
            .map(|known| known.asker.clone())
            .filter(|asker| asker.pid > 0 && (!asker.itself || asker.script.is_some()))
    }

    /// From now on, until the session ends or the PIN is another one, it answers for the person.
    pub fn prove(&self, state: &State, by: Proven) {
        self.proven.set(Some((by, state.pins().epoch())));
    }

    /// By what it answers for the person, if it does.
    pub fn proven(&self, state: &State) -> Option<Proven> {
        self.proven.get().filter(|(_, epoch)| *epoch == state.pins().epoch()).map(|(by, _)| by)
    }

    /// What still speaks for it now, and who it is. Nothing that was ended since is in it.
    pub fn now(&self, state: &State) -> (Standing, Rc<Asker>) {
        let known = self.known.borrow();
        let Some(known) = &*known else { return (Standing::default(), Rc::default()) };
        let now = clock::now();
        let grant = known.standing().grant.filter(|id| state.grants().holds(*id, now.boot));
        // Sealed rules come and go with the generation only; answers have their own time.
        let same = known.generation == state.generation();
        let holds = |rule: &&Arc<Rule>| {
            (same && rule.origin == Origin::Sealed || state.has_rule(rule))
                && rule.process.as_ref().is_none_or(|process| process.0.alive_at(now.boot))
        };
        let rules = known.standing().rules.iter().filter(holds).cloned().collect();
        let standing = Standing { grant, rules, cleared: None };
        (standing.at(now.wall.as_secs()), known.asker.clone())
    }

    /// Whether it would be allowed by what rests while a screen is locked.
    pub fn rests(&self, state: &State, question: Question<'_>) -> bool {
        let known = self.known.borrow();
        let Some(known) = known.as_ref().filter(|_| self.handle.is_none() && state.is_paused()) else {
            return false;
        };
        let now = clock::now();
        let same = known.generation == state.generation();
        let holds = |rule: &&Arc<Rule>| match rule.origin {
            Origin::Answer(id) => state.answers().holds_or_rests(id, now.boot),
            Origin::Sealed => same || state.has_rule(rule),
        };
        let grant = (known.asker.uncovered == Some(Uncovered::Paused)).then_some(0);
        let rules = known.standing().rules.iter().filter(holds).cloned().collect();
        let standing = Standing { grant, rules, cleared: None }.at(now.wall.as_secs());
        matches!(decide(&standing, question), Verdict::Allow(_))
    }

    /// What allows it, where that is told by what is known alone: nothing of it has come or gone, can end by
    /// itself, or is used up. `None` says nothing.
    pub fn allows_at_once(&self, state: &State, question: Question<'_>, now: Now) -> Option<By> {
        let known = self.known.borrow();
        let known = known.as_ref().filter(|known| self.handle.is_none() && known.holds(state, now))?;
        match known.settled.decide(question)? {
            Verdict::Allow(by) => Some(by),
            Verdict::Ask(_) | Verdict::Deny(_) => None,
        }
    }

    /// Whether that is known, and nothing came or went since that could change it.
    pub fn is_current(&self, state: &State, now: Now) -> bool {
        self.known.borrow().as_ref().is_some_and(|known| known.holds(state, now))
    }
}

/// Why nobody could be judged.
pub struct Unjudged {
    /// The word that the log records.
    pub word: &'static str,
    /// The refusal to send.
    pub refusal: Refusal<'static>,
}

impl Unjudged {
    fn late(refusal: Refusal<'static>) -> Self {
        Self { word: "late", refusal }
    }
}

impl From<Unattested> for Unjudged {
    fn from(reason: Unattested) -> Self {
        Self { word: reason.word(), refusal: refuse::unattested(&reason) }
    }
}

/// Finds out what speaks for this peer, if that is not known. While locked nothing is looked at.
///
/// # Errors
/// The refusal to send: it is gone or traced, or its files could not be looked at in time.
pub async fn find_out(state: &Rc<State>, peer: &Peer, stand: &Stand) -> Result<(), Refusal<'static>> {
    let now = clock::now();
    if stand.is_current(state, now) || !state.is_open(now) {
        return Ok(());
    }
    // A rule that came while it was looked may be about it.
    for _ in 0..LOOKS {
        let generation = state.generation();
        find_out_now(state, peer, stand, generation).await?;
        if generation == state.generation() || !state.is_open(clock::now()) {
            return Ok(());
        }
    }
    Err(refuse::late_change())
}

/// How often it is looked before somebody is sent away, where the rules change meanwhile each time.
const LOOKS: usize = 4;

async fn find_out_now(
    state: &Rc<State>,
    peer: &Peer,
    stand: &Stand,
    generation: u64,
) -> Result<(), Refusal<'static>> {
    match look(state, peer, stand).await {
        Ok((settled, asker)) => {
            *stand.known.borrow_mut() = Some(Known::new(generation, settled, asker));
            Ok(())
        }
        // Whoever holds a tap may hide what it is. Then every rule that keeps something back may be about it.
        Err(_) if stand.handle.is_some() => {
            let keeps_back = |rule: &&Arc<Rule>| rule.decision != Decision::Allow;
            let rules = state.rules().iter().filter(keeps_back).cloned().collect();
            let standing = Standing { rules, ..Standing::default() };
            let settled = Rc::new(Settled::new(standing));
            *stand.known.borrow_mut() = Some(Known::new(generation, settled, Asker::default()));
            Ok(())
        }
        Err(Unjudged { word, refusal }) => {
            let (event, outcome, by) = (Event::Connect, Outcome::Denied, Some(word));
            state.record(Entry {
                event,
                outcome,
                secret: None,
                to: None,
                by,
                peer: Who::Peer(peer.evidence()),
            })?;
            Err(refusal)
        }
    }
}

async fn look(state: &Rc<State>, peer: &Peer, stand: &Stand) -> Result<(Rc<Settled>, Asker), Unjudged> {
    let kernel = &peer.evidence().kernel;
    let pid = kernel.pid;
    if peer.ours().is_none()
        && let Some(exe) = &kernel.exe
        && let Some((standing, seen)) = at_once(state, exe)
    {
        let asker = Asker { pid, itself: true, uncovered: Some(Uncovered::Program), ..seen };
        return Ok((Rc::new(Settled::new(standing)), asker));
    }
    let client = peer.member()?;
    let found = if peer.ours().is_some() {
        judge_caller(state, &client, stand.token().as_ref()).await?
    } else {
        let expected = kernel.exe.as_ref().map(|exe| (exe.dev, exe.ino));
        let unit = unit_of(&client);
        let (standing, asker) = judge(state, client, unit, expected, Came::Itself).await?;
        (Rc::new(Settled::new(standing)), asker)
    };
    peer.still()?;
    Ok(found)
}

/// The rules about an executable, and what is told of it, where that takes no look at any file.
fn at_once(state: &State, exe: &Exe) -> Option<(Standing, Asker)> {
    let files = state.rule_files();
    let rules = files.rules_at_once(exe, &state.rules(), Instant::now())?;
    let name = lineage::told_name(&exe.path).to_owned();
    let evidence = files.facts(exe).map(|facts| Box::new(Seen::executable(facts)));
    let asker = Asker { name, exe: Some(exe.path.clone()), seen: true, evidence, ..Asker::default() };
    Some((Standing { rules, ..Standing::default() }, asker))
}

/// Judges whoever ran a client of ours: by the grant of its terminal, or else by rules about it.
///
/// # Errors
/// [`Unjudged`].
pub async fn judge_caller(
    state: &Rc<State>,
    client: &Member,
    token: Option<&Token>,
) -> Result<(Rc<Settled>, Asker), Unjudged> {
    let (grant, uncovered) = match state.grants().covering(client, token, clock::now().boot) {
        Ok(id) => {
            // A grant widens nothing that a rule keeps back; few rules do, and fewer name a program.
            if let Some(settled) = state.granted().settled(id, &state.rules()) {
                return Ok((settled, Asker::default()));
            }
            (Some(id), None)
        }
        Err(uncovered) => (None, Some(uncovered)),
    };
    let Some(member) = lineage::ran(client) else {
        let (pid, name) = (client.stat.pid, client.stat.name.clone());
        let asker = Asker { pid, name, uncovered, ..Asker::default() };
        return Ok((Rc::new(Settled::new(Standing::default())), asker));
    };
    let pid = member.stat.pid;
    // Whoever holds it by a debugger is who acts in it.
    if member.is_traced().map_err(|_| Unattested::Gone { pid })? {
        return Err(Unattested::Traced { pid }.into());
    }
    // A stamped client loses its caller's lack of it.
    if member.stat.is_unrandomised() {
        return Err(Unattested::Unrandomised { pid }.into());
    }
    if let Some(exe) = member.exe()
        && let Some((standing, seen)) = at_once(state, &exe)
        && member.is_in_our_namespaces()
    {
        let asker = Asker { pid, tty: member.stat.tty_name(), uncovered, ..seen };
        return Ok((Rc::new(Settled::new(Standing { grant, ..standing })), asker));
    }
    let (standing, asker) = judge(state, member, unit_of(client), None, Came::Ran(uncovered)).await?;
    // What keeps back could not be compared with a program that cannot be told.
    let grant = grant.filter(|_| asker.seen);
    Ok((Rc::new(Settled::new(Standing { grant, ..standing })), asker))
}

/// How whoever is judged came to ask.
pub enum Came {
    /// It connected itself.
    Itself,
    /// It ran a program of ours; if no grant covers that, this is why.
    Ran(Option<Uncovered>),
}

/// The unit that a process is in. What started a client need not be in that: a unit's own manager is not.
pub fn unit_of(member: &Member) -> Option<Unit> {
    // One that is gone by now is served nothing either way.
    Unit::of(member.dir.as_fd()).ok().flatten()
}

/// Compares a process with the rules, on a thread of its own. `unit` is the one that whoever connected is
/// in; `expected` says which executable the process must still show.
///
/// # Errors
/// [`Unjudged`].
pub async fn judge(
    state: &Rc<State>,
    member: Member,
    unit: Option<Unit>,
    expected: Option<(u64, u64)>,
    came: Came,
) -> Result<(Standing, Asker), Unjudged> {
    let rules = state.rules();
    let look = move |until| {
        let (found, files) = matching::find(&member, unit.as_ref(), expected, &rules, until);
        (judged(found, &member, unit, came), files)
    };
    let (judged, files) = state.looks().run(look).await.map_err(Unjudged::late)?;
    state.set_rule_files(files);
    Ok(judged)
}

fn judged(found: Found, member: &Member, unit: Option<Unit>, came: Came) -> (Standing, Asker) {
    let itself = matches!(came, Came::Itself);
    let uncovered = match came {
        Came::Itself => Some(Uncovered::Program),
        Came::Ran(uncovered) => uncovered,
    };
    let Found { rules, changed, program, by_first_line } = found;
    let evidence = Some(Box::new(Seen::of(member, unit, program.clone())));
    let program = program.as_ref();
    // Told only of whom no rule can name, or none allows anything.
    let allowed = rules.iter().any(|rule| rule.decision == Decision::Allow);
    let named = program.is_some_and(|program| program.interpreter.is_none() || program.script.is_some());
    let line = if allowed && named { Vec::new() } else { line_of(member) };
    let exe = program.map(|program| lineage::told_name(&program.exe.path).to_owned());
    let asker = Asker {
        pid: member.stat.pid,
        name: exe.unwrap_or_else(|| member.stat.name.clone()),
        script: program.and_then(|program| Some(program.script.as_ref()?.path.clone())),
        exe: program.filter(|_| !by_first_line).map(|program| program.exe.path.clone()),
        interpreter: program.is_some_and(|program| program.interpreter.is_some()),
        tty: member.stat.tty_name(),
        seen: program.is_some(),
        itself,
        line,
        uncovered,
        changed,
        evidence,
    };
    (Standing { rules, ..Standing::default() }, asker)
}

/// Names from the leader of its session down to it.
pub fn line_of(member: &Member) -> Vec<String> {
    let mut names = vec![member.stat.name.clone()];
    let mut at = member.parent().filter(|_| member.stat.session != member.stat.pid);
    while let Some(member) = at.filter(|_| names.len() < lineage::DEPTH) {
        names.push(member.stat.name.clone());
        at = member.parent().filter(|_| member.stat.session != member.stat.pid);
    }
    names.reverse();
    names
}
