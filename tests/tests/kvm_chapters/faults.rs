//! Faults around the VMM: each call that it makes fails once, and it gets too little of everything.
//! Many runs for one start each: the shim's plan. See `tests/shim/plan.h`.

mod calls;
mod limits;
mod plan;
mod streams;
mod terminal_gone;

/// Every chapter, each with a guest that ends by itself, and the faults that it always has.
const RUNS: [(&str, &[&str], &str); 17] = [
    ("ch01-open-kvm", &[], ""),
    ("ch02-guest-memory", &[], ""),
    ("ch03-hlt", &[], ""),
    ("ch04-exits", &["mmio"], ""),
    ("ch05-uart", &["hello"], ""),
    ("ch06-uart-input", &["hello"], ""),
    ("ch07-hypercall", &["hctest"], ""),
    ("ch07-hypercall", &["hctest"], NO_SYNC_REGS),
    ("ch08-multi-vcpu", &["hello", "counter", "hctest"], ""),
    ("ch09-protected-mode", &["pmode"], ""),
    ("ch10-paging", &["page-fault"], ""),
    ("ch11-interrupts", &["ticker", "--verbose"], ""),
    ("ch12-os-1k", &["os-1k"], NO_INPUT),
    ("ch13-long-mode", &["hello64", "counter"], ""),
    ("ch13-long-mode", &["fault64"], ""),
    // Linux would take seconds each time: what is looked at here is how it is started.
    ("ch14-linux-boot", &["linux"], HALTS_AT_ONCE),
    ("ch15-linux-shell", &["linux"], HALTS_AT_ONCE),
];

/// Without `KVM_CAP_SYNC_REGS` a hypercall needs two calls more.
const NO_SYNC_REGS: &str = "lacks:74;";
const NO_INPUT: &str = "stdin:/dev/null;";
/// `KVM_EXIT_HLT`.
const HALTS_AT_ONCE: &str = "exit:5;";

/// Of neighbours that differ little in what surrounds them, one. `MINI_KVM_FAULTS=all` takes all, and
/// fails every call in every way.
fn is_looked_at(chapter: &str) -> bool {
    const SOME: [&str; 6] = ["ch03", "ch07", "ch08", "ch11", "ch12", "ch15"];
    is_thorough() || SOME.iter().any(|some| chapter.starts_with(some))
}

/// The runs of these chapters.
fn some_runs() -> impl Iterator<Item = (&'static str, &'static [&'static str], &'static str)> {
    let is_one = |chapter, always| is_looked_at(chapter) && always != NO_SYNC_REGS;
    RUNS.into_iter().filter(move |(chapter, _, always)| is_one(chapter, *always))
}

fn is_thorough() -> bool {
    std::env::var("MINI_KVM_FAULTS").is_ok_and(|which| which == "all")
}
