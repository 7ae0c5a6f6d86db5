//! What the log tells of vaults: of each the newest state, whatever was told behind that. Whoever can add a line cannot
//! take back by it what was told, unless the line says that the owner did so.

use glassdome_audit::{Event, Hex, Outcome, Record, Vault};

/// So many vaults are remembered; of more, the one that is in the place, and those that were told of last.
const MOST: usize = 64;

/// The newest state of each vault.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Vaults {
    /// The one that was told of last comes last.
    states: Vec<Vault>,
    /// The one that is in the place, which no other makes forgotten.
    own: Option<Hex<16>>,
    /// Whether the next news may be of an older state: the owner has put it there.
    may_go_back: bool,
}

impl Vaults {
    /// None yet; `own` is the one that is in the place.
    pub fn beside(own: Option<Hex<16>>) -> Self {
        Self { own, ..Self::default() }
    }

    /// Takes in what a record of the log tells.
    pub fn read(&mut self, record: &Record<'_>) {
        if let Some(vault) = record.vault {
            self.hear(vault);
        }
        self.see(record.event, record.outcome);
    }

    /// A record says what the owner did. Another vault may be in the place from then on, which counts on from what was
    /// told, and may be under another master key: also if a kill leaves it untold.
    pub fn see(&mut self, event: Event, outcome: Outcome) {
        if !matches!(event, Event::AcceptRollback | Event::Recover) {
            return;
        }
        match outcome {
            Outcome::Allowed => {
                self.may_go_back = true;
                self.states.iter_mut().for_each(|known| known.key = None);
            }
            Outcome::Failed => self.may_go_back = false,
            Outcome::Denied => {}
        }
    }

    fn hear(&mut self, told: Vault) {
        let Some(known) = self.of(told.id) else { return self.put(told) };
        if is_same(&known, &told) {
            // An earlier version does not tell of the key.
            return self.put(Vault { key: told.key.or(known.key), ..told });
        }
        if told.changes > known.changes || self.may_go_back {
            self.may_go_back = false;
            self.put(told);
        }
    }

    /// The vault is in this state, as the daemon knows itself.
    pub fn know(&mut self, vault: Vault) {
        self.own = Some(vault.id);
        self.put(vault);
    }

    fn put(&mut self, vault: Vault) {
        self.states.retain(|known| known.id != vault.id);
        if self.states.len() == MOST {
            let other = self.states.iter().position(|known| Some(known.id) != self.own);
            self.states.remove(other.unwrap_or_default());
        }
        self.states.push(vault);
    }

    /// The newest state of that vault.
    pub fn of(&self, id: Hex<16>) -> Option<Vault> {
        self.states.iter().find(|known| known.id == id).copied()
    }

    /// The state that was heard of last.
    pub fn last(&self) -> Option<Vault> {
        self.states.last().copied()
    }

    /// One that `told` does not have.
    pub fn news_to(&self, told: &Self) -> Option<Vault> {
        let has = |known: &Vault| {
            let of = |told: Vault| is_same(&told, known) && (known.key.is_none() || told.key == known.key);
            told.of(known.id).is_some_and(of)
        };
        self.states.iter().rev().find(|known| !has(known)).copied()
    }
}

fn is_same(one: &Vault, other: &Vault) -> bool {
    (one.changes, one.state) == (other.changes, other.state)
}

#[cfg(test)]
#[path = "vaults_tests.rs"]
mod tests;
