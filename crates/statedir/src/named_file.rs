//! Files that a setting, a variable or a directory of ours names: opened once, and read within a bound of bytes and
//! within [`TIME_LIMIT`].
//!
//! A path can lead to anything. A device never ends, a pipe without a writer never begins, and on a network file system
//! whose server is away `open` itself does not return. So each file is looked at before it is opened, again once it is
//! open, and read on a thread of its own that the caller leaves behind when it is late.

mod directory;
mod pipe;
#[cfg(test)]
mod tests;

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use thiserror::Error;

pub use self::directory::{DirectoryBounds, read_directory};

/// How long a file, or a directory with its files, may take to be read.
pub const TIME_LIMIT: Duration = Duration::from_secs(2);
/// The thread that reads knows more to report than its caller, so it gets a little longer to do so.
const GRACE: Duration = Duration::from_millis(200);
const CHUNK: usize = 16 << 10;
/// The device number of `/dev/null`: major 1, minor 3.
const NULL_DEVICE: u64 = 0x103;

/// The limits of a read.
#[derive(Clone, Copy, Debug)]
pub struct FileBounds {
    pub max_bytes: u64,
    /// Whether a pipe is read, too: `<(…)` of a shell is one, and password managers put a secret's file in place as
    /// one.
    pub pipes: bool,
}

/// A file that was read.
#[derive(Debug)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// The permission bits of a regular file.
    pub mode: Option<u32>,
}

/// The reason why a file was not read, to stand behind its name.
#[derive(Debug, Error)]
pub enum FileError {
    /// There is no such file, as far as this user may see.
    #[error("{0}")]
    Absent(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("it is {0}, not a regular file")]
    NotRegular(&'static str),
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    #[error("reading it took longer than {} s", TIME_LIMIT.as_secs())]
    TooSlow,
    #[error("it is a pipe into which nothing was written within {} s", TIME_LIMIT.as_secs())]
    NoWriter,
}

/// A file that can be read as bytes.
enum Readable {
    Regular,
    Pipe,
    /// `/dev/null`, which users put in a file's place to have none.
    Nothing,
}

/// Reads a whole file, or tells the reason why not.
pub fn read(path: &Path, bounds: FileBounds) -> Result<Content, FileError> {
    let path = path.to_owned();
    within_time(move |deadline| read_by(&path, bounds, deadline))
}

/// Reads a file of our own, however long the disk takes: its content would be lost if it were given up.
pub fn read_ours(path: &Path, max_bytes: u64) -> io::Result<Vec<u8>> {
    let in_an_hour = Instant::now() + Duration::from_secs(3600);
    Ok(read_by(path, FileBounds::regular(max_bytes), in_an_hour)?.bytes)
}

/// Refuses a path that leads to anything but a regular file, for code that opens it in another way. An absent file is
/// not refused.
pub fn refuse_irregular(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() => Err(irregular(metadata.file_type()).into()),
        _ => Ok(()),
    }
}

/// Runs `work` on a thread that is left behind when it is late.
fn within_time<T: Send + 'static>(
    work: impl FnOnce(Instant) -> Result<T, FileError> + Send + 'static,
) -> Result<T, FileError> {
    let deadline = Instant::now() + TIME_LIMIT;
    let (done, result) = mpsc::sync_channel(1);
    let run = move || drop(done.send(work(deadline)));
    thread::Builder::new().name("named-file".to_owned()).spawn(run)?;
    result.recv_timeout(TIME_LIMIT + GRACE).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => Err(FileError::TooSlow),
        RecvTimeoutError::Disconnected => Err(io::Error::other("the thread that reads it panicked").into()),
    })
}

fn read_by(path: &Path, bounds: FileBounds, deadline: Instant) -> Result<Content, FileError> {
    // Opening a device can have effects.
    Readable::of(&fs::metadata(path).map_err(unseen)?, bounds)?;
    // Without O_NONBLOCK a pipe without a writer is not opened.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // Another file may stand there by now.
    let metadata = file.metadata()?;
    let mode = metadata.is_file().then(|| metadata.permissions().mode() & 0o7777);
    let bytes = match Readable::of(&metadata, bounds)? {
        Readable::Regular => read_regular(file, bounds.max_bytes, deadline)?,
        Readable::Pipe => pipe::read(file, bounds.max_bytes, deadline)?,
        Readable::Nothing => Vec::new(),
    };
    Ok(Content { bytes, mode })
}

/// The file is read in pieces: one of `/proc` or of a file system in user space can be as slow and as long as a pipe.
fn read_regular(mut file: File, max_bytes: u64, deadline: Instant) -> Result<Vec<u8>, FileError> {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(bytes),
            Ok(read) => append(&mut bytes, &chunk[..read], max_bytes)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            return Err(FileError::TooSlow);
        }
    }
}

fn append(bytes: &mut Vec<u8>, read: &[u8], max_bytes: u64) -> Result<(), FileError> {
    bytes.extend_from_slice(read);
    if bytes.len() as u64 > max_bytes { Err(FileError::TooLarge(max_bytes)) } else { Ok(()) }
}

fn unseen(error: io::Error) -> FileError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
            FileError::Absent(error)
        }
        _ => FileError::Io(error),
    }
}

// === impl FileBounds ===

impl FileBounds {
    /// A regular file of at most this size.
    pub fn regular(max_bytes: u64) -> Self {
        Self { max_bytes, pipes: false }
    }

    /// The same, or a pipe.
    pub fn regular_or_pipe(max_bytes: u64) -> Self {
        Self { max_bytes, pipes: true }
    }
}

// === impl Readable ===

impl Readable {
    fn of(metadata: &Metadata, bounds: FileBounds) -> Result<Self, FileError> {
        let kind = metadata.file_type();
        if kind.is_file() {
            Ok(Self::Regular)
        } else if kind.is_fifo() && bounds.pipes {
            Ok(Self::Pipe)
        } else if kind.is_char_device() && metadata.rdev() == NULL_DEVICE {
            Ok(Self::Nothing)
        } else {
            Err(irregular(kind))
        }
    }
}

fn irregular(kind: FileType) -> FileError {
    if kind.is_dir() {
        return io::Error::from_raw_os_error(libc::EISDIR).into();
    }
    FileError::NotRegular(if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_char_device() {
        "a character device"
    } else if kind.is_block_device() {
        "a block device"
    } else {
        "of an unknown type"
    })
}

// === impl FileError ===

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Absent(error) | FileError::Io(error) => error,
            error => Self::other(error),
        }
    }
}

impl FileError {
    /// Whether there is a file at all.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent(_))
    }

    pub fn is_directory(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == ErrorKind::IsADirectory)
    }
}
