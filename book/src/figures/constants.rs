//! The constants of a chapter, read from its source: what is drawn from them cannot go stale.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary, Lit, Local, Member, Meta, Pat, Token};

/// A constant that needs so many others to be known is defined by itself.
const DEPTH_MAX: u32 = 64;

/// What a constant is.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    /// A number, an address, a character.
    Number(i128),
    Text(String),
    Array(Vec<Value>),
    /// A structure: its fields.
    Fields(BTreeMap<String, Value>),
}

/// One source file: what its names stand for.
#[derive(Default)]
struct Names {
    constants: BTreeMap<String, Expr>,
    /// How many elements an array has, for what is not evaluated.
    lengths: BTreeMap<String, Expr>,
    variables: BTreeMap<String, Expr>,
    /// The defaults of command line arguments.
    defaults: BTreeMap<String, Expr>,
}

/// The constants of all source files in a folder.
pub struct Constants {
    /// Where they are from.
    pub checkout: PathBuf,
    folder: String,
    files: BTreeMap<String, Names>,
}

impl Constants {
    /// Reads all Rust files of the chapter in the folder `chapters/package` of the checkout.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read, or is not Rust.
    pub fn of_chapter(checkout: &Path, package: &str) -> Result<Self> {
        Self::read(checkout, &format!("chapters/{package}/src"))
    }

    /// Reads all Rust files of a folder of the checkout.
    ///
    /// # Errors
    ///
    /// If one of them cannot be read, or is not Rust.
    pub fn read(checkout: &Path, folder: &str) -> Result<Self> {
        let mut files = BTreeMap::new();
        for entry in fs::read_dir(checkout.join(folder)).with_context(|| folder.to_owned())? {
            let path = entry.with_context(|| folder.to_owned())?.path();
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let source = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let file = syn::parse_file(&source)
                .with_context(|| format!("{} is not Rust", path.display()))?;
            let mut names = Names::default();
            names.visit_file(&file);
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(stem, names);
        }
        Ok(Self { checkout: checkout.to_owned(), folder: folder.to_owned(), files })
    }

    /// The number `name` of `file`, which has no `.rs`: a constant (`GDT_ADDRESS`), or a field of
    /// one (`FLAT.memory_bytes`). Addresses are numbers.
    ///
    /// # Errors
    ///
    /// If there is none, or if it is computed in a way that this does not understand.
    pub fn number(&self, file: &str, name: &str) -> Result<u64> {
        let (constant, field) = name.split_once('.').unwrap_or((name, ""));
        let expression = self.names(file)?.constants.get(constant);
        let expression = expression.with_context(|| self.missing(file, "constant", constant))?;
        let mut value = self.value(file, expression, 0).with_context(|| self.what(file, name))?;
        if !field.is_empty() {
            value = field_of(value, field).with_context(|| self.what(file, name))?;
        }
        number(&value).with_context(|| self.what(file, name))
    }

    /// How many elements the array `name` has.
    ///
    /// # Errors
    ///
    /// If there is no such array.
    pub fn length(&self, file: &str, name: &str) -> Result<u64> {
        let length = self.names(file)?.lengths.get(name);
        let length = length.with_context(|| self.missing(file, "constant array", name))?;
        let value = self.value(file, length, 0).with_context(|| self.what(file, name))?;
        number(&value)
    }

    /// The number that a function of `file` gives a variable by `let name = …`.
    ///
    /// # Errors
    ///
    /// If there is no such variable, or it is not a constant number.
    pub fn variable(&self, file: &str, name: &str) -> Result<u64> {
        let expression = self.names(file)?.variables.get(name);
        let expression = expression.with_context(|| self.missing(file, "variable", name))?;
        let value = self.value(file, expression, 0).with_context(|| self.what(file, name))?;
        number(&value)
    }

    /// What the command line argument `field` of `main.rs` is if it is not given.
    ///
    /// # Errors
    ///
    /// If it has no default.
    pub fn defaults(&self, field: &str) -> Result<Vec<String>> {
        let expression = self.names("main")?.defaults.get(field);
        let expression = expression.with_context(|| self.missing("main", "default of", field))?;
        let text = |value| match value {
            Value::Text(text) => Ok(text),
            other => Err(anyhow!("{other:?} is not a text")),
        };
        match self.value("main", expression, 0).with_context(|| self.what("main", field))? {
            Value::Array(values) => values.into_iter().map(text).collect(),
            value => Ok(vec![text(value)?]),
        }
    }

    fn names(&self, file: &str) -> Result<&Names> {
        self.files.get(file).with_context(|| format!("{}/{file}.rs is missing", self.folder))
    }

    fn what(&self, file: &str, name: &str) -> String {
        format!("{}/{file}.rs: {name}", self.folder)
    }

    fn missing(&self, file: &str, kind: &str, name: &str) -> String {
        format!(
            "{}/{file}.rs has no {kind} {name}\n  a figure of the book shows it: adapt book/src/figures",
            self.folder
        )
    }

    fn value(&self, file: &str, expression: &Expr, depth: u32) -> Result<Value> {
        ensure!(depth < DEPTH_MAX, "it needs itself");
        let value = |expression| self.value(file, expression, depth + 1);
        Ok(match expression {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Int(number) => Value::Number(number.base10_parse()?),
                Lit::Byte(byte) => Value::Number(byte.value().into()),
                Lit::Str(text) => Value::Text(text.value()),
                _ => bail!("a literal that is neither a number nor a text"),
            },
            Expr::Paren(inner) => value(&inner.expr)?,
            Expr::Group(inner) => value(&inner.expr)?,
            Expr::Cast(inner) => value(&inner.expr)?,
            Expr::Reference(inner) => value(&inner.expr)?,
            Expr::Binary(binary) => {
                Value::Number(operate(binary, &value(&binary.left)?, &value(&binary.right)?)?)
            }
            // A tuple structure of one number, as GuestAddress is.
            Expr::Call(call) if call.args.len() == 1 && is_type(&call.func) => {
                value(&call.args[0])?
            }
            Expr::Field(field) => match &field.member {
                Member::Unnamed(_) => value(&field.base)?,
                Member::Named(name) => field_of(value(&field.base)?, &name.to_string())?,
            },
            Expr::Struct(structure) => {
                let mut fields = match &structure.rest {
                    Some(base) => match value(base)? {
                        Value::Fields(fields) => fields,
                        _ => bail!("a base that is not a structure"),
                    },
                    None => BTreeMap::new(),
                };
                for field in &structure.fields {
                    let Member::Named(name) = &field.member else { bail!("a field without name") };
                    fields.insert(name.to_string(), value(&field.expr)?);
                }
                Value::Fields(fields)
            }
            Expr::Array(array) => {
                Value::Array(array.elems.iter().map(value).collect::<Result<_>>()?)
            }
            Expr::Path(path) => self.constant(file, &path.path, depth)?,
            _ => bail!("an expression that the figures cannot evaluate"),
        })
    }

    /// A constant by its name: of this file, or of another if only one has it, or with the other's.
    fn constant(&self, file: &str, path: &syn::Path, depth: u32) -> Result<Value> {
        let mut segments = path.segments.iter().rev().map(|segment| segment.ident.to_string());
        let name = segments.next().unwrap_or_default();
        let of = |file: &str| Some((file.to_owned(), self.files.get(file)?.constants.get(&name)?));
        let found = match segments.next() {
            Some(other) if other != "crate" => of(&other),
            _ => of(file).or_else(|| {
                let mut others = self.files.keys().filter_map(|other| of(other));
                let only = others.next();
                if others.next().is_some() { None } else { only }
            }),
        };
        let (file, expression) = found.with_context(|| {
            format!("{name}, which is no constant of this chapter, or of several files")
        })?;
        self.value(&file, expression, depth + 1)
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        let name = item.ident.to_string();
        if let syn::Type::Array(array) = &*item.ty {
            self.lengths.entry(name.clone()).or_insert_with(|| array.len.clone());
        }
        self.constants.entry(name).or_insert_with(|| (*item.expr).clone());
        visit::visit_item_const(self, item);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let (Pat::Ident(name), Some(init)) = (&local.pat, &local.init) {
            let expression = (*init.expr).clone();
            self.variables.entry(name.ident.to_string()).or_insert(expression);
        }
        visit::visit_local(self, local);
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        let arguments = field.attrs.iter().filter(|attribute| attribute.path().is_ident("arg"));
        for list in arguments.filter_map(|attribute| attribute.meta.require_list().ok()) {
            let parser = Punctuated::<Meta, Token![,]>::parse_terminated;
            let Ok(metas) = parser.parse2(list.tokens.clone()) else { continue };
            for meta in metas.iter().filter_map(|meta| meta.require_name_value().ok()) {
                let is_default =
                    meta.path.is_ident("default_value") || meta.path.is_ident("default_values");
                if let (true, Some(name)) = (is_default, &field.ident) {
                    self.defaults.insert(name.to_string(), meta.value.clone());
                }
            }
        }
    }

    /// Tests have constants of their own.
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}
}

fn is_type(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let name = path.path.segments.last().map(|segment| segment.ident.to_string());
    name.is_some_and(|name| name.starts_with(char::is_uppercase))
}

fn number(value: &Value) -> Result<u64> {
    match value {
        Value::Number(number) => (*number).try_into().context("not a number of 64 bits"),
        other => bail!("{other:?} is not a number"),
    }
}

fn field_of(value: Value, name: &str) -> Result<Value> {
    let Value::Fields(mut fields) = value else { bail!("not a structure") };
    fields.remove(name).with_context(|| format!("there is no field {name}"))
}

fn operate(binary: &ExprBinary, left: &Value, right: &Value) -> Result<i128> {
    let (Value::Number(left), Value::Number(right)) = (left, right) else {
        bail!("an operator between what are not numbers")
    };
    let bits = u32::try_from(*right);
    let result = match binary.op {
        BinOp::Add(_) => left.checked_add(*right),
        BinOp::Sub(_) => left.checked_sub(*right),
        BinOp::Mul(_) => left.checked_mul(*right),
        BinOp::Div(_) => left.checked_div(*right),
        BinOp::Rem(_) => left.checked_rem(*right),
        BinOp::Shl(_) => left.checked_shl(bits?),
        BinOp::Shr(_) => left.checked_shr(bits?),
        BinOp::BitOr(_) => Some(left | right),
        BinOp::BitAnd(_) => Some(left & right),
        BinOp::BitXor(_) => Some(left ^ right),
        _ => bail!("an operator that the figures do not know"),
    };
    result.context("an overflow")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"
        //! A test.
        const FLAT: Layout = Layout { memory_bytes: 16 << 20, image: GuestAddress(0x1000) };
        const DISK: Layout = Layout { image: GuestAddress(TOP.0 - 0x10_0000), ..FLAT };
        pub const TOP: GuestAddress = GuestAddress((2 + 3) * 0x100000 as u64 | 1);
        const NAMES: [&str; 22] = ["", other()];
        const BAD: u64 = other();
        const LOOP: u64 = LOOP;
        struct Options {
            #[arg(value_name = "GUEST", default_values = ["hello", "counter"])]
            guests: Vec<OsString>,
            #[arg(long, value_parser = |at: &str| at.len(), default_value = "256M")]
            memory: usize,
        }
        fn run() { let address = GuestAddress(0x1234); const INNER: u8 = 7; }
        mod tests { const FLAT: u8 = 1; }
    "#;

    fn constants() -> Constants {
        let mut names = Names::default();
        names.visit_file(&syn::parse_file(SOURCE).unwrap());
        let mut files = BTreeMap::new();
        files.insert("main".to_owned(), names);
        Constants { checkout: PathBuf::new(), folder: "src".to_owned(), files }
    }

    #[test]
    fn constants_are_what_the_compiler_makes_of_them() {
        let constants = constants();
        let number = |name| constants.number("main", name).unwrap();
        assert_eq!(number("FLAT.memory_bytes"), 16 << 20);
        assert_eq!(number("TOP"), 0x50_0001);
        assert_eq!(number("DISK.image"), 0x40_0001);
        assert_eq!(number("DISK.memory_bytes"), 16 << 20);
        assert_eq!(number("INNER"), 7);
        assert_eq!(constants.length("main", "NAMES").unwrap(), 22);
        assert_eq!(constants.variable("main", "address").unwrap(), 0x1234);
        assert_eq!(constants.defaults("guests").unwrap(), ["hello", "counter"]);
        assert_eq!(constants.defaults("memory").unwrap(), ["256M"]);
    }

    #[test]
    fn what_is_missing_or_not_understood_is_named() {
        let constants = constants();
        let error = |name| format!("{:#}", constants.number("main", name).unwrap_err());
        assert!(error("GDT").contains("src/main.rs has no constant GDT"), "{}", error("GDT"));
        assert!(error("BAD").contains("src/main.rs: BAD"), "{}", error("BAD"));
        assert!(error("FLAT.size").contains("no field size"), "{}", error("FLAT.size"));
        assert!(error("LOOP").contains("it needs itself"), "{}", error("LOOP"));
    }
}
