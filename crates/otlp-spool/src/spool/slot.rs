//! The content of a worker's slot in the spool directory: `journal`, `batches/` and `rejected/`. The owner of a slot
//! is the service and agent name.

use std::io;
use std::path::{Path, PathBuf};

use statedir::Slot;

use super::batch::BatchDir;
use super::rejected::RejectedDir;

/// A locked slot, with its directories.
#[derive(Debug)]
pub(super) struct SpoolSlot {
    slot: Slot,
    pub(super) batches: BatchDir,
    pub(super) rejected: RejectedDir,
}

// === impl SpoolSlot ===

impl SpoolSlot {
    pub(super) fn open(slot: Slot) -> io::Result<Self> {
        let batches = BatchDir::open(slot.path().join("batches"))?;
        let rejected = RejectedDir::open(slot.path().join("rejected"))?;
        Ok(Self { slot, batches, rejected })
    }

    pub(super) fn slot(&self) -> &Slot {
        &self.slot
    }

    pub(super) fn path(&self) -> &Path {
        self.slot.path()
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.slot.path().join("journal")
    }
}
