//! Which key a configuration fails on.
//!
//! Serde's errors lose their place inside an enum that a `kind` selects, and ignore keys beside one
//! without fields. So the place is found by trial: the key without which the error changes is the one
//! at fault. That holds for any structure, and needs no list of keys that could go stale.

use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::keys::{paths, section_mut, value, without};

/// A fault of a configuration, in terms of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A key that nothing reads.
    UnknownKey {
        /// The dotted key.
        key: String,
        /// The keys that there are, dotted.
        known: Vec<String>,
    },
    /// A name that is not among those to choose from.
    UnknownName {
        /// The dotted key.
        key: String,
        /// The name.
        name: String,
        /// Those to choose from.
        known: Vec<String>,
    },
    /// A value of the wrong type.
    WrongValue {
        /// The dotted key.
        key: String,
        /// The value, as TOML.
        value: String,
        /// What is wanted, in words.
        wanted: String,
    },
    /// A key that has to be there.
    Missing {
        /// The dotted key.
        key: String,
    },
    /// Anything else, in serde's words.
    Other(String),
}

/// Reads a configuration, or says which key is at fault.
pub fn read<T: DeserializeOwned + Serialize>(table: &Table) -> Result<T, Finding> {
    match parse::<T>(table) {
        Err(message) => Err(diagnose::<T>(table, &message)),
        Ok(config) => match ignored_key(table, &config) {
            Some(path) => Err(Finding::UnknownKey {
                known: known_keys::<T>(table, &path, &[]),
                key: path.join("."),
            }),
            None => Ok(config),
        },
    }
}

fn parse<T: DeserializeOwned>(table: &Table) -> Result<T, String> {
    T::deserialize(Value::Table(table.clone()))
        .map_err(|error: toml::de::Error| error.message().to_owned())
}

fn diagnose<T: DeserializeOwned + Serialize>(table: &Table, message: &str) -> Finding {
    let quoted = quoted(message);
    let name = quoted.first().cloned().unwrap_or_default();
    let others = quoted.get(1..).unwrap_or_default().to_vec();
    let paths = paths(table);
    let changes =
        |path: &Vec<String>| parse::<T>(&without(table, path)).err().as_deref() != Some(message);
    if message.starts_with("unknown field") {
        let mut named = paths.iter().filter(|path| path.last() == Some(&name));
        if let Some(path) = named.find(|path| changes(path)) {
            return Finding::UnknownKey {
                known: known_keys::<T>(table, path, &others),
                key: path.join("."),
            };
        }
    } else if message.starts_with("unknown variant") {
        let bears_it =
            |path: &&Vec<String>| value(table, path).and_then(Value::as_str) == Some(&name);
        if let Some(path) = paths.iter().filter(bears_it).find(|path| changes(path)) {
            return Finding::UnknownName {
                key: path.join("."),
                name,
                known: others,
            };
        }
    } else if message.starts_with("missing field") {
        if let Some(section) = section_missing::<T>(table, &name, message) {
            let key = section.into_iter().chain([name]).collect::<Vec<_>>();
            return Finding::Missing { key: key.join(".") };
        }
    } else if let Some(path) = wrong_value::<T>(table, &paths, message) {
        let wanted = message
            .rsplit_once("expected ")
            .map_or(message, |(_, wanted)| wanted);
        return Finding::WrongValue {
            key: path.join("."),
            value: value(table, path).map_or_else(String::new, ToString::to_string),
            wanted: in_words(wanted.trim()),
        };
    }
    Finding::Other(message.to_owned())
}

/// The path whose value the message is about.
fn wrong_value<'a, T: DeserializeOwned>(
    table: &Table,
    paths: &'a [Vec<String>],
    message: &str,
) -> Option<&'a Vec<String>> {
    let quoted_in_message = |path: &Vec<String>| {
        value(table, path).is_some_and(|value| message.contains(&as_serde_says(value)))
    };
    // Without a key that has to be there, the error changes for that reason alone.
    let at_fault = |path: &&Vec<String>| {
        let own = path.last().map_or("", String::as_str);
        match parse::<T>(&without(table, path)) {
            Ok(_) => true,
            Err(other) if other == message => false,
            Err(other) => other != format!("missing field `{own}`") || quoted_in_message(path),
        }
    };
    // Without a whole section the error is gone, too: values first, sections where no value is it.
    let (sections, mut values): (Vec<_>, Vec<_>) = paths
        .iter()
        .partition(|path| value(table, path).is_some_and(Value::is_table));
    values.sort_by_key(|path| !quoted_in_message(path));
    let found = values.iter().copied().find(at_fault);
    // Two values with one and the same fault: either will do.
    let found = found.or_else(|| values.into_iter().find(|path| quoted_in_message(path)));
    found.or_else(|| sections.into_iter().find(at_fault))
}

/// The section in which giving `field` some value changes the error.
fn section_missing<T: DeserializeOwned>(
    table: &Table,
    field: &str,
    message: &str,
) -> Option<Vec<String>> {
    let sections = paths(table)
        .into_iter()
        .filter(|path| value(table, path).is_some_and(Value::is_table));
    let unknown = format!("unknown field `{field}`");
    sections.chain([Vec::new()]).find(|section| {
        let mut with = table.clone();
        let Some(inner) = section_mut(&mut with, section) else {
            return false;
        };
        if inner.contains_key(field) {
            return false;
        }
        inner.insert(field.to_owned(), Value::String("?".to_owned()));
        match parse::<T>(&with) {
            Ok(_) => true,
            Err(other) => other != message && !other.starts_with(&unknown),
        }
    })
}

/// A key that is in `table`, not in what was read from it, and free to hold anything.
fn ignored_key<T: DeserializeOwned + Serialize>(table: &Table, config: &T) -> Option<Vec<String>> {
    let read = Table::try_from(config).ok()?;
    paths(table).into_iter().find(|path| {
        value(&read, path).is_none() && {
            let mut odd = table.clone();
            let (last, section) = path.split_last().expect("a path has at least one part");
            // Values that are left out when written, such as an infinite bound, do not allow this.
            let nonsense = Value::Array(vec![Value::Array(vec![Value::Boolean(true)])]);
            if let Some(section) = section_mut(&mut odd, section) {
                section.insert(last.clone(), nonsense);
            }
            parse::<T>(&odd).is_ok()
        }
    })
}

/// Every key that could stand where the unknown one at `path` stands, and those of all other
/// sections, dotted. `siblings` are what serde listed.
fn known_keys<T: DeserializeOwned + Serialize>(
    table: &Table,
    path: &[String],
    siblings: &[String],
) -> Vec<String> {
    let section = &path[..path.len() - 1];
    let dotted = |name: &String| {
        let parts: Vec<&str> = section.iter().chain([name]).map(String::as_str).collect();
        parts.join(".")
    };
    let mut known: Vec<String> = siblings.iter().map(dotted).collect();
    // The rest may have faults of its own; then the siblings have to do.
    if let Ok(config) = parse::<T>(&without(table, path))
        && let Ok(written) = Table::try_from(&config)
    {
        known.extend(paths(&written).iter().map(|path| path.join(".")));
    }
    known.sort();
    known.dedup();
    known
}

/// What stands in backticks in serde's messages.
fn quoted(message: &str) -> Vec<String> {
    message
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// How serde quotes a value of the wrong type.
fn as_serde_says(value: &Value) -> String {
    match value {
        Value::String(text) => format!("string {text:?}"),
        Value::Integer(number) => format!("integer `{number}`"),
        Value::Float(number) => format!("floating point `{number}"),
        Value::Boolean(truth) => format!("boolean `{truth}`"),
        Value::Array(_) => "sequence".to_owned(),
        Value::Table(_) | Value::Datetime(_) => "map".to_owned(),
    }
}

/// What serde wants, for somebody who does not write Rust.
fn in_words(wanted: &str) -> String {
    match wanted {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "path string" | "a path string" => "a path in quotes",
        "a sequence" => "a list, such as [1, 2]",
        "a map" => "a section",
        _ => {
            if let Some(length) = wanted.strip_prefix("an array of length ") {
                return format!("a list of {length}");
            }
            if wanted.starts_with("struct ") || wanted.starts_with("internally tagged enum") {
                return "a section".to_owned();
            }
            wanted
        }
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, Serialize)]
    #[serde(default, deny_unknown_fields)]
    struct Loop {
        steps: u64,
        rate: f64,
        seed: u64,
        betas: [f64; 2],
        bound: Option<f64>,
    }

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
    enum Thing {
        Plain,
        Sized { size: usize, other: usize },
    }

    #[derive(Debug, Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Whole {
        name: String,
        thing: Thing,
        #[serde(default)]
        r#loop: Loop,
    }

    fn finding(text: &str) -> Finding {
        let table: Table = toml::from_str(text).unwrap();
        read::<Whole>(&table).unwrap_err()
    }

    fn wrong(text: &str) -> (String, String, String) {
        match finding(text) {
            Finding::WrongValue { key, value, wanted } => (key, value, wanted),
            other => panic!("{other:?}"),
        }
    }

    fn unknown(text: &str) -> (String, Vec<String>) {
        match finding(text) {
            Finding::UnknownKey { key, known } => (key, known),
            other => panic!("{other:?}"),
        }
    }

    const THING: &str = "name = 'x'\n[thing]\nkind = 'sized'\nsize = 3\nother = 4\n";

    #[test]
    fn what_can_be_read_is_read() {
        let table: Table = toml::from_str(&format!("{THING}[loop]\nsteps = 5")).unwrap();
        assert_eq!(read::<Whole>(&table).unwrap().r#loop.steps, 5);
    }

    #[test]
    fn a_wrong_value_is_named_with_what_is_wanted() {
        let text = format!("{THING}[loop]\nseed = 1\nsteps = -5");
        let (key, value, wanted) = wrong(&text);
        assert_eq!(key, "loop.steps");
        assert_eq!(value, "-5");
        assert_eq!(wanted, "a whole number, 0 or more");
        let (key, _, wanted) = wrong(&format!("{THING}[loop]\nbetas = [1.0]"));
        assert_eq!(
            (key.as_str(), wanted.as_str()),
            ("loop.betas", "a list of 2")
        );
        let (key, value, wanted) = wrong("name = 3\n[thing]\nkind = 'plain'");
        assert_eq!((key.as_str(), value.as_str()), ("name", "3"));
        assert_eq!(wanted, "a string");
    }

    #[test]
    fn a_wrong_value_is_found_inside_a_tagged_enum_where_serde_tells_no_place() {
        let (key, value, _) = wrong("name = 'x'\n[thing]\nkind = 'sized'\nsize = 3\nother = 'y'");
        assert_eq!((key.as_str(), value.as_str()), ("thing.other", "\"y\""));
    }

    #[test]
    fn of_two_values_with_the_same_fault_one_is_named() {
        let (key, value, _) = wrong(&format!("{THING}[loop]\nsteps = 'y'\nseed = 'y'"));
        assert!(key == "loop.steps" || key == "loop.seed");
        assert_eq!(value, "\"y\"");
    }

    #[test]
    fn an_unknown_key_is_named_whether_serde_refuses_it_or_not() {
        let (key, known) = unknown(&format!("{THING}[loop]\nstep = 5"));
        assert_eq!(key, "loop.step");
        for name in ["loop.steps", "loop.bound", "thing.size", "name"] {
            assert!(known.contains(&name.to_owned()), "{known:?}");
        }
        assert_eq!(unknown(&format!("{THING}shape = 2")).0, "thing.shape");
        assert_eq!(unknown(&format!("{THING}[lop]\nsteps = 2")).0, "lop");
        // Serde ignores what stands beside the tag of a variant without fields.
        let ignored = "name = 'x'\n[thing]\nkind = 'plain'\nsize = 3";
        assert_eq!(unknown(ignored).0, "thing.size");
    }

    #[test]
    fn an_optional_value_that_is_there_is_no_unknown_key() {
        let table: Table = toml::from_str(&format!("{THING}[loop]\nbound = 1.5")).unwrap();
        assert_eq!(read::<Whole>(&table).unwrap().r#loop.bound, Some(1.5));
    }

    #[test]
    fn an_unknown_name_comes_with_those_to_choose_from() {
        let found = finding("name = 'x'\n[thing]\nkind = 'big'");
        assert_eq!(
            found,
            Finding::UnknownName {
                key: "thing.kind".into(),
                name: "big".into(),
                known: vec!["plain".into(), "sized".into()],
            }
        );
    }

    #[test]
    fn a_missing_key_is_named_with_its_section() {
        for (text, missing) in [
            (
                "name = 'x'\n[thing]\nkind = 'sized'\nsize = 3",
                "thing.other",
            ),
            ("name = 'x'\n[thing]\nsize = 3", "thing.kind"),
            ("name = 'x'", "thing"),
            ("[thing]\nkind = 'plain'", "name"),
        ] {
            let key = missing.to_owned();
            assert_eq!(finding(text), Finding::Missing { key });
        }
    }
}
