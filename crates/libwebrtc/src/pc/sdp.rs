//! The parts of session descriptions that this crate reads and writes itself.
//!
//! `str0m` applies descriptions. The m-sections are read here as well, because the program's tracks, streams and
//! directions come from the peer's own text. The text stays unchanged, since `livekit` edits it between our calls.

use str0m::{
    Candidate, CandidateKind,
    change::{SdpAnswer, SdpOffer},
};

use crate::{
    direction::RtpTransceiverDirection,
    sdp_type::{SdpParseError, SdpType},
};

/// Descriptions of this size hold thousands of m-lines; a longer one is an accident or an attack.
const MAX_TEXT: usize = 1 << 20;
const MAX_MID: usize = 16;
/// The number of words of a media line before its payload types.
const FORMATS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Audio,
    Video,
    Application,
    Other,
}

/// One m-section of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) kind: SectionKind,
    pub(crate) mid: String,
    /// Port 0: the section is rejected or stopped.
    pub(crate) rejected: bool,
    /// Seen from the writer of the description.
    pub(crate) direction: RtpTransceiverDirection,
    pub(crate) msid: Option<Msid>,
    pub(crate) audio: AudioFormat,
}

/// How the writer of an audio section wants to receive sound (RFC 7587 and RFC 2198).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AudioFormat {
    /// The payload type of Opus.
    pub(crate) opus: Option<u8>,
    /// The payload type of redundant audio.
    pub(crate) red: Option<u8>,
    /// The most preferred payload type, which is the first.
    pub(crate) preferred: Option<u8>,
    /// Silence need not be sent.
    pub(crate) dtx: bool,
    /// Packets may carry coarse copies of those before.
    pub(crate) fec: bool,
    /// In bits per second.
    pub(crate) max_bitrate: Option<u64>,
}

/// `a=msid:<stream> <track>` (RFC 8830).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Msid {
    pub(crate) stream: String,
    pub(crate) track: String,
}

/// Checks that `str0m` will understand the text when it is applied.
pub(crate) fn validate(text: &str, sdp_type: SdpType) -> Result<(), SdpParseError> {
    if text.len() > MAX_TEXT {
        return Err(refuse(
            "",
            format!("the description has {} bytes, at most {MAX_TEXT} are read", text.len()),
        ));
    }
    let parsed = match sdp_type {
        SdpType::Offer => SdpOffer::from_sdp_string(text).map(drop),
        SdpType::Answer | SdpType::PrAnswer | SdpType::Rollback => SdpAnswer::from_sdp_string(text).map(drop),
    };
    parsed.map_err(|error| refuse(text.lines().next().unwrap_or_default(), error.to_string()))?;
    sections(text).iter().try_for_each(check_mid)
}

/// `str0m` would shorten and rewrite other mids, and the peer would not recognise them.
fn check_mid(section: &Section) -> Result<(), SdpParseError> {
    let plain = |char: char| char.is_ascii_alphanumeric() || char == '_';
    if section.mid.len() <= MAX_MID && section.mid.chars().all(plain) {
        return Ok(());
    }
    let reason = format!("a mid has at most {MAX_MID} letters, digits and underscores here");
    Err(refuse(&format!("a=mid:{}", section.mid), reason))
}

/// The m-sections of a description, in order.
pub(crate) fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines() {
        if let Some(media) = line.strip_prefix("m=") {
            sections.push(Section::of_media_line(media));
        } else if let (Some(section), Some(attribute)) = (sections.last_mut(), line.strip_prefix("a=")) {
            section.read_attribute(attribute);
        }
    }
    sections
}

/// The candidates inside a description.
pub(crate) fn candidates(text: &str) -> Vec<Candidate> {
    text.lines()
        .filter_map(|line| line.strip_prefix("a="))
        .filter(|attribute| attribute.starts_with("candidate:"))
        .filter_map(|attribute| Candidate::from_sdp_string(attribute).ok())
        .collect()
}

/// The description without the candidates that `keep` rejects.
pub(crate) fn with_candidates(text: &str, keep: impl Fn(CandidateKind) -> bool) -> String {
    let is_kept =
        |line: &&str| match line.trim_end().strip_prefix("a=").filter(|a| a.starts_with("candidate:")) {
            Some(attribute) => {
                Candidate::from_sdp_string(attribute).is_ok_and(|candidate| keep(candidate.kind()))
            }
            None => true,
        };
    text.split_inclusive('\n').filter(is_kept).collect()
}

/// The ICE user fragment, which identifies the ICE session of the writer.
pub(crate) fn ice_ufrag(text: &str) -> Option<&str> {
    text.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::trim)
}

/// The largest message that the writer accepts (RFC 8841, section 6.1); `None` when the description does not say.
pub(crate) fn max_message_size(text: &str) -> Option<usize> {
    let size = text.lines().find_map(|line| line.strip_prefix("a=max-message-size:"))?;
    size.trim().parse().ok()
}

/// Turns the description in force into an equal offer: only the DTLS role is open again (RFC 8842, section 5.1).
pub(crate) fn as_offer(text: &str) -> String {
    text.replace("a=setup:active\r\n", "a=setup:actpass\r\n")
        .replace("a=setup:passive\r\n", "a=setup:actpass\r\n")
}

/// Removes the sending direction from an m-section: a peer must not expect media that is never sent.
pub(crate) fn without_sending(text: &str, mid: &str) -> String {
    rewritten(text, |section| receiving_only(section, mid))
}

fn receiving_only(section: &str, mid: &str) -> String {
    if !section.lines().any(|line| line.strip_prefix("a=mid:") == Some(mid)) {
        return section.to_owned();
    }
    section.replace("a=sendrecv\r\n", "a=recvonly\r\n").replace("a=sendonly\r\n", "a=inactive\r\n")
}

/// Prefers Opus to redundant audio, which `str0m` does not, in the sections that `wanted` selects.
///
/// For sound that we send the peer decides about redundancy: LiveKit's server puts it first where a track is published
/// with it, and forwards nothing of a track without it, such as an encrypted one, when the client prefers it.
pub(crate) fn with_opus_first(text: &str, wanted: impl Fn(&Section) -> bool) -> String {
    rewritten(text, |section| match sections(section).first() {
        Some(read) if wanted(read) => opus_first(section, &read.audio),
        _ => section.to_owned(),
    })
}

fn opus_first(section: &str, audio: &AudioFormat) -> String {
    let (Some(opus), Some((media, rest))) = (audio.opus, section.split_once("\r\n")) else {
        return section.to_owned();
    };
    let mut words: Vec<_> = media.split(' ').collect();
    let opus = opus.to_string();
    if let Some(at) = words.iter().skip(FORMATS).position(|format| *format == opus) {
        words[FORMATS..=FORMATS + at].rotate_right(1);
    }
    format!("{}\r\n{rest}", words.join(" "))
}

/// Rewrites the m-sections of a description one by one.
fn rewritten(text: &str, rewrite: impl Fn(&str) -> String) -> String {
    let (mut changed, mut section) = (String::with_capacity(text.len()), String::new());
    // The lines before the first section stay.
    let rewrite = |part: &str| if part.starts_with("m=") { rewrite(part) } else { part.to_owned() };
    for line in text.split_inclusive('\n') {
        if line.starts_with("m=") {
            changed.push_str(&rewrite(&section));
            section.clear();
        }
        section.push_str(line);
    }
    changed + &rewrite(&section)
}

impl Section {
    fn of_media_line(media: &str) -> Self {
        let mut words = media.split_ascii_whitespace();
        let kind = match words.next() {
            Some("audio") => SectionKind::Audio,
            Some("video") => SectionKind::Video,
            Some("application") => SectionKind::Application,
            _ => SectionKind::Other,
        };
        Self {
            kind,
            mid: String::new(),
            rejected: words.next() == Some("0"),
            direction: RtpTransceiverDirection::SendRecv,
            msid: None,
            // After the protocol.
            audio: AudioFormat {
                preferred: words.nth(1).and_then(|format| format.parse().ok()),
                ..Default::default()
            },
        }
    }

    fn read_attribute(&mut self, attribute: &str) {
        let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
        match name {
            "mid" => self.mid = value.trim().to_owned(),
            "sendrecv" => self.direction = RtpTransceiverDirection::SendRecv,
            "sendonly" => self.direction = RtpTransceiverDirection::SendOnly,
            "recvonly" => self.direction = RtpTransceiverDirection::RecvOnly,
            "inactive" => self.direction = RtpTransceiverDirection::Inactive,
            "msid" => self.msid = Msid::read(value),
            "rtpmap" if self.kind == SectionKind::Audio => self.audio.read_codec(value),
            "fmtp" if self.kind == SectionKind::Audio => self.audio.read_parameters(value),
            _ => {}
        }
    }

    /// Whether the writer of the description sends media in this section.
    pub(crate) fn sends(&self) -> bool {
        use RtpTransceiverDirection::{SendOnly, SendRecv};
        !self.rejected && matches!(self.direction, SendOnly | SendRecv)
    }

    /// Whether the writer of the description receives media in this section.
    pub(crate) fn receives(&self) -> bool {
        use RtpTransceiverDirection::{RecvOnly, SendRecv};
        !self.rejected && matches!(self.direction, RecvOnly | SendRecv)
    }
}

impl AudioFormat {
    /// Whether sound has to be sent with redundancy.
    pub(crate) fn prefers_red(&self) -> bool {
        self.red.is_some() && self.red == self.preferred
    }

    fn read_codec(&mut self, rtpmap: &str) {
        let Some((payload_type, codec)) = rtpmap.split_once(' ') else { return };
        let payload_type = payload_type.parse().ok();
        match codec.trim().to_ascii_lowercase().as_str() {
            "opus/48000/2" => self.opus = self.opus.or(payload_type),
            "red/48000/2" => self.red = self.red.or(payload_type),
            _ => {}
        }
    }

    /// Parameters come after the codec they belong to.
    fn read_parameters(&mut self, fmtp: &str) {
        let Some((payload_type, parameters)) = fmtp.split_once(' ') else { return };
        if self.opus.is_none() || payload_type.parse().ok() != self.opus {
            return;
        }
        for parameter in parameters.split(';') {
            match parameter.trim().split_once('=') {
                Some(("usedtx", value)) => self.dtx = value == "1",
                Some(("useinbandfec", value)) => self.fec = value == "1",
                Some(("maxaveragebitrate", value)) => self.max_bitrate = value.parse().ok(),
                _ => {}
            }
        }
    }
}

impl Msid {
    fn read(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let stream = words.next()?.to_owned();
        let track = words.next().unwrap_or_default().to_owned();
        Some(Self { stream, track })
    }
}

fn refuse(line: &str, description: String) -> SdpParseError {
    SdpParseError { line: line.to_owned(), description }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "v=0\r\ns=-\r\na=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=msid:PA_1|TR_2 TR_2\r\n\
        m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=sendrecv\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";

    #[test]
    fn sections_carry_kind_mid_direction_and_msid() {
        let sections = sections(TEXT);
        assert_eq!(sections.len(), 3);
        assert_eq!(sections[0].kind, SectionKind::Audio);
        assert_eq!(sections[0].mid, "0");
        assert_eq!(sections[0].msid, Some(Msid { stream: "PA_1|TR_2".into(), track: "TR_2".into() }));
        assert!(sections[0].sends() && !sections[0].receives());
        assert_eq!(sections[2].kind, SectionKind::Application);
    }

    #[test]
    fn only_the_candidates_that_are_wanted_stay() {
        let line = |kind| format!("a=candidate:1 1 udp 9 192.0.2.1 9 typ {kind}\r\n");
        let text = format!("{TEXT}{}a=candidate:broken\r\n{}", line("host"), line("relay"));
        let kept = with_candidates(&text, |kind| kind == CandidateKind::Relayed);
        assert_eq!(kept, format!("{TEXT}{}", line("relay")));
    }

    #[test]
    fn a_section_with_port_zero_neither_sends_nor_receives() {
        let video = &sections(TEXT)[1];
        assert!(video.rejected && !video.sends() && !video.receives());
    }

    #[test]
    fn an_audio_section_says_how_sound_is_wanted() {
        let text = "m=audio 9 x 111 63\r\na=rtpmap:111 OPUS/48000/2\r\na=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
            a=fmtp:111 minptime=10;usedtx=1; useinbandfec=1;maxaveragebitrate=24000\r\n\
            m=audio 9 x 0\r\na=rtpmap:0 PCMU/8000\r\na=fmtp:0 usedtx=1\r\n";
        let sections = sections(text);
        let (opus, red, max_bitrate) = (Some(111), Some(63), Some(24_000));
        let preferred = opus;
        assert_eq!(
            sections[0].audio,
            AudioFormat { opus, red, preferred, dtx: true, fec: true, max_bitrate }
        );
        assert_eq!(sections[1].audio, AudioFormat { preferred: Some(0), ..AudioFormat::default() });
    }

    #[test]
    fn opus_is_put_before_redundancy_where_that_is_wanted() {
        let section = |mid: &str, formats: &str| {
            format!(
                "m=audio 9 x {formats}\r\na=rtpmap:63 red/48000/2\r\na=rtpmap:111 opus/48000/2\r\na=mid:{mid}\r\n"
            )
        };
        let video = "m=video 9 x 96 97\r\na=mid:v\r\n";
        let text =
            |formats: &str| format!("v=0\r\n{}{video}{}", section("a", formats), section("b", "63 9 111"));
        let preferred = with_opus_first(&text("63 9 111 5"), |section| section.mid == "a");
        assert_eq!(preferred, text("111 63 9 5"));
        let [first, _, last] = &sections(&preferred)[..] else { panic!("{preferred}") };
        assert!(!first.audio.prefers_red() && last.audio.prefers_red());
        assert_eq!(with_opus_first(&preferred, |section| section.mid == "a"), preferred);
    }

    #[test]
    fn attributes_before_the_first_section_belong_to_none() {
        assert!(sections("a=mid:7\r\na=sendonly\r\n").is_empty());
    }

    #[test]
    fn a_mid_that_would_be_rewritten_is_refused() {
        let section = |mid: &str| sections(&format!("m=audio 9 x\r\na=mid:{mid}\r\n")).remove(0);
        assert!(check_mid(&section("audio_1")).is_ok());
        for mid in ["a-b", "12345678901234567", "grüße"] {
            assert!(check_mid(&section(mid)).unwrap_err().line.contains(mid));
        }
    }

    #[test]
    fn a_description_that_is_too_long_is_refused_unread() {
        let error = validate(&"a".repeat(MAX_TEXT + 1), SdpType::Offer).unwrap_err();
        assert!(error.description.contains("1048577 bytes"));
    }

    #[test]
    fn the_sending_half_is_taken_out_of_the_named_section_alone() {
        let text = "v=0\r\na=sendonly\r\nm=audio 9 x\r\na=mid:a\r\na=sendonly\r\nm=audio 9 x\r\na=mid:b\r\na=sendrecv\r\n";
        let changed = without_sending(text, "a");
        assert_eq!(changed, text.replace("a=mid:a\r\na=sendonly", "a=mid:a\r\na=inactive"));
        assert!(without_sending(text, "b").ends_with("a=mid:b\r\na=recvonly\r\n"));
    }

    #[test]
    fn an_answer_becomes_an_offer_by_its_dtls_role_alone() {
        assert_eq!(as_offer("a=setup:active\r\na=mid:0\r\n"), "a=setup:actpass\r\na=mid:0\r\n");
    }
}
