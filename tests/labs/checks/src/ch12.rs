//! System call 12, and pipes.

use std::fmt::Write as _;
use std::fs;
use std::io::Read;
use std::path::PathBuf;

use tar::{Archive, Builder, Header};

use crate::Check;
use crate::answer::{Answer, text};
use crate::guest::Place;
use crate::ran::Ran;
use crate::verdict::{Result, fail};

pub const CHECKS: &[(&str, Check)] = &[("kill", kill), ("pipes", pipes)];

const USAGE_OF_KILL: &str = "usage: kill ID\nkill: status 1\n";
const USAGE_OF_PIPES: &str = "usage: LEFT | RIGHT\n";

/// A session in the shell, and what is expected to be on the console.
#[derive(Default)]
struct Session {
    input: String,
    expected: String,
}

impl Session {
    /// A line, and what comes before the next prompt.
    fn line(&mut self, line: &str, answer: &str) {
        self.typed(line, "", answer);
    }

    /// The same with keys that are typed after it.
    fn typed(&mut self, line: &str, keys: &str, answer: &str) {
        write!(self.input, "{line}\n{keys}").expect("a String takes all");
        write!(self.expected, "> {line}\n{answer}").expect("a String takes all");
    }

    fn check(&self, answer: &Answer) -> Result<()> {
        self.check_with(answer, &[])
    }

    fn check_with(&self, answer: &Answer, arguments: &[&str]) -> Result<()> {
        let ran = run(answer, arguments, &self.input)?;
        ran.stdout(format!("{}> \n", self.expected))?.status(0)?;
        Ok(())
    }
}

fn run(answer: &Answer, arguments: &[&str], input: &str) -> Result<Ran> {
    answer.run([&["os-1k"], arguments].concat()).input(input.as_bytes()).finish()
}

fn kill(answer: &mut Answer) -> Result<()> {
    let mut session = Session::default();
    session.line("run echo &", "[2] echo\n");
    session.line("kill 2", "[2] echo: killed\n");
    let nobody = answer.random.u32(100..1_000_000);
    // Its own number comes last: each program has had one.
    for id in ["2", "3", "1", "0", &nobody.to_string(), "4294967295", "10"] {
        session
            .line(&format!("kill {id}"), &format!("kill: {id}: no such process\nkill: status 1\n"));
    }
    for line in ["kill", "kill 2 3", "kill two", "kill -1", "kill 4294967296", "kill 2x"] {
        session.line(line, USAGE_OF_KILL);
    }
    session.line("run echo on", "on\n");
    session.check(answer)?;

    // Each has a number, and so has each kill.
    let mut session = Session::default();
    for id in (2..202).step_by(2) {
        session.line("run echo &", &format!("[{id}] echo\n"));
        session.line(&format!("kill {id}"), &format!("[{id}] echo: killed\n"));
    }
    session.check(answer)?;

    // One that sleeps, one that computes, one that waits; one after the other, for what they print gets
    // between the shell's words.
    let mut programs = ["counter 1000", "spin . 1000", "echo"];
    answer.random.shuffle(&mut programs);
    let ids = [2, 4, 6];
    let lines = programs.iter().zip(ids).map(|(line, id)| format!("run {line} &\nkill {id}\n"));
    let ran = run(answer, &[], &(lines.collect::<String>() + "ps\n"))?;
    ran.status(0)?;
    for (program, id) in programs.iter().zip(ids) {
        let name = program.split(' ').next().unwrap_or_default();
        let said = format!("[{id}] {name}: killed\n");
        if !ran.stdout_text().contains(&said) {
            return ran.fail(&format!("no {said:?} on the console:\n{}", ran.stdout_text()));
        }
    }
    only_the_shell(&ran)?;

    let disk = disk(answer, "killer", KILLER)?;
    let ran = run(answer, &["--disk", text(&disk)], "killer\n")?;
    if let Some(line) = ran.stdout_text().lines().find(|line| line.starts_with("killer: ")) {
        return ran.fail(&format!(
            "{line}: a program that calls system call 12 got a wrong answer: 1 and 2 are for a \
             process that there is not, 3 for the first one, 4 for a child that waits for a key, 5 for the \
             same once more, 6 is for its status, which should be 128, 7 for it when its status is known"
        ));
    }
    ran.stdout("> killer\n> \n")?.status(0)?;
    Ok(())
}

/// After `ps`, there is nobody else.
fn only_the_shell(ran: &Ran) -> Result<()> {
    let printed = ran.stdout_text();
    let table = printed.rsplit_once("cpu ms  name\n").map_or("", |(_, table)| table);
    let names = table.lines().take_while(|line| !line.starts_with('>'));
    let names: Vec<_> = names.filter_map(|line| line.split_whitespace().last()).collect();
    if names == ["shell"] {
        return Ok(());
    }
    ran.fail(&format!("ps should show the shell alone, and shows\n{table}"))
}

fn pipes(answer: &mut Answer) -> Result<()> {
    let random = &mut answer.random;
    let [a, b] = [random.u32(2..1000), random.u32(2..1000)];
    let (rounds, word) = (random.u32(5..40), random.alphanumeric().to_string());
    let (primes, count) = (random.u32(15_000..20_000), random.usize(30..60));

    let mut session = Session::default();
    session.line("multiplication | echo", &twice(&multiplication()));
    session.line(&format!("fibonacci {rounds} | echo"), &twice(&fibonacci(rounds)));
    session.line("gcd 12 18   |   echo  ", &twice(&gcd(12, 18)));
    session.line(&format!("echo {a} * {b} | calculator"), &format!("? {a} * {b}\n{}\n? \n", a * b));
    // RIGHT never reads, and ends before LEFT has printed all.
    session.line(&format!("multiplication | echo {word}"), &format!("{word}\n"));
    session.line(&format!("primes {primes} | gcd {a} {b}"), &gcd(a, b));
    // Statuses, LEFT's first. What a program has to complain of is output like any other.
    session.line("counter on | echo", &(twice("usage: counter [LAST]\n") + "counter: status 1\n"));
    session.line(
        &format!("echo {word} | factorial 13"),
        "factorial: 13! needs more than 32 bits\nfactorial: status 1\n",
    );
    session.line(
        "counter on | factorial 13",
        "factorial: 13! needs more than 32 bits\ncounter: status 1\nfactorial: status 1\n",
    );
    session.check(answer)?;

    let mut session = Session::default();
    for nobody in ["nothing | echo", "ls | echo", "help | multiplication"] {
        let name = nobody.split(' ').next().unwrap_or_default();
        session.line(nobody, &format!("{name}: no such command or program\n"));
    }
    // LEFT would wait for keys, or print.
    for nobody in ["echo | nothing", "multiplication | ls", "echo a | ps"] {
        let name = nobody.split(' ').next_back().unwrap_or_default();
        session.line(nobody, &format!("{name}: no such command or program\n"));
    }
    for usage in ["| echo", "echo |", "|", "  |  echo"] {
        session.line(usage, USAGE_OF_PIPES);
    }
    session.line("echo a|b", "a|b\n");
    // LEFT has the keyboard. What it shows of it, goes into the pipe, too.
    let line = format!("{word}\n");
    session.typed("echo | echo", &format!("{line}\x04"), &line.repeat(4));
    session.typed("run echo", &format!("{line}\x04"), &line.repeat(2));
    session.check(answer)?;

    let mut session = Session::default();
    session.line(&format!("primes {primes} | echo"), &twice(&primes_to(primes)));
    for _ in 0..count {
        session.line(&format!("echo {word} | echo"), &line.repeat(2));
    }
    session.check(answer)?;
    let ran = run(answer, &[], "echo a | nothing\nmultiplication | echo b\necho c | echo\nps\n")?;
    only_the_shell(&ran)?;

    let disk = disk(answer, "reader", READER)?;
    let mut session = Session::default();
    session.line("echo abc | reader", "");
    session.line("run echo after", "after\n");
    let ran = run(answer, &["--disk", text(&disk)], &session.input)?;
    if let Some(line) = ran.stdout_text().lines().find(|line| line.starts_with("reader: ")) {
        return ran.fail(&format!(
            "{line}: a program that reads a pipe got a wrong character, this one of 'a', 'b', 'c', newline, \
             and then Ctrl-D three times"
        ));
    }
    ran.stdout(format!("{}> \n", session.expected))?.status(0)?;
    Ok(())
}

/// What `echo` makes of it: it shows each line as it reads it, and then prints it.
fn twice(output: &str) -> String {
    output.lines().map(|line| format!("{line}\n{line}\n")).collect()
}

fn multiplication() -> String {
    let factors = (2..=9).flat_map(|a| (1..=9).map(move |b| (a, b)));
    factors.map(|(a, b)| format!("{a} x {b} = {}\n", a * b)).collect()
}

fn fibonacci(count: u32) -> String {
    let (mut this, mut next) = (0_u64, 1);
    let line = |n| {
        let line = format!("fib({n}) = {this}\n");
        (this, next) = (next, this + next);
        line
    };
    (0..count).map(line).collect()
}

fn gcd(mut a: u32, mut b: u32) -> String {
    let (mut lines, arguments) = (String::new(), format!("gcd({a}, {b})"));
    while b != 0 {
        lines += &format!("{a} = {} x {b} + {}\n", a / b, a % b);
        (a, b) = (b, a % b);
    }
    lines + &format!("{arguments} = {a}\n")
}

fn primes_to(last: u32) -> String {
    let is_prime = |n: &u32| (2..).take_while(|d| d * d <= *n).all(|d| !n.is_multiple_of(d));
    let primes: Vec<_> = (2..=last).filter(is_prime).map(|prime| format!("{prime:6}")).collect();
    primes.chunks(10).map(|line| line.concat() + "\n").collect()
}

/// Ends with the number of the first answer that is wrong. A child that waits for a key is killed.
const KILLER: &str = "
        .macro  call number, b, c, d
        mov     \\number, %eax
        mov     \\b, %ebx
        mov     \\c, %ecx
        mov     \\d, %edx
        int     $0x80
        .endm
        .macro  expect answer
        inc     %ebp
        cmp     \\answer, %eax
        jne     wrong
        .endm

        xor     %ebp, %ebp
        call    $12, $0x7fffffff, $0, $0
        expect  $-4
        call    $12, $-1, $0, $0
        expect  $-4
        call    $12, $1, $0, $0
        expect  $-4
        call    $7, $name, $name, $0    # spawn
        mov     %eax, %edi
        call    $9, $100, $0, $0        # sleep: until it waits for a key
        call    $12, %edi, $0, $0
        expect  $0
        call    $12, %edi, $0, $0
        expect  $-4
        call    $8, %edi, $1, $0        # wait
        expect  $128
        call    $12, %edi, $0, $0
        expect  $-4
        xor     %ebp, %ebp
wrong:  call    $0, %ebp, $0, $0
name:   .asciz  \"echo\"
";

/// Ends with the number of the first character that is wrong.
const READER: &str = "
        mov     $expected, %esi
        mov     $count, %edi
next:   mov     $2, %eax
        int     $0x80
        movzbl  (%esi), %ecx
        inc     %esi
        cmp     %ecx, %eax
        jne     wrong
        dec     %edi
        jnz     next
        mov     $expected, %esi
wrong:  sub     $expected, %esi
        mov     %esi, %ebx
        xor     %eax, %eax
        int     $0x80
expected: .byte 'a', 'b', 'c', '\\n', 4, 4, 4
        .set    count, . - expected
";

/// Where a program is loaded, and what its file begins with: an ELF header and a program header.
const PROGRAM: u32 = 0x0100_0000;
const HEADERS_BYTES: u32 = 0x54;

/// The answer's own disk with one program more.
fn disk(answer: &Answer, name: &str, source: &str) -> Result<PathBuf> {
    let source = format!("        .code32\n{source}");
    let image = answer.assemble(name, Place::At(PROGRAM + HEADERS_BYTES), &source)?;
    let code = fs::read(image)?;
    let bytes = HEADERS_BYTES + code.len() as u32;
    let words = [
        0x464c_457f,
        0x0001_0101,
        0,
        0,
        0x0003_0002,
        1,
        PROGRAM + HEADERS_BYTES,
        0x34,
        0,
        0,
        0x0020_0034,
        0x0028_0001,
        0, // a header for one segment
        1,
        0,
        PROGRAM,
        0,
        bytes,
        bytes,
        7,
        0x1000,
    ];
    let program = [words.map(u32::to_le_bytes).concat(), code].concat();

    let path = answer.scratch(&format!("{name}.tar"));
    if path.exists() {
        fs::remove_file(&path)?;
    }
    run(answer, &["--disk", text(&path)], "")?.status(0)?;
    let old = fs::read(&path)?;
    let mut builder = Builder::new(Vec::new());
    for entry in Archive::new(old.as_slice()).entries()? {
        let mut entry = entry?;
        let mut contents = Vec::new();
        entry.read_to_end(&mut contents)?;
        builder.append(&entry.header().clone(), contents.as_slice())?;
    }
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_size(program.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    builder.append(&header, program.as_slice())?;
    let mut new = builder.into_inner()?;
    if new.len() > old.len() {
        return fail("the files of the answer's disk leave no room for another small program");
    }
    new.resize(old.len(), 0);
    fs::write(&path, new)?;
    Ok(path)
}
