//! Payload types in a description: each stands for one codec of one kind of media (RFC 8843, section 9.1).
//!
//! All media share a transport, on which only the payload type tells the codecs apart. `str0m` relies on that and
//! panics when a peer breaks the rule.

use std::collections::HashMap;

use crate::sdp_type::SdpParseError;

/// The field has seven bits in RTP (RFC 3550, section 5.1).
const MAX_PAYLOAD_TYPE: u8 = 127;

/// Refuses a payload type that is out of range or has two meanings.
pub(crate) fn check(text: &str) -> Result<(), SdpParseError> {
    let mut media = "";
    let mut meanings = HashMap::new();
    for line in text.lines() {
        if let Some(section) = line.strip_prefix("m=") {
            media = section.split(' ').next().unwrap_or_default();
        }
        let Some(mapping) = line.strip_prefix("a=rtpmap:") else { continue };
        let (payload_type, codec) =
            read(mapping).ok_or_else(|| refuse(line, "no payload type of 0 to 127"))?;
        let meaning = (media, codec.to_ascii_lowercase());
        let known = meanings.entry(payload_type).or_insert_with(|| meaning.clone());
        if *known != meaning {
            return Err(refuse(line, "the payload type stands for another codec already"));
        }
    }
    Ok(())
}

fn read(mapping: &str) -> Option<(u8, &str)> {
    let (payload_type, codec) = mapping.split_once(' ')?;
    let payload_type = payload_type.parse().ok().filter(|number| *number <= MAX_PAYLOAD_TYPE)?;
    Some((payload_type, codec.trim()))
}

fn refuse(line: &str, description: &str) -> SdpParseError {
    SdpParseError { line: line.to_owned(), description: description.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_KINDS: &str = "m=audio 9 x 111\r\na=rtpmap:111 opus/48000/2\r\n\
        m=audio 9 x 111\r\na=rtpmap:111 OPUS/48000/2\r\na=fmtp:111 stereo=1\r\n\
        m=video 9 x 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n";

    #[test]
    fn sections_of_one_kind_share_their_payload_types() {
        assert!(check(TWO_KINDS).is_ok());
        assert!(check("").is_ok());
    }

    #[test]
    fn a_payload_type_with_two_meanings_is_refused() {
        for line in [
            "a=rtpmap:96 VP9/90000",     // Twice in the section.
            "a=rtpmap:111 opus/48000/2", // An audio codec under video.
            "a=rtpmap:128 VP9/90000",
            "a=rtpmap:-1 VP9/90000",
            "a=rtpmap:VP9/90000",
        ] {
            let error = check(&format!("{TWO_KINDS}{line}\r\n")).unwrap_err();
            assert_eq!(error.line, line);
        }
    }
}
