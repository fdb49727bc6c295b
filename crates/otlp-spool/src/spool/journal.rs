//! The journal of a spool: the spans that were open, or had ended but were in no batch yet, when a process was killed.
//!
//! A record is written with one `write`, so it is in the kernel's hands when that returns and survives the death of
//! the process; only batches are synced to the disk. Layout of a record, big-endian: length of the part behind the
//! checksum (u32), CRC-32 of that part, one byte of kind, content. Reading stops at the first record that is cut short
//! or damaged.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use statedir::named_file::refuse_irregular;
use statedir::private;

use super::batch::BatchName;
use crate::wire::{Envelope, WireSpan};

/// A journal with more obsolete bytes than this is written anew, with the live records only.
const DEAD_BYTES: u64 = 4 << 20;
/// The same while no record is live, so that writing it anew costs nearly nothing.
const DEAD_BYTES_IDLE: u64 = 64 << 10;
/// No span is larger; a longer record is damage.
const MAX_RECORD: u32 = 64 << 20;
/// The part of a journal beyond this is damage, too: a journal is rewritten long before.
pub(super) const MAX_BYTES: u64 = 256 << 20;
const HEAD: usize = 8;
/// The weight of a record besides its span's bytes.
const OVERHEAD: usize = 512;

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Record {
    /// The common part of the spans that follow.
    Envelope(Envelope),
    /// A span began: its form if it is never ended.
    Opened(WireSpan),
    Ended(WireSpan),
    /// All ended spans are in this batch, which is on the disk, perhaps still under its working name.
    Batched(BatchName),
}

/// The open journal of a running process.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

// === impl Record ===

impl Record {
    /// About the number of bytes that it takes in memory.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Opened(span) | Self::Ended(span) => span.len() + OVERHEAD,
            Self::Envelope(_) | Self::Batched(_) => OVERHEAD,
        }
    }

    /// Appends the record's bytes.
    fn encode(&self, to: &mut Vec<u8>) {
        let start = to.len();
        to.extend([0; HEAD]);
        to.push(self.kind());
        match self {
            Self::Envelope(envelope) => to.extend(envelope.encode()),
            Self::Opened(span) | Self::Ended(span) => to.extend(span.encoded()),
            Self::Batched(name) => to.extend(name.to_string().into_bytes()),
        }
        let body = &to[start + HEAD..];
        let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
        let checksum = crc32fast::hash(body).to_be_bytes();
        to[start..start + HEAD].copy_from_slice([length, checksum].as_flattened());
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Envelope(_) => b'e',
            Self::Opened(_) => b'o',
            Self::Ended(_) => b'f',
            Self::Batched(_) => b'b',
        }
    }

    /// The record at the start of `bytes`, and its length. None where there is no whole and sound one.
    fn decode(bytes: &[u8]) -> Option<(Self, usize)> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, checksum @ ..] = *head;
        let length = u32::from_be_bytes([a, b, c, d]);
        let body = rest.get(..length as usize).filter(|_| length <= MAX_RECORD)?;
        if crc32fast::hash(body) != u32::from_be_bytes(checksum) {
            return None;
        }
        let (kind, content) = body.split_first()?;
        let record = match kind {
            b'e' => Self::Envelope(Envelope::decode(content)?),
            b'o' => Self::Opened(WireSpan::new(content.to_vec())?),
            b'f' => Self::Ended(WireSpan::new(content.to_vec())?),
            b'b' => Self::Batched(BatchName::parse(str::from_utf8(content).ok()?)?),
            _ => return None,
        };
        Some((record, HEAD + body.len()))
    }
}

// === impl Journal ===

impl Journal {
    /// Opens the journal and reads the records that an earlier process left in it. Damage at its end is cut off.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Record>)> {
        refuse_irregular(path)?;
        let mut file = private::open_append(path)?;
        let mut content = Vec::new();
        (&mut file).take(MAX_BYTES).read_to_end(&mut content)?;
        let (records, sound) = read(&content);
        let bytes = file.metadata()?.len().saturating_sub(sound as u64);
        if bytes > 0 {
            tracing::warn!(path = %path.display(), bytes, "the end of the trace journal is damaged: cut off");
            file.set_len(sound as u64)?;
        }
        Ok((Self { path: path.to_owned(), file, bytes: sound as u64 }, records))
    }

    /// Appends records, all with one write.
    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let bytes = encoded(records);
        let written = self.file.write_all(&bytes);
        match written {
            Ok(()) => self.bytes += bytes.len() as u64,
            // Half a record would hide every record that is appended after it.
            Err(_) => drop(self.file.set_len(self.bytes)),
        }
        written
    }

    /// Whether the file is worth writing anew when `live` of its bytes matter.
    pub(super) fn is_heavy(&self, live: u64) -> bool {
        let dead = if live == 0 { DEAD_BYTES_IDLE } else { DEAD_BYTES };
        self.bytes > dead + 2 * live
    }

    /// Replaces the file by one with only these records.
    pub(super) fn rewrite(&mut self, records: &[Record]) -> io::Result<()> {
        let new = private::working(&self.path);
        let mut fresh = Self { file: private::create(&new)?, path: self.path.clone(), bytes: 0 };
        let replaced = fresh.append(records).and_then(|()| private::publish(&self.path));
        match replaced {
            Ok(()) => *self = fresh,
            // A partial file would take room that a full disk does not have.
            Err(_) => drop(std::fs::remove_file(&new)),
        }
        replaced
    }
}

pub(super) fn encoded(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    records.iter().for_each(|record| record.encode(&mut bytes));
    bytes
}

/// The sound records at the start of `content`, and the number of bytes that they take.
pub(super) fn read(content: &[u8]) -> (Vec<Record>, usize) {
    let (mut records, mut sound) = (Vec::new(), 0);
    while let Some((record, length)) = Record::decode(&content[sound..]) {
        records.push(record);
        sound += length;
    }
    (records, sound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{envelope, span};

    fn records() -> Vec<Record> {
        let name = BatchName::parse("00000000001234567-0000abcd-2.otlp").unwrap();
        vec![
            Record::Envelope(envelope()),
            Record::Opened(span(1, 1)),
            Record::Ended(span(1, 1)),
            Record::Batched(name),
        ]
    }

    fn journal() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("journal");
        (directory, path)
    }

    #[test]
    fn what_was_appended_is_read_back() {
        let (_directory, path) = journal();
        let (mut journal, before) = Journal::open(&path).unwrap();
        assert_eq!(before, []);
        journal.append(&records()[..2]).unwrap();
        journal.append(&records()[2..]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, records());
    }

    #[test]
    fn reading_stops_at_the_first_byte_that_is_not_sound_and_appending_goes_on_there() {
        let whole = encoded(&records());
        let (_directory, path) = journal();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, read) = Journal::open(&path).unwrap();
            assert_eq!(read, records()[..read.len()], "cut at {cut}");
            journal.append(&records()[..1]).unwrap();
            assert_eq!(Journal::open(&path).unwrap().1.len(), read.len() + 1, "cut at {cut}");
        }
        for flipped in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[flipped] ^= 0x10;
            let (read, sound) = read(&damaged);
            assert!(sound <= flipped, "byte {flipped} was not noticed");
            assert_eq!(read, records()[..read.len()], "flipped {flipped}");
        }
    }

    #[test]
    fn a_journal_is_written_anew_when_most_of_it_is_dead() {
        let (_directory, path) = journal();
        let (mut journal, _) = Journal::open(&path).unwrap();
        assert!(!journal.is_heavy(0));
        while !journal.is_heavy(0) {
            journal.append(&records()).unwrap();
        }
        assert!(!journal.is_heavy(1 << 20), "living spans are not worth copying yet");
        journal.rewrite(&records()[..1]).unwrap();
        journal.append(&records()[1..2]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, records()[..2]);
    }
}
