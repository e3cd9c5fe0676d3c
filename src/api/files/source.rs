//! What is uploaded: bytes in memory, or a part of a local file, read where it is needed.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::error::{Error, Status};
use crate::http::transfer::{Reading, Source};

/// Below it, and above it up to the next number, a file is sent as one part.
const SMALL: u64 = 5 << 20;
const USUAL_PART: u64 = 50 << 20;
const LARGEST_PART: u64 = 4000 << 20;
/// Most parts of one upload.
pub(super) const MOST_PARTS: u64 = 250;

/// How large the parts of so many bytes are, and how many there are.
pub fn parts(size: u64) -> Result<(u64, u64), Error> {
    if size < SMALL {
        return Ok((size.max(1), 1));
    }
    let part = USUAL_PART.max(size.div_ceil(MOST_PARTS));
    if part > LARGEST_PART {
        let most = LARGEST_PART * MOST_PARTS;
        return Err(Error::argument(format!("the file has {size} bytes; the service takes {most} at most")));
    }
    Ok((part, size.div_ceil(part)))
}

pub struct Memory(pub Bytes);

/// What the connection takes of memory at a time: small enough to notice progress on a slow line.
const FRAME: usize = 128 << 10;

impl Source for Memory {
    fn length(&self) -> u64 {
        self.0.len() as u64
    }

    fn read(&self, at: u64) -> Reading {
        let from = usize::try_from(at).unwrap_or(usize::MAX).min(self.0.len());
        let piece = self.0.slice(from..from.saturating_add(FRAME).min(self.0.len()));
        Box::pin(std::future::ready(Ok(piece)))
    }
}

/// A local file as it was when it was first looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub size: u64,
    changed: Option<SystemTime>,
}

fn unreadable(path: &Path, e: &io::Error) -> Error {
    Error::new(Status::Io, format!("the file {} cannot be read: {e}", path.display()))
}

/// Opens a file for reading. Blocks.
pub fn open(path: &Path) -> Result<(File, Seen), Error> {
    // Before it is opened: that of a pipe may never end.
    let kind = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
    if !kind.is_file() {
        let what = if kind.is_dir() { "is a directory" } else { "is no regular file" };
        return Err(Error::new(
            Status::Io,
            format!("{} {what}; only the content of a file can be uploaded", path.display()),
        ));
    }
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    let seen = look(&file).map_err(|e| unreadable(path, &e))?;
    Ok((file, seen))
}

pub fn look(file: &File) -> io::Result<Seen> {
    let found = file.metadata()?;
    Ok(Seen { size: found.len(), changed: found.modified().ok() })
}

pub fn changed(path: &Path) -> Error {
    let path = path.display();
    Error::new(Status::Io, format!("the file {path} was changed while it was being uploaded; upload it again"))
}

/// A run of bytes of a file. Several of one file are read side by side, each at its own place.
pub struct Part {
    pub file: Arc<File>,
    pub path: Arc<Path>,
    pub from: u64,
    pub length: u64,
    pub chunk: usize,
}

impl Source for Part {
    fn length(&self) -> u64 {
        self.length
    }

    fn read(&self, at: u64) -> Reading {
        let (file, path) = (Arc::clone(&self.file), Arc::clone(&self.path));
        let from = self.from + at;
        let wanted = self.length.saturating_sub(at).min(self.chunk as u64) as usize;
        let work = tokio::task::spawn_blocking(move || {
            let mut piece = vec![0; wanted];
            let n = read_at(&file, &mut piece, from)
                .map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
            piece.truncate(n);
            Ok(Bytes::from(piece))
        });
        Box::pin(async move { work.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into())) })
    }
}

fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, into, at);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, into, at);
        match read {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn part_sizes() {
        const MIB: u64 = 1 << 20;
        for (size, wanted) in [
            (0, (1, 1)),
            (1, (1, 1)),
            (5 * MIB - 1, (5 * MIB - 1, 1)),
            (5 * MIB, (50 * MIB, 1)),
            (50 * MIB, (50 * MIB, 1)),
            (50 * MIB + 1, (50 * MIB, 2)),
            (250 * 50 * MIB, (50 * MIB, 250)),
            (250 * 50 * MIB + 1, (50 * MIB + 1, 250)),
            (250 * 4000 * MIB, (4000 * MIB, 250)),
        ] {
            assert_eq!(parts(size).unwrap(), wanted, "{size}");
        }
        assert!(parts(250 * 4000 * MIB + 1).is_err());
        assert!(parts(u64::MAX).is_err());
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let dir = std::env::temp_dir();
        assert!(open(&dir).unwrap_err().message().contains("is a directory"));
        let error = open(Path::new("/nonexistent/file")).unwrap_err();
        assert_eq!(error.status(), Status::Io);
        assert!(error.message().contains("/nonexistent/file"));
    }
}
