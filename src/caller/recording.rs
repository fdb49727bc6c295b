//! A call as a stereo file: the caller on the left, the agent on the right.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::tracks::{Side, Tracks};
use crate::room::audio::SPOKEN_RATE;

const FORMAT: wav::Format = wav::Format { rate: SPOKEN_RATE, channels: 2 };

/// A recording under way.
pub struct Recording {
    path: PathBuf,
    file: BufWriter<File>,
    bytes: u32,
    /// None before the first sound.
    tracks: Option<Tracks>,
}

// === impl Recording ===

impl Recording {
    /// Begins a file; one that is there is replaced.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut file = BufWriter::new(File::create(path)?);
        // Without a length, so that a file whose writer was killed can be played.
        file.write_all(&wav::header(FORMAT, 0))?;
        file.flush()?;
        Ok(Self { path: path.to_owned(), file, bytes: 0, tracks: None })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's time begins with the first call.
    pub(super) fn add(&mut self, now: Instant, side: Side, samples: &[i16]) -> io::Result<()> {
        let tracks = self.tracks.get_or_insert_with(|| Tracks::new(now, SPOKEN_RATE));
        tracks.add(now, side, samples);
        let frames = tracks.take(now);
        self.write(&frames)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// The last sound or the length cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        let rest = self.tracks.take().map(Tracks::finish).unwrap_or_default();
        self.write(&rest)?;
        let header = wav::header(FORMAT, self.bytes);
        self.file.seek(SeekFrom::Start(0))?;
        self.file.write_all(&header)?;
        self.file.flush()
    }

    fn write(&mut self, frames: &[i16]) -> io::Result<()> {
        frames.iter().try_for_each(|sample| self.file.write_all(&sample.to_le_bytes()))?;
        self.bytes = self.bytes.saturating_add(frames.len() as u32 * 2);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_call_is_written_with_a_side_for_each() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("call.wav");
        let mut recording = Recording::create(&path).unwrap();
        let start = Instant::now();
        let frame = |number: u32| start + Duration::from_millis(10) * number;
        for number in 0..200 {
            recording.add(frame(number), Side::Left, &[1; 240]).unwrap();
            if number >= 100 {
                recording.add(frame(number), Side::Right, &[2; 240]).unwrap();
            }
        }
        recording.finish().unwrap();
        let (format, samples) = wav::decode(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!((format, samples.len()), (FORMAT, 2 * 200 * 240));
        let frames = samples.as_chunks::<2>().0;
        assert!(frames.iter().all(|[left, _]| *left == 1));
        assert_eq!(frames.iter().position(|[_, right]| *right == 2), Some(100 * 240));
    }
}
