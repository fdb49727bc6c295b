//! No session description and no candidate of a peer makes the crate panic, in the caller's task or in the connection's
//! own, and other connections are not affected.
//!
//! The input is valid text, damaged by a generator with a fixed seed: a failure can be repeated.

#![allow(clippy::unwrap_used)] // The helpers of these tests are tests too.

use std::{
    sync::{Once, OnceLock},
    time::Duration,
};

use libwebrtc::prelude::*;

/// The first panic outside of this file.
static PANIC: OnceLock<String> = OnceLock::new();

/// Remembers a panic of any thread: one in a task of the crate would otherwise go unseen.
fn watch_panics() {
    static WATCH: Once = Once::new();
    WATCH.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if panic.location().is_some_and(|location| location.file() != file!()) {
                PANIC.get_or_init(|| panic.to_string());
            }
            print(panic);
        }));
    });
}

fn assert_no_panic(text: &str) {
    if let Some(panic) = PANIC.get() {
        panic!("{panic}\n\non or before the input:\n{text}");
    }
}

/// The number of attempts. A connection takes many milliseconds in a debug build, so the default is short; the
/// environment variable `MALFORMED_INPUT_TIMES` multiplies it.
fn rounds(default: usize) -> usize {
    let times = std::env::var("MALFORMED_INPUT_TIMES").ok();
    default * times.and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// SplitMix64: small, and the same on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// Values that attackers and broken programs write.
const VALUES: [&str; 14] = [
    "",
    " ",
    "-1",
    "0",
    "65536",
    "4294967296",
    "18446744073709551616",
    "99999999999999999999999999",
    "1.5e308",
    "\u{0}",
    "\u{1f600}",
    "a=b=c:d;e",
    "::ffff:999.1.1.1",
    "BUNDLE",
];

/// Lines that are valid in some places, and seldom here.
const LINES: [&str; 12] = [
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "m=video 0 UDP/TLS/RTP/SAVPF 96 97 98",
    "a=group:BUNDLE 0 0 1 2 3 3",
    "a=mid:0",
    "a=setup:active",
    "a=fingerprint:sha-256 00:11",
    "a=ice-ufrag:x",
    "a=sctp-port:99999",
    "a=max-message-size:0",
    "a=rtpmap:111 opus/0/0",
    "a=extmap:300 urn:ietf:params:rtp-hdrext:sdes:mid",
];

fn damage(text: &str, random: &mut Random) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for _ in 0..=random.below(4) {
        damage_once(&mut lines, random);
    }
    let mut damaged = lines.join(random.pick(&["\r\n", "\r\n", "\r\n", "\n", "\r"]));
    damaged.push_str("\r\n");
    if random.below(8) == 0 {
        let cut = random.below(damaged.len());
        damaged = String::from_utf8_lossy(&damaged.as_bytes()[..cut]).into_owned();
    }
    damaged
}

fn damage_once(lines: &mut Vec<String>, random: &mut Random) {
    if lines.is_empty() {
        return;
    }
    let at = random.below(lines.len());
    let other = random.below(lines.len());
    match random.below(8) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(other, lines[at].clone()),
        2 => lines.swap(at, other),
        3 => lines.insert(at, random.pick(&LINES).to_owned()),
        // A long line is left alone: repeated again and again it would only cost time.
        4 if lines[at].len() < 200 => lines[at] = lines[at].repeat(1 + random.below(200)),
        5 => lines[at] = damage_byte(&lines[at], random),
        _ => lines[at] = damage_value(&lines[at], random),
    }
}

fn damage_byte(line: &str, random: &mut Random) -> String {
    let mut bytes = line.as_bytes().to_vec();
    if !bytes.is_empty() {
        let at = random.below(bytes.len());
        bytes[at] = random.next() as u8;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Replaces one word of a line; words stand between blanks and punctuation.
fn damage_value(line: &str, random: &mut Random) -> String {
    let word = |character: char| character.is_alphanumeric();
    let starts: Vec<usize> = line
        .char_indices()
        .filter(|(at, character)| word(*character) && !line[..*at].ends_with(word))
        .map(|(at, _)| at)
        .collect();
    if starts.is_empty() {
        return random.pick(&VALUES).to_owned();
    }
    let start = starts[random.below(starts.len())];
    let rest = &line[start..];
    let end = rest.find(|character| !word(character)).unwrap_or(rest.len());
    format!("{}{}{}", &line[..start], random.pick(&VALUES), &rest[end..])
}

fn connection() -> PeerConnection {
    PeerConnectionFactory::default().create_peer_connection(RtcConfiguration::default()).unwrap()
}

/// Everything `livekit` negotiates: audio, video and data.
fn furnished() -> PeerConnection {
    let connection = connection();
    connection.create_data_channel("reliable", DataChannelInit::default()).unwrap();
    for media in [MediaType::Audio, MediaType::Video] {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::SendRecv,
            stream_ids: vec!["stream".to_owned()],
            send_encodings: Vec::new(),
        };
        connection.add_transceiver_for_media(media, init).unwrap();
    }
    connection
}

async fn offer(connection: &PeerConnection) -> SessionDescription {
    let offer = connection.create_offer(OfferOptions::default()).await.unwrap();
    connection.set_local_description(offer.clone()).await.unwrap();
    offer
}

async fn answer(
    connection: &PeerConnection,
    offer: SessionDescription,
) -> Result<SessionDescription, RtcError> {
    connection.set_remote_description(offer).await?;
    let answer = connection.create_answer(AnswerOptions::default()).await?;
    connection.set_local_description(answer.clone()).await?;
    Ok(answer)
}

/// A valid offer and its valid answer, and the connection that waits for the answer.
async fn negotiation() -> (PeerConnection, SessionDescription, SessionDescription) {
    let (left, right) = (furnished(), connection());
    let offer = offer(&left).await;
    let answer = answer(&right, offer.clone()).await.unwrap();
    right.close();
    (left, offer, answer)
}

#[tokio::test]
async fn damaged_descriptions_are_parsed_or_refused() {
    watch_panics();
    let (connection, offer, answer) = negotiation().await;
    let mut random = Random(1);
    for (text, sdp_type) in [(offer.to_string(), SdpType::Offer), (answer.to_string(), SdpType::Answer)] {
        let mut refused = 0;
        for _ in 0..rounds(400) {
            let damaged = damage(&text, &mut random);
            match SessionDescription::parse(&damaged, sdp_type) {
                Ok(parsed) => assert_eq!(parsed.sdp_type(), sdp_type),
                Err(error) => {
                    assert!(!error.to_string().is_empty());
                    refused += 1;
                }
            }
            assert_no_panic(&damaged);
        }
        // If none were refused, nothing would have been damaged.
        assert!(refused > 40, "{refused} refused");
    }
    connection.close();
}

#[tokio::test]
async fn damaged_offers_leave_the_connection_refusing_or_answering() {
    watch_panics();
    let (connection_left, offer, _) = negotiation().await;
    let text = offer.to_string();
    let mut random = Random(2);
    let mut taken = 0;
    for _ in 0..rounds(40) {
        let damaged = damage(&text, &mut random);
        let Ok(parsed) = SessionDescription::parse(&damaged, SdpType::Offer) else { continue };
        let right = connection();
        if answer(&right, parsed).await.is_ok() {
            taken += 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        right.close();
        assert_no_panic(&damaged);
    }
    assert!(taken > 0, "no damaged offer was harmless enough to be answered");
    connection_left.close();
}

#[tokio::test]
async fn damaged_answers_leave_the_connection_refusing_or_connected() {
    watch_panics();
    let mut random = Random(3);
    for _ in 0..rounds(20) {
        let (left, _, answer) = negotiation().await;
        let damaged = damage(&answer.to_string(), &mut random);
        if let Ok(parsed) = SessionDescription::parse(&damaged, SdpType::Answer) {
            let _ = left.set_remote_description(parsed).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        left.close();
        assert_no_panic(&damaged);
    }
}

#[tokio::test]
async fn damaged_candidates_are_taken_or_refused() {
    watch_panics();
    let (left, _, answer) = negotiation().await;
    left.set_remote_description(answer).await.unwrap();
    let valid = [
        "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host generation 0 ufrag abcd network-id 1",
        "candidate:2 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag abcd",
        "candidate:3 1 udp 1694498815 198.51.100.7 50000 typ srflx raddr 192.0.2.1 rport 50000",
        "candidate:4 1 udp 16777215 2001:db8::1 3478 typ relay raddr 198.51.100.7 rport 50000",
    ];
    let mut random = Random(4);
    let mut refused = 0;
    for _ in 0..rounds(2000) {
        let damaged = damage(random.pick(&valid), &mut random);
        let mid = random.pick(&["0", "1", "", "no such mid"]);
        let index = random.next() as i32;
        match IceCandidate::parse(mid, index, &damaged) {
            Ok(candidate) => drop(left.add_ice_candidate(candidate).await),
            Err(error) => {
                assert!(!error.to_string().is_empty());
                refused += 1;
            }
        }
        assert_no_panic(&damaged);
    }
    assert!(refused > 100, "{refused} refused");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_no_panic("candidates in use");
    left.close();
}

#[tokio::test]
async fn descriptions_out_of_place_are_refused_with_a_reason() {
    watch_panics();
    let (left, _, answer) = negotiation().await;
    let fresh = connection();
    let refusals = [
        fresh.set_remote_description(answer.clone()).await.err(),
        fresh.set_local_description(answer.clone()).await.err(),
        fresh.create_answer(AnswerOptions::default()).await.err(),
    ];
    for refusal in refusals {
        let error = refusal.expect("there was no offer to answer");
        assert_eq!(error.error_type, RtcErrorType::InvalidState, "{error}");
    }
    left.set_remote_description(answer).await.unwrap();
    for connection in [fresh, left] {
        connection.close();
    }
}

#[tokio::test]
async fn another_connection_is_made_while_damaged_input_comes_in() {
    watch_panics();
    let (victim, valid, _) = negotiation().await;
    let mut random = Random(5);
    let text = valid.to_string();
    let attacked = tokio::spawn(async move {
        for _ in 0..rounds(10) {
            if let Ok(parsed) = SessionDescription::parse(&damage(&text, &mut random), SdpType::Offer) {
                let right = connection();
                let _ = answer(&right, parsed).await;
                right.close();
            }
        }
    });
    let (left, right) = (furnished(), connection());
    let (sender, mut states) = tokio::sync::mpsc::unbounded_channel();
    left.on_connection_state_change(Some(Box::new(move |state| sender.send(state).unwrap_or_default())));
    let answer = answer(&right, offer(&left).await).await.unwrap();
    left.set_remote_description(answer).await.unwrap();
    let connected = async {
        while let Some(state) = states.recv().await {
            if state == PeerConnectionState::Connected {
                return;
            }
        }
        panic!("the connection was given up");
    };
    tokio::time::timeout(Duration::from_secs(30), connected).await.expect("not connected in 30 s");
    attacked.await.unwrap();
    for connection in [left, right, victim] {
        connection.close();
    }
}
