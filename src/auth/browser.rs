//! The person's browser: what BROWSER names, else the system's own way to open an address.

use std::ffi::OsStr;

use crate::error::Error;
use crate::sys::launch::detached;

pub fn open(url: &str) -> Result<(), Error> {
    let named = std::env::var("BROWSER").ok().filter(|b| !b.trim().is_empty());
    let commands: Vec<Vec<String>> = match &named {
        // As elsewhere: several, with colons between them, are tried in turn.
        Some(named) => choices(named).iter().filter_map(|c| command(c, url)).collect(),
        None => vec![system(url)],
    };
    let mut last = "it names no program".to_owned();
    for words in commands {
        let Some((program, args)) = words.split_first() else { continue };
        match detached(OsStr::new(program), args) {
            Ok(()) => return Ok(()),
            Err(e) => last = format!("{program}: {e}"),
        }
    }
    let source = if named.is_some() { "the browser that the environment variable BROWSER names" } else { "a browser" };
    Err(Error::auth(format!(
        "{source} could not be started ({last}); set BROWSER, or a callback with cognite_credentials_set_open_url()"
    )))
}

fn system(url: &str) -> Vec<String> {
    let words: &[&str] = if cfg!(windows) {
        &["rundll32", "url.dll,FileProtocolHandler"]
    } else if cfg!(target_os = "macos") {
        &["open"]
    } else {
        &["xdg-open"]
    };
    words.iter().map(|w| (*w).to_owned()).chain([url.to_owned()]).collect()
}

/// Colons separate commands, but not where one belongs to a path of Windows or to `%s` being an address.
fn choices(named: &str) -> Vec<&str> {
    if cfg!(windows) { vec![named] } else { named.split(':').filter(|c| !c.trim().is_empty()).collect() }
}

/// Words with quotes around them where needed, `%s` for the address; a `&` at the end means what happens anyway. No
/// shell is involved, so nothing in an address can become a command.
fn command(text: &str, url: &str) -> Option<Vec<String>> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.trim().trim_end_matches('&').chars() {
        match (c, quote) {
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (c, Some(q)) if c == q => quote = None,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    let placed = words.iter().skip(1).any(|w| w.contains("%s"));
    let mut words: Vec<String> =
        words.into_iter().enumerate().map(|(i, w)| if i == 0 { w } else { w.replace("%s", url) }).collect();
    if !placed && !words.is_empty() {
        words.push(url.to_owned());
    }
    (!words.is_empty()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands() {
        let url = "https://h/?a=1&b=$(x)";
        for (text, words) in [
            ("firefox", vec!["firefox", url]),
            ("python3 /x/browser.py %s &", vec!["python3", "/x/browser.py", url]),
            ("\"/a b/chrome\" --app='%s'", vec!["/a b/chrome", "--app=https://h/?a=1&b=$(x)"]),
        ] {
            assert_eq!(command(text, url).unwrap(), words);
        }
        assert_eq!(command(" & ", url), None);
        if cfg!(unix) {
            assert_eq!(choices("a %s::b"), ["a %s", "b"]);
        }
    }
}
