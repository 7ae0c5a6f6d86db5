//! Which of what a keyring keeps counts, and what a daemon gives it to keep.

use glassdome_lockmem::LockedBytes;
use glassdome_vault::kdf::{self, KdfParams};
use glassdome_vault::{SlotKind, Vault};

use super::*;

/// Keys of a new vault.
fn keys(dir: &tempfile::TempDir, name: &str) -> (Vault, Keys) {
    let input = Vault::new_kdf_input(SlotKind::Password, KdfParams::FLOOR).unwrap();
    let kek = kdf::derive(&input, &LockedBytes::copied_from(b"a password").unwrap()).unwrap();
    Vault::create(&dir.path().join(name), &input, &kek, 1).unwrap()
}

#[test]
fn the_newest_that_the_keys_vouch_for_counts_and_nothing_else_hides_it() {
    let dir = tempfile::tempdir().unwrap();
    let ((vault, own), (_, others)) = (keys(&dir, "own"), keys(&dir, "other"));
    let mark = |generation, state| Mark { vault: vault.id(), generation, state: [state; 16], key: None };
    let kept = |generation, state| Zeroizing::new(mark(generation, state).to_kept(&own));
    let foreign = Zeroizing::new(mark(900, 9).to_kept(&others));
    let junk = Zeroizing::new([1; Mark::KEPT]);
    for (number, (items, differs)) in [
        (Kept::Unknown, None),
        (Kept::Nothing, None),
        (Kept::Locked, None),
        (Kept::Items(vec![kept(5, 5)]), None),
        // What the keyring was not given yet, or somebody has put back there.
        (Kept::Items(vec![kept(4, 4)]), None),
        (Kept::Items(vec![kept(6, 6)]), Some(Differs::Older(1))),
        (Kept::Items(vec![kept(5, 6)]), Some(Differs::Other)),
        (Kept::Items(vec![junk.clone(), kept(3, 3), kept(8, 8), foreign.clone()]), Some(Differs::Older(3))),
        (Kept::Items(vec![junk.clone(), kept(5, 5), foreign.clone()]), None),
        (Kept::Items(vec![foreign]), Some(Differs::Foreign)),
        (Kept::Items(vec![junk.clone(), junk]), Some(Differs::Foreign)),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(items.compare(&mark(5, 5), &own), differs, "the one with number {number}");
    }
}

#[test]
fn a_kept_state_of_which_a_bit_is_another_vouches_for_nothing_and_is_no_reason_to_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let (vault, own) = keys(&dir, "own");
    let mark = |generation| Mark { vault: vault.id(), generation, state: [5; 16], key: None };
    for kept in [mark(5), mark(4), mark(6)] {
        let honest = Zeroizing::new(kept.to_kept(&own));
        let control = Kept::Items(vec![honest.clone()]).compare(&mark(5), &own);
        assert_eq!(control, (kept.generation > 5).then_some(Differs::Older(1)));
        for bit in 0..8 * Mark::KEPT {
            let mut flipped = honest.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Whether it was newer, older or this very state, nobody can tell: the password opens nothing until its
            // owner says so.
            let found = Kept::Items(vec![flipped.clone()]).compare(&mark(5), &own);
            assert_eq!(found, Some(Differs::Foreign), "bit {bit}");
            assert_eq!(Kept::Items(vec![flipped, honest.clone()]).compare(&mark(5), &own), control);
        }
    }
}

#[test]
fn what_was_left_is_taken_once_and_a_reason_goes_with_the_next_that_is_kept() {
    let keeping = Keeping::default();
    let bytes = [3; Mark::KEPT];
    assert_eq!(keeping.take(), None);
    keeping.leave(bytes);
    assert_eq!((keeping.take(), keeping.take()), (Some(bytes), None));
    keeping.gave(bytes, Err(Unkept::Locked));
    assert_eq!((keeping.kept(), keeping.why_not().as_deref()), (None, Some("the keyring is locked")));
    // It is given once more when the keyring is open; what is newer goes before it.
    assert_eq!((keeping.has_left(), keeping.take()), (true, Some(bytes)));
    keeping.leave([4; Mark::KEPT]);
    keeping.gave(bytes, Err(Unkept::Nowhere));
    assert_eq!(keeping.take(), Some([4; Mark::KEPT]));
    keeping.gave(bytes, Err(Unkept::Unmoved(Unmoved::Asks)));
    assert!(!keeping.has_left(), "a keyring that would ask is not asked again and again");
    keeping.gave(bytes, Ok(()));
    assert_eq!((keeping.kept(), keeping.why_not(), keeping.has_left()), (Some(bytes), None, false));
    keeping.leave(bytes);
    keeping.forgotten();
    assert_eq!((keeping.kept(), keeping.take()), (None, None));
}
