//! The files of a program: those that it makes for itself alone, and those that its settings name.
//!
//! - [`private`]: directories and files that no other user may read
//! - [`FileLock`]: a lock that the kernel releases when its process ends
//! - [`Slots`]: the places that processes of one kind have in a common directory, and what dead ones left there
//! - [`named_file`]: files that settings name, read within bounds of bytes and time

mod file_lock;
pub mod named_file;
pub mod private;
mod slot;

pub use self::file_lock::FileLock;
pub use self::slot::{Slot, Slots};
