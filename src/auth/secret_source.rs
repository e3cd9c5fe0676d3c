//! Secrets of a config: in place, from an environment variable, or from a file.

use std::io::Read;

use serde_json::Value;
use zeroize::Zeroizing;

use super::secret::Secret;
use crate::document::kind_of;
use crate::error::Error;

/// Keys and tokens are small; this bounds what a wrong path can bring in.
const MAX_FILE: u64 = 64 * 1024;

/// `text`, `{env: NAME}` or `{file: PATH}`. Read now, once; a line end at the end of it is dropped.
pub fn secret(key: &str, value: &Value) -> Result<Secret, Error> {
    match value {
        Value::String(text) => Ok(Secret::new(text.as_str())),
        Value::Object(map) if map.len() == 1 => match map.iter().next() {
            Some((kind, Value::String(name))) if kind == "env" => from_env(key, name),
            Some((kind, Value::String(path))) if kind == "file" => from_file(key, path),
            _ => Err(wrong(key, "a mapping of another kind")),
        },
        other => Err(wrong(key, kind_of(other))),
    }
}

fn wrong(key: &str, found: &str) -> Error {
    Error::config(format!("{key} must be text, {{env: NAME}} or {{file: PATH}}, not {found}"))
}

fn from_env(key: &str, name: &str) -> Result<Secret, Error> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Error::config(format!("{key}: env must be the name of an environment variable")));
    }
    match std::env::var(name) {
        Ok(text) => finished(key, &format!("the environment variable {name}"), Zeroizing::new(text)),
        Err(std::env::VarError::NotPresent) => {
            Err(Error::config(format!("{key}: the environment variable {name} is not set")))
        }
        Err(_) => Err(Error::config(format!("{key}: the environment variable {name} is not UTF-8 text"))),
    }
}

/// A file that a setting names, of at most `most` bytes.
pub fn read_file(key: &str, path: &str, most: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let failed = |e: std::io::Error| Error::config(format!("{key}: the file {path} cannot be read: {e}"));
    // Looked at before it is opened: opening a pipe would wait for its writer.
    let seen = std::fs::metadata(path).map_err(failed)?;
    if !seen.is_file() {
        return Err(Error::config(format!("{key}: {path} is not a regular file")));
    }
    let file = std::fs::File::open(path).map_err(failed)?;
    // Room for all of it and a byte more: what grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(seen.len().max(MAX_FILE).min(most) as usize + 1));
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > most {
        return Err(Error::config(format!("{key}: the file {path} is larger than {most} bytes")));
    }
    Ok(bytes)
}

fn from_file(key: &str, path: &str) -> Result<Secret, Error> {
    let bytes = read_file(key, path, MAX_FILE)?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => finished(key, &format!("the file {path}"), Zeroizing::new(text.to_owned())),
        Err(_) => Err(Error::config(format!("{key}: the file {path} is not UTF-8 text"))),
    }
}

fn finished(key: &str, what: &str, text: Zeroizing<String>) -> Result<Secret, Error> {
    let line = text.strip_suffix('\n').unwrap_or(&text);
    let line = line.strip_suffix('\r').unwrap_or(line);
    if line.trim().is_empty() {
        return Err(Error::config(format!("{key}: {what} is empty")));
    }
    Ok(Secret::new(line))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn three_places() {
        let dir = std::env::temp_dir().join(format!("cognite-secret-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let file = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            std::fs::write(&path, bytes).unwrap();
            json!({"file": path.to_str().unwrap()})
        };
        assert_eq!(secret("k", &json!(" a\n")).unwrap().reveal(), " a\n");
        assert_eq!(secret("k", &file("a", b"canary\r\n")).unwrap().reveal(), "canary");
        assert_eq!(secret("k", &file("b", b"two\nlines\n\n")).unwrap().reveal(), "two\nlines\n");
        let path = std::env::var("PATH").unwrap();
        assert_eq!(secret("k", &json!({"env": "PATH"})).unwrap().reveal(), path);
        for (value, word) in [
            (file("c", b"canary\xff"), "UTF-8"),
            (file("d", b"\n"), "empty"),
            (file("e", &[b'x'; 70_000]), "larger"),
            (json!({"file": dir.to_str().unwrap()}), "regular file"),
            (json!({"file": "/nowhere/at/all"}), "cannot be read"),
            (json!({"env": "COGNITE_NO_SUCH_VARIABLE"}), "not set"),
            (json!({"env": "A=B"}), "name of"),
            (json!({"env": 5}), "must be"),
            (json!({"env": "A", "file": "B"}), "must be"),
            (json!({"vault": "A"}), "must be"),
            (json!(5), "a number"),
        ] {
            let e = secret("client_secret", &value).map(|_| ()).unwrap_err();
            assert!(e.message().contains(word) && e.message().contains("client_secret"), "{value}: {e}");
            assert!(!e.message().contains("canary"));
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
