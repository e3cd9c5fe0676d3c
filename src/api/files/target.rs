//! What a download goes into: memory, within the bound of answers; or a file, which appears under its name when it is
//! whole.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::error::{Cause, Error, Phase, Status};
use crate::http::transfer::{Putting, Sink};
use crate::runtime::usage::{BODY_BYTES, Held};

/// Memory is reserved on the service's word only so far.
const RESERVED_AT_MOST: u64 = 16 << 20;

pub struct Memory {
    /// Shared with the one who waits for it.
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: u64,
    counted: Held,
}

impl Memory {
    pub fn new(limit: u64) -> (Self, Arc<Mutex<Vec<u8>>>) {
        let bytes = Arc::default();
        (Self { bytes: Arc::clone(&bytes), limit, counted: BODY_BYTES.hold(0) }, bytes)
    }

    fn fits(&self, length: u64) -> Result<(), Error> {
        if length <= self.limit {
            return Ok(());
        }
        let limit = self.limit;
        let what = format!(
            "the content is larger than the {limit} bytes allowed (max_response_bytes); download it to a file instead"
        );
        Err(Error::new(Status::Decode, what).with(|d| {
            d.cause = Some(Cause::TooLarge);
            d.phase = Some(Phase::Body);
        }))
    }

    fn started(&mut self, length: Option<u64>) -> Result<(), Error> {
        let length = length.unwrap_or(0);
        self.fits(length)?;
        // One more: the terminating NUL must not cost a second allocation.
        *lock(&self.bytes) = Vec::with_capacity(length.min(RESERVED_AT_MOST) as usize + 1);
        Ok(())
    }

    fn added(&mut self, piece: &[u8]) -> Result<(), Error> {
        let mut bytes = lock(&self.bytes);
        self.fits((bytes.len() + piece.len()) as u64)?;
        bytes.extend_from_slice(piece);
        self.counted.set(bytes.len());
        Ok(())
    }
}

fn lock<T>(m: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sink for Memory {
    fn begin(&mut self, length: Option<u64>) -> Putting<'_> {
        Box::pin(std::future::ready(self.started(length)))
    }

    fn put<'a>(&'a mut self, bytes: &'a [u8]) -> Putting<'a> {
        Box::pin(std::future::ready(self.added(bytes)))
    }
}

fn cannot(what: &str, path: &Path, e: &io::Error) -> Error {
    Error::new(Status::Io, format!("{} cannot be {what}: {e}", path.display()))
}

/// A file beside the one that is wanted, with a name of its own; removed unless it takes that one's place.
pub struct Beside {
    wanted: PathBuf,
    path: PathBuf,
    placed: bool,
}

impl Beside {
    /// Blocks.
    pub fn new(wanted: PathBuf) -> Result<Self, Error> {
        // Of a link, what it points to is written.
        let wanted = std::fs::canonicalize(&wanted).unwrap_or(wanted);
        match std::fs::metadata(&wanted) {
            Ok(found) if found.is_dir() => {
                let what = format!("{} is a directory; the path of a file is needed", wanted.display());
                return Err(Error::new(Status::Io, what));
            }
            Ok(found) if !found.is_file() => {
                let what = format!("{} is no regular file, and would be replaced by one", wanted.display());
                return Err(Error::new(Status::Io, what));
            }
            _ => {}
        }
        let Some(name) = wanted.file_name().map(|n| n.to_string_lossy().into_owned()) else {
            return Err(Error::new(Status::Io, format!("{} is not the path of a file", wanted.display())));
        };
        // A long name leaves no room for more.
        let short: String = name.chars().take(50).collect();
        for attempt in 0.. {
            let path = wanted.with_file_name(format!(".{short}.{:016x}.part", fastrand::u64(..)));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(_) => return Ok(Self { wanted, path, placed: false }),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {}
                Err(e) => return Err(cannot("written", &wanted, &e)),
            }
        }
        Err(Error::internal("no name for a file"))
    }

    pub fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// Takes the place of the file that is wanted, in one step. Blocks.
    pub fn place(&mut self) -> Result<(), Error> {
        std::fs::rename(&self.path, &self.wanted).map_err(|e| cannot("replaced", &self.wanted, &e))?;
        self.placed = true;
        Ok(())
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.placed {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Writes to a file, in pieces of some size: what comes from the network comes in smaller ones.
pub struct Disk {
    /// Opened when there is something to put into it.
    file: Option<Arc<File>>,
    path: PathBuf,
    waiting: Vec<u8>,
    chunk: usize,
}

impl Disk {
    /// `path` is that of a file which was made for it.
    pub fn new(path: PathBuf, chunk: usize) -> Self {
        Self { file: None, path, waiting: Vec::new(), chunk }
    }

    async fn on_disk<F>(&mut self, work: F) -> Result<(), Error>
    where
        F: FnOnce(&File) -> io::Result<()> + Send + 'static,
    {
        let (file, path) = (self.file.clone(), self.path.clone());
        let done = tokio::task::spawn_blocking(move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(open(&path)?),
            };
            work(&file).map(|()| file)
        });
        match done.await.map_err(|_| Error::shutdown())? {
            Ok(file) => self.file = Some(file),
            Err(e) => return Err(cannot("written", &self.path, &e)),
        }
        Ok(())
    }

    async fn write_out(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.waiting);
        self.on_disk(move |mut file| file.write_all(&piece)).await
    }
}

fn open(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).open(path)?;
    #[cfg(unix)]
    let file = File::from(crate::sys::streams::above(file.into())?);
    Ok(file)
}

impl Sink for Disk {
    fn begin(&mut self, _: Option<u64>) -> Putting<'_> {
        self.waiting.clear();
        Box::pin(self.on_disk(|mut file| file.set_len(0).and_then(|()| file.rewind())))
    }

    fn put<'a>(&'a mut self, bytes: &'a [u8]) -> Putting<'a> {
        Box::pin(async move {
            for piece in bytes.chunks(self.chunk) {
                if self.waiting.len() + piece.len() > self.chunk {
                    self.write_out().await?;
                }
                self.waiting.extend_from_slice(piece);
            }
            Ok(())
        })
    }

    /// On the disk, not only on its way there: a crash must not leave a file with its name and without its content.
    fn finish(&mut self) -> Putting<'_> {
        Box::pin(async move {
            self.write_out().await?;
            self.on_disk(|file| file.sync_all()).await
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("cognite-target-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_file_appears_when_it_is_whole() {
        let folder = folder("whole");
        let wanted = folder.join("a");
        std::fs::write(&wanted, "old content").unwrap();
        {
            let mut beside = Beside::new(wanted.clone()).unwrap();
            let mut disk = Disk::new(beside.path(), 4);
            disk.put(b"lost").await.unwrap();
            disk.begin(None).await.unwrap();
            for piece in [&b"0"[..], b"12345678", b"9"] {
                disk.put(piece).await.unwrap();
            }
            assert_eq!(std::fs::read(&wanted).unwrap(), b"old content");
            disk.finish().await.unwrap();
            assert_eq!(names(&folder).len(), 2);
            beside.place().unwrap();
        }
        assert_eq!(std::fs::read(&wanted).unwrap(), b"0123456789");
        drop(Beside::new(wanted.clone()).unwrap());
        assert_eq!(names(&folder), ["a"]);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_said_at_once() {
        let folder = folder("no");
        let here = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        for (path, word) in [
            (here(""), "directory"),
            (here("no/such/x"), "cannot be written"),
            #[cfg(unix)] // elsewhere it is a name like any other
            ("/dev/null".into(), "no regular file"),
            ("".into(), "not the path"),
        ] {
            let error = Beside::new(PathBuf::from(&path)).err().unwrap();
            assert_eq!(error.status(), Status::Io);
            assert!(error.message().contains(word), "{path}: {error}");
        }
        let long = here(&"x".repeat(255));
        drop(Beside::new(long.into()).unwrap());
        assert!(names(&folder).is_empty());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn memory_is_bounded() {
        let (mut memory, bytes) = Memory::new(5);
        assert!(memory.started(Some(6)).unwrap_err().message().contains("max_response_bytes"));
        memory.started(None).unwrap();
        memory.added(b"abc").unwrap();
        memory.added(b"de").unwrap();
        assert_eq!(memory.added(b"f").unwrap_err().detail().cause, Some(Cause::TooLarge));
        assert_eq!(*lock(&bytes), b"abcde");
        memory.started(Some(2)).unwrap();
        assert!(lock(&bytes).is_empty());
    }
}
