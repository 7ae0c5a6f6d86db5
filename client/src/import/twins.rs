//! Two things of one name, as password managers allow them: none may take the other's place. Each gets its user's name
//! behind its own, or else a number, so that the same file gives the same names again.

use std::collections::{HashMap, HashSet};

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

/// Tells apart what has one name and is not the same; of what is the same, one stays. Only what comes as a whole: of
/// lines of a file, the last counts.
pub(crate) fn tell_apart(items: &mut Vec<Item<Content>>) -> Vec<Renamed> {
    let mut of_name: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate().filter(|(_, item)| item.value.rest.is_some()) {
        of_name.entry(item.key.clone()).or_default().push(at);
    }
    let mut taken: HashSet<String> = of_name.keys().cloned().collect();
    let mut again = HashSet::new();
    let mut renamed = Vec::new();
    for at in 0..items.len() {
        let Some(alike) = of_name.remove(&items[at].key) else { continue };
        let mut others: Vec<usize> = Vec::new();
        for one in alike {
            if others.iter().any(|&other| items[other].value == items[one].value) {
                again.insert(one);
            } else {
                others.push(one);
            }
        }
        if others.len() < 2 {
            continue;
        }
        let base = items[at].key.clone();
        let mut is_free = true;
        for one in others {
            let user = items[one].value.rest.as_ref().and_then(|rest| rest.user.as_deref());
            let next = match user {
                None if std::mem::take(&mut is_free) => continue,
                None => free(&base, 2, &taken),
                Some(user) => {
                    let named = format!("{base} ({user})");
                    if taken.contains(&named) { free(&named, 2, &taken) } else { named }
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

fn free(name: &str, first: usize, taken: &HashSet<String>) -> String {
    let mut numbered = (first..).map(|number| format!("{name} ({number})"));
    numbered
        .find(|name| !taken.contains(name))
        .unwrap_or_else(|| unreachable!("there are always more numbers"))
}

#[cfg(test)]
mod tests {
    use super::super::whole::Whole;
    use super::super::{Place, Value};
    use super::*;

    fn item(key: &str, user: &str, value: &str) -> Item<Content> {
        let mut whole = Whole::default();
        whole.user(Some(Value::new(user.into())));
        whole.value(Some(Value::new(value.into())));
        Item { place: Place::Line(1), key: key.into(), value: whole.content().unwrap() }
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
}
