//! The shell's variables. Those that are exported are the environment of its commands.

use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Variable {
    value: String,
    exported: bool,
}

#[derive(Clone, Default)]
pub struct Variables(BTreeMap<String, Variable>);

impl Variables {
    /// Those of the environment: exported as they were.
    pub fn from_environment() -> Self {
        let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
        let variables = std::env::vars_os()
            .map(|(name, value)| (text(name), Variable { value: text(value), exported: true }));
        Self(variables.collect())
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        Some(&self.0.get(name)?.value)
    }

    /// An exported variable stays one.
    pub fn set(&mut self, name: &str, value: String) {
        let exported = self.0.get(name).is_some_and(|old| old.exported);
        self.0.insert(name.to_owned(), Variable { value, exported });
    }

    pub fn export(&mut self, name: &str) {
        let empty = Variable { value: String::new(), exported: true };
        self.0.entry(name.to_owned()).or_insert(empty).exported = true;
    }

    pub fn unset(&mut self, name: &str) {
        self.0.remove(name);
    }

    pub fn exported(&self) -> impl Iterator<Item = (&str, &str)> {
        let exported = self.0.iter().filter(|(_, variable)| variable.exported);
        exported.map(|(name, variable)| (name.as_str(), variable.value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exported_or_not() {
        let mut variables = Variables::default();
        variables.set("a", "1".to_owned());
        assert_eq!(variables.get("a"), Some("1"));
        assert_eq!(variables.exported().count(), 0);

        variables.export("a");
        variables.set("a", "2".to_owned());
        assert_eq!(variables.exported().collect::<Vec<_>>(), [("a", "2")]);

        variables.unset("a");
        assert_eq!(variables.get("a"), None);
    }
}
