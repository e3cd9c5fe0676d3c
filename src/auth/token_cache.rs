//! Refresh tokens kept between runs of a program, for logins that need a person: a file only its owner can read.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::secret::Secret;

/// Larger than any refresh token.
const MAX_FILE: u64 = 64 * 1024;

/// Where to keep what a login yields. The default is a file of its own per provider, client and scopes.
#[derive(Clone, Debug, Default)]
pub struct CacheSettings {
    pub path: Option<PathBuf>,
    pub memory_only: bool,
    /// Forget what is there before the first login.
    pub clear: bool,
}

#[derive(Clone)]
pub struct Saved {
    pub refresh_token: Secret,
    pub account: Option<String>,
}

/// A file and what its content must be for.
#[derive(Clone)]
pub struct TokenCache {
    path: PathBuf,
    key: String,
}

impl TokenCache {
    /// `None`: nothing is to be kept, or there is no place for it.
    pub fn new(settings: &CacheSettings, identity: &[&str]) -> Option<Self> {
        if settings.memory_only {
            return None;
        }
        // Parts cannot run into each other: each is preceded by its length.
        let text: String = identity.iter().map(|part| format!("{}:{part}", part.len())).collect();
        let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let key: String = digest.as_ref().iter().take(16).map(|b| format!("{b:02x}")).collect();
        let path = match &settings.path {
            Some(path) => path.clone(),
            None => default_dir()?.join(format!("token-{key}.json")),
        };
        Some(Self { path, key })
    }

    /// What is kept for this login. Anything odd about the file counts as nothing.
    pub fn load(&self) -> Option<Saved> {
        let mut text = Zeroizing::new(String::new());
        open(&self.path).ok()?.take(MAX_FILE).read_to_string(&mut text).ok()?;
        let body: Value = serde_json::from_str(&text).ok()?;
        if body.get("key").and_then(Value::as_str) != Some(&self.key) {
            return None;
        }
        let token = body.get("refresh_token").and_then(Value::as_str).filter(|t| !t.is_empty())?;
        Some(Saved {
            refresh_token: Secret::new(token),
            account: body.get("account").and_then(Value::as_str).map(str::to_owned),
        })
    }

    /// Replaces the file in one step: a reader, or a crash, finds the old one or the new one.
    pub fn save(&self, saved: &Saved) -> io::Result<()> {
        let dir = self.path.parent().filter(|d| !d.as_os_str().is_empty()).unwrap_or(Path::new("."));
        make_dir(dir)?;
        if fs::symlink_metadata(&self.path).is_ok_and(|m| !m.is_file()) {
            return Err(io::Error::other("not a regular file"));
        }
        let part = dir.join(format!(".{}-{}.part", self.key, std::process::id()));
        let _ = fs::remove_file(&part);
        let body = json!({"key": self.key, "refresh_token": saved.refresh_token.reveal(), "account": saved.account});
        let text = Zeroizing::new(body.to_string());
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(&part).and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&part, &self.path)).inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })
    }

    pub fn clear(&self) {
        // Of a link the link is removed, not what it points to.
        let _ = fs::remove_file(&self.path);
    }
}

/// Opens the file if it is one, no link, and the user's own with no rights for others.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        &mut options,
        libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC,
    );
    let file = options.open(path)?;
    let meta = file.metadata()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if meta.uid() != crate::sys::process::user_id() || meta.mode() & 0o077 != 0 {
            return Err(io::Error::other("readable by others"));
        }
    }
    if meta.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn default_dir() -> Option<PathBuf> {
    let var = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let base = if cfg!(windows) {
        var("LOCALAPPDATA").or_else(|| Some(var("USERPROFILE")?.join("AppData").join("Local")))
    } else if cfg!(target_os = "macos") {
        Some(var("HOME")?.join("Library").join("Caches"))
    } else {
        // A relative XDG path is to be ignored, says its specification.
        var("XDG_CACHE_HOME").filter(|p| p.is_absolute()).or_else(|| Some(var("HOME")?.join(".cache")))
    };
    base.map(|dir| dir.join("libcognite")).or_else(in_temp)
}

/// Without a home: a folder of the user's among everybody's, if it is the user's.
#[cfg(unix)]
fn in_temp() -> Option<PathBuf> {
    use std::os::unix::fs::MetadataExt;
    let user = crate::sys::process::user_id();
    let dir = std::env::temp_dir().join(format!("libcognite-{user}"));
    match fs::symlink_metadata(&dir) {
        Ok(meta) => (meta.is_dir() && meta.uid() == user && meta.mode() & 0o077 == 0).then_some(dir),
        Err(_) => Some(dir),
    }
}

#[cfg(not(unix))]
fn in_temp() -> Option<PathBuf> {
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    #[test]
    fn kept_for_the_owner_only() {
        let dir = std::env::temp_dir().join(format!("cognite-cache-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        let path = dir.join("deep/cache.json");
        let settings = CacheSettings { path: Some(path.clone()), ..CacheSettings::default() };
        let cache = TokenCache::new(&settings, &["https://h/t", "me", "a b"]).unwrap();
        assert!(cache.load().is_none());
        let saved = Saved { refresh_token: Secret::new("canary"), account: Some("a@b".into()) };
        cache.save(&saved).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(dir.join("deep")).unwrap().mode() & 0o777, 0o700);
        let read = cache.load().unwrap();
        assert_eq!((read.refresh_token.reveal(), read.account.as_deref()), ("canary", Some("a@b")));
        assert_eq!(fs::read_dir(dir.join("deep")).unwrap().count(), 1, "no part is left");

        let other = TokenCache::new(&settings, &["https://h/t", "me", "a"]).unwrap();
        assert!(other.load().is_none(), "the token of other scopes");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(cache.load().is_none(), "a file that others can read");
        cache.save(&saved).unwrap();
        assert!(cache.load().is_some(), "replaced by one they cannot");

        let link = CacheSettings { path: Some(dir.join("link")), ..CacheSettings::default() };
        symlink(&path, dir.join("link")).unwrap();
        let link = TokenCache::new(&link, &["https://h/t", "me", "a b"]).unwrap();
        assert!(link.load().is_none() && link.save(&saved).is_err());
        link.clear();
        assert!(path.exists() && !dir.join("link").exists());

        fs::write(&path, "{").unwrap();
        assert!(cache.load().is_none());
        assert!(TokenCache::new(&CacheSettings { memory_only: true, ..settings }, &["x"]).is_none());
        fs::remove_dir_all(&dir).unwrap();
    }
}
