//! How often VMMs ended in which way, and in which they should not have.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::session::Death;

/// The documented ends, in the words of `tests/chaos`.
const HOWS: [&str; 7] = ["halted", "status", "crashed", "refused", "not-saved", "late", "loud"];

const LEGEND: &str = "\
halted, status, crashed, refused, not-saved: ended with 0, 1 to 63, 65, 66, 74
late, loud: the guest had used up its time, or its output; then a signal, and 130\n";

/// What came of the runs so far.
#[derive(Default)]
pub struct Figures {
    chapters: BTreeMap<String, Row>,
    deaths: Vec<String>,
}

#[derive(Default)]
struct Row {
    runs: u64,
    ended: [u64; HOWS.len()],
    broken: Vec<String>,
    deaths: u64,
    seconds: f64,
    peak_kib: u64,
}

impl Figures {
    fn row(&mut self, chapter: &str) -> &mut Row {
        self.chapters.entry(chapter.to_owned()).or_default()
    }

    pub fn begin(&mut self, chapter: &str) {
        self.row(chapter).runs += 1;
    }

    pub fn ended(&mut self, chapter: &str, how: &str, seconds: f64, kib: u64) {
        let row = self.row(chapter);
        match HOWS.iter().position(|it| *it == how) {
            Some(position) => row.ended[position] += 1,
            None => row.broken.push(format!("it ended in a way that we do not know: {how}")),
        }
        row.seconds += seconds;
        row.peak_kib = row.peak_kib.max(kib);
    }

    /// A VMM did not keep a promise. Without a file it is one that has been seen before.
    pub fn broken(&mut self, chapter: &str, file: &str, what: &str) {
        let kept = if file.is_empty() { String::new() } else { format!("\n  kept: {file}") };
        if !file.is_empty() {
            eprintln!("{chapter}: {what}{kept}\n  making it smaller…");
        }
        self.row(chapter).broken.push(format!("{what}{kept}"));
    }

    pub fn smaller(&mut self, file: &str, bytes: &str) {
        eprintln!("  {file}: {bytes} bytes");
    }

    pub fn died(&mut self, death: &Death, case: &Path) {
        let first = death.words.lines().take(6).collect::<Vec<_>>().join("\n  ");
        let text = format!("{}: {first}\n  the case: {}", death.chapter, case.display());
        eprintln!("{text}\n  going on in another nest…");
        self.row(&death.chapter).deaths += 1;
        self.deaths.push(text);
    }

    pub fn deaths(&self) -> usize {
        self.deaths.len()
    }

    /// Whether all VMMs kept their promises, and had to.
    pub fn is_well(&self) -> bool {
        !self.chapters.is_empty() && self.chapters.values().all(Row::is_well)
    }

    /// The table, what was found, and a result as cargo's tests have it.
    pub fn report(&self, seed: u64, time: Duration) -> String {
        let mut text = format!("{:<20}{:>6}", "", "runs");
        for how in HOWS {
            text += &format!("{how:>10}");
        }
        text += &format!("{:>8}{:>7}{:>9}\n", "broken", "s/run", "peak MiB");
        for (chapter, row) in &self.chapters {
            text += &format!("{chapter:<20}{:>6}", row.runs);
            for count in row.ended {
                text += &format!("{count:>10}");
            }
            let ended = row.ended.iter().sum::<u64>().max(1) as f64;
            text += &format!(
                "{:>8}{:>7.2}{:>9.1}\n",
                row.broken.len(),
                row.seconds / ended,
                row.peak_kib as f64 / 1024.0
            );
        }
        text += LEGEND;
        let runs: u64 = self.chapters.values().map(|row| row.runs).sum();
        let deaths = self.deaths.len();
        text += &format!(
            "{runs} runs in {:.0} s, seed {seed}; the nest died {deaths} time{}\n",
            time.as_secs_f64(),
            if deaths == 1 { "" } else { "s" }
        );
        self.deaths.iter().for_each(|death| text += &format!("\n{death}\n"));
        for (chapter, row) in &self.chapters {
            row.broken.iter().for_each(|what| text += &format!("\n{chapter}: {what}\n"));
        }
        text += "\n";
        for (chapter, row) in &self.chapters {
            let verdict = if row.is_well() { "ok" } else { "FAILED" };
            text += &format!("chaos {chapter} ... {verdict}\n");
        }
        let passed = self.chapters.values().filter(|row| row.is_well()).count();
        text += &format!(
            "\ntest result: {}. {passed} passed; {} failed; 0 ignored; 0 measured; 0 filtered out; \
             finished in {:.2}s\n",
            if self.is_well() { "ok" } else { "FAILED" },
            self.chapters.len() - passed,
            time.as_secs_f64()
        );
        text
    }
}

impl Row {
    /// Nothing was broken, and most runs said so: not their nest's death.
    fn is_well(&self) -> bool {
        self.broken.is_empty() && self.deaths * 2 < self.runs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(figures: &Figures) -> String {
        figures.report(7, Duration::from_secs(9))
    }

    #[test]
    fn the_table_counts_how_runs_ended() {
        let mut figures = Figures::default();
        for how in ["crashed", "crashed", "late"] {
            figures.begin("ch04-exits");
            figures.ended("ch04-exits", how, 0.5, 2048);
        }
        assert!(figures.is_well());
        let text = report(&figures);
        let row = text.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(
            row,
            ["ch04-exits", "3", "0", "0", "2", "0", "0", "1", "0", "0", "0.50", "2.0"],
            "{text}"
        );
        assert!(text.contains("3 runs in 9 s, seed 7; the nest died 0 times"), "{text}");
        assert!(text.contains("test result: ok. 1 passed; 0 failed;"), "{text}");
    }

    #[test]
    fn a_broken_promise_fails_its_chapter_and_no_other() {
        let mut figures = Figures::default();
        figures.begin("ch04-exits");
        figures.ended("ch04-exits", "halted", 0.5, 1);
        figures.begin("ch05-uart");
        figures.broken("ch05-uart", "x.case", "it panicked");
        assert!(!figures.is_well());
        let text = report(&figures);
        assert!(text.contains("chaos ch05-uart ... FAILED"), "{text}");
        assert!(text.contains("ch05-uart: it panicked\n  kept: x.case\n"), "{text}");
        assert!(text.contains("test result: FAILED. 1 passed; 1 failed;"), "{text}");
    }

    #[test]
    fn the_death_of_a_nest_is_no_failure_unless_nothing_else_happens() {
        let mut figures = Figures::default();
        let death = || Death::of_test("ch04-exits", "error: the nest died");
        figures.begin("ch04-exits");
        figures.died(&death(), Path::new("a.case"));
        assert!(!figures.is_well());
        for _ in 0..2 {
            figures.begin("ch04-exits");
            figures.ended("ch04-exits", "halted", 0.5, 1);
        }
        assert!(figures.is_well());
        assert!(report(&figures).contains("the nest died 1 time\n"));
    }

    #[test]
    fn no_run_at_all_is_not_well() {
        assert!(!Figures::default().is_well());
    }
}
