//! A lock that comes in the very moment between the new file's coming into the vault's place and its being served: the new
//! key is in force, nobody has it in memory, and whoever asked is told so. A new file that is spoiled just before that: it
//! is given up, and nobody is told that the vault is damaged.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use glassdome_lockmem::LockedBytes;
use glassdome_proto::session::{LockReason, VaultState};
use glassdome_vault::kdf::{self, KdfInput, KdfParams, Kek};
use glassdome_vault::{Edit, Error, Plan, SlotKind, Vault};
use tokio::task::{JoinHandle, LocalSet, spawn_local, yield_now};

use super::*;
use crate::attest::{self, Claims};
use crate::found::Found;
use crate::journal::Journal;
use crate::session::Limits;
use crate::standing::Stand;
use crate::state::sealed::Sealed;
use crate::throttle::Backoff;
use crate::worker::Worker;

const OPEN: Limits = Limits { total: Duration::from_secs(1000), idle: None };

fn opener(kind: SlotKind, secret: &[u8]) -> (KdfInput, Kek) {
    let input = Vault::new_kdf_input(kind, KdfParams::FLOOR).unwrap();
    let kek = kdf::derive(&input, &LockedBytes::copied_from(secret).unwrap()).unwrap();
    (input, kek)
}

/// A rotation with nothing left to be done but its end.
struct Ready {
    asking: Asking,
    password: Kek,
    /// The recovery code from before, and the one that is to be in force.
    codes: [Kek; 2],
    home: tempfile::TempDir,
}

impl Ready {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("vault");
        let (input, password) = opener(SlotKind::Password, b"a password");
        let (vault, keys) = Vault::create(&path, &input, &password, 1).unwrap();
        let mut draft = vault.draft(&keys).unwrap();
        draft.set("a", Edit { value: Some(b"1"), ..Edit::default() }, 1).unwrap();
        vault.commit(draft.finish().unwrap()).unwrap();
        let [before, next] = [&b"one code"[..], b"another code"].map(|code| opener(SlotKind::Recovery, code));
        vault.commit(vault.rewrap(&keys, &before.0, &before.1).unwrap()).unwrap();

        let asking = asking(vault, &home);
        let (state, vault) = (&asking.state, asking.state.vault().unwrap());
        let (plan, new) = Plan::new(&vault, &keys, &input, &password).unwrap();
        let rotation = plan.build(&path).unwrap();
        let change = rotation.vault().rewrap(&new, &next.0, &next.1).unwrap();
        rotation.commit(change).unwrap();
        let room = state.rotations().room(&asking.rotation).unwrap();
        let slots = vault.slots_digest().unwrap();
        let rotating = Rotating::new(rotation, new, slots, state.store.clone(), room);
        asking.rotation.replace(Some(rotating));
        state.open(keys, OPEN, Sealed::default(), 0, clock::now());
        while !matches!(step(asking.clone()).await, Ok(Answer::Rotation(wire::Answer::Done(done))) if done.ready)
        {
        }
        Self { asking, password, codes: [before.1, next.1], home }
    }

    fn state(&self) -> &State {
        &self.asking.state
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Has its end begun, up to where it waits for the disk, which it has when what is given first is dropped.
    async fn held(&self) -> (mpsc::Sender<()>, JoinHandle<Result<Answer<'static>, Refusal<'static>>>) {
        let (go, held) = mpsc::channel::<()>();
        self.state().store.later(move || assert!(held.recv().is_err()));
        let ending = spawn_local(finish::finish(self.asking.clone()));
        while self.asking.rotation.borrow().as_ref().is_some_and(|rotating| rotating.rotation().is_some()) {
            assert!(!ending.is_finished());
            yield_now().await;
        }
        yield_now().await;
        (go, ending)
    }

    /// Has it finished, and calls `spoil` with the new file's path before the move.
    async fn refused(&self, spoil: impl FnOnce(&Path)) -> Refusal<'static> {
        let (go, ending) = self.held().await;
        spoil(&self.path("vault.rotation/new"));
        drop(go);
        ending.await.unwrap().expect_err("it is refused")
    }

    /// Has it finished, and calls `between` when the new file is in the vault's place, and the former one served still.
    async fn finish(&self, between: impl FnOnce()) -> wire::Former {
        let (go, ending) = self.held().await;
        let (moved, is_moved) = mpsc::channel();
        self.state().store.later(move || moved.send(()).unwrap());
        drop(go);
        // Nothing else runs on this thread meanwhile.
        is_moved.recv().unwrap();
        assert!(self.path("vault.rotation/former").exists() && !self.path("vault.rotation/new").exists());
        assert!(self.state().vault().unwrap().unwrap(&self.codes[0]).is_ok(), "the former one is served");
        between();
        match ending.await.unwrap() {
            Ok(Answer::Rotation(wire::Answer::Finished { former })) => former,
            other => panic!("{other:?}"),
        }
    }

    /// What the log has of it.
    fn recorded(&self) -> Vec<String> {
        let log = fs::read_to_string(self.path("audit.jsonl")).unwrap();
        let of_it = log.lines().filter(|line| line.contains(r#""event":"rotate""#));
        of_it.map(str::to_owned).collect()
    }

    fn is_in_force(&self) {
        let vault = self.state().vault().unwrap();
        for kek in [&self.password, &self.codes[1]] {
            let keys = vault.unwrap(kek).unwrap();
            assert_eq!(vault.read(&keys, "a").unwrap().value(), Some(&b"1"[..]));
        }
        assert!(
            matches!(vault.unwrap(&self.codes[0]), Err(Error::WrongPassword)),
            "the one from before opens nothing"
        );
        assert!(!self.path("vault.rotation").exists());
        let recorded = self.recorded();
        assert!(recorded.len() == 1 && recorded[0].contains(r#""by":"done""#), "{recorded:?}");
    }
}

fn asking(vault: Vault, home: &tempfile::TempDir) -> Asking {
    let owner = rustix::process::geteuid().as_raw();
    let id = glassdome_audit::Hex(*vault.id().as_bytes());
    let state = State::new(Found {
        owner,
        stamp: None,
        memory: None,
        vault: Some(vault),
        vault_path: home.path().join("vault"),
        journal: Journal::open(&home.path().join("audit.jsonl"), Some(id), None, clock::now()).unwrap(),
        store: Worker::start("disk").unwrap(),
        backoff: Backoff::default(),
        panic: None,
        helper: None,
        state_file: None,
    });
    let (ours, _theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let identity = attest::identify(ours.as_fd(), owner, None).unwrap();
    let peer = identity.confirmed(Claims { client: "test".into(), version: String::new() }, false).unwrap();
    Asking {
        state: Rc::new(state),
        peer: Rc::new(peer),
        stand: Rc::new(Stand::default()),
        cleared: None,
        renames: None,
        wait: Duration::ZERO,
        listing: Rc::default(),
        unlisted: Rc::default(),
        listing_cleared: Rc::default(),
        editing: Rc::default(),
        backup: Rc::default(),
        tested: Rc::default(),
        stream: Rc::default(),
        rotation: Rc::default(),
    }
}

#[tokio::test]
async fn a_lock_between_the_move_and_the_taking_up_leaves_the_new_key_in_force_and_in_nobodys_hands() {
    let it = async {
        let it = Ready::new().await;
        let state = it.state();
        let ended = it.finish(|| state.lock(LockReason::Requested)).await;
        // Who is answered so keeps the code that is in force.
        assert_eq!(ended, wire::Former::Overwritten);
        assert!(
            !state.is_open(clock::now()) && state.keys().is_none() && it.asking.rotation.borrow().is_none()
        );
        assert_eq!(state.vault_state(), VaultState::Present);
        it.is_in_force();
        assert_eq!(state.rotations().has_room(), Ok(()));
        // The next session begins, with the log as it is.
        state.settle_log().await;
        let vault = state.vault().unwrap();
        let keys = vault.unwrap(&it.password).unwrap();
        state.meet_log(&vault, &keys).await.unwrap();
        assert_eq!(state.journal().alarm(), None);
        state.open(keys, OPEN, Sealed::default(), 0, clock::now());
        assert_eq!(vault.read(&state.keys().unwrap(), "a").unwrap().value(), Some(&b"1"[..]));
    };
    LocalSet::new().run_until(it).await;
}

#[tokio::test]
async fn a_session_that_was_begun_in_that_moment_with_the_former_keys_ends() {
    let it = async {
        let it = Ready::new().await;
        let state = it.state();
        let ended = it.finish(|| {
            state.lock(LockReason::Requested);
            let former = state.vault().unwrap().unwrap(&it.password).unwrap();
            state.open(former, OPEN, Sealed::default(), 0, clock::now());
        });
        assert_eq!(ended.await, wire::Former::Overwritten);
        assert!(!state.is_open(clock::now()) && state.keys().is_none());
        it.is_in_force();
    };
    LocalSet::new().run_until(it).await;
}

#[tokio::test]
async fn without_a_lock_the_session_goes_on_with_the_new_key() {
    let it = async {
        let it = Ready::new().await;
        let state = it.state();
        assert_eq!(it.finish(|| {}).await, wire::Former::Overwritten);
        it.is_in_force();
        let vault = state.vault().unwrap();
        assert!(state.is_open(clock::now()));
        assert_eq!(vault.read(&state.keys().unwrap(), "a").unwrap().value(), Some(&b"1"[..]));
    };
    LocalSet::new().run_until(it).await;
}

/// What becomes of the new file, at that path.
type Spoil<'a> = &'a mut dyn FnMut(&Path);

/// Another file under the new one's name.
fn plant(new: &Path, make: impl FnOnce(&Path)) {
    let planted = new.with_file_name("planted");
    make(&planted);
    fs::rename(planted, new).unwrap();
}

#[tokio::test]
async fn a_new_file_that_is_spoiled_at_the_end_is_given_up_and_the_vault_is_not_said_to_be_damaged() {
    let mut held = None;
    let spoils: [(&str, Spoil<'_>); 3] = [
        ("damaged", &mut |new| {
            let length = new.metadata().unwrap().len();
            let file = File::options().write(true).open(new).unwrap();
            file.write_all_at(&vec![7; usize::try_from(length).unwrap() - 4096], 4096).unwrap();
        }),
        ("somebody else's", &mut |new| {
            plant(new, |planted| assert!(fs::copy(new, planted).unwrap() > 0));
            let file = File::open(new).unwrap();
            file.lock().unwrap();
            held = Some(file);
        }),
        ("a link", &mut |new| {
            plant(new, |planted| std::os::unix::fs::symlink("/dev/null", planted).unwrap())
        }),
    ];
    for (what, spoil) in spoils {
        let it = async {
            let it = Ready::new().await;
            let refusal = it.refused(spoil).await;
            let said = &refusal.message;
            assert_eq!(refusal.code, Code::Corrupt, "{what}: {said}");
            assert!(said.contains("the unfinished rotation is damaged, and is given up"), "{what}: {said}");
            assert!(said.contains("ctl rotate") && !said.contains("backup"), "{what}: {said}");
            assert!(!it.path("vault.rotation").exists(), "{what}: it takes no room");
            assert_eq!(it.path("vault").symlink_metadata().unwrap().nlink(), 1, "{what}");
            let state = it.state();
            assert_eq!(state.rotations().has_room(), Ok(()), "{what}");
            let (vault, keys) = (state.vault().unwrap(), state.keys().unwrap());
            let mut draft = vault.draft(&keys).unwrap();
            draft.set("b", Edit { value: Some(b"2"), ..Edit::default() }, 1).unwrap();
            vault.commit(draft.finish().unwrap()).unwrap();
            assert!(vault.unwrap(&it.codes[0]).is_ok(), "{what}: the code from before is in force");
        };
        LocalSet::new().run_until(it).await;
    }
    assert!(held.is_some());
}

#[test]
fn which_file_stands_is_said_where_the_disk_may_not_have_it() {
    let failed = || std::io::ErrorKind::Other.into();
    assert!(finish::stands(&Error::InPlace(failed())).unwrap().contains("the new key is in force"));
    assert!(finish::stands(&Error::MovedBack(failed())).unwrap().contains("the former key is in force"));
    assert_eq!(finish::stands(&Error::Storage(failed())), None, "the vault is as it was");
}
