//! The fields of the zero page that the VMM sets, and where they are: read from `linux.rs`, which the
//! compiler holds against the structure.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, File, ItemConst, Token};

use super::constants::Constants;

/// The chapter that sets all of them.
const PACKAGE: &str = "ch15-linux-shell";

/// A field of `boot_params`.
#[derive(Debug)]
pub struct Field {
    /// As in the source: `hdr.cmd_line_ptr`.
    pub name: String,
    /// Where it is in the zero page.
    pub offset: u64,
    /// How many bytes it has.
    pub bytes: u64,
    /// What the VMM writes there.
    pub value: String,
    /// What the kernel wants it for.
    pub why: &'static str,
    /// The chapter that sets it first.
    pub chapter: u8,
}

/// All fields that have a compile-time check of their offset, from low to high.
///
/// # Errors
///
/// If the source cannot be read, or has a check for a field that this does not know.
pub fn all(checkout: &Path) -> Result<Vec<Field>> {
    let path = format!("chapters/{PACKAGE}/src/linux.rs");
    let source = fs::read_to_string(checkout.join(&path)).context(path.clone())?;
    let file = syn::parse_file(&source).context(path.clone())?;
    let checks = checks(&file);
    ensure!(!checks.is_empty(), "{path} checks no offset_of!(boot_params, …) any more");
    let before = "chapters/ch14-linux-boot/src/linux.rs";
    let source = fs::read_to_string(checkout.join(before)).context(before)?;
    let before = self::checks(&syn::parse_file(&source).context(before)?);
    let constants = Constants::of_chapter(checkout, PACKAGE)?;
    let mut fields = Vec::new();
    for (name, offset) in checks {
        let offset = match offset {
            Offset::Number(number) => number,
            Offset::Constant(constant) => constants.number("linux", &constant)?,
        };
        let chapter = if before.iter().any(|(other, _)| *other == name) { 14 } else { 15 };
        let (bytes, value, why) = known(&name, &constants, &assigned(&file))?;
        fields.push(Field { name, offset, bytes, value, why, chapter });
    }
    fields.sort_by_key(|field| field.offset);
    Ok(fields)
}

/// What is not in the checks: sizes, from `asm/bootparam.h`; values and reasons.
fn known(
    name: &str,
    constants: &Constants,
    assigned: &[(String, String)],
) -> Result<(u64, String, &'static str)> {
    let layout = |name| constants.number("layout", name);
    let literal = || {
        let last = name.rsplit('.').next().unwrap_or(name);
        let found = assigned.iter().find(|(field, _)| field == last);
        let (_, value) = found.with_context(|| format!("linux.rs sets {name} to no literal"))?;
        anyhow::Ok(format!("`{value}`"))
    };
    Ok(match name {
        "e820_entries" => (1, literal()?, "how many entries the memory map has"),
        "hdr" => {
            let what = "the setup header, as in the kernel’s file";
            (0x7b, what.to_owned(), "what the kernel’s file says, and what we add")
        }
        "hdr.type_of_loader" => {
            (1, literal()?, "who boots it: a loader without a number of its own")
        }
        "hdr.ramdisk_image" => (4, "its address".to_owned(), "where the initrd is"),
        "hdr.ramdisk_size" => (4, "its bytes".to_owned(), "how long the initrd is"),
        "hdr.cmd_line_ptr" => {
            let value = format!("`{:#x}`", layout("COMMAND_LINE_ADDRESS")?);
            (4, value, "where the command line is")
        }
        "e820_table" => {
            let (low, high) = (layout("LOW_MEMORY_END")?, layout("HIGH_MEMORY_START")?);
            let value = format!("RAM from 0 to `{low:#x}`, and from `{high:#x}` on");
            (2 * 20, value, "which addresses are memory: 20 bytes an entry")
        }
        other => anyhow::bail!(
            "linux.rs checks the offset of {other}, and nobody has said what it is for\n  say so in book/src/figures/boot_fields.rs"
        ),
    })
}

enum Offset {
    Number(u64),
    Constant(String),
}

/// `const _: () = assert!(offset_of!(boot_params, NAME) == OFFSET);` → NAME, OFFSET.
fn checks(file: &File) -> Vec<(String, Offset)> {
    #[derive(Default)]
    struct Found(Vec<Expr>);
    impl<'ast> Visit<'ast> for Found {
        fn visit_item_const(&mut self, item: &'ast ItemConst) {
            if item.ident == "_" {
                self.0.push((*item.expr).clone());
            }
            visit::visit_item_const(self, item);
        }
    }
    let mut found = Found::default();
    found.visit_file(file);
    found.0.iter().filter_map(check).collect()
}

/// Fields that are set to a literal: `zero_page.e820_entries = 2;` → e820_entries, 2.
fn assigned(file: &File) -> Vec<(String, String)> {
    #[derive(Default)]
    struct Found(Vec<(String, String)>);
    impl<'ast> Visit<'ast> for Found {
        fn visit_expr_assign(&mut self, assignment: &'ast syn::ExprAssign) {
            if let Expr::Field(field) = &*assignment.left
                && let syn::Member::Named(name) = &field.member
                && let Expr::Lit(literal) = &*assignment.right
                && let syn::Lit::Int(number) = &literal.lit
            {
                self.0.push((name.to_string(), number.to_string()));
            }
        }
    }
    let mut found = Found::default();
    found.visit_file(file);
    found.0
}

fn check(expression: &Expr) -> Option<(String, Offset)> {
    let Expr::Macro(assert) = expression else { return None };
    let Ok(Expr::Binary(binary)) = syn::parse2(assert.mac.tokens.clone()) else { return None };
    let (BinOp::Eq(_), Expr::Macro(offset_of)) = (binary.op, &*binary.left) else { return None };
    let parser = Punctuated::<Expr, Token![,]>::parse_terminated;
    let arguments = parser.parse2(offset_of.mac.tokens.clone()).ok()?;
    let name = path_of(arguments.get(1)?)?;
    let offset = match &*binary.right {
        Expr::Lit(literal) => match &literal.lit {
            syn::Lit::Int(number) => Offset::Number(number.base10_parse().ok()?),
            _ => return None,
        },
        Expr::Path(path) => Offset::Constant(path.path.get_ident()?.to_string()),
        _ => return None,
    };
    Some((name, offset))
}

/// `hdr.cmd_line_ptr`, as text.
fn path_of(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Path(path) => Some(path.path.get_ident()?.to_string()),
        Expr::Field(field) => match &field.member {
            syn::Member::Named(name) => Some(format!("{}.{name}", path_of(&field.base)?)),
            syn::Member::Unnamed(_) => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_the_checks() {
        let source = "const _: () = assert!(offset_of!(boot_params, hdr.a) == 0x210);
                      const _: () = assert!(offset_of!(boot_params, hdr) == HEADER);
                      const _: () = assert!(size_of::<u8>() == 1);";
        let checks = checks(&syn::parse_file(source).unwrap());
        let [(a, Offset::Number(0x210)), (hdr, Offset::Constant(header))] = &checks[..] else {
            panic!("{} checks", checks.len())
        };
        assert_eq!((a.as_str(), hdr.as_str(), header.as_str()), ("hdr.a", "hdr", "HEADER"));
    }

    #[test]
    fn values_are_read_from_the_assignments() {
        let source = "fn f() { page.hdr.a = 0xff; page.b = ADDRESS; page.c = 2; }";
        let assigned = assigned(&syn::parse_file(source).unwrap());
        assert_eq!(assigned, [("a", "0xff"), ("c", "2")].map(|(a, b)| (a.into(), b.into())));
    }
}
