//! What speaks for whoever a grant covers: the same for all commands that are typed there, so the rules are gone
//! through once and not with each of their connections, and what is decided for one is decided for all.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::policy::Standing;
use crate::policy::decided::Settled;
use crate::policy::rule::Rule;

/// By the grant, since rules or grants changed last.
#[derive(Debug, Default)]
pub struct Granted(RefCell<HashMap<u32, Option<Rc<Settled>>>>);

impl Granted {
    /// What speaks for whoever this grant covers under these rules; `None` where one of them keeps something back
    /// from some and not from others, so that who it is must be found out.
    pub fn settled(&self, grant: u32, rules: &[Arc<Rule>]) -> Option<Rc<Settled>> {
        let mut known = self.0.borrow_mut();
        known.entry(grant).or_insert_with(|| under(grant, rules)).clone()
    }

    /// Rules or grants are others now.
    pub fn clear(&self) {
        self.0.borrow_mut().clear();
    }
}

fn under(grant: u32, rules: &[Arc<Rule>]) -> Option<Rc<Settled>> {
    let strict = || rules.iter().filter(|rule| rule.keeps_back());
    let settled =
        || Settled::new(Standing { grant: Some(grant), rules: strict().cloned().collect(), cleared: None });
    strict().all(|rule| rule.is_about_anyone()).then(|| Rc::new(settled()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Action, Decision, Question, Verdict};

    fn rule(decision: Decision, anyone: bool) -> Arc<Rule> {
        let any = Rule::any();
        Arc::new(Rule { decision, exe: any.exe.clone().filter(|_| !anyone), ..any })
    }

    #[test]
    fn what_keeps_back_from_anybody_goes_with_the_grant() {
        let granted = Granted::default();
        let rules = [rule(Decision::Deny, true), rule(Decision::Allow, false), rule(Decision::Ask, true)];
        let settled = granted.settled(3, &rules).unwrap();
        assert_eq!((settled.standing.grant, settled.standing.rules.len()), (Some(3), 2));
        let verdict = settled.decide(Question::Secret(Action::Get, "a")).unwrap();
        assert!(matches!(verdict, Verdict::Deny(_)));
        assert!(Rc::ptr_eq(&settled, &granted.settled(3, &rules).unwrap()), "it is not gone through again");
        assert_eq!(granted.settled(4, &rules).unwrap().standing.grant, Some(4));
    }

    #[test]
    fn what_keeps_back_from_some_has_them_found_out() {
        for decision in [Decision::Deny, Decision::Ask] {
            let granted = Granted::default();
            let some = [rule(Decision::Deny, true), rule(decision, false)];
            assert!(granted.settled(3, &some).is_none());
            granted.clear();
            assert!(granted.settled(3, &some[..1]).is_some(), "control: other rules");
        }
    }
}
