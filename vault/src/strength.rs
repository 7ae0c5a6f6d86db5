//! How guessable a password is. Whoever has the file guesses offline, and Argon2id only makes each guess
//! dear: a password from the top of every list stays a bad one.

use glassdome_lockmem::scrub_stack;
use zxcvbn::Score;

/// The least score of a password that is not called weak.
pub const STRONG: u8 = 3;

/// What [zxcvbn](https://www.usenix.org/conference/usenixsecurity16/technical-sessions/presentation/wheeler)
/// thinks of a password.
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// 0 (too guessable) to 4 (very unguessable); below [`STRONG`] is weak.
    pub score: u8,
    /// Order of magnitude of the guesses needed.
    pub guesses_log10: f64,
    /// Why it is weak, and what would help: one of a fixed set of sentences, with nothing of the password.
    pub reason: Option<String>,
}

impl Strength {
    /// Whether the password should be refused.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.score < STRONG
    }
}

/// Estimates a password's strength from its first 100 characters.
#[must_use]
pub fn estimate(password: &str) -> Strength {
    let strength = judge(password);
    scrub_stack();
    strength
}

// Not inlined, so that the caller can scrub the stack it used.
#[inline(never)]
fn judge(password: &str) -> Strength {
    let entropy = zxcvbn::zxcvbn(password, &["glassdome"]);
    let score = match entropy.score() {
        Score::Zero => 0,
        Score::One => 1,
        Score::Two => 2,
        Score::Three => 3,
        Score::Four => 4,
        // A score to come is not known to be enough.
        _ => 0,
    };
    let reason = entropy.feedback().map(|feedback| {
        let warning = feedback.warning().map(|warning| warning.to_string());
        let advice = feedback.suggestions().iter().map(ToString::to_string);
        warning.into_iter().chain(advice).collect::<Vec<_>>().join(" ")
    });
    Strength { score, guesses_log10: entropy.guesses_log10().max(0.0), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weak_ones_are_told_why_and_strong_ones_pass() {
        for weak in ["", "password", "glassdome", "qwertyuiop", "monkey12"] {
            let strength = estimate(weak);
            assert!(strength.is_weak(), "{weak}");
            let reason = strength.reason.unwrap();
            assert!(!reason.is_empty() && !reason.contains("monkey"), "{reason}");
            assert!(strength.guesses_log10 >= 0.0);
        }
        let strong = estimate("vermilion-otter-plays-9-banjos");
        assert!(!strong.is_weak());
        assert_eq!(strong.reason, None);
    }

    #[test]
    fn a_password_of_any_length_is_estimated_quickly() {
        assert!(estimate(&"aB3$".repeat(25_000)).score <= 4);
    }
}
