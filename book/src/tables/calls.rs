//! The calls of the KVM API that the chapters make, found in their sources.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Lit, Token};

use super::{markdown, row};
use crate::figures::package;

/// The last chapter.
const LAST: usize = 15;

/// The call, the method of `kvm-ioctls`, and what it does.
const CALLS: [[&str; 3]; 17] = [
    ["KVM_GET_API_VERSION", "Kvm::get_api_version", "which version of the API: 12"],
    [
        "KVM_CHECK_EXTENSION",
        "Kvm::check_extension_int",
        "whether KVM can do something, or how many",
    ],
    ["KVM_CREATE_VM", "Kvm::create_vm", "a virtual machine, without memory and vCPUs"],
    [
        "KVM_SET_USER_MEMORY_REGION",
        "VmFd::set_user_memory_region",
        "a memory slot: our memory is the guest’s",
    ],
    ["KVM_CREATE_VCPU", "VmFd::create_vcpu", "a virtual CPU, in the state after a reset"],
    ["KVM_GET_REGS", "VcpuFd::get_regs", "reads the general registers, `RIP` and `RFLAGS`"],
    ["KVM_SET_REGS", "VcpuFd::set_regs", "writes them"],
    ["KVM_GET_SREGS", "VcpuFd::get_sregs", "reads segments, control registers, tables"],
    ["KVM_SET_SREGS", "VcpuFd::set_sregs", "writes them: the CPU’s mode"],
    ["KVM_RUN", "VcpuFd::run", "runs the guest until it needs us"],
    ["KVM_SET_TSS_ADDR", "VmFd::set_tss_address", "three pages for Intel’s KVM"],
    [
        "KVM_CREATE_IRQCHIP",
        "VmFd::create_irq_chip",
        "PICs, I/O APIC and local APICs, in the kernel",
    ],
    ["KVM_CREATE_PIT2", "VmFd::create_pit2", "the timer of a PC, in the kernel"],
    ["KVM_IRQFD", "VmFd::register_irqfd", "what is written to an eventfd is an interrupt"],
    ["KVM_GET_STATS_FD", "", "a file with counters of a vCPU: interrupts, for `--verbose`"],
    ["KVM_GET_SUPPORTED_CPUID", "Kvm::get_supported_cpuid", "what CPUID could say here"],
    ["KVM_SET_CPUID2", "VcpuFd::set_cpuid2", "what CPUID says to the guest"],
];

/// Methods that make no call: what they are about is in the `kvm_run` page.
const NO_CALLS: [&str; 4] =
    ["get_kvm_run", "set_sync_valid_reg", "set_sync_dirty_reg", "sync_regs_mut"];

/// Methods that make the call of another one, and what that is called.
const SAME: [(&str, &str); 1] = [("check_extension", "check_extension_int")];

/// Call, method, what it does, first chapter.
pub fn table(checkout: &Path) -> Result<String> {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    for chapter in 1..=LAST {
        let folder = checkout.join("chapters").join(package(checkout, chapter)?).join("src");
        for entry in folder.read_dir().with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            let source = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let found = scan(&source).with_context(|| path.display().to_string())?;
            for call in found {
                first.entry(call).or_insert(chapter);
            }
        }
    }
    let mut rows = vec![row(["call, method of `kvm-ioctls`", "what it does", "chapter"])];
    let mut calls: Vec<_> = CALLS.iter().collect();
    calls.sort_by_key(|[call, ..]| first.get(call).copied());
    for [call, method, words] in calls {
        let chapter = first.get(call).with_context(|| {
            format!("no chapter calls {call} any more\n  take it out of book/src/tables/calls.rs")
        })?;
        let method = if method.is_empty() { "no method" } else { &format!("`{method}`") };
        // In one cell: two of such long words side by side leave no room on a phone.
        let names = format!("`{call}`<br>{method}");
        rows.push(row([&names, words, &chapter.to_string()]));
    }
    Ok(markdown(&rows))
}

/// What a file calls.
#[derive(Default)]
struct Found {
    /// Methods of something that is named as our descriptors are.
    methods: Vec<String>,
    /// Calls by their names: in error contexts, and defined by a macro.
    names: Vec<String>,
}

/// The calls in a file, each once or more.
///
/// # Errors
///
/// If it has a call that is in no list.
fn scan(source: &str) -> Result<Vec<&'static str>> {
    let mut found = Found::default();
    found.visit_file(&syn::parse_file(source)?);
    let mut calls = Vec::new();
    for method in found.methods.iter().filter(|method| !NO_CALLS.contains(&method.as_str())) {
        let same = SAME.iter().find(|(name, _)| *name == method.as_str()).map(|(_, other)| *other);
        let method = same.unwrap_or(method);
        let named = |full: &str| full.split_once("::").is_some_and(|(_, name)| name == method);
        match CALLS.iter().find(|[_, full, _]| named(full)) {
            Some([call, ..]) => calls.push(*call),
            None => bail!(
                "nobody has said what the method {method} does\n  say so in book/src/tables/calls.rs"
            ),
        }
    }
    for name in &found.names {
        let call = CALLS.iter().find(|[call, ..]| call == name);
        ensure!(
            call.is_some(),
            "nobody has said what {name} does\n  say so in book/src/tables/calls.rs"
        );
        // One with a method is known by that.
        calls.extend(call.filter(|[_, method, _]| method.is_empty()).map(|[call, ..]| *call));
    }
    Ok(calls)
}

impl<'ast> Visit<'ast> for Found {
    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if matches!(last_name(&call.receiver).as_deref(), Some("kvm" | "fd")) {
            self.methods.push(call.method.to_string());
        }
        if call.method == "context"
            && let Some(Expr::Lit(literal)) = call.args.first()
            && let Lit::Str(text) = &literal.lit
            && text.value().starts_with("KVM_")
        {
            self.names.push(text.value());
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        let is_definition = item
            .path
            .segments
            .last()
            .is_some_and(|segment| segment.ident.to_string().starts_with("ioctl_io"));
        let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(arguments) = parser.parse2(item.tokens.clone()) else { return };
        if is_definition {
            self.names.extend(arguments.first().and_then(last_name));
        }
        for argument in &arguments {
            self.visit_expr(argument);
        }
    }

    /// Tests make no calls of their own.
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}
}

/// The name at the end of `self.fd`, say.
fn last_name(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => path.path.segments.last().map(|segment| segment.ident.to_string()),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(name.to_string()),
            syn::Member::Unnamed(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_in_macros_too() {
        let source =
            r#"fn f() { println!("{}", kvm.get_api_version()); self.fd.run(); vcpu.go(); }"#;
        assert_eq!(scan(source).unwrap(), ["KVM_GET_API_VERSION", "KVM_RUN"]);
        assert_eq!(
            scan("fn f() { kvm.check_extension(Cap::Irqchip); }").unwrap(),
            ["KVM_CHECK_EXTENSION"]
        );
        assert_eq!(
            scan("ioctl_io_nr!(KVM_GET_STATS_FD, KVMIO, 0xce);").unwrap(),
            ["KVM_GET_STATS_FD"]
        );
    }

    #[test]
    fn a_call_without_words_is_an_error_that_names_it() {
        for (source, name) in [
            ("fn f() { self.fd.set_msrs(&msrs); }", "set_msrs"),
            ("fn f() { other.go().context(\"KVM_SET_MSRS\"); }", "KVM_SET_MSRS"),
            ("ioctl_io_nr!(KVM_NEW, KVMIO, 1);", "KVM_NEW"),
        ] {
            let error = scan(source).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
