//! What would become of rules, before a person types the password for it. Programs of theirs can write to the
//! text while it is edited, so that what is shown here is all that counts: no line of it leaves the screen before
//! it was confirmed, and right above the question stands what may give more than before.

use glassdome_proto::policy::{Change, Edit};

use crate::error::Error;
use crate::pager::Pager;
use crate::terminal::Terminal;
use crate::text::notice;
use crate::text::rule_diff::diff;
use crate::text::rule_summary::summary;
use crate::text::style::Style;

/// What a person wants done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Seal,
    Again,
    GiveUp,
}

const MORE_OR_EDIT: &str = "more [Enter], edit again [e], give up [q]? ";
const MORE: &str = "more [Enter], give up [q]? ";

/// Shows what changes and what is odd, and asks what to do with it.
///
/// # Errors
/// As [`Terminal::ask`].
pub(super) fn asked(terminal: &Terminal, edits: &[Edit<'_>], style: Style) -> Result<Wish, Error> {
    if let Some(wish) = shown_by(Pager::new(terminal, MORE_OR_EDIT), edits, style)? {
        return Ok(wish);
    }
    let wishes = [Wish::Seal, Wish::Again, Wish::GiveUp];
    ask(terminal, "Seal it [s], edit again [e], give up [q]? ", &wishes)
}

/// Shows what changes and what is odd, to whoever types the password next; whether they saw all of it.
///
/// # Errors
/// As [`Terminal::ask`].
pub(super) fn shown(terminal: &Terminal, edits: &[Edit<'_>], style: Style) -> Result<bool, Error> {
    Ok(shown_by(Pager::new(terminal, MORE), edits, style)?.is_none())
}

/// Shows a text to whoever types the password next; whether they saw all of it.
///
/// # Errors
/// As [`Terminal::ask`].
pub(super) fn shown_text(terminal: &Terminal, text: &str) -> Result<bool, Error> {
    let letter = Pager::new(terminal, MORE).show(text)?;
    Ok(letter.and_then(wish_of).is_none())
}

/// Says what cannot be sealed, and asks what to do with it.
///
/// # Errors
/// As [`Terminal::ask`].
pub(super) fn refused(terminal: &Terminal, why: &str, style: Style) -> Result<Wish, Error> {
    terminal.say(&style.bad(why))?;
    ask(terminal, "Edit again [e], give up [q]? ", &[Wish::Again, Wish::GiveUp])
}

fn shown_by(mut pager: Pager<'_>, edits: &[Edit<'_>], style: Style) -> Result<Option<Wish>, Error> {
    if edits.is_empty() {
        return Ok(None);
    }
    let mut letter = pager.show(diff(edits, style).trim_end())?;
    if letter.is_none() && edits.iter().any(|edit| edit.change != Change::None) {
        letter = pager.show_together(&summary(edits, pager.columns(), style))?;
    }
    Ok(letter.and_then(wish_of))
}

/// Asks until one of these is answered.
fn ask(terminal: &Terminal, prompt: &str, wishes: &[Wish]) -> Result<Wish, Error> {
    loop {
        let typed = terminal.ask(prompt)?;
        let mut letters = typed.trim().chars();
        let wish = letters.next().filter(|_| letters.next().is_none()).and_then(wish_of);
        if let Some(wish) = wish.filter(|wish| wishes.contains(wish)) {
            return Ok(wish);
        }
    }
}

fn wish_of(letter: char) -> Option<Wish> {
    let wish = match letter {
        's' => Wish::Seal,
        'e' => Wish::Again,
        'q' => Wish::GiveUp,
        _ => return None,
    };
    if wish == Wish::GiveUp {
        notice::say(NOTHING);
    }
    Some(wish)
}

/// What is said whenever a person could think otherwise.
pub(super) const NOTHING: &str = "nothing was sealed";
