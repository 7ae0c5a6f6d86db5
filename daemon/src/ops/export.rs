//! An export: secrets as a whole, in plain text, for whoever typed the master password for it. What decides is the
//! password, here: a terminal's grant or a rule gives what [`read`] gives, one by one, and nothing of this.
//!
//! It takes keys of its own, opened by that password and gone with the request, and an open session: a lock ends it in
//! its middle. Each secret has its record before it leaves. One is read at a time, when the peer has taken what was
//! before it, so neither the size of the vault nor a peer that is slow costs memory. Bait leaves like any other secret,
//! and is not told apart: the person who types the master password for all of it goes through nothing that is not
//! theirs.

use std::collections::BTreeSet;
use std::sync::Arc;

use glassdome_audit::{Event, Outcome};
use glassdome_lockmem::LockedBytes;
use glassdome_proto::whole::{self, Whole, WholeField};
use glassdome_proto::{Bytes, Field, Glob, List, Name, Refusal, limits};
use glassdome_vault::{Damaged, EntryId, Error, Opened, Vault};
use zeroize::Zeroizing;

use super::password::{self, Verified};
use super::{Asking, Done, hidden, read};
use crate::{clock, refuse};

/// One that is under way.
pub struct Export {
    vault: Arc<Vault>,
    keys: Verified,
    by: &'static str,
    globs: Vec<Glob>,
    /// Names without wildcards, which are read without looking for names; those that are left, the next one last.
    exactly: Option<Vec<String>>,
    /// Where the last look ended; `None` before the first.
    after: Option<EntryId>,
    /// One that was opened and had no room beside those before it.
    kept: Option<(String, Opened)>,
    over: bool,
}

/// Some of the secrets, as they travel.
pub struct Parcel {
    bytes: Zeroizing<Vec<u8>>,
    /// Whether there are no more.
    pub last: bool,
}

impl Parcel {
    /// What is sent.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Begins one of the names that match one of the globs, or of all if there is none.
///
/// # Errors
/// The refusal to send.
pub async fn begin(
    asking: Asking,
    password: LockedBytes,
    globs: Vec<Glob>,
) -> Result<Done, Refusal<'static>> {
    let vault = asking.state.vault().ok_or_else(refuse::no_vault)?;
    locked_out(&asking)?;
    let keys = password::verify(&asking, Event::Export, password).await?;
    locked_out(&asking)?;
    let by = password::word(&keys);
    asking.record(Event::Export, Outcome::Allowed, None, by)?;
    let exactly = exactly(&globs);
    Ok(Done::Export(Box::new(Export {
        vault,
        keys,
        by,
        globs,
        exactly,
        after: None,
        kept: None,
        over: false,
    })))
}

/// The names, if all are whole ones; each once, the first one last.
fn exactly(globs: &[Glob]) -> Option<Vec<String>> {
    let names = globs.iter().map(Glob::as_exact).collect::<Option<BTreeSet<_>>>()?;
    (!names.is_empty()).then(|| names.into_iter().rev().map(str::to_owned).collect())
}

/// Nothing leaves without a session, and no try is charged for it.
fn locked_out(asking: &Asking) -> Result<(), Refusal<'static>> {
    if asking.state.is_open(clock::now()) {
        return Ok(());
    }
    asking.record(Event::Export, Outcome::Denied, None, "locked")?;
    Err(asking.state.locked())
}

impl Export {
    /// What comes next, recorded; as much as fits a message, or one that is larger.
    ///
    /// # Errors
    /// The refusal to send: what is damaged, or a log that cannot be written.
    pub fn next(&mut self, asking: &Asking) -> Result<Parcel, Refusal<'static>> {
        self.keys.still(&asking.state)?;
        let mut parcel: Vec<(String, Opened)> = self.kept.take().into_iter().collect();
        let mut room = limits::CHUNK.saturating_sub(parcel.iter().map(|(name, one)| len(name, one)).sum());
        for _ in 0..limits::PAGE {
            if self.over || parcel.len() == limits::BATCH {
                break;
            }
            let Some((name, one)) = self.look(asking)? else { continue };
            let len = len(&name, &one);
            if len > room && !parcel.is_empty() {
                self.kept = Some((name, one));
                break;
            }
            room = room.saturating_sub(len);
            parcel.push((name, one));
        }
        let bytes = written(&parcel)?;
        for (name, _) in &parcel {
            asking.record(Event::Export, Outcome::Allowed, Some(name), self.by)?;
        }
        Ok(Parcel { bytes, last: self.over && self.kept.is_none() })
    }

    /// Opens the next entry, if it is one that is wanted. In one step with finding its name: it may be given another
    /// one at any time, and would then be missed.
    fn look(&mut self, asking: &Asking) -> Result<Option<(String, Opened)>, Refusal<'static>> {
        if let Some(names) = &mut self.exactly {
            let name = names.pop();
            self.over = names.is_empty();
            return name.map_or(Ok(None), |name| self.open(asking, name, true));
        }
        let page = self.vault.page(&self.keys, self.after, 1).map_err(|error| refuse::listing(&error))?;
        self.over = page.next.is_none();
        self.after = page.next;
        // All is wanted, and not all is known.
        if page.unread && self.globs.is_empty() {
            return Err(self.failed(asking, refuse::unexported())?);
        }
        let known = page.secrets.into_iter().map(|(_, info)| Ok(info.name.clone()));
        let name = match known.chain(page.damaged.into_iter().map(Err)).next() {
            None => return Ok(None),
            Some(Ok(name) | Err(Damaged::Named(name))) => name,
            // One that was removed, or gives nothing by its name, either.
            Some(Err(Damaged::Valueless)) if !self.globs.is_empty() => return Ok(None),
            Some(Err(Damaged::Valueless | Damaged::Sealed)) => {
                return Err(self.failed(asking, refuse::unexported())?);
            }
        };
        let wanted = self.globs.is_empty()
            || Name::parse(&*name).is_ok_and(|name| self.globs.iter().any(|glob| glob.matches(&name)));
        if wanted { self.open(asking, name, false) } else { Ok(None) }
    }

    /// Opens a secret by its name. `may_lack`: where there is none, that is no failure.
    fn open(
        &self,
        asking: &Asking,
        name: String,
        may_lack: bool,
    ) -> Result<Option<(String, Opened)>, Refusal<'static>> {
        match self.vault.read(&self.keys, &name) {
            Ok(opened) => Ok(Some((name, opened))),
            Err(Error::NotFound | Error::Name) if may_lack && !asking.state.hides_secrets() => Ok(None),
            Err(error) => {
                asking.record(Event::Export, Outcome::Failed, Some(&name), self.by)?;
                Err(hidden::refused(asking, &error, &name))
            }
        }
    }

    /// Records that it failed at something without a name.
    fn failed(
        &self,
        asking: &Asking,
        refusal: Refusal<'static>,
    ) -> Result<Refusal<'static>, Refusal<'static>> {
        asking.record(Event::Export, Outcome::Failed, None, self.by)?;
        Ok(refusal)
    }
}

/// Bytes that it takes among others, at most.
fn len(name: &str, one: &Opened) -> usize {
    let fields: usize = one.fields().map(|(name, value)| 6 + name.len() + value.len()).sum();
    32 + name.len() + one.value().map_or(0, <[u8]>::len) + fields
}

fn written(parcel: &[(String, Opened)]) -> Result<Zeroizing<Vec<u8>>, Refusal<'static>> {
    let wholes = parcel.iter().map(|(name, one)| whole(name, one)).collect::<Option<Vec<_>>>();
    let wholes = wholes.and_then(List::new).ok_or_else(read::unsendable)?;
    let room = 3 + wholes.iter().map(Whole::len_at_most).sum::<usize>();
    let mut bytes = Zeroizing::new(vec![0; room]);
    let len = whole::write(&wholes, &mut bytes).map_err(|_| read::unsendable())?;
    bytes.truncate(len);
    Ok(bytes)
}

fn whole<'a>(name: &'a str, one: &'a Opened) -> Option<Whole<'a>> {
    let field =
        |(name, value)| Some(WholeField { name: Field::parse(name).ok()?, value: Bytes::new(value)? });
    Some(Whole {
        name: Name::parse(name).ok()?,
        expires: one.expires(),
        value: one.value().map(|value| Bytes::new(value).ok_or(())).transpose().ok()?,
        fields: List::new(one.fields().map(field).collect::<Option<Vec<_>>>()?)?,
    })
}
