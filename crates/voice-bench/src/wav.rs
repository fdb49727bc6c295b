//! Sound in files.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The samples of a WAV file of 16-bit mono at 16 kHz, as the synthesiser flite writes it.
pub(crate) fn samples(path: &Path) -> Result<Vec<i16>> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let rate = bytes.get(24..28).and_then(|rate| Some(u32::from_le_bytes(rate.try_into().ok()?)));
    ensure!(
        bytes.starts_with(b"RIFF") && rate == Some(16_000),
        "{} is no WAV file of 16 kHz",
        path.display()
    );
    let data = bytes.windows(4).position(|name| name == b"data").context("the WAV file has no samples")? + 8;
    let (pairs, _) = bytes[data.min(bytes.len())..].as_chunks::<2>();
    Ok(pairs.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}
