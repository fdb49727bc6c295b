use super::*;

/// The samples of a body that comes in pieces of this size, and their rate.
fn decoded(content_type: &str, body: &[u8], size: usize) -> Result<(Vec<i16>, u32), Fault> {
    let mut decoder = Decoder::new(content_type, 24_000)?;
    let mut samples = Vec::new();
    for piece in body.chunks(size) {
        samples.extend(decoder.feed(piece)?);
    }
    samples.extend(decoder.finish()?);
    Ok((samples, decoder.rate()))
}

fn kind(content_type: &str, body: &[u8]) -> Kind {
    decoded(content_type, body, 7).unwrap_err().kind
}

fn tone() -> Vec<i16> {
    (0..400_i16).map(|at| (at % 50 - 25) * 900).collect()
}

fn raw(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

fn delta(field: &str, bytes: &[u8]) -> String {
    let audio = BASE64.encode(bytes);
    format!("data: {{\"type\":\"speech.audio.delta\",\"{field}\":\"{audio}\"}}\n\n")
}

#[test]
fn raw_samples_are_joined_over_pieces_of_any_size() {
    for content_type in ["audio/pcm", "application/octet-stream", "", "binary/odd"] {
        for size in [1, 3, 16, 17, 4096] {
            assert_eq!(decoded(content_type, &raw(&tone()), size).unwrap(), (tone(), 24_000), "{size}");
        }
    }
}

#[test]
fn half_a_sample_at_the_end_is_left_out() {
    let body = [raw(&tone()), vec![9]].concat();
    assert_eq!(decoded("audio/pcm", &body, 5).unwrap().0, tone());
    assert_eq!(decoded("audio/pcm", &[1, 0, 2], 5).unwrap().0, [1]);
}

#[test]
fn the_content_type_names_the_rate_and_the_channels() {
    let body = raw(&[100, 200, -100, -300]);
    assert_eq!(decoded("audio/pcm;rate=16000", &body, 3).unwrap(), (vec![100, 200, -100, -300], 16_000));
    let stereo = decoded("audio/l16; codec=pcm; rate=\"44100\"; channels=2", &body, 3).unwrap();
    assert_eq!(stereo, (vec![150, -200], 44_100));
    assert_eq!(decoded("audio/pcm; rate=3", &body, 3).unwrap().1, 24_000);
}

#[test]
fn wav_is_read_whatever_the_type_says() {
    let file = wav::encode(&tone(), 22_050);
    for content_type in ["audio/wav", "audio/pcm", "application/octet-stream", ""] {
        for size in [1, 13, 4096] {
            assert_eq!(decoded(content_type, &file, size).unwrap(), (tone(), 22_050), "{content_type}");
        }
    }
}

#[test]
fn a_wav_header_that_is_cut_off_is_told() {
    let file = wav::encode(&tone(), 22_050);
    assert_eq!(kind("audio/wav", &file[..30]), Kind::Malformed("its WAV header is cut off"));
}

#[test]
fn events_bring_samples_in_either_field() {
    let bytes = raw(&tone());
    for field in ["audio", "delta"] {
        let done = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"total_tokens\":7}}\n\n";
        let body = [delta(field, &bytes[..33]), ": ping\n\n".into(), delta(field, &bytes[33..]), done.into()]
            .concat();
        let mut decoder = Decoder::new("text/event-stream", 24_000).unwrap();
        assert_eq!(decoder.feed(body.as_bytes()).unwrap(), tone());
        assert!(decoder.is_done() && decoder.tokens() == Some(7));
        assert_eq!(decoded("application/octet-stream", body.as_bytes(), 11).unwrap().0, tone());
    }
}

#[test]
fn events_may_hold_a_wav_file() {
    let file = wav::encode(&tone(), 16_000);
    let body = [delta("audio", &file[..50]), delta("audio", &file[50..]), "data: [DONE]\n\n".into()].concat();
    assert_eq!(decoded("text/event-stream", body.as_bytes(), 100).unwrap(), (tone(), 16_000));
}

#[test]
fn an_error_among_events_is_told_in_its_words() {
    let body = "data: {\"type\":\"error\",\"error\":{\"message\":\"out of memory\"}}\n\n";
    let fault = decoded("text/event-stream", body.as_bytes(), 9).unwrap_err();
    assert_eq!((fault.kind, fault.words.as_deref()), (Kind::Reported, Some("out of memory")));
    let broken = "data: {\"audio\":\"%%%%\"}\n\n";
    assert_eq!(kind("text/event-stream", broken.as_bytes()), Kind::Malformed("its events hold no base64"));
}

#[test]
fn what_cannot_be_played_is_told_by_its_name() {
    let noise = raw(&tone());
    assert_eq!(kind("audio/mpeg", &noise), Kind::NotPlayable("mp3"));
    assert_eq!(kind("audio/ogg; codecs=opus", &noise), Kind::NotPlayable("Opus in Ogg"));
    assert_eq!(kind("audio/basic", &noise), Kind::NotPlayable("µ-law"));
    for (start, form) in
        [(&b"ID3\x04"[..], "mp3"), (b"\xff\xfb\x90\x64", "mp3"), (b"OggS", "Opus in Ogg"), (b"fLaC", "FLAC")]
    {
        assert_eq!(kind("application/octet-stream", &[start, &noise].concat()), Kind::NotPlayable(form));
    }
}

#[test]
fn words_in_place_of_audio_are_told() {
    let error = br#"{"error":{"message":"voice not found"}}"#;
    for content_type in ["application/json", "application/octet-stream", "audio/pcm"] {
        let fault = decoded(content_type, error, 7).unwrap_err();
        assert_eq!((fault.kind, fault.words.as_deref()), (Kind::Reported, Some("voice not found")));
    }
    assert_eq!(kind("application/json", br#"{"ok":true}"#), Kind::NotPlayable("JSON"));
    assert_eq!(kind("", b"<!DOCTYPE html><html>"), Kind::NotPlayable("a page"));
    assert_eq!(kind("text/html; charset=utf-8", b"x"), Kind::NotPlayable("a page"));
}

#[test]
fn silence_and_quiet_samples_are_no_words() {
    for samples in [vec![0; 64], vec![-1; 64], vec![0x7B; 64], vec![-1025; 64]] {
        assert_eq!(decoded("", &raw(&samples), 10).unwrap().0, samples);
    }
}

#[test]
fn an_empty_body_has_no_samples() {
    assert!(decoded("audio/pcm", b"", 1).unwrap().0.is_empty());
}
