//! Reading a pipe that is opened without waiting for its writer.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

use super::{CHUNK, FileError, append};

/// How often a silent pipe is looked at.
const PAUSE: Duration = Duration::from_millis(5);

/// Reads until the writer closes the pipe. Before there is a writer the pipe looks closed.
pub(super) fn read(mut pipe: File, max_bytes: u64, deadline: Instant) -> Result<Vec<u8>, FileError> {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; CHUNK]);
    let mut has_writer = false;
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) if has_writer => return Ok(bytes),
            Ok(0) => thread::sleep(PAUSE),
            Ok(read) => {
                has_writer = true;
                append(&mut bytes, &chunk[..read], max_bytes)?;
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                has_writer = true;
                thread::sleep(PAUSE);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            return Err(if has_writer { FileError::TooSlow } else { FileError::NoWriter });
        }
    }
}
