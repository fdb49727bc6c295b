//! The endpoints of transcripts and speech, as bytes on the wire.

use std::io;

use scripted_model::{Ended, Script, ScriptedModel, SpeechStep, Step, wav};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn answer(model: &ScriptedModel, head: &str, body: &[u8]) -> io::Result<Vec<u8>> {
    let base = model.base_url();
    let mut stream = TcpStream::connect(base.trim_start_matches("http://").trim_end_matches("/v1")).await?;
    let head = format!("{head}\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(answer)
}

async fn transcribed(model: &ScriptedModel, file: &[u8]) -> io::Result<String> {
    let start = b"--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\n\
        Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n";
    let body = [start, file, b"\r\n--b--\r\n"].concat();
    let head = "POST /v1/audio/transcriptions HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=b";
    String::from_utf8(answer(model, head, &body).await?).map_err(io::Error::other)
}

async fn spoken(model: &ScriptedModel, request: &Value) -> io::Result<Vec<u8>> {
    let head = "POST /v1/audio/speech HTTP/1.1\r\ncontent-type: application/json";
    answer(model, head, request.to_string().as_bytes()).await
}

#[tokio::test]
async fn audio_is_answered_by_the_script_and_by_its_loudness() {
    let script = Script::default().transcriptions([Step::reply("Good morning.")]);
    let model = ScriptedModel::start(script).await.unwrap();
    let loud = wav(&[3000; 1600], 16_000);
    assert!(transcribed(&model, &loud).await.unwrap().contains(r#"{"text":"Good morning.","usage""#));
    assert!(transcribed(&model, &loud).await.unwrap().contains(r#""text":"hello""#));
    let silence = wav(&[3; 1600], 16_000);
    assert!(transcribed(&model, &silence).await.unwrap().contains(r#""text":"""#));
    let body = json!({"model": "m", "file": "a.wav", "rate": 16_000, "samples": 1600, "peak": 3});
    assert_eq!(model.transcriptions()[2].body, body);
}

#[tokio::test]
async fn a_file_that_is_no_wav_is_refused_whatever_the_script_says() {
    let model = ScriptedModel::start(Script::default()).await.unwrap();
    let mut wrong = wav(&[0; 1600], 16_000);
    wrong[40] = 7;
    let answer = transcribed(&model, &wrong).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("no WAV file"), "{answer}");
}

#[tokio::test]
async fn speech_is_as_long_as_its_text() {
    let model = ScriptedModel::start(Script::default()).await.unwrap();
    let request = json!({"model": "m", "input": "hello", "voice": "v"});
    let answer = spoken(&model, &request).await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    assert!(text.starts_with("HTTP/1.1 200") && text.contains("content-type: audio/pcm"));
    // Five characters of 60 ms at 24 kHz, in three chunks.
    assert!((14_400..14_700).contains(&answer.len()), "{}", answer.len());
    let [request] = model.speeches().try_into().unwrap();
    assert_eq!(request.ended, Ended::Answered);
    assert!(request.came <= request.written[0] && Some(request.written[0]) <= request.ended_at);
}

#[tokio::test]
async fn speech_without_a_voice_is_refused() {
    let model = ScriptedModel::start(Script::default().speeches([SpeechStep::default()])).await.unwrap();
    let answer = spoken(&model, &json!({"model": "m", "input": "hello"})).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("Missing required parameter: 'voice'"));
}

#[tokio::test]
async fn a_script_in_json_knows_both_endpoints() {
    let script = r#"{"transcriptions": {"steps": [{"reply": {"text": "Hi"}}]},
        "speeches": {"otherwise": {"form": "wav", "rate": 16000, "answer": {"after": 1}}}}"#;
    let model = ScriptedModel::start(serde_json::from_str(script).unwrap()).await.unwrap();
    assert!(transcribed(&model, &wav(&[0; 160], 16_000)).await.unwrap().contains(r#""text":"Hi""#));
    let request = json!({"model": "m", "input": "hello", "voice": "v"});
    let answer = spoken(&model, &request).await.unwrap();
    assert!(String::from_utf8_lossy(&answer).contains("content-type: audio/wav"));
}

#[tokio::test]
async fn the_log_has_each_request_with_its_times() {
    let model = ScriptedModel::start(Script::default()).await.unwrap();
    spoken(&model, &json!({"model": "m", "input": "hello", "voice": "v"})).await.unwrap();
    transcribed(&model, &wav(&[0; 160], 16_000)).await.unwrap();
    let answer = answer(&model, "GET /v1/log HTTP/1.1", b"").await.unwrap();
    let text = String::from_utf8_lossy(&answer);
    let log: Value = serde_json::from_str(&text[text.find("\r\n\r\n").unwrap()..]).unwrap();
    let endpoints = log.as_array().unwrap().iter().map(|entry| entry["endpoint"].as_str().unwrap());
    assert_eq!(endpoints.collect::<Vec<_>>(), ["transcription", "speech"]);
    let times = [&log[1]["came_us"], &log[1]["written_us"][0], &log[1]["ended_us"]]
        .map(|time| time.as_u64().unwrap());
    assert!(times.is_sorted() && times[0] > 1_700_000_000_000_000, "{times:?}");
}
