//! `--set a.b.c=value`.

use std::str::FromStr;

use toml::{Table, Value};

/// One override of a configuration's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// The key's parts.
    path: Vec<String>,
    value: Value,
    text: String,
}

impl Override {
    /// The dotted key.
    pub fn key(&self) -> String {
        self.path.join(".")
    }

    /// As it was written after `--set`.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Sets the value in `table`, making the sections that are missing.
    ///
    /// Where it changes what a section *is* (its `kind`, or a solver's or grid's name), the section's
    /// other values belonged to something else and are dropped.
    ///
    /// # Errors
    /// The key of a value that would have to be a section.
    pub fn apply(&self, table: &mut Table) -> Result<(), String> {
        let (last, sections) = self.path.split_last().expect("a key has at least one part");
        let mut section = table;
        for (depth, name) in sections.iter().enumerate() {
            let value = section
                .entry(name.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            section = match value {
                Value::Table(inner) => inner,
                _ => return Err(self.path[..=depth].join(".")),
            };
        }
        if is_tag(&self.path) && section.get(last).is_some_and(|old| *old != self.value) {
            section.clear();
        }
        section.insert(last.clone(), self.value.clone());
        Ok(())
    }
}

/// Whether a key says which one of several things its section is.
pub fn is_tag(path: &[String]) -> bool {
    let parts: Vec<&str> = path.iter().map(String::as_str).collect();
    matches!(
        parts.as_slice(),
        [_, .., "kind"] | ["sampling", "solver" | "grid", "name"] | [.., "step", "rule"]
    )
}

impl FromStr for Override {
    type Err = String;

    /// Reads `a.b.c=value`; the value is TOML, or else a string without its quotes.
    fn from_str(text: &str) -> Result<Self, String> {
        let example = "write it as training.steps=5000";
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| format!("`{text}` has no `=`: {example}"))?;
        let path: Vec<String> = key.split('.').map(|part| part.trim().to_owned()).collect();
        if path.iter().any(String::is_empty) {
            return Err(format!("`{key}` is not a dotted key: {example}"));
        }
        let value = value.trim();
        let value = toml::from_str::<Table>(&format!("value = {value}"))
            .ok()
            // A line break in it could smuggle in other keys.
            .filter(|table| table.len() == 1)
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| Value::String(value.to_owned()));
        Ok(Self {
            path,
            value,
            text: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(table: &str, text: &str) -> Result<String, String> {
        let mut table: Table = toml::from_str(table).unwrap();
        text.parse::<Override>()?.apply(&mut table)?;
        Ok(toml::to_string(&table).unwrap())
    }

    #[test]
    fn values_are_toml_and_else_strings() {
        for (text, value) in [
            ("a.b=5", Value::Integer(5)),
            ("a.b = 1e-3", Value::Float(1e-3)),
            ("a.b=true", Value::Boolean(true)),
            ("a.b=\"5\"", Value::String("5".into())),
            ("a.b=two-moons", Value::String("two-moons".into())),
            ("a.b=some/path=x", Value::String("some/path=x".into())),
            ("a.b=", Value::String(String::new())),
        ] {
            let parsed: Override = text.parse().unwrap();
            assert_eq!(parsed.value, value);
            assert_eq!(parsed.key(), "a.b");
        }
        let list: Override = "a=[1, 2]".parse().unwrap();
        assert_eq!(list.value.as_array().map(Vec::len), Some(2));
    }

    #[test]
    fn what_is_no_assignment_is_refused_with_an_example() {
        for text in ["training.steps", "=3", "a..b=3", ".a=3"] {
            let error = text.parse::<Override>().unwrap_err();
            assert!(error.contains("training.steps=5000"), "{error}");
        }
    }

    #[test]
    fn missing_sections_are_made_and_others_kept() {
        assert_eq!(set("[a]\nb = 1", "a.c=2").unwrap(), "[a]\nb = 1\nc = 2\n");
        assert_eq!(set("", "a.b.c=2").unwrap(), "[a.b]\nc = 2\n");
        assert_eq!(set("a = 1", "a.b=2").unwrap_err(), "a");
    }

    #[test]
    fn another_kind_drops_the_values_of_the_old_one() {
        let vp = "[sde]\nkind = 'vp'\nbeta_min = 0.2";
        assert_eq!(set(vp, "sde.kind=edm").unwrap(), "[sde]\nkind = \"edm\"\n");
        assert!(set(vp, "sde.kind=vp").unwrap().contains("beta_min"));
        let toy = "name = 'x'\n[data]\nkind = 'toy'\nname = 'two-moons'\ncount = 5";
        assert!(set(toy, "data.name=swiss-roll").unwrap().contains("count"));
        assert!(set(toy, "name=y").unwrap().contains("count"));
    }
}
