//! The files of `voiced call --wav`: those that cannot be played are told before a room is joined.

use std::process::Command;

fn call(arguments: &[&str]) -> (Option<i32>, String) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("song.mp3"), b"ID3\x04\0\0 and so on, in another form").unwrap();
    std::fs::write(directory.path().join("odd.wav"), wav::encode(&[9_000; 4_000], 12_345)).unwrap();
    std::fs::write(directory.path().join("silent.wav"), wav::encode(&[0; 4_000], 16_000)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.current_dir(directory.path()).env_clear().args(["call", "--room", "r"]).args(arguments);
    command
        .env("LIVEKIT_URL", "ws://127.0.0.1:1")
        .env("LIVEKIT_API_KEY", "k")
        .env("LIVEKIT_API_SECRET", "s".repeat(32));
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_file_that_cannot_be_played_is_refused_with_what_to_do() {
    for (file, words) in [
        ("song.mp3", &["song.mp3 is no file that can be played", "ffmpeg -i song.mp3"][..]),
        ("odd.wav", &["odd.wav has 12345 samples a second", "48000 can be played"]),
        ("silent.wav", &["nothing can be heard in silent.wav"]),
        ("absent.wav", &["cannot read absent.wav", "No such file"]),
    ] {
        let (code, said) = call(&["--wav", file]);
        assert_eq!(code, Some(1), "{said}");
        assert!(words.iter().all(|words| said.contains(words)), "{said}");
        assert!(!said.contains("joining"), "{said}");
    }
}

#[test]
fn what_is_said_is_written_or_played_and_only_a_played_call_recorded() {
    for arguments in
        [&["--wav", "silent.wav", "--say", "hello"][..], &["--say", "hello", "--record", "call.wav"]]
    {
        let (code, said) = call(arguments);
        assert_eq!(code, Some(2), "{said}");
    }
}
