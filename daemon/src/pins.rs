//! The approval PIN of an open session, and how often it may be guessed.
//!
//! Pure but for the comparison, which is the caller's. Guesses wait as those of the master password do
//! ([`Backoff`]), apart from them: whoever guesses PINs keeps nobody from unlocking. And there are few: after
//! [`TRIES`] wrong ones the PIN is taken again only when the master password was typed. A right PIN ends the
//! pause but forgives no wrong ones, or a program could guess between its owner's. Nothing of this need outlive
//! the session: the next one begins with the master password, and without a session no PIN is compared.
//!
//! What that costs: any program of the owner can spend the tries. Then the PIN is of no use until the master
//! password is typed, and nothing else is.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use glassdome_proto::pin::PinState;
use glassdome_vault::{Draft, Error, Keys, PinVerifier, Vault};

use crate::clock::Now;
use crate::settings::Unread;
use crate::throttle::Backoff;

/// The key of the sealed setting.
pub const SETTING: &str = PinVerifier::SETTING;
/// Wrong PINs for one typed master password.
pub const TRIES: u32 = 5;

/// The shortest PIN, in characters.
const SHORTEST: usize = 6;
/// The longest PIN, in characters.
const LONGEST: usize = 64;
/// Different characters in a PIN, at least.
const DIFFERENT: usize = 4;

/// Of a session; empty while there is none.
#[derive(Debug, Default)]
pub struct Pins {
    verifier: RefCell<Option<PinVerifier>>,
    wrong: Cell<u32>,
    backoff: Cell<Backoff>,
    epoch: Cell<u64>,
}

/// Why a PIN was not taken; `E`: why none can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untaken<E> {
    /// There is none.
    Unset,
    /// It was not tried: the next try may come after this.
    Throttled(Duration),
    /// It was not tried: there were too many wrong ones.
    Spent,
    /// It was not tried, nor counted: nothing could be compared.
    Uncompared(E),
    /// It is another one. `wait` until the next try; `None` if it was the last.
    Wrong {
        /// How long.
        wait: Option<Duration>,
    },
}

/// Why this is no PIN to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Too short or too long.
    #[error("it has {SHORTEST} to {LONGEST} characters")]
    Length,
    /// No text, or not what a keyboard types.
    #[error("it is text without control characters")]
    Text,
    /// `777777`, `121212`.
    #[error("it has at least {DIFFERENT} different characters")]
    Alike,
    /// `123456`, `fedcba`.
    #[error("it is no run such as 123456 or 987654")]
    Run,
}

impl Pins {
    /// Reads what is sealed.
    ///
    /// # Errors
    /// Those of the vault; [`Unread::Unknown`] of what this version does not take.
    pub fn read(vault: &Vault, keys: &Keys) -> Result<Option<PinVerifier>, Unread> {
        match vault.setting(keys, SETTING)? {
            Some(sealed) => Ok(Some(PinVerifier::parse(&sealed).ok_or(Unread::Unknown { key: SETTING })?)),
            None => Ok(None),
        }
    }

    /// Seals another, or none.
    ///
    /// # Errors
    /// As [`Draft::setting`].
    pub fn seal(draft: &mut Draft<'_>, verifier: Option<&PinVerifier>) -> Result<(), Error> {
        draft.set_pin(verifier)
    }

    /// Another one is sealed, or a session begins or ends. What was shown before counts no longer.
    pub fn replace(&self, verifier: Option<PinVerifier>) {
        *self.verifier.borrow_mut() = verifier;
        self.outdate();
        self.forgive();
    }

    /// What was shown before counts no longer.
    pub fn outdate(&self) {
        self.epoch.set(self.epoch.get() + 1);
    }

    /// The master password was typed.
    pub fn forgive(&self) {
        self.wrong.set(0);
        self.backoff.set(Backoff::default());
    }

    /// Changes whenever what was shown before counts no longer.
    pub fn epoch(&self) -> u64 {
        self.epoch.get()
    }

    /// Whether there is one, of an open session.
    pub fn state(&self) -> PinState {
        match (&*self.verifier.borrow(), self.wrong.get()) {
            (None, _) => PinState::Unset,
            (Some(_), TRIES..) => PinState::Spent,
            (Some(_), _) => PinState::Set,
        }
    }

    /// Tries one; `matches` compares it, or says why it cannot. It counts as wrong before it is compared.
    ///
    /// # Errors
    /// [`Untaken`].
    pub fn take<E>(
        &self,
        now: Now,
        matches: impl FnOnce(&PinVerifier) -> Result<bool, E>,
    ) -> Result<(), Untaken<E>> {
        let verifier = self.verifier.borrow();
        let verifier = verifier.as_ref().ok_or(Untaken::Unset)?;
        if self.wrong.get() >= TRIES {
            return Err(Untaken::Spent);
        }
        let wait = self.backoff.get().wait(now);
        if !wait.is_zero() {
            return Err(Untaken::Throttled(wait));
        }
        let before = (self.wrong.get(), self.backoff.get());
        self.wrong.set(before.0 + 1);
        self.backoff.set(before.1.charge(now));
        match matches(verifier) {
            Ok(false) => {}
            Ok(true) => {
                self.wrong.set(before.0);
                self.backoff.set(Backoff::default());
                return Ok(());
            }
            // What says nothing of the PIN costs its owner nothing.
            Err(error) => {
                self.wrong.set(before.0);
                self.backoff.set(before.1);
                return Err(Untaken::Uncompared(error));
            }
        }
        let wait = (self.wrong.get() < TRIES).then(|| self.backoff.get().wait(now));
        Err(Untaken::Wrong { wait })
    }
}

/// Judges a PIN that somebody wants to choose.
///
/// # Errors
/// [`Unfit`].
pub fn judge(pin: &[u8]) -> Result<(), Unfit> {
    let text = std::str::from_utf8(pin).map_err(|_| Unfit::Text)?;
    if text.chars().any(char::is_control) {
        return Err(Unfit::Text);
    }
    let count = text.chars().count();
    if !(SHORTEST..=LONGEST).contains(&count) {
        return Err(Unfit::Length);
    }
    let is_new = |(at, c): &(usize, char)| !text[..*at].contains(*c);
    if text.char_indices().filter(is_new).count() < DIFFERENT {
        return Err(Unfit::Alike);
    }
    let pairs = || text.chars().zip(text.chars().skip(1));
    // On a keyboard 0 comes after 9.
    let follows = |a: char, b: char| u32::from(a) + 1 == u32::from(b) || (a, b) == ('9', '0');
    if pairs().all(|(a, b)| follows(a, b)) || pairs().all(|(a, b)| follows(b, a)) {
        return Err(Unfit::Run);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Now {
        let time = Duration::from_secs(seconds);
        Now { boot: time, wall: time }
    }

    fn set() -> Pins {
        let pins = Pins::default();
        pins.replace(PinVerifier::parse(&[7; PinVerifier::LEN]));
        pins
    }

    fn take(
        pins: &Pins,
        seconds: u64,
        compared: Result<bool, &'static str>,
    ) -> Result<(), Untaken<&'static str>> {
        pins.take(at(seconds), |_| compared)
    }

    fn wrong(pins: &Pins, seconds: u64) -> Untaken<&'static str> {
        take(pins, seconds, Ok(false)).unwrap_err()
    }

    /// Takes one that must not be tried.
    fn untried(pins: &Pins, seconds: u64) -> Untaken<&'static str> {
        pins.take(at(seconds), |_| panic!("not even compared")).unwrap_err()
    }

    #[test]
    fn wrong_ones_wait_longer_and_longer_and_then_it_is_spent() {
        let pins = set();
        let mut now = 1000;
        for pause in [1, 2, 4, 8] {
            assert_eq!(wrong(&pins, now), Untaken::Wrong { wait: Some(Duration::from_secs(pause)) });
            assert_eq!(pins.state(), PinState::Set);
            let half = now + pause - 1;
            assert_eq!(untried(&pins, half), Untaken::Throttled(Duration::from_secs(1)));
            now += pause;
        }
        assert_eq!(wrong(&pins, now), Untaken::Wrong { wait: None });
        assert_eq!(pins.state(), PinState::Spent);
        for later in [0, 60, 1_000_000] {
            assert_eq!(untried(&pins, now + later), Untaken::Spent);
        }
        pins.forgive();
        assert_eq!(take(&pins, now, Ok(true)), Ok(()));
    }

    #[test]
    fn a_right_one_ends_the_pause_and_forgives_nothing() {
        let pins = set();
        let mut now = 0;
        for _ in 1..TRIES {
            assert!(matches!(wrong(&pins, now), Untaken::Wrong { wait: Some(_) }));
            now += 60;
            assert_eq!(take(&pins, now, Ok(true)), Ok(()));
            assert_eq!(take(&pins, now, Ok(true)), Ok(()), "no pause behind it");
        }
        assert_eq!(wrong(&pins, now), Untaken::Wrong { wait: None });
        assert_eq!(wrong(&pins, now + 60), Untaken::Spent);
    }

    #[test]
    fn what_cannot_be_compared_counts_for_nothing() {
        let pins = set();
        let mut now = 1000;
        let uncompared = |pins: &Pins, seconds| {
            for _ in 0..2 * TRIES {
                assert_eq!(take(pins, seconds, Err("why")), Err(Untaken::Uncompared("why")));
            }
        };
        uncompared(&pins, now);
        assert_eq!(take(&pins, now, Ok(true)), Ok(()));
        // Nor does it forgive anything: neither a pause nor a wrong one.
        for pause in [1, 2, 4, 8] {
            assert_eq!(wrong(&pins, now), Untaken::Wrong { wait: Some(Duration::from_secs(pause)) });
            assert!(matches!(untried(&pins, now), Untaken::Throttled(_)));
            now += pause;
            uncompared(&pins, now);
        }
        assert_eq!(pins.state(), PinState::Set);
        assert_eq!(wrong(&pins, now), Untaken::Wrong { wait: None });
        assert_eq!(untried(&pins, now + 60), Untaken::Spent);
    }

    #[test]
    fn what_was_shown_counts_until_it_is_another_one() {
        let pins = set();
        let before = pins.epoch();
        pins.forgive();
        assert_eq!(pins.epoch(), before);
        pins.replace(None);
        assert_ne!(pins.epoch(), before);
        assert_eq!(pins.state(), PinState::Unset);
        assert_eq!(take(&pins, 0, Ok(true)), Err(Untaken::Unset));
    }

    #[test]
    fn only_what_is_worth_guessing_is_chosen() {
        for good in ["402913", "123465", "héllo!", "a b c d", &"0123".repeat(16)] {
            assert_eq!(judge(good.as_bytes()), Ok(()), "{good}");
        }
        for (bad, why) in [
            (&b""[..], Unfit::Length),
            (b"40291", Unfit::Length),
            (&b"0123".repeat(17)[..65], Unfit::Length),
            (b"777777", Unfit::Alike),
            (b"121212", Unfit::Alike),
            (b"123123", Unfit::Alike),
            (b"123456", Unfit::Run),
            (b"012345678", Unfit::Run),
            (b"987654", Unfit::Run),
            (b"1234567890", Unfit::Run),
            (b"098765", Unfit::Run),
            (b"abcdef", Unfit::Run),
            (b"4029\t13", Unfit::Text),
            (b"\xff402913", Unfit::Text),
        ] {
            assert_eq!(judge(bad), Err(why), "{bad:?}");
        }
    }
}
