//! What the rooms share: the session, the vault, the log. Everything here happens on one thread, so
//! a step is never seen half done; what waits for a disk goes to [`Worker`] without a key.

mod kept;
pub mod log;
mod panic;
mod pause;
mod rooms;
pub mod sealed;

use std::cell::{Cell, Ref, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use glassdome_lockmem::Level;
use glassdome_proto::Refusal;
use glassdome_proto::session::{LockReason, VaultState};
use glassdome_vault::{Keys, Vault};
use tokio::sync::{Mutex, Notify, watch};

use crate::answers::Answers;
use crate::attest::matching::Files;
use crate::backups::Backups;
use crate::canaries::Canaries;
use crate::clock::{self, Now};
use crate::found::Found;
use crate::granted::Granted;
use crate::grants::Grants;
use crate::handles::Handles;
use crate::journal::Journal;
use crate::kept::Keeping;
use crate::keyring::Keyring;
use crate::logind::Logind;
use crate::looks::Looks;
use crate::notify::Notifier;
use crate::pins::Pins;
use crate::policy::rate::Rates;
use crate::policy::rule::{Origin, Rule};
use crate::questions::Questions;
use crate::refusals::Refusals;
use crate::refuse;
use crate::rotations::Rotations;
use crate::screens::Screens;
use crate::session::{Input, Session};
use crate::state_file::StateFile;
use crate::storage_tests::StorageTests;
use crate::throttle::Backoff;
use crate::worker::Worker;

use panic::Panic;

/// Looks at whoever asks, at one time.
const LOOKS: usize = 16;
/// Looks that anybody may ask for, at one time.
const LOOKS_ON_REQUEST: usize = 2;
/// Looks for whoever has given the master password, at one time.
const LOOKS_PROVEN: usize = 4;

/// Shared by all rooms, on the event loop's thread.
#[derive(Debug)]
pub struct State {
    owner: u32,
    stamp: Option<u32>,
    memory: Option<Level>,
    session: RefCell<Session<Keys>>,
    vault: RefCell<Option<Arc<Vault>>>,
    vault_path: PathBuf,
    damaged: Cell<bool>,
    /// Whether a secret may be there that is not found.
    hides: Cell<bool>,
    /// How often it was found damaged.
    damages: Cell<u64>,
    panic: Cell<Option<Panic>>,
    journal: Journal,
    /// What the vault is to remember of the session that has ended, and the keyring of the vault then.
    parting: RefCell<Option<log::Left>>,
    keeping: Keeping,
    locks: watch::Sender<u64>,
    opens: watch::Sender<u64>,
    changed: Notify,
    stop: Notify,
    sealed: RefCell<Vec<Arc<Rule>>>,
    rules: RefCell<Arc<[Arc<Rule>]>>,
    rule_files: RefCell<Files>,
    rates: Rates,
    grants: Grants,
    granted: Granted,
    handles: Handles,
    questions: Questions,
    answers: Answers,
    pins: Pins,
    refusals: Refusals,
    notifier: Notifier,
    keyring: Keyring,
    state_file: Option<StateFile>,
    logind: Logind,
    screens: Screens,
    canaries: RefCell<Canaries>,
    backups: Backups,
    rotations: Rotations,
    rekeyed: Cell<u64>,
    storage_tests: StorageTests,
    generation: watch::Sender<u64>,
    looks: Looks,
    looks_on_request: Looks,
    looks_proven: Looks,
    /// Whether the vault is being checked.
    pub checking: Cell<bool>,
    /// Runs what waits for a disk.
    pub store: Worker,
    /// Held while a change is drafted and until it is on disk: one at a time.
    pub changing: Arc<Mutex<()>>,
    /// Held while the log is brought to the disk, or compared with what the vault remembers.
    settling: Mutex<()>,
    /// Held while a panic is brought to the disk, or taken from it.
    pub panicking: Arc<Mutex<()>>,
    /// Held while a password is tried, with the pauses between tries: one at a time.
    pub guessing: Arc<Mutex<Backoff>>,
}

impl State {
    /// A locked daemon.
    pub fn new(found: Found) -> Self {
        Self {
            owner: found.owner,
            stamp: found.stamp,
            memory: found.memory,
            session: RefCell::default(),
            vault: RefCell::new(found.vault.map(Arc::new)),
            vault_path: found.vault_path,
            damaged: Cell::new(false),
            hides: Cell::new(false),
            damages: Cell::new(0),
            panic: Cell::new(found.panic.map(|since| Panic { since, on_disk: true })),
            journal: found.journal,
            parting: RefCell::default(),
            keeping: Keeping::default(),
            locks: watch::Sender::new(0),
            opens: watch::Sender::new(0),
            changed: Notify::new(),
            stop: Notify::new(),
            sealed: RefCell::default(),
            rules: RefCell::new(Arc::new([])),
            rule_files: RefCell::new(Files::none(Instant::now())),
            rates: Rates::default(),
            grants: Grants::default(),
            granted: Granted::default(),
            handles: Handles::default(),
            questions: Questions::default(),
            answers: Answers::default(),
            pins: Pins::default(),
            refusals: Refusals::default(),
            notifier: Notifier::new(found.helper),
            keyring: Keyring::default(),
            state_file: found.state_file,
            logind: Logind::default(),
            screens: Screens::default(),
            canaries: RefCell::default(),
            backups: Backups::default(),
            rotations: Rotations::default(),
            rekeyed: Cell::new(0),
            storage_tests: StorageTests::default(),
            generation: watch::Sender::new(0),
            looks: Looks::new(LOOKS),
            looks_on_request: Looks::new(LOOKS_ON_REQUEST),
            looks_proven: Looks::new(LOOKS_PROVEN),
            checking: Cell::new(false),
            store: found.store,
            changing: Arc::default(),
            settling: Mutex::default(),
            panicking: Arc::default(),
            guessing: Arc::new(Mutex::new(found.backoff)),
        }
    }

    /// Whom this daemon serves.
    pub fn owner(&self) -> u32 {
        self.owner
    }

    /// The group that the programs installed with this daemon show when they connect, and no other
    /// program can; `None` if it was not installed so.
    pub fn stamp(&self) -> Option<u32> {
        self.stamp
    }

    /// How well the key's memory is protected; while there is none, how well it could be when the
    /// daemon started.
    pub fn memory(&self) -> Option<Level> {
        let session = self.session.borrow();
        session.open().map_or(self.memory, |open| Some(open.key().level()))
    }

    // The session.

    /// Whether a session is open at this moment. Ends one whose time is over.
    pub fn is_open(&self, now: Now) -> bool {
        // Nearly always nothing ends: then nothing is taken apart, and nobody told.
        if !self.session.borrow().holds(now) {
            self.step(Input::Check, now);
        }
        self.session.borrow().open().is_some()
    }

    /// Ends the session, and everything that is under way.
    pub fn lock(&self, reason: LockReason) {
        self.step(Input::Lock(reason), clock::now());
    }

    /// An authorised request.
    pub fn used(&self, now: Now) {
        if self.session.borrow().holds(now) {
            self.session.borrow_mut().touch(now);
        } else {
            self.step(Input::Used, now);
        }
    }

    /// The timer.
    pub fn tick(&self, now: Now) {
        self.step(Input::Tick, now);
    }

    fn step(&self, input: Input<Keys>, now: Now) {
        let parting = self.part(&input, now);
        let ended = {
            let mut session = self.session.borrow_mut();
            let (next, ended) = std::mem::take(&mut *session).step(input, now);
            *session = next;
            ended
        };
        self.rest();
        let locks = self.session.borrow().locks();
        self.locks.send_if_modified(|seen| std::mem::replace(seen, locks) != locks);
        if let Some(reason) = ended {
            // They end with the session; rules rest sealed until the next.
            self.rotations.end();
            self.grants.clear();
            self.handles.clear();
            self.questions.clear();
            self.answers.clear();
            self.rates.clear();
            self.pins.replace(None);
            self.refusals.clear();
            self.notifier.set_command(None);
            self.keyring.end();
            self.logind.end();
            self.screens.end();
            self.set_canaries(Canaries::default());
            self.set_rules(Vec::new());
            tracing::info!("locked: {}", reason.describe());
            self.parted(parting, reason, now);
        }
    }

    /// The vault has another master key: the session goes on with that, if it is open. Without one, which
    /// a lock took meanwhile, none goes on.
    pub fn rekey(&self, key: Option<Keys>) {
        self.rekeyed.set(self.rekeyed.get() + 1);
        let Some(key) = key else { return self.lock(LockReason::Requested) };
        let _ = self.session.borrow_mut().go_on_with(key);
    }

    /// Counts how often the vault got another master key.
    pub fn rekeyed(&self) -> u64 {
        self.rekeyed.get()
    }

    /// Looks at the open session.
    pub fn session(&self) -> Ref<'_, Session<Keys>> {
        self.session.borrow()
    }

    /// The key of the open session: for the gate, which alone may hand it on.
    pub fn keys(&self) -> Option<Ref<'_, Keys>> {
        Ref::filter_map(self.session.borrow(), |session| session.open().map(|open| open.key())).ok()
    }

    /// Why there is no session: what ended the last one, or the panic that keeps the next from beginning.
    pub fn last_lock(&self) -> Option<LockReason> {
        self.panic.get().map_or_else(|| self.session.borrow().last_lock(), |_| Some(LockReason::Panic))
    }

    /// The refusal of whatever needs a session.
    pub fn locked(&self) -> Refusal<'static> {
        match self.panic.get() {
            Some(Panic { since, .. }) => refuse::panic(since),
            None => refuse::locked(self.session.borrow().last_lock()),
        }
    }

    /// Counts the locks, and wakes whoever waits for one.
    pub fn locks(&self) -> watch::Receiver<u64> {
        self.locks.subscribe()
    }

    /// Counts the sessions that were opened, or begun anew, and wakes whoever waits for one.
    pub fn opens(&self) -> watch::Receiver<u64> {
        self.opens.subscribe()
    }

    // The policy.

    /// The sealed rules, of an open session.
    pub fn sealed_rules(&self) -> Vec<Arc<Rule>> {
        self.sealed.borrow().clone()
    }

    /// All rules in force: the sealed ones and what a person's answers amount to.
    pub fn rules(&self) -> Arc<[Arc<Rule>]> {
        self.rules.borrow().clone()
    }

    /// Other rules are sealed, or the session has others.
    pub fn set_rules(&self, rules: Vec<Arc<Rule>>) {
        *self.sealed.borrow_mut() = rules;
        self.policy_changed();
    }

    /// Which files lay at the paths of rules when it was last looked.
    pub fn rule_files(&self) -> Ref<'_, Files> {
        self.rule_files.borrow()
    }

    /// It was just looked.
    pub fn set_rule_files(&self, files: Files) {
        *self.rule_files.borrow_mut() = files;
    }

    /// Whether this rule is in force.
    pub fn has_rule(&self, rule: &Arc<Rule>) -> bool {
        if let Origin::Answer(id) = rule.origin {
            return self.answers.holds(id, clock::now().boot);
        }
        self.rules.borrow().iter().any(|own| Arc::ptr_eq(own, rule) || own == rule)
    }

    /// The secrets that are bait, of an open session.
    pub fn canaries(&self) -> Ref<'_, Canaries> {
        self.canaries.borrow()
    }

    /// Other secrets are bait, or the session has others.
    pub fn set_canaries(&self, canaries: Canaries) {
        *self.canaries.borrow_mut() = canaries;
    }

    /// Counts what could change who may what.
    pub fn generation(&self) -> u64 {
        *self.generation.borrow()
    }

    /// Wakes whoever waits for a change of who may what.
    pub fn policy_changes(&self) -> watch::Receiver<u64> {
        self.generation.subscribe()
    }

    /// A rule, a grant or an answer came or went.
    pub fn policy_changed(&self) {
        let answers = self.answers.all(clock::now().boot).into_iter().map(|answer| answer.rule.clone());
        *self.rules.borrow_mut() = self.sealed.borrow().iter().cloned().chain(answers).collect();
        self.granted.clear();
        self.generation.send_modify(|count| *count += 1);
    }

    // The vault.

    /// The vault, if one has been created.
    pub fn vault(&self) -> Option<Arc<Vault>> {
        self.vault.borrow().clone()
    }

    /// Where the vault is, or will be.
    pub fn vault_path(&self) -> PathBuf {
        self.vault_path.clone()
    }

    /// A vault has been created.
    pub fn adopt(&self, vault: Arc<Vault>) {
        *self.vault.borrow_mut() = Some(vault);
    }

    /// A change is on the disk.
    pub fn note_change(&self) {
        self.changed.notify_one();
    }

    /// Waits until a change is on the disk.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A check found the vault damaged. `hides`: a secret may be there that is not found by its name.
    pub fn mark_damaged(&self, hides: bool) {
        self.damaged.set(true);
        self.hides.set(hides);
        self.damages.set(self.damages.get() + 1);
    }

    /// Somebody met damage: what it hides is not known, unless a test has said so before.
    pub fn met_damage(&self) {
        self.mark_damaged(self.hides.get() || !self.damaged.get());
    }

    /// How often the vault was found damaged.
    pub fn damages(&self) -> u64 {
        self.damages.get()
    }

    /// A test found the vault sound that began when it had been found damaged `damages` times: what was found since is
    /// not taken back.
    pub fn mark_sound(&self, damages: u64) {
        if self.damages.get() == damages {
            self.damaged.set(false);
            self.hides.set(false);
        }
    }

    /// Whether a secret may be there that is not found by its name.
    pub fn hides_secrets(&self) -> bool {
        self.hides.get()
    }

    /// What is known of the vault without a key.
    pub fn vault_state(&self) -> VaultState {
        match (self.damaged.get(), &*self.vault.borrow()) {
            (true, _) => VaultState::Damaged,
            (false, Some(_)) => VaultState::Present,
            (false, None) => VaultState::Absent,
        }
    }

    // The end.

    /// Asks the daemon to end.
    pub fn stop(&self) {
        self.stop.notify_one();
    }

    /// Waits until somebody asked.
    pub async fn stopped(&self) {
        self.stop.notified().await;
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
