//! Chapter 3 from its first instruction to its end, and the same in C.

use std::process::Command;

use anyhow::{Result, ensure};
use performance::Group;

use super::{Here, process, tools};

/// How often each is started in a round.
const STARTS: u32 = 10;

pub fn measure(here: &Here) -> Result<Vec<Group>> {
    let programs = [
        here.tools.join(tools::HLT),
        here.chapter("ch03-hlt"),
        here.tools.join(tools::NOTHING_IN_C),
        here.tools.join(tools::NOTHING_IN_RUST),
    ];
    // The first start brings them into memory, and shows that the first two do the same.
    let said = programs
        .iter()
        .map(|program| Ok(process::finish(&mut Command::new(program), 0)?.1.stderr))
        .collect::<Result<Vec<_>>>()?;
    ensure!(
        said[0] == said[1],
        "hlt.c does not do what chapter 3 does:\n{}\nand not\n{}",
        String::from_utf8_lossy(&said[0]),
        String::from_utf8_lossy(&said[1])
    );

    let mut rounds = Vec::new();
    for round in 1..=here.rounds {
        eprintln!("start: round {round} of {}", here.rounds);
        let nanoseconds = programs.iter().map(|program| {
            let mut sum = 0.0;
            for _ in 0..STARTS {
                sum += process::run(&mut Command::new(program), 0)?.cpu.as_secs_f64();
            }
            Ok(sum * 1e9 / f64::from(STARTS))
        });
        rounds.push(nanoseconds.collect::<Result<Vec<_>>>()?);
    }
    let title = "a VM from its program's start to its end, with one exit";
    let rows = ["the same in C", "`ch03-hlt`", "an empty program in C", "an empty program in Rust"];
    Ok(vec![Group::of_rounds("start", title, here.unit(), &rows, &rounds)])
}
