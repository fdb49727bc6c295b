//! Encryption and decryption of frames.

use std::collections::HashSet;

use super::{
    super::{frame, key_ring::KeyRing, key_set::KeySet, server_injected},
    *,
};
use crate::pc::{frame_transform::FrameTransform, transceiver::Kind};

pub(super) const SSRC: u32 = 0x1122_3344;
const TIMESTAMP: u32 = 0x5566_7788;

pub(super) fn cryptor(direction: Direction, provider: &KeyProvider) -> MediaCryptor {
    of(EncryptionAlgorithm::AesGcm, Kind::Audio, direction, provider)
}

pub(super) fn of(
    algorithm: EncryptionAlgorithm,
    kind: Kind,
    direction: Direction,
    provider: &KeyProvider,
) -> MediaCryptor {
    let purpose = Purpose { participant: "alice".to_owned(), algorithm, direction, kind };
    let cryptor = MediaCryptor::new(purpose, provider.store.clone());
    cryptor.set_enabled(true);
    cryptor
}

pub(super) fn pass(cryptor: &MediaCryptor, frame: &[u8]) -> Option<Vec<u8>> {
    cryptor.transform(SSRC, TIMESTAMP, frame.to_vec())
}

fn pair(provider: &KeyProvider) -> (MediaCryptor, MediaCryptor) {
    (cryptor(Direction::Send, provider), cryptor(Direction::Receive, provider))
}

#[test]
fn a_frame_has_the_known_answer() {
    let provider = shared(b"password", pbkdf2());
    provider.set_shared_key(3, b"password".to_vec());
    let clear = [b"\x78", b"an Opus packet".as_slice()].concat();
    let known =
        bytes("780d69a3ffd7f83b3a9895c654451de719b76c98b884ec5b80957b35a3239111223344556677885565ddee0c03");

    let (index, key) = provider.store.ring_of("alice").unwrap().get(3).unwrap();
    let iv = frame::iv(SSRC, TIMESTAMP, 0x0001_9999);
    assert_eq!(frame::seal(clear.clone(), &key, index, iv), Some(known.clone()));
    assert_eq!(pass(&cryptor(Direction::Receive, &provider), &known), Some(clear));

    // A packet that consists only of its header.
    let known = bytes("78e0e3841fba70925be58bf0c5f9a7a52a11223344556677885565ddee0c00");
    assert_eq!(frame::seal(vec![0x78], &key, 0, iv), Some(known.clone()));
    assert_eq!(pass(&cryptor(Direction::Receive, &provider), &known), Some(vec![0x78]));
}

#[test]
fn an_iv_is_the_stream_the_time_and_a_count() {
    assert_eq!(frame::iv(SSRC, TIMESTAMP, 0x0001_9999).to_vec(), bytes("11223344556677885565ddee"));
    assert_eq!(frame::iv(SSRC, 5, 7).to_vec(), bytes("1122334400000005fffffffe"));
    frame::iv(u32::MAX, 0, u32::MAX);
}

#[test]
fn frames_of_any_length_come_back() {
    let (sender, receiver) = pair(&shared(b"key", options()));
    for len in (1..=40).chain([1275]) {
        let clear = noise(4, len);
        let sealed = pass(&sender, &clear).unwrap();
        assert_eq!(sealed.len(), len + 30);
        assert_eq!(sealed[0], clear[0]);
        assert!(len < 8 || !sealed[1..].starts_with(&clear[1..8]));
        assert_eq!(pass(&receiver, &sealed), Some(clear));
    }
    // An empty frame is a pause: there is nothing to hide and nothing to authenticate.
    assert_eq!(pass(&sender, &[]), Some(Vec::new()));
    assert_eq!(pass(&receiver, &[]), Some(Vec::new()));
}

#[test]
fn one_timestamp_twice_is_not_one_iv_twice() {
    let (sender, receiver) = pair(&shared(b"key", options()));
    let frames: HashSet<_> = (0..1000).map(|_| pass(&sender, b"silence").unwrap()).collect();
    assert_eq!(frames.len(), 1000);
    assert!(frames.iter().all(|frame| pass(&receiver, frame).as_deref() == Some(b"silence")));
}

#[test]
fn a_changed_frame_is_dropped() {
    let (sender, receiver) = pair(&shared(b"key", options()));
    let sealed = pass(&sender, b"an Opus packet").unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(pass(&receiver, &changed), None, "bit {bit}");
    }
    for len in 1..sealed.len() {
        assert_eq!(pass(&receiver, &sealed[..len]), None, "{len} bytes");
    }
    assert_eq!(pass(&receiver, &sealed).as_deref(), Some(b"an Opus packet".as_slice()));
}

#[test]
fn what_is_no_frame_is_dropped_whatever_its_length() {
    let receiver = cryptor(Direction::Receive, &shared(b"key", with_window(2)));
    for len in 1..300 {
        for seed in 1..20 {
            let mut frame = noise(seed * 1000 + len, len as usize);
            assert_eq!(pass(&receiver, &frame), None);
            // The same for noise with the ending of a frame.
            frame[len as usize - 1] = 0;
            if let Some(iv_len) = frame.len().checked_sub(2) {
                frame[iv_len] = 12;
            }
            assert_eq!(pass(&receiver, &frame), None);
        }
    }
}

#[test]
fn the_key_index_is_the_senders_choice() {
    let provider = KeyProvider::new(options());
    for index in 0..4 {
        provider.set_key("alice".to_owned(), index, vec![index as u8; 16]);
    }
    let (sender, receiver) = pair(&provider);
    for (chosen, sent) in [(0, 0), (2, 2), (-1, 3)] {
        sender.set_key_index(chosen);
        let sealed = pass(&sender, b"frame").unwrap();
        assert_eq!(sealed.last(), Some(&sent));
        assert_eq!(pass(&receiver, &sealed).as_deref(), Some(b"frame".as_slice()));
    }
    for missing in [4, 16, 300, -2, i32::MIN, i32::MAX] {
        sender.set_key_index(missing);
        assert_eq!(pass(&sender, b"frame"), None);
    }
}

#[test]
fn the_last_key_of_the_largest_ring_fits_into_a_frame() {
    let ring = KeyRing::new(256);
    let derivation =
        super::super::derivation::Derivation { algorithm: KeyDerivationAlgorithm::HKDF, salt: Vec::new() };
    ring.set(255, KeySet::derive(vec![1], &derivation).unwrap());
    assert_eq!(ring.get(255).unwrap().0, 255);
}

#[test]
fn a_cryptor_that_is_off_lets_frames_pass_as_they_are() {
    let (sender, receiver) = pair(&KeyProvider::new(options()));
    for cryptor in [&sender, &receiver] {
        assert_eq!(pass(cryptor, b"frame"), None);
        cryptor.set_enabled(false);
        assert_eq!(pass(cryptor, b"frame").as_deref(), Some(b"frame".as_slice()));
    }
}

#[test]
fn video_and_aes_cbc_never_pass_in_the_clear() {
    let provider = shared(b"key", options());
    for direction in [Direction::Send, Direction::Receive] {
        let video = of(EncryptionAlgorithm::AesGcm, Kind::Video, direction, &provider);
        let cbc = of(EncryptionAlgorithm::AesCbc, Kind::Audio, direction, &provider);
        for cryptor in [video, cbc] {
            assert_eq!(pass(&cryptor, &[0; 60]), None);
        }
    }
}

#[test]
fn of_what_the_server_injects_only_silence_passes() {
    let provider = shared(b"key", options());
    let (sender, receiver) = pair(&provider);
    let mark = b"of this room";
    let injected = |frame: &[u8]| [frame, mark].concat();
    let opus = [[0xf8, 0xff, 0xfe].as_slice(), &[0; 77]].concat();
    let red = [[0x6f].as_slice(), &opus].concat();
    let silences = [opus.clone(), red, vec![0xff; 160], vec![0xd5; 160]];

    assert_eq!(pass(&receiver, &injected(&opus)), None, "before the mark is known");
    provider.set_sif_trailer(mark.to_vec());
    for silence in &silences {
        assert_eq!(pass(&receiver, &injected(silence)).as_ref(), Some(silence));
        assert_eq!(pass(&receiver, silence), None, "without the mark");
    }
    let more_blocks = [[0xef].as_slice(), &opus].concat();
    for other in [vec![], b"words".to_vec(), opus[..79].to_vec(), vec![0xff; 159], more_blocks] {
        assert_eq!(pass(&receiver, &injected(&other)), None);
    }
    let sealed = pass(&sender, b"frame").unwrap();
    assert_eq!(pass(&receiver, &sealed).as_deref(), Some(b"frame".as_slice()));
    // An empty mark disables the feature; it is not a mark that every frame ends in.
    provider.set_sif_trailer(Vec::new());
    assert_eq!(pass(&receiver, &opus), None);
    assert!(server_injected::is_silence(&opus));
}
