//! What rules cost: `get` with ten and with a thousand of them, all of them about whoever asks. What is asked for
//! are a few names again and again, as programs do.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::error::Error;
use crate::floors::Floors;
use crate::home::{Home, PASSWORD};
use crate::rounds::Samples;
use crate::table::{Budget, Row, Table, time};

use super::{connect, get};

const RULES: [usize; 2] = [10, 1000];
/// So many names are asked for.
const NAMES: usize = 10;

/// Measures it. The rules that were sealed before are gone then.
pub(crate) fn and_get(
    home: &Home,
    floors: &Floors,
    names: &[String],
    table: &mut Table,
) -> Result<(), Error> {
    let few = names.get(..NAMES).ok_or(Error::Wrong("the names"))?;
    let mut runs = Vec::new();
    for rules in RULES {
        seal(home, rules)?;
        home.settle()?;
        runs.push([get::measured(home, floors, few)?, connect::measured(home, floors, few)?]);
    }
    let whats = [
        ["`get`, open connection, ten rules", "`get`, open connection, 1,000 rules"],
        ["new connection, ten rules", "new connection, 1,000 rules"],
    ];
    for (at, whats) in whats.into_iter().enumerate() {
        for (run, what) in runs.iter().zip(whats) {
            let [floor, ours] = &run[at];
            table.times(what, names.len(), [floor, ours], Budget::None);
        }
    }
    for (at, what) in
        [(0, "`get`, open connection: 1,000 rules over ten"), (1, "new connection: 1,000 rules over ten")]
    {
        let [few, many] = [0, 1].map(|run: usize| &runs[run][at]);
        let ratio = |[floor, ours]: &[Samples; 2]| ours.over(floor);
        let told = |[_, ours]: &[Samples; 2]| time(ours.median());
        let (secrets, floor, ours) = (Some(names.len()), Some(told(few)), told(many));
        let ratios = vec![ratio(many) / ratio(few)];
        table.add(Row { what, secrets, floor, ours, ratios, budget: Budget::Times(1.1) });
    }
    Ok(())
}

/// Seals that many rules in place of those that are sealed: one in two keeps names of its own back from anybody,
/// the others allow this program some that it does not ask for.
fn seal(home: &Home, rules: usize) -> Result<(), Error> {
    let own = std::env::current_exe().map_err(Error::system("find this program"))?;
    let own = own.to_str().ok_or(Error::Wrong("the rules"))?;
    let one = |n: usize| match n % 2 {
        0 => format!(
            "[[rule]]\nid = \"r{n}\"\ndecision = \"deny\"\nsecrets = [\"kept/{n}/**\"]\nactions = [\"get\"]\n"
        ),
        _ => format!(
            "[[rule]]\nid = \"r{n}\"\ndecision = \"allow\"\nsecrets = [\"other/{n}/*\"]\nactions = [\"get\"]\nexe = \"{own}\"\n"
        ),
    };
    let all = "[[rule]]\nid = \"all\"\ndecision = \"allow\"\nsecrets = [\"bench/*\"]\nactions = [\"get\"]\n";
    let all = format!("{all}exe = \"{own}\"\n");
    let text: String = (1..rules).map(one).chain([all]).collect();
    let file = home.path().join("rules.toml");
    fs::write(&file, text).map_err(Error::system("write rules"))?;
    let mut ctl = home.program("ctl");
    ctl.args(["policy", "edit", "--password-stdin", "--file"]).arg(&file);
    let mut ctl =
        ctl.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().map_err(Error::system("run ctl"))?;
    if let Some(mut stdin) = ctl.stdin.take() {
        writeln!(stdin, "{PASSWORD}").map_err(Error::system("seal rules"))?;
    }
    match ctl.wait().map_err(Error::system("run ctl"))?.success() {
        true => Ok(()),
        false => Err(Error::Wrong("sealing rules")),
    }
}
