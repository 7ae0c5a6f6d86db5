//! How many `get`s a second with 64 connections that all ask at once, beside an epoll server that
//! only echoes. Load and server have a core each, where there are two.

use std::time::{Duration, Instant};

use crate::cores::{self, Pinned};
use crate::error::Error;
use crate::floors::Floors;
use crate::home::Home;
use crate::seed::pick;
use crate::table::{Budget, Row, Table};
use crate::wire::Wire;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(300);

/// Measures it.
pub(crate) fn of_get(home: &Home, floors: &Floors, names: &[String], table: &mut Table) -> Result<(), Error> {
    let socket = home.other_socket("epoll");
    let echo = floors.epoll(&socket)?;
    let ours = cores::ours()?;
    let (here, there) = (ours[0], *ours.last().unwrap_or(&ours[0]));
    let mut gets =
        (0..CONNECTIONS).map(|i| Wire::getting(home, pick(names, i))).collect::<Result<Vec<_>, _>>()?;
    let mut echoes = (0..CONNECTIONS).map(|_| Wire::echoing(&socket)).collect::<Result<Vec<_>, _>>()?;
    let _two_cores = Pinned::apart(here, &[(home.daemon()?, there), (echo.pid(), there)])?;
    let (mut floor, mut subject) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        floor.push(rate(&mut echoes)?);
        subject.push(rate(&mut gets)?);
    }
    let (floor, subject) = (median(floor), median(subject));
    table.add(Row {
        what: "`get`s a second, 64 connections",
        secrets: Some(names.len()),
        floor: Some(format!("{floor:.0}")),
        ours: format!("{subject:.0}"),
        ratios: vec![subject / floor],
        budget: Budget::Share(0.25),
    });
    Ok(())
}

/// Answers a second, with a question in flight on each connection.
fn rate(wires: &mut [Wire]) -> Result<f64, Error> {
    let started = Instant::now();
    let mut answers = 0.0;
    while started.elapsed() < ROUND {
        wires.iter_mut().try_for_each(Wire::ask)?;
        wires.iter_mut().try_for_each(Wire::answered)?;
        answers += wires.len() as f64;
    }
    Ok(answers / started.elapsed().as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates[rates.len() / 2]
}
