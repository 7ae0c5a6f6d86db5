//! Counts over time as a row of bars, for terminals that have them, and of ASCII for those that do not.

use std::env;

/// What a terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bars {
    /// Block elements (U+2581 to U+2588).
    Blocks,
    /// Characters of more and more ink.
    Ascii,
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['.', ':', '-', '=', '+', '*', '#', '@'];

impl Bars {
    /// What this one can, as the environment says: blocks where text is UTF-8, but not where `NO_COLOR` or a dumb
    /// terminal asks for plain text.
    pub(crate) fn of_terminal() -> Self {
        Self::by(|name| env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn by(set: impl Fn(&str) -> Option<String>) -> Self {
        // The first that is set holds: locale(7).
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(&set).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        let utf8 = locale.contains("utf-8") || locale.contains("utf8");
        let plain = set("NO_COLOR").is_some() || set("TERM").is_none_or(|term| term == "dumb");
        if utf8 && !plain { Self::Blocks } else { Self::Ascii }
    }

    /// A bar for each count, a blank for none; the highest is the largest.
    pub(crate) fn draw(self, counts: &[u64]) -> String {
        let bars = match self {
            Self::Blocks => &BLOCKS,
            Self::Ascii => &ASCII,
        };
        let most = counts.iter().copied().max().unwrap_or(0);
        let bar = |count: &u64| match *count {
            0 => ' ',
            count => {
                let level = (u128::from(count) * 8).div_ceil(u128::from(most));
                bars[usize::try_from(level).map_or(7, |level| level - 1)]
            }
        };
        counts.iter().map(bar).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_with_the_count() {
        assert_eq!(Bars::Blocks.draw(&[0, 1, 4, 5, 8]), " ▁▄▅█");
        assert_eq!(Bars::Ascii.draw(&[0, 1, 4, 5, 8]), " .=+@");
        assert_eq!(Bars::Ascii.draw(&[0, 0]), "  ");
        assert_eq!(Bars::Blocks.draw(&[1, u64::MAX]), "▁█");
        assert_eq!(Bars::Blocks.draw(&[]), "");
    }

    #[test]
    fn plain_where_asked_for() {
        let by = |pairs: &[(&str, &str)]| {
            Bars::by(|name| pairs.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned()))
        };
        let xterm = ("TERM", "xterm");
        assert_eq!(by(&[("LANG", "C.UTF-8"), xterm]), Bars::Blocks);
        assert_eq!(by(&[("LC_ALL", "C"), ("LANG", "C.UTF-8"), xterm]), Bars::Ascii);
        assert_eq!(by(&[("LANG", "de_DE.utf8"), ("TERM", "dumb")]), Bars::Ascii);
        assert_eq!(by(&[("LANG", "C.UTF-8"), ("NO_COLOR", "1"), xterm]), Bars::Ascii);
        assert_eq!(by(&[("LANG", "C.UTF-8")]), Bars::Ascii);
        assert_eq!(by(&[xterm]), Bars::Ascii);
    }
}
