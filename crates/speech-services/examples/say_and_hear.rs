//! Has a sentence spoken and transcribed again, and prints what came when.
//!
//! ```text
//! cargo run -p speech-services --example say_and_hear -- [BASE_URL [VOICE]]
//! ```
//!
//! The key is that of `OPENAI_API_KEY`, if it is set, and the models those of `TTS_MODEL` and `STT_MODEL`. Without a
//! base URL it asks a scripted server of its own, whose speech is a tone and whose transcript is a script's.

use std::env::var;
use std::error::Error;
use std::time::Duration;

use conversation::{Secret, Text};
use scripted_model::{Script, ScriptedModel, Step};
use speech_services::hearing::{self, Transcriber};
use speech_services::speaking::{self, Event, OpenAi, Speaking, Voice};
use speech_services::{Report, Service};

const SENTENCE: &str = "Good morning, how are you today?";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = ScriptedModel::start(Script::default().transcriptions([Step::reply(SENTENCE)])).await?;
    let base_url = arguments.next().unwrap_or_else(|| server.base_url());
    let service = |variable| {
        let model = var(variable).unwrap_or_else(|_| "scripted".to_owned());
        let api_key = var("OPENAI_API_KEY").ok().map(Secret::new);
        Ok::<_, Box<dyn Error>>(Service { api_key, ..Service::new(base_url.parse()?, model) })
    };

    let voice = arguments.next().unwrap_or_else(|| "alloy".to_owned());
    let mouth = OpenAi::new(&speaking::Settings::new(service("TTS_MODEL")?, voice))?;
    let (samples, rate) = spoken(&mouth).await?;

    let ear = Transcriber::new(&hearing::Settings::new(service("STT_MODEL")?))?;
    let mut request = ear.transcribe(&samples, rate, Some("en"));
    let transcript = (&mut request).await.map_err(|trouble| trouble.failure.message)?;
    println!("understood: {}", transcript.text.expose());
    println!("hearing:  {}", told(&request.report()));
    Ok(())
}

async fn spoken(mouth: &OpenAi) -> Result<(Vec<i16>, u32), Box<dyn Error>> {
    let mut utterance = mouth.speak(&Text::from(SENTENCE), &Voice::default());
    let (mut samples, mut rate) = (Vec::new(), 0);
    while let Some(event) = utterance.next().await {
        match event {
            Event::Audio(sound) => {
                rate = sound.rate;
                samples.extend(sound.samples);
            }
            Event::Failed { trouble, .. } => return Err(trouble.failure.message.into()),
            Event::Words(_) | Event::Done { .. } => {}
        }
    }
    println!("speaking: {}", told(&utterance.report()));
    Ok((samples, rate))
}

fn told(report: &Report) -> String {
    let milliseconds = |length: Duration| length.as_secs_f64() * 1000.0;
    format!(
        "{:.1} ms to the first byte, {:.1} ms in all, {:.2} s of audio, {} attempts",
        milliseconds(report.time_to_first_byte.unwrap_or_default()),
        milliseconds(report.ended - report.started),
        report.audio.as_secs_f64(),
        report.attempts.len()
    )
}
