//! What counts of what a log tells, and what a line that somebody adds is worth.

use proptest::prelude::*;

use super::*;

fn state(id: u8, changes: u64, state: u8) -> Vault {
    Vault { id: Hex([id; 16]), changes, state: Hex([state; 16]), key: Some(Hex([9; 16])) }
}

fn heard(records: &[(Event, Outcome, Option<Vault>)]) -> Vaults {
    let mut vaults = Vaults::default();
    for (event, outcome, vault) in records {
        vaults.read(&Record { vault: *vault, ..Record::new(*event, *outcome) });
    }
    vaults
}

const DID: (Event, Outcome) = (Event::Get, Outcome::Allowed);

fn did(vault: Vault) -> (Event, Outcome, Option<Vault>) {
    (DID.0, DID.1, Some(vault))
}

#[test]
fn no_line_takes_back_what_was_told_unless_it_says_that_the_owner_did() {
    let newest = state(1, 9, 9);
    for added in [state(1, 8, 8), state(1, 0, 0), state(1, 9, 8), state(2, 1, 1), state(2, u64::MAX, 1)] {
        let vaults = heard(&[did(newest), did(added)]);
        assert_eq!(vaults.of(newest.id), Some(newest), "{added:?}");
        // Nor does one that was refused, or came to nothing.
        for (event, outcome) in [
            (Event::AcceptRollback, Outcome::Denied),
            (Event::Rollback, Outcome::Denied),
            (Event::Rotate, Outcome::Allowed),
            (Event::AcceptLog, Outcome::Allowed),
        ] {
            let vaults = heard(&[did(newest), (event, outcome, None), did(added)]);
            assert_eq!(vaults.of(newest.id), Some(newest), "{event:?} {outcome:?} {added:?}");
        }
    }
    // The control.
    assert_eq!(heard(&[did(newest), did(state(1, 10, 1))]).of(newest.id), Some(state(1, 10, 1)));
}

#[test]
fn what_the_owner_has_put_there_counts_once_it_is_told() {
    let (newest, put) = (state(1, 9, 9), state(1, 4, 4));
    for event in [Event::AcceptRollback, Event::Recover] {
        let allowed = (event, Outcome::Allowed, None);
        // Before it is told, which a kill can leave, the newest counts, under whatever key.
        let any_key = Some(Vault { key: None, ..newest });
        assert_eq!(heard(&[did(newest), allowed]).of(newest.id), any_key);
        let denied = (event, Outcome::Denied, None);
        assert_eq!(heard(&[did(newest), denied]).of(newest.id), Some(newest));
        // What is told once more, or not told, is no news.
        let seen = [did(newest), allowed, did(newest), (DID.0, DID.1, None), did(put)];
        assert_eq!(heard(&seen).of(newest.id), Some(put));
        // And only once.
        let twice = [did(newest), allowed, did(put), did(state(1, 3, 3))];
        assert_eq!(heard(&twice).of(newest.id), Some(put));
        let failed = [did(newest), allowed, (event, Outcome::Failed, None), did(put)];
        assert_eq!(heard(&failed).of(newest.id), any_key);
        // What the record itself tells was there before.
        assert_eq!(heard(&[did(newest), (event, Outcome::Allowed, Some(put))]).of(newest.id), any_key);
    }
}

#[test]
fn the_key_of_a_state_is_told_later_and_not_taken_back() {
    let (with, without) = (state(1, 9, 9), Vault { key: None, ..state(1, 9, 9) });
    assert_eq!(heard(&[did(without), did(with)]).of(with.id), Some(with));
    assert_eq!(heard(&[did(with), did(without)]).of(with.id), Some(with));
    // It is news, and that it is not known is none.
    let only = |vault| heard(&[did(vault)]);
    assert_eq!(only(with).news_to(&only(without)), Some(with));
    assert_eq!(only(without).news_to(&only(with)), None);
}

#[test]
fn of_many_vaults_the_last_are_remembered_and_each_is_told_on() {
    let mut vaults = Vaults::default();
    for id in 0..=u8::try_from(MOST).unwrap() {
        vaults.know(state(id, 1, id));
    }
    assert_eq!((vaults.of(Hex([0; 16])), vaults.of(Hex([1; 16]))), (None, Some(state(1, 1, 1))));
    let mut told = Vaults::default();
    for n in 0..MOST {
        let news = vaults.news_to(&told).unwrap();
        assert!(n > 0 || Some(news) == vaults.last(), "the last comes first");
        told.know(news);
    }
    assert_eq!(vaults.news_to(&told), None);
}

#[test]
fn the_one_that_is_in_the_place_is_remembered_however_many_others_are_told() {
    let own = state(200, 9, 9);
    let heard = |own_id| {
        let mut vaults = Vaults::beside(own_id);
        for told in std::iter::once(own).chain((0..=u8::try_from(MOST).unwrap()).map(|id| state(id, 1, id))) {
            vaults.read(&Record { vault: Some(told), ..Record::new(Event::Get, Outcome::Allowed) });
        }
        vaults
    };
    assert_eq!(heard(Some(own.id)).of(own.id), Some(own));
    assert_eq!(heard(None).of(own.id), None, "control");
    assert_eq!(heard(Some(own.id)).states.len(), MOST);
}

proptest! {
    /// An honest daemon only tells of more, and what it tells last is what counts, whatever else is in the log.
    #[test]
    fn an_honest_log_is_believed(steps in prop::collection::vec((0u8..3, 1u64..4, 0usize..4), 1..40)) {
        let mut now = [0u64; 3];
        let mut vaults = Vaults::default();
        for (id, more, event) in steps {
            let event = [Event::Get, Event::AcceptRollback, Event::Recover, Event::Rotate][event];
            now[usize::from(id)] += more;
            let told = state(id, now[usize::from(id)], 7);
            vaults.read(&Record { vault: Some(told), ..Record::new(event, Outcome::Allowed) });
            let known = vaults.of(told.id).unwrap();
            prop_assert!(is_same(&known, &told) && vaults.last() == Some(known));
        }
    }
}
