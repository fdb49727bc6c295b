//! The file of an event log.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use statedir::named_file;
use thiserror::Error;

use crate::event_log::line::{FORMAT, Header, Line};

/// A log is no longer, with room for the last lines.
const LONGEST: u64 = 64 << 20;
/// The longest line.
const LINE: u64 = 1 << 20;

pub(crate) struct LogFile<R> {
    path: PathBuf,
    lines: R,
    /// The number of the line that was read last.
    number: u64,
}

#[derive(Debug, Error)]
pub(crate) enum ReadError {
    #[error("cannot read {}: {error}", path.display())]
    Unread { path: PathBuf, error: io::Error },
    #[error("{} is no event log of a session; `store.events_dir` has them", path.display())]
    Foreign { path: PathBuf },
    #[error("{} has the format {format}, and this program reads {FORMAT}; use voiced {voiced}", path.display())]
    Format { path: PathBuf, format: u64, voiced: String },
    #[error("line {number} of {} is no event: {why}", path.display())]
    Line { path: PathBuf, number: u64, why: String },
}

// === impl LogFile ===

impl LogFile<BufReader<io::Take<File>>> {
    /// Opens a log, and reads its header.
    pub(crate) fn open(path: &Path) -> Result<(Header, Self), ReadError> {
        let unread = |error| ReadError::Unread { path: path.to_owned(), error };
        named_file::refuse_irregular(path).map_err(unread)?;
        let file = File::open(path).map_err(unread)?;
        Self { path: path.to_owned(), lines: BufReader::new(file.take(LONGEST)), number: 0 }.header()
    }
}

impl<R: BufRead> LogFile<R> {
    fn header(mut self) -> Result<(Header, Self), ReadError> {
        let first = self.read::<serde_json::Value>().ok().flatten().unwrap_or_default();
        let Some(format) = first["format"].as_u64() else {
            return Err(ReadError::Foreign { path: self.path });
        };
        if format != u64::from(FORMAT) {
            let voiced = first["voiced"].as_str().unwrap_or("of that format").to_owned();
            return Err(ReadError::Format { path: self.path, format, voiced });
        }
        let header = serde_json::from_value(first).map_err(|error| self.broken(&error))?;
        Ok((header, self))
    }

    /// The next line; None: that was all. Half a line at the end is what a worker that died has written last, and none.
    pub(crate) fn next(&mut self) -> Result<Option<Line>, ReadError> {
        self.read()
    }

    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, ReadError> {
        let mut line = Vec::new();
        let read = self.lines.by_ref().take(LINE).read_until(b'\n', &mut line);
        read.map_err(|error| ReadError::Unread { path: self.path.clone(), error })?;
        self.number += 1;
        if line.last() != Some(&b'\n') && (line.len() as u64) < LINE {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &serde_json::Error) -> ReadError {
        // The position is that in the line, and the whole of it may hold what people said.
        let why = format!("{:?} error in column {}", error.classify(), error.column()).to_lowercase();
        ReadError::Line { path: self.path.clone(), number: self.number, why }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(text: &str) -> Result<(Header, LogFile<&[u8]>), ReadError> {
        LogFile { path: "log.jsonl".into(), lines: text.as_bytes(), number: 0 }.header()
    }

    fn header() -> String {
        serde_json::to_string(&Header::of_test("RM_x")).unwrap()
    }

    #[test]
    fn a_file_that_is_no_event_log_is_refused_with_its_reason() {
        for text in ["", "\n", "{}\n", "not json\n", "[1]\n", "{\"format\":\"x\"}\n"] {
            assert!(matches!(opened(text), Err(ReadError::Foreign { .. })), "{text:?}");
        }
        let newer = opened("{\"format\":7,\"voiced\":\"9.1.0\"}\n").err().unwrap().to_string();
        assert_eq!(newer, "log.jsonl has the format 7, and this program reads 1; use voiced 9.1.0");
        assert!(matches!(opened("{\"format\":1}\n"), Err(ReadError::Line { number: 1, .. })));
    }

    #[test]
    fn a_broken_line_is_named_without_its_words_and_half_a_line_is_the_end() {
        let text =
            format!("{}\n{{\"at_us\":1,\"entry\":\"microphone\"}}\n{{\"secret\": \"said\"}}\n", header());
        let (_, mut log) = opened(&text).unwrap();
        assert!(log.next().unwrap().is_some());
        let error = log.next().unwrap_err().to_string();
        assert!(
            error.starts_with("line 3 of log.jsonl is no event: data error") && !error.contains("said"),
            "{error}"
        );
        let text = format!("{}\n{{\"at_us\":1,\"ent", header());
        assert!(opened(&text).unwrap().1.next().unwrap().is_none());
    }

    #[test]
    fn a_line_without_end_is_not_read_to_its_end() {
        let text = format!("{}\n{}", header(), " ".repeat(3 << 20));
        assert!(matches!(opened(&text).unwrap().1.next(), Err(ReadError::Line { .. })));
    }
}
