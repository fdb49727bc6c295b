//! Fuzzing: a server's transcript, and its audio.

use crate::hearing::transcript::Transcript;
use crate::speaking::sound::Decoder;

/// A line of Content-Type, and the body.
pub fn transcript(bytes: &[u8]) {
    let (content_type, body) = typed(bytes);
    if let Ok(transcript) = Transcript::read(&content_type, body) {
        let said = transcript.text.expose();
        assert_eq!(said.trim(), said, "a transcript has no blanks around it");
        assert!(transcript.confidence().is_none_or(|sure| (0.0..=1.0).contains(&sure)));
    }
}

/// A byte that says how large the pieces are, a line of Content-Type, and the body. The samples do not depend on how the
/// body is cut into pieces.
pub fn sound(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first() else { return };
    let (content_type, body) = typed(bytes);
    let whole = decoded(&content_type, body, body.len().max(1));
    let pieces = decoded(&content_type, body, usize::from(*size).max(1));
    assert_eq!(whole, pieces, "pieces make the same samples");
}

fn decoded(content_type: &str, body: &[u8], size: usize) -> Option<(Vec<i16>, u32)> {
    let mut decoder = Decoder::new(content_type, 24_000).ok()?;
    let mut samples = Vec::new();
    for piece in body.chunks(size) {
        samples.extend(decoder.feed(piece).ok()?);
    }
    samples.extend(decoder.finish().ok()?);
    Some((samples, decoder.rate()))
}

fn typed(bytes: &[u8]) -> (String, &[u8]) {
    let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
    let content_type = String::from_utf8_lossy(lines.next().unwrap_or_default()).to_ascii_lowercase();
    (content_type, lines.next().unwrap_or_default())
}
