//! Deliberate differences: vectors that differ on purpose, each with the entry of PARITY.md that says why.

use crate::json::Json;
use crate::sh::Res;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[derive(Default)]
pub struct Differences {
    /// Vector name -> entry id such as `P7`.
    entries: BTreeMap<String, String>,
    /// Entry id -> the line of PARITY.md that has it.
    titles: BTreeMap<String, String>,
}

impl Differences {
    pub fn load(file: &Path, parity: &Path) -> Res<Differences> {
        let read = |p: &Path| fs::read_to_string(p).map_err(|e| format!("{}: {e}", p.display()));
        let doc = Json::parse(&read(file)?).map_err(|e| format!("{}: {e}", file.display()))?;
        let mut out = Differences::default();
        for (name, id) in doc.as_map().ok_or(format!("{}: not a JSON object", file.display()))? {
            out.entries
                .insert(name.clone(), id.as_str().ok_or(format!("{name}: the entry id is not a text"))?.to_string());
        }
        if out.entries.is_empty() {
            return Ok(out);
        }
        let parity_text = read(parity)?;
        for (name, id) in &out.entries {
            let title = entry_line(&parity_text, id).ok_or(format!("{name}: PARITY.md has no entry {id}"))?;
            out.titles.insert(id.clone(), title);
        }
        Ok(out)
    }

    pub fn entry(&self, vector: &str) -> Option<&str> {
        self.entries.get(vector).map(String::as_str)
    }

    /// A name that no vector has is a mistake in the list.
    pub fn check_names(&self, vectors: &[Json]) -> Res<()> {
        let known = |name: &String| vectors.iter().any(|v| v.text_of("name") == Some(name));
        match self.entries.keys().find(|n| !known(n)) {
            Some(name) => Err(format!("differences.json names {name}, but there is no such vector or script")),
            None => Ok(()),
        }
    }

    pub fn print_legend(&self, vectors: &[Json]) {
        for (id, title) in &self.titles {
            let of = |v: &&Json| v.text_of("name").is_some_and(|n| self.entry(n) == Some(id));
            let names: Vec<&str> = vectors.iter().filter(of).filter_map(|v| v.text_of("name")).collect();
            if !names.is_empty() {
                println!("\n{title}\n    {}", names.join(", "));
            }
        }
    }
}

/// The line that introduces an entry: a heading, list item or table row beginning with its id.
fn entry_line(text: &str, id: &str) -> Option<String> {
    text.lines().map(|l| l.trim_start_matches(['#', '-', '*', '|', ' '])).find_map(|l| {
        let rest = l.strip_prefix(id)?;
        let ends = !rest.starts_with(|c: char| c.is_ascii_alphanumeric());
        ends.then(|| l.trim_end_matches(['|', ' ']).replace("**", ""))
    })
}

#[cfg(test)]
mod tests {
    use super::entry_line;

    #[test]
    fn finds_entries() {
        let text = "# Parity\n## P1: first\n- **P2** second\n| P12 | twelfth |\n";
        assert_eq!(entry_line(text, "P1").as_deref(), Some("P1: first"));
        assert_eq!(entry_line(text, "P2").as_deref(), Some("P2 second"));
        assert_eq!(entry_line(text, "P12").as_deref(), Some("P12 | twelfth"));
        assert_eq!(entry_line(text, "P3"), None);
    }
}
