//! The keys of a table by their paths.

use toml::{Table, Value};

/// The paths of all values and sections, a section after what is in it.
pub fn paths(table: &Table) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (name, value) in table {
        if let Value::Table(inner) = value {
            let deeper = paths(inner).into_iter();
            found.extend(deeper.map(|path| [vec![name.clone()], path].concat()));
        }
        found.push(vec![name.clone()]);
    }
    found
}

/// The value at a path.
pub fn value<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (last, section) = path.split_last()?;
    let section = section.iter().try_fold(table, |section, name| {
        section.get(name).and_then(Value::as_table)
    });
    section?.get(last)
}

/// The section at a path.
pub fn section_mut<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Table> {
    path.iter().try_fold(table, |section, name| {
        section.get_mut(name).and_then(Value::as_table_mut)
    })
}

/// The table without what is at a path.
pub fn without(table: &Table, path: &[String]) -> Table {
    let mut without = table.clone();
    if let Some((last, section)) = path.split_last()
        && let Some(section) = section_mut(&mut without, section)
    {
        section.remove(last);
    }
    without
}
