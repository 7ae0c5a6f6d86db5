//! The session in a few characters, for a shell's prompt or a status bar.

use glassdome_proto::session::{ENDS_SOON_S, State, Status};

/// Whether a session with so many seconds left is about to end.
pub(crate) fn is_soon(left_s: u32) -> bool {
    left_s <= ENDS_SOON_S
}

/// How far a session is from its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Open, with time.
    Open,
    /// Open, and about to end.
    Ending,
    /// Open, and what was granted rests.
    Paused,
    /// Locked.
    Locked,
}

impl Mood {
    pub(crate) fn of(status: &Status<'_>) -> Self {
        match status.state {
            State::Unlocked { left_s, .. } if is_soon(left_s) => Self::Ending,
            State::Unlocked { .. } => Self::Open,
            State::Paused { .. } => Self::Paused,
            State::Locked => Self::Locked,
        }
    }

    pub(crate) fn icon(self, ascii: bool) -> &'static str {
        match (self, ascii) {
            (Self::Open, false) => "🔓",
            (Self::Ending, false) => "⚠",
            (Self::Paused, false) => "⏸",
            (Self::Locked, false) => "🔒",
            (Self::Open, true) => "U",
            (Self::Ending, true) => "!",
            (Self::Paused, true) => "P",
            (Self::Locked, true) => "L",
        }
    }

    /// As tmux names it (tmux(1), STYLES).
    fn tmux_colour(self) -> &'static str {
        match self {
            Self::Open => "green",
            Self::Ending | Self::Paused => "yellow",
            Self::Locked => "red",
        }
    }
}

/// `🔓 6h12`, `⚠ 4m`, `⏸ 6h12`, `🔒`.
pub(crate) fn segment(status: &Status<'_>, ascii: bool, tmux: bool) -> String {
    let mood = Mood::of(status);
    let mut text = mood.icon(ascii).to_owned();
    if let State::Unlocked { left_s, .. } | State::Paused { left_s, .. } = status.state {
        text.push(' ');
        text.push_str(&left(left_s));
    }
    if tmux { format!("#[fg={}]{text}#[default]", mood.tmux_colour()) } else { text }
}

/// `6h12`, `4m`, and `<1m` in the last minute.
pub(crate) fn left(seconds: u32) -> String {
    match (seconds / 3600, seconds % 3600 / 60) {
        (0, 0) => "<1m".to_owned(),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes:02}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use glassdome_proto::Text;
    use glassdome_proto::session::{Audit, Keyring, LockReason, Logind, Memory, Screen, VaultState};

    use super::*;

    pub(crate) fn status(state: State) -> Status<'static> {
        Status {
            state,
            last_lock: Some(LockReason::Idle),
            pid: 7,
            version: Text::cut("0.1.0"),
            memory: Memory::Secret,
            vault: VaultState::Present,
            keyring: Keyring::Unwatched,
            logind: Logind::Unwatched,
            screen: Screen::Unwatched,
            audit: Audit::Unmet,
            storage: None,
        }
    }

    pub(crate) fn unlocked(left_s: u32) -> Status<'static> {
        status(State::Unlocked { expires_at: 1_795_348_800, left_s, secrets: 3 })
    }

    pub(crate) fn paused(left_s: u32) -> Status<'static> {
        status(State::Paused { expires_at: 1_795_348_800, left_s, secrets: 3 })
    }

    #[test]
    fn each_mood_has_its_segment() {
        assert_eq!(segment(&unlocked(6 * 3600 + 12 * 60 + 59), false, false), "🔓 6h12");
        assert_eq!(segment(&unlocked(301), false, false), "🔓 5m");
        assert_eq!(segment(&unlocked(299), false, false), "⚠ 4m");
        assert_eq!(segment(&unlocked(20), false, false), "⚠ <1m");
        assert_eq!(segment(&paused(240), false, false), "⏸ 4m");
        assert_eq!(segment(&status(State::Locked), false, false), "🔒");
    }

    #[test]
    fn ascii_and_tmux() {
        assert_eq!(segment(&unlocked(6 * 3600), true, false), "U 6h00");
        assert_eq!(segment(&unlocked(240), true, false), "! 4m");
        assert_eq!(segment(&paused(3600), true, false), "P 1h00");
        assert_eq!(segment(&paused(3600), true, true), "#[fg=yellow]P 1h00#[default]");
        assert_eq!(segment(&status(State::Locked), true, false), "L");
        assert_eq!(segment(&unlocked(3600), false, true), "#[fg=green]🔓 1h00#[default]");
        assert_eq!(segment(&unlocked(60), true, true), "#[fg=yellow]! 1m#[default]");
        assert_eq!(segment(&status(State::Locked), false, true), "#[fg=red]🔒#[default]");
    }
}
