//! What `ctl doctor` says of the predecessor: what of it is left, and why that is dangerous.

use std::path::Path;

use super::Line;
use crate::error::printable;
use crate::predecessor::files::Directory;
use crate::predecessor::keyring::Listing;
use crate::predecessor::take_over::Files;

/// How the lines are called.
const WHAT: &str = "predecessor";
/// So many items are named.
const NAMED: usize = 8;
/// With so many characters of each.
const LONGEST: usize = 40;

/// A line for each thing; one if there is nothing.
pub(super) fn lines(found: &Listing, directory: Option<&Directory>) -> Vec<Line> {
    let mut lines: Vec<Line> = directory.map(files).unwrap_or_default();
    if !found.items.is_empty() || found.more {
        lines.push(degraded(items(found)));
    }
    match found.unsearched {
        Some(why) => {
            let why = format!("the keyring was not searched for its master key: {}", why.why_not());
            lines.push(Line { what: WHAT.to_owned(), level: "off", why });
        }
        None if lines.is_empty() => {
            let why = "nothing of it is left where it used to be, nor in the keyring".to_owned();
            lines.push(Line { what: WHAT.to_owned(), level: "on", why });
        }
        None => {}
    }
    lines
}

fn items(found: &Listing) -> String {
    let items = &found.items;
    let names = items.iter().filter_map(|item| item.name.as_deref());
    let mut named: Vec<String> = names.clone().take(NAMED).map(short).collect();
    if names.count() > NAMED {
        named.push("…".to_owned());
    }
    let named = if named.is_empty() { String::new() } else { format!(" ({})", named.join(", ")) };
    let count = format!("{}{}", items.len(), if found.more { " and more" } else { "" });
    let locked = items.iter().filter(|item| item.locked).count();
    let when = match locked == items.len() {
        true => "it is locked now; whenever it is open",
        false => "while it is open",
    };
    format!(
        "items of its in the keyring: {count}{named}. Its master key and its secrets lie there in the open: {when}, any \
         program of yours can take them, unseen, and use them for ever. Take them over: ctl doctor --import"
    )
}

fn short(name: &str) -> String {
    match name.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", printable(&name[..end])),
        None => printable(name),
    }
}

fn files(directory: &Directory) -> Vec<Line> {
    let cache = "its programs read from it that they may take the master key without a password. Delete it: ctl \
                 doctor --retire";
    let key = "its master key in the open: any program of yours can take it, unseen, and open with it for ever what \
               it ever sealed. Take that over: ctl doctor --import";
    let store = "its secrets: whoever has had its master key can read them. Take them over: ctl doctor --import; \
                 change them where they are used; then delete it";
    let found = Files::find(directory);
    let Some(opened) = &found.opened else {
        return found.unfit.iter().map(|(path, why)| unfit(path, why)).collect();
    };
    let plain = [(found.cache, cache), (found.key, key), (found.store, store)].into_iter().filter_map(
        |(seen, why)| {
            let path = opened.path(seen?.name);
            Some(degraded(format!("{}: {why}", shown(&path))))
        },
    );
    plain.chain(found.unfit.iter().map(|(path, why)| unfit(path, why))).collect()
}

fn unfit(path: &Path, why: &impl std::fmt::Display) -> Line {
    let why = format!("{}: it was left alone: {why}. Look what it is", shown(path));
    Line { what: WHAT.to_owned(), level: "off", why }
}

fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

fn degraded(why: String) -> Line {
    Line { what: WHAT.to_owned(), level: "degraded", why }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use glassdome_proto::session::Keyring;

    use super::*;
    use crate::predecessor::files::{CACHE, KEY, STORE};
    use crate::predecessor::keyring::Item;

    fn items(items: &[(Option<&str>, bool)]) -> Listing {
        let item = |&(name, locked): &(Option<&str>, bool)| Item {
            path: "/1".to_owned(),
            name: name.map(str::to_owned),
            shared: false,
            locked,
        };
        Listing { items: items.iter().map(item).collect(), ..Listing::default() }
    }

    #[test]
    fn nothing_is_said_to_be_clean_that_was_not_looked_at() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        let directory = Directory::named(home.path()).unwrap();
        let told = |found: &Listing, directory: &Directory| {
            let lines = lines(found, Some(directory));
            lines.into_iter().map(|line| (line.level, line.why)).collect::<Vec<_>>()
        };
        assert_eq!(told(&items(&[]), &directory)[0].0, "on");
        let unsearched = Listing { unsearched: Some(Keyring::NoBus), ..Listing::default() };
        let lines = told(&unsearched, &directory);
        assert_eq!((lines.len(), lines[0].0), (1, "off"));
        // What was found before it fell silent is told.
        let partly = Listing { unsearched: Some(Keyring::Silent), ..items(&[(Some("a"), false)]) };
        assert_eq!(
            told(&partly, &directory).iter().map(|line| line.0).collect::<Vec<_>>(),
            ["degraded", "off"]
        );
        fs::write(at(CACHE), "{}").unwrap();
        fs::write(at(KEY), "k").unwrap();
        symlink("nowhere", at(STORE)).unwrap();
        let all = told(&items(&[]), &directory);
        assert_eq!(all.iter().map(|line| line.0).collect::<Vec<_>>(), ["degraded", "degraded", "off"]);
        assert!(all[0].1.contains(CACHE) && all[1].1.contains(KEY), "{all:?}");
        assert!(all[2].1.contains("secrets.encrypted: it was left alone: it is a symbolic link"), "{all:?}");
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link");
        symlink(home.path(), &link).unwrap();
        let behind = told(&items(&[]), &Directory::named(&link).unwrap());
        assert!(behind.len() == 1 && behind[0].0 == "off", "{behind:?}");
    }

    #[test]
    fn items_are_named_and_cannot_steer_the_terminal() {
        let why = |found: &Listing| lines(found, None)[0].why.clone();
        assert!(why(&items(&[(Some("master_key"), false)])).contains("keyring: 1 (master_key). "));
        let locked = why(&items(&[(None, true), (Some("a\x1b[2J"), true)]));
        assert!(locked.contains("2 (a") && locked.contains("locked now") && !locked.contains('\x1b'));
        let (long, longest) = ("ü".repeat(LONGEST + 1), "ü".repeat(LONGEST));
        assert!(
            why(&items(&[(Some(&long), false), (Some(&longest), false)]))
                .contains(&format!("({longest}…, {longest}). "))
        );
        let many = vec![(Some("n"), false); 70];
        assert!(why(&items(&many)).contains("70 (n, n, n, n, n, n, n, n, …)"));
    }
}
