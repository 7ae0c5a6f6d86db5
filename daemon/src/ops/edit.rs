//! All rules as one text: it comes in parts, is looked at, told rule by rule, and sealed as it was told or
//! not at all.
//!
//! ```text
//!  parts ─► compared with what is sealed ─► files looked at ─► told ─► password ─► looked at again ─► sealed
//! ```
//! It stays with the connection that it came on.

use std::rc::Rc;

use glassdome_audit::Event;
use glassdome_lockmem::LockedBytes;
use glassdome_proto::policy as wire;
use glassdome_proto::{Answer, Bytes, Code, List, Refusal, limits};
use sha2::{Digest, Sha256};

use super::policy::{Right, right_or, seal_rules, sealed, sent, unsendable, vault_of, warned};
use super::typed_rule::{Files, is_typed, unseen};
use super::{Asking, Turn, password};
use crate::clock;
use crate::looks::Looks;
use crate::policy::edit::{self, Change, Edit};
use crate::policy::rule::Rule;
use crate::policy::text;
use crate::refuse;

/// The text of a connection.
#[derive(Default)]
pub enum Editing {
    /// None came.
    #[default]
    Nothing,
    /// Not all of it is there.
    Arriving(Arriving),
    /// It was looked at.
    Told(Rc<Draft>),
}

/// A text that comes, and the rules that it is compared with.
pub struct Arriving {
    text: Vec<u8>,
    before: Vec<Rule>,
    by_password: bool,
}

/// A text, and what it would change.
pub struct Draft {
    text: Vec<u8>,
    before: Vec<Rule>,
    base: wire::Digest,
    edits: Vec<Edit>,
    /// When it was looked at, in seconds since the epoch.
    at: u64,
    by_password: bool,
}

/// A part of a text.
pub struct Part {
    at: usize,
    bytes: Vec<u8>,
    more: bool,
    base: Option<wire::Digest>,
}

impl Part {
    /// As it came.
    pub fn new(at: u32, part: Bytes<'_, { limits::CHUNK }>, more: bool, base: Option<wire::Digest>) -> Self {
        Self { at: at as usize, bytes: part.expose().to_vec(), more, base }
    }
}

/// Takes a part; behind the last one, looks at the text, and tells what it would change.
pub async fn take(
    asking: Asking,
    part: Part,
    proof: Option<LockedBytes>,
) -> Result<Answer<'static>, Refusal<'static>> {
    let begun = std::mem::take(&mut *asking.editing.borrow_mut());
    let mut arriving = match begun {
        _ if part.at == 0 => begin(&asking, proof).await?,
        Editing::Arriving(arriving) if arriving.text.len() == part.at && !part.bytes.is_empty() => arriving,
        _ => return Err(refuse::protocol("a part of a text that nothing began")),
    };
    still_allowed(&asking, arriving.by_password)?;
    arriving.text.extend_from_slice(&part.bytes);
    if arriving.text.len() > limits::EDIT {
        return Err(refuse::usage(format!("the text of all rules has at most {} bytes", limits::EDIT)));
    }
    if part.more {
        *asking.editing.borrow_mut() = Editing::Arriving(arriving);
        return Ok(Answer::Policy(wire::Answer::PartTaken));
    }
    let Arriving { text, before, by_password } = arriving;
    let base = number(&before)?;
    if part.base.is_some_and(|known| known != base) {
        return Err(changed_meanwhile());
    }
    let at = clock::now().wall.as_secs();
    let state = &asking.state;
    let looks = if by_password { state.looks_proven() } else { state.looks_on_request() };
    let mut edits = settled(looks, &text, &before, at).await?;
    edits = with_warnings(looks, edits, at).await;
    let draft = Rc::new(Draft { text, before, base, edits, at, by_password });
    *asking.editing.borrow_mut() = Editing::Told(draft.clone());
    page(&draft, 0)
}

/// A page of what the text would change.
pub async fn edits(asking: Asking, skip: u16) -> Result<Answer<'static>, Refusal<'static>> {
    let draft = told(&asking)?;
    still_allowed(&asking, draft.by_password)?;
    page(&draft, skip)
}

/// Seals what was told.
pub async fn seal(asking: Asking, password: LockedBytes) -> Result<Answer<'static>, Refusal<'static>> {
    let draft = told(&asking)?;
    let keys = password::verify(&asking, Event::ChangeRules, password).await?;
    // The files can change again from here on: what is sealed is what was told.
    let again = settled(asking.state.looks_proven(), &draft.text, &draft.before, draft.at).await?;
    let rules = edit::rules(&again);
    if rules != edit::rules(&draft.edits) {
        let message =
            "a file changed since the rules were shown: nothing was sealed. Look at it, and try again";
        return Err(Refusal::new(Code::Conflict, message));
    }
    let turn = Turn::take_with(&asking, &keys).await?;
    if number(&sealed(&*vault_of(&asking)?, &keys)?)? != draft.base {
        return Err(changed_meanwhile());
    }
    if edit::is_change(&draft.edits) {
        seal_rules(&asking, turn, keys, rules, word(&draft.edits)).await?;
    }
    *asking.editing.borrow_mut() = Editing::Nothing;
    Ok(Answer::Policy(wire::Answer::EditsSealed))
}

async fn begin(asking: &Asking, proof: Option<LockedBytes>) -> Result<Arriving, Refusal<'static>> {
    let (before, by_password) = match right_or(asking, Event::Rules, proof, refuse::ungranted).await? {
        Right::Terminal(_) | Right::Proven(_) => {
            (asking.state.sealed_rules().iter().map(|rule| (**rule).clone()).collect(), false)
        }
        Right::Password(keys) => (sealed(&*vault_of(asking)?, &keys)?, true),
    };
    Ok(Arriving { text: Vec::new(), before, by_password })
}

/// What a granted terminal began goes on while the session is open.
fn still_allowed(asking: &Asking, by_password: bool) -> Result<(), Refusal<'static>> {
    if by_password || asking.state.is_open(clock::now()) { Ok(()) } else { Err(asking.state.locked()) }
}

fn told(asking: &Asking) -> Result<Rc<Draft>, Refusal<'static>> {
    match &*asking.editing.borrow() {
        Editing::Told(draft) => Ok(draft.clone()),
        _ => Err(refuse::protocol("no text of rules came on this connection")),
    }
}

/// What the text would make of the rules, with what they pin.
async fn settled(
    looks: &Looks,
    text: &[u8],
    before: &[Rule],
    now: u64,
) -> Result<Vec<Edit>, Refusal<'static>> {
    let typed = text::typed(text).map_err(|error| refuse::usage(error.to_string()))?;
    let mut edits = edit::compare(before, typed, now).map_err(|error| refuse::usage(error.to_string()))?;
    let look = move |until| {
        let mut files = Files::new(until);
        edits.iter_mut().filter(|edit| is_typed(edit)).try_for_each(|edit| files.settle(edit))?;
        Ok(edits.into_iter().map(Edit::settled).collect())
    };
    let looked: Result<Vec<Edit>, edit::Unsound> = looks.run(look).await?;
    looked.map_err(|error| refuse::usage(error.to_string()))
}

/// With what is odd about those that stay as they were, too: as far as their files let themselves be seen.
async fn with_warnings(looks: &Looks, edits: Vec<Edit>, now: u64) -> Vec<Edit> {
    let mut kept = edits.clone();
    let look = move |until| {
        let mut files = Files::new(until);
        kept.iter_mut().filter(|edit| edit.change == Change::None).for_each(|edit| files.warn(edit));
        kept
    };
    let mut edits = looks.run(look).await.unwrap_or_else(|_| {
        let mut edits = edits;
        edits.iter_mut().filter(|edit| edit.change == Change::None).for_each(unseen);
        edits
    });
    edit::warn(&mut edits, now);
    edits
}

/// Which rules are sealed, as one number: those that nobody edited meanwhile have the same.
fn number(rules: &[Rule]) -> Result<wire::Digest, Refusal<'static>> {
    let text = text::write(rules).map_err(|_| unsendable())?;
    Ok(Sha256::digest(text).into())
}

fn changed_meanwhile() -> Refusal<'static> {
    let message =
        "the rules were changed by somebody else meanwhile: nothing was sealed. See: ctl policy show";
    Refusal::new(Code::Conflict, message)
}

/// What changes, as the log records it.
fn word(edits: &[Edit]) -> String {
    const TOLD: usize = 8;
    let changed = edits.iter().filter(|edit| edit.change != Change::None);
    let ids: Vec<&str> = changed.map(|edit| edit.rule.id.as_str()).collect();
    match ids.as_slice() {
        [id] => format!("rule:{id}"),
        ids if ids.len() <= TOLD => format!("rules:{}", ids.join(",")),
        ids => format!("rules:{},+{}", ids[..TOLD].join(","), ids.len() - TOLD),
    }
}

/// A page of what becomes of the rules; of one that stays as it was nothing is told if nothing is odd.
fn page(draft: &Draft, skip: u16) -> Result<Answer<'static>, Refusal<'static>> {
    let told = |edit: &&Edit| edit.change != Change::None || !edit.warnings.is_empty();
    let mut rest = draft.edits.iter().filter(told).skip(skip.into());
    let page = rest.by_ref().take(limits::EDITS_PAGE).map(|edit| {
        Ok(wire::Edit {
            change: edit.change,
            rule: sent(&edit.rule).ok_or_else(unsendable)?,
            was: edit.was.as_ref().map(|was| sent(was).ok_or_else(unsendable)).transpose()?,
            warnings: warned(&edit.warnings)?,
        })
    });
    let edits = page.collect::<Result<Vec<_>, Refusal<'static>>>()?;
    let edits = List::new(edits).ok_or_else(unsendable)?;
    Ok(Answer::Policy(wire::Answer::Edits { base: draft.base, edits, more: rest.next().is_some() }))
}
