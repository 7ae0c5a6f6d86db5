//! Two things of one name, as password managers allow them: none may take the other's place. Each gets its user's name
//! behind its own, or else a number, so that the same file gives the same names again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash, Hasher, RandomState};

use glassdome_proto::Name;

use super::{Content, Item};

/// What an item is called in its file, and what its secret is called for that.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Renamed {
    from: String,
    to: String,
}

impl Renamed {
    /// `github as github (ann)`
    pub(crate) fn describe(&self) -> String {
        format!("{} as {}", self.from, self.to)
    }
}

/// Tells apart what has one name in the vault and is not the same; of what is the same, one stays. Of lines of a file,
/// which have the very same key and no fields, the last counts, and all of them stay here.
pub(crate) fn tell_apart(items: &mut Vec<Item<Content>>) -> Vec<Renamed> {
    let names: Vec<String> = items.iter().map(|item| normal(&item.key)).collect();
    let mut of_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, name) in names.iter().enumerate() {
        of_name.entry(name).or_default().push(at);
    }
    let mut taken: HashSet<String> = names.iter().cloned().collect();
    let mut again = HashSet::new();
    let mut renamed = Vec::new();
    for base in &names {
        let Some(alike) = of_name.remove(&**base) else { continue };
        let is_lines = |at: &usize| items[*at].value.rest.is_none() && items[*at].key == items[alike[0]].key;
        if alike.iter().all(is_lines) {
            continue;
        }
        let others = different(items, alike, &mut again);
        if others.len() < 2 {
            continue;
        }
        let mut is_free = true;
        let mut numbers = HashMap::new();
        for one in others {
            let user = items[one].value.rest.as_ref().and_then(|rest| rest.user.as_deref());
            let next = match user {
                None if std::mem::take(&mut is_free) => continue,
                None => free(base, &mut numbers, &taken),
                Some(user) => {
                    let named = normal(&format!("{base} ({user})"));
                    if taken.contains(&named) { free(&named, &mut numbers, &taken) } else { named }
                }
            };
            taken.insert(next.clone());
            renamed.push(Renamed { from: base.clone(), to: next.clone() });
            items[one].key = next;
        }
    }
    let mut at = 0;
    items.retain(|_| {
        at += 1;
        !again.contains(&(at - 1))
    });
    renamed
}

/// As it is in the vault: two keys that only look alike would be one name there. What no name can be stays.
fn normal(key: &str) -> String {
    Name::typed(key).map_or_else(|_| key.to_owned(), |name| name.to_string())
}

/// Those of `alike` that hold something else than each one before; the rest is put into `again`. Each is compared with
/// those of its hash only, or a file of many alike would take forever.
fn different(items: &[Item<Content>], alike: Vec<usize>, again: &mut HashSet<usize>) -> Vec<usize> {
    let keyed = RandomState::new();
    let mut of_hash: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut others = Vec::new();
    for one in alike {
        let there = of_hash.entry(hash(&items[one].value, &keyed)).or_default();
        if there.iter().any(|&other| items[other].value == items[one].value) {
            again.insert(one);
        } else {
            there.push(one);
            others.push(one);
        }
    }
    others
}

/// With a random key of this process, which nobody learns.
fn hash(content: &Content, keyed: &RandomState) -> u64 {
    let mut hasher = keyed.build_hasher();
    content.value.as_ref().map(|value| &value[..]).hash(&mut hasher);
    for (name, value) in content.rest.iter().flat_map(|rest| &rest.fields) {
        (&**name, &value[..]).hash(&mut hasher);
    }
    hasher.finish()
}

/// The name with the next number that is free; `numbers` has the last one of each name.
fn free(name: &str, numbers: &mut HashMap<String, usize>, taken: &HashSet<String>) -> String {
    let last = numbers.entry(name.to_owned()).or_insert(1);
    loop {
        *last += 1;
        let numbered = format!("{name} ({last})");
        if !taken.contains(&numbered) {
            return numbered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::content_builder::ContentBuilder;
    use super::super::{Place, Value};
    use super::*;

    fn item(key: &str, user: &str, value: &str) -> Item<Content> {
        let mut content = ContentBuilder::default();
        content.user(Some(Value::new(user.into())));
        content.value(Some(Value::new(value.into())));
        Item { place: Place::Line(1), key: key.into(), value: content.content().unwrap() }
    }

    fn told(items: &[(&str, &str, &str)]) -> (Vec<String>, Vec<String>) {
        let mut items: Vec<_> = items.iter().map(|(key, user, value)| item(key, user, value)).collect();
        let renamed = tell_apart(&mut items);
        (items.into_iter().map(|item| item.key).collect(), renamed.iter().map(Renamed::describe).collect())
    }

    #[test]
    fn by_user_or_else_by_number() {
        let (names, renamed) = told(&[("a", "ann", "1"), ("a", "bob", "2"), ("b", "", "3")]);
        assert_eq!(names, ["a (ann)", "a (bob)", "b"]);
        assert_eq!(renamed, ["a as a (ann)", "a as a (bob)"]);
        assert_eq!(told(&[("a", "", "1"), ("a", "", "2"), ("a", "", "3")]).0, ["a", "a (2)", "a (3)"]);
        assert_eq!(told(&[("a", "x", "1"), ("a", "x", "2")]).0, ["a (x)", "a (x) (2)"]);
        assert_eq!(told(&[("a", "x/y", "1"), ("a", "", "2")]).0, ["a (x%2Fy)", "a"]);
    }

    #[test]
    fn no_other_name_is_taken_for_it() {
        let (names, _) =
            told(&[("a", "", "1"), ("a (2)", "", "2"), ("a", "", "3"), ("a (x)", "", "4"), ("a", "x", "5")]);
        assert_eq!(names, ["a", "a (2)", "a (3)", "a (x)", "a (x) (2)"]);
    }

    #[test]
    fn the_same_twice_is_one() {
        assert_eq!(
            told(&[("a", "x", "1"), ("b", "", "1"), ("a", "x", "1")]),
            (vec!["a".into(), "b".into()], vec![])
        );
    }

    #[test]
    fn what_looks_alike_is_told_apart() {
        assert_eq!(told(&[("\u{e9}", "", "1"), ("e\u{301}", "", "2")]).0, ["\u{e9}", "\u{e9} (2)"]);
        assert_eq!(told(&[("a", "\u{e9}", "1"), ("a", "e\u{301}", "2")]).0, ["a (\u{e9})", "a (\u{e9}) (2)"]);
        let plain = |key: &str, value: &str| {
            let content = Content { value: Some(Value::new(value.into())), rest: None };
            Item { place: Place::Line(1), key: key.into(), value: content }
        };
        let mut keys = vec![plain("\u{e9}", "1"), plain("e\u{301}", "2")];
        assert_eq!(tell_apart(&mut keys).len(), 1);
        let mut lines = vec![plain("A", "1"), plain("A", "2")];
        assert!(tell_apart(&mut lines).is_empty() && lines.len() == 2, "of lines the last counts");
    }

    /// Steps for each pair of them would be ten thousand millions, each with a name of its own to look for.
    #[test]
    fn a_hundred_thousand_of_one_name_come_to_an_end() {
        const COUNT: usize = 100_000;
        let values: Vec<String> = (0..COUNT).map(|at| at.to_string()).collect();
        let alike: Vec<(&str, &str, &str)> = values.iter().map(|value| ("a", "", &**value)).collect();
        let (names, renamed) = told(&alike);
        assert_eq!((&*names[COUNT - 1], renamed.len()), (&*format!("a ({COUNT})"), COUNT - 1));
    }
}
