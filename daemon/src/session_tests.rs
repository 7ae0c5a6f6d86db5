//! What a session promises, on clocks that the test sets as it likes.

use proptest::prelude::*;

use super::*;

const START: Now = Now { boot: Duration::from_secs(1000), wall: Duration::from_secs(1_800_000_000) };
const HOUR: Duration = Duration::from_secs(3600);

fn at(boot: Duration, wall: Duration) -> Now {
    Now { boot: START.boot + boot, wall: START.wall + wall }
}

fn opened(total: Duration, idle: Option<Duration>) -> Session<u8> {
    let open = Input::Open { key: 1, limits: Limits { total, idle } };
    let (session, ended) = Session::default().step(open, START);
    assert_eq!(ended, None);
    session
}

/// Ticks in time until `boot`, so that only deadlines can end the session.
fn ticked(mut session: Session<u8>, boot: Duration) -> Session<u8> {
    let mut t = Duration::ZERO;
    while t < boot {
        session = session.step(Input::Tick, at(t, t)).0;
        t += TICK;
    }
    session
}

#[test]
fn it_ends_at_eight_hours_whatever_was_asked() {
    let session = ticked(opened(100 * HOUR, None), 8 * HOUR);
    let just_before = 8 * HOUR - Duration::from_millis(1);
    let (session, ended) = session.step(Input::Check, at(just_before, just_before));
    assert!(ended.is_none() && session.open().is_some(), "still open just before");
    let (session, ended) = session.step(Input::Check, at(8 * HOUR, 8 * HOUR));
    assert_eq!(ended, Some(LockReason::Expired));
    assert!(session.open().is_none());
    assert_eq!(session.last_lock(), Some(LockReason::Expired));
}

#[test]
fn a_look_that_ends_nothing_can_be_left_out() {
    let idle = Some(Duration::from_secs(600));
    let (five, nine) = (Duration::from_secs(5), Duration::from_secs(9));
    let mut session = opened(HOUR, idle);
    assert!(session.holds(at(five, five)) && Session::<u8>::default().holds(at(9 * HOUR, 9 * HOUR)));
    assert!(!session.holds(at(five, HOUR)), "the wall clock");
    assert!(!session.holds(at(2 * HOUR, five)), "the other");
    session.touch(at(nine, nine));
    let touched = opened(HOUR, idle).step(Input::Used, at(nine, nine)).0;
    let left = |session: &Session<u8>| session.open().map(|open| open.left(at(nine, nine)));
    assert_eq!(left(&session), left(&touched));
    assert_eq!(left(&session), idle);
}

#[test]
fn a_wall_clock_set_back_does_not_lengthen_it() {
    let session = ticked(opened(HOUR, None), HOUR);
    let back = Now { boot: START.boot + HOUR, wall: Duration::from_secs(0) };
    assert_eq!(session.step(Input::Check, back).1, Some(LockReason::Expired));
}

#[test]
fn a_wall_clock_set_forward_ends_it() {
    let (_, ended) = opened(HOUR, None).step(Input::Check, at(Duration::ZERO, HOUR));
    assert_eq!(ended, Some(LockReason::Expired));
}

#[test]
fn sleep_past_the_end_ends_it_and_any_late_tick_locks() {
    let (_, ended) = opened(HOUR, None).step(Input::Check, at(2 * HOUR, 2 * HOUR));
    assert_eq!(ended, Some(LockReason::Expired));
    let late = TICK + LATE + Duration::from_millis(1);
    for input in [Input::Check, Input::Tick, Input::Used] {
        assert_eq!(opened(HOUR, None).step(input, at(late, late)).1, Some(LockReason::Suspend));
    }
    let in_time = TICK + LATE;
    assert_eq!(opened(HOUR, None).step(Input::Check, at(in_time, in_time)).1, None);
}

#[test]
fn only_authorised_requests_move_the_idle_limit() {
    let idle = Some(Duration::from_secs(10));
    let six = Duration::from_secs(6);
    let eleven = Duration::from_secs(11);
    for input in [Input::Check, Input::Tick] {
        let (session, _) = opened(HOUR, idle).step(input, at(six, six));
        assert_eq!(session.step(Input::Check, at(eleven, eleven)).1, Some(LockReason::Idle));
    }
    let (session, _) = opened(HOUR, idle).step(Input::Used, at(six, six));
    assert_eq!(session.step(Input::Check, at(eleven, eleven)).1, None);
}

#[test]
fn a_lock_is_counted_even_when_nothing_is_open() {
    let (session, ended) = Session::<u8>::default().step(Input::Lock(LockReason::Requested), START);
    assert_eq!((session.locks(), ended), (1, None));
    let (session, ended) = opened(HOUR, None).step(Input::Lock(LockReason::Requested), START);
    assert_eq!((session.locks(), ended), (1, Some(LockReason::Requested)));
}

#[test]
fn a_renewal_starts_the_time_again() {
    let session = ticked(opened(HOUR, None), HOUR / 2);
    let half = at(HOUR / 2, HOUR / 2);
    let (session, ended) =
        session.step(Input::Open { key: 2, limits: Limits { total: HOUR, idle: None } }, half);
    assert_eq!(ended, None);
    let open = session.open().unwrap();
    assert_eq!((*open.key(), open.left(half)), (2, HOUR));
}

#[test]
fn a_pause_lasts_until_it_is_ended_or_the_session_is_and_moves_no_deadline() {
    let paused = |session: &Session<u8>| session.open().map(Unlocked::is_paused);
    let (idle, five) = (Some(Duration::from_secs(600)), Duration::from_secs(5));
    let session = opened(HOUR, idle);
    assert_eq!(paused(&session), Some(false));
    let (session, ended) = session.step(Input::Pause, at(five, five));
    assert_eq!((paused(&session), ended), (Some(true), None));
    assert_eq!(session.locks(), 0, "no lock");
    for input in [Input::Tick, Input::Check, Input::Used, Input::Pause] {
        let input_too = format!("{input:?}");
        let session = opened(HOUR, idle).step(Input::Pause, START).0.step(input, at(five, five)).0;
        assert_eq!(paused(&session), Some(true), "{input_too}");
    }
    let left = |session: &Session<u8>| session.open().map(|open| open.left(at(five, five)));
    assert_eq!(left(&session), left(&opened(HOUR, idle)), "it is no use");
    let (session, ended) = session.step(Input::Resume, at(five, five));
    assert_eq!((paused(&session), ended), (Some(false), None));
    let again = Input::Open { key: 2, limits: Limits { total: HOUR, idle } };
    let session = session.step(Input::Pause, at(five, five)).0.step(again, at(five, five)).0;
    assert_eq!(paused(&session), Some(false), "the password was typed");
    let (session, ended) =
        session.step(Input::Pause, at(five, five)).0.step(Input::Check, at(HOUR, 2 * HOUR));
    assert_eq!((paused(&session), ended), (None, Some(LockReason::Expired)), "deadlines hold");
    for input in [Input::Pause, Input::Resume] {
        let (session, ended) = Session::<u8>::default().step(input, START);
        assert_eq!((paused(&session), ended, session.locks()), (None, None, 0), "nothing is open");
    }
}

#[derive(Debug, Clone)]
enum Move {
    Pause,
    Resume,
    Open { total: u64, idle: Option<u64> },
    Lock,
    Tick,
    Check,
    Used,
}

fn moves() -> impl Strategy<Value = Vec<(Move, u64, i64)>> {
    let one = prop_oneof![
        (1u64..40_000, proptest::option::of(1u64..5000)).prop_map(|(total, idle)| Move::Open { total, idle }),
        Just(Move::Lock),
        Just(Move::Tick),
        Just(Move::Check),
        Just(Move::Used),
        Just(Move::Pause),
        Just(Move::Resume),
    ];
    // Seconds that pass by the boot clock; and what the wall clock does besides, set back included.
    proptest::collection::vec((one, 0u64..20, -50_000i64..50_000), 1..200)
}

proptest! {
    /// Whatever happens in whatever order: no session is seen open past its end by the clock that
    /// nobody can set, and none without an unlock since the last lock.
    #[test]
    fn it_never_outlives_its_end(moves in moves()) {
        let mut session = Session::<u8>::default();
        let mut boot = START.boot;
        let mut begun: Option<(Duration, Duration)> = None;
        let mut paused = false;
        for (step, passed, wall_shift) in moves {
            boot += Duration::from_secs(passed);
            let wall = START.wall.saturating_add_signed(wall_shift);
            let now = Now { boot, wall };
            let input = match step {
                Move::Open { total, idle } => {
                    let total = Duration::from_secs(total);
                    begun = Some((boot, total.min(CEILING)));
                    paused = false;
                    Input::Open { key: 0, limits: Limits { total, idle: idle.map(Duration::from_secs) } }
                }
                Move::Lock => { begun = None; Input::Lock(LockReason::Requested) }
                Move::Pause => { paused = true; Input::Pause }
                Move::Resume => { paused = false; Input::Resume }
                Move::Tick => Input::Tick,
                Move::Check => Input::Check,
                Move::Used => Input::Used,
            };
            session = session.step(input, now).0;
            if let Some(open) = session.open() {
                let (since, total) = begun.expect("open only after an unlock with no lock since");
                prop_assert!(boot < since + total);
                prop_assert!(open.left(now) <= total);
                prop_assert_eq!(open.is_paused(), paused);
            }
        }
    }
}

trait AddSigned {
    fn saturating_add_signed(self, seconds: i64) -> Duration;
}

impl AddSigned for Duration {
    fn saturating_add_signed(self, seconds: i64) -> Duration {
        let shift = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { self.saturating_sub(shift) } else { self + shift }
    }
}
