//! The status in a form of the reader's own: `{left}` and its like are filled in.

use glassdome_proto::session::{LockReason, State, Status};

use super::prompt::{Mood, left};
use super::status_text::state_word;
use super::time;
use crate::error::Error;

/// Fills in `template`. What there is nothing to say about becomes nothing; `{{` and `}}` are braces.
///
/// # Errors
/// [`Error::Usage`] for a placeholder that does not exist, and for a brace that is alone.
pub(crate) fn fill(template: &str, status: Option<&Status<'_>>, ascii: bool) -> Result<String, Error> {
    let mut text = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        text.push_str(before);
        if let Some(behind) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            text.push_str(&from[..1]);
            rest = behind;
            continue;
        }
        let (name, behind) = from
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .ok_or_else(|| Error::Usage("a brace is alone in --format: write {{ or }}".into()))?;
        text.push_str(&value(name, status, ascii)?);
        rest = behind;
    }
    text.push_str(rest);
    Ok(text)
}

fn value(name: &str, status: Option<&Status<'_>>, ascii: bool) -> Result<String, Error> {
    let session = status.and_then(|status| match status.state {
        State::Unlocked { expires_at, left_s, .. } | State::Paused { expires_at, left_s, .. } => {
            Some((expires_at, left_s))
        }
        State::Locked => None,
    });
    let value = match name {
        "state" => Some(state_word(status).to_owned()),
        "left" => session.map(|(_, left_s)| left(left_s)),
        "left_s" => session.map(|(_, left_s)| left_s.to_string()),
        "until" => session.map(|(expires_at, _)| time::until(expires_at)),
        "reason" => status.and_then(|status| status.last_lock).map(LockReason::name).map(str::to_owned),
        "icon" => status.map(|status| Mood::of(status).icon(ascii).to_owned()),
        _ => {
            return Err(Error::Usage(
                "--format knows {state} {left} {left_s} {until} {reason} {icon}, and no other".into(),
            ));
        }
    };
    Ok(value.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::prompt::tests::{status, unlocked};

    fn filled(template: &str, status: Option<&Status<'_>>) -> String {
        fill(template, status, true).unwrap()
    }

    #[test]
    fn placeholders_are_filled_in() {
        let open = unlocked(3700);
        assert_eq!(filled("{icon} {left}|{left_s}|{state}", Some(&open)), "U 1h01|3700|unlocked");
        assert_eq!(filled("{reason}", Some(&open)), "idle");
        assert_eq!(filled("{{{state}}} é", Some(&open)), "{unlocked} é");
        assert_eq!(filled("", Some(&open)), "");
        assert_eq!(filled("{until}", Some(&open)), time::until(1_795_348_800));
    }

    #[test]
    fn what_is_not_there_is_nothing() {
        let locked = status(State::Locked);
        assert_eq!(filled("{state}[{left}{left_s}{until}]", Some(&locked)), "locked[]");
        assert_eq!(filled("{state}[{icon}{left}{reason}{until}]", None), "no-daemon[]");
    }

    #[test]
    fn unknown_placeholders_and_lone_braces_are_refused() {
        for bad in ["{nope}", "{", "}", "{state", "a}b", "{}", "{ state }"] {
            assert!(matches!(fill(bad, None, false), Err(Error::Usage(_))), "{bad}");
        }
    }
}
