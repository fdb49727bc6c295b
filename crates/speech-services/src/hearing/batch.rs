//! A session made of requests, for a provider that takes whole utterances.
//!
//! The caller's [`Mark`] marks the utterances. A request begins at the first silence and is dropped when speech goes on,
//! so that the text is often there when the utterance is known to have ended: it is told as [`Event::EagerEnd`] before,
//! and as [`Event::Final`] then. Texts keep the order of their utterances.

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::sink::{EventSender, Events, Input, Inputs, Pieces, Sink, channel};
use super::{
    Abilities, Endpointing, Event, Final, Hearing, Mark, RequestReport, Transcriber, Transcribing, Transcript,
};
use crate::report::Report;
use crate::trouble::Trouble;
use wav::length;

/// The rate that recognisers are made for.
const RATE: u32 = 16_000;
/// The audio in front of an utterance that belongs to it: detection needs a moment.
const PREFIX: Duration = Duration::from_millis(500);
/// The audio that comes at a time.
const PIECE: Duration = Duration::from_millis(50);
/// A longer utterance is cut here, and its parts are transcribed apart.
const LONGEST: Duration = Duration::from_secs(60);
/// Servers refuse shorter audio; such a rest holds no word.
const SHORTEST: Duration = Duration::from_millis(100);
/// Utterances that have ended and wait for their texts. With more, the session takes no input, and its sink fills.
const MOST_ENDED: usize = 4;

/// A [`Transcriber`] as a provider of sessions.
#[derive(Clone, Debug)]
pub struct Batch {
    transcriber: Transcriber,
    prefix: Duration,
}

struct Session {
    transcriber: Transcriber,
    rate: u32,
    language: Option<String>,
    prefix: usize,
    events: EventSender,
    /// The newest samples that belong to no utterance.
    before: VecDeque<i16>,
    utterance: Option<Utterance>,
    /// Utterances that have ended, the oldest first.
    ended: VecDeque<Asked>,
}

/// The utterance under way.
#[derive(Default)]
struct Utterance {
    samples: Vec<i16>,
    pause: Option<Pause>,
}

/// A silence that may be the end.
struct Pause {
    /// The number of samples before it.
    at: usize,
    asked: Asked,
    /// The caller knows the text.
    is_told: bool,
}

/// A request, and its answer once there is one.
struct Asked {
    request: Transcribing,
    answer: Option<Result<Transcript, Trouble>>,
}

/// What is to be paid for.
struct Usage {
    audio: Duration,
    tokens: Option<u64>,
}

/// The caller has dropped the events.
struct Gone;

// === impl Batch ===

impl Batch {
    pub fn new(transcriber: Transcriber) -> Self {
        Self { transcriber, prefix: PREFIX }
    }

    /// Counts this much audio in front of an utterance to it.
    pub fn prefix(self, prefix: Duration) -> Self {
        Self { prefix, ..self }
    }

    fn session(&self, rate: u32, language: Option<&str>, events: EventSender) -> Session {
        Session {
            transcriber: self.transcriber.clone(),
            rate,
            language: language.map(str::to_owned),
            prefix: samples(self.prefix, rate),
            events,
            before: VecDeque::new(),
            utterance: None,
            ended: VecDeque::new(),
        }
    }
}

impl Hearing for Batch {
    fn abilities(&self) -> Abilities {
        Abilities {
            rate: RATE,
            endpointing: Endpointing::None,
            interim: false,
            word_times: false,
            finalize: true,
        }
    }

    fn open(&self, rate: u32, language: Option<&str>) -> BoxFuture<'_, Result<(Sink, Events), Trouble>> {
        let pieces = Pieces { length: samples(PIECE, rate), prefix: Some(samples(self.prefix, rate)) };
        let (sink, events, inputs, sender) = channel(pieces);
        tokio::spawn(self.session(rate, language, sender).run(inputs).map(|_| ()));
        ready(Ok((sink, events))).boxed()
    }
}

fn samples(time: Duration, rate: u32) -> usize {
    (time.as_secs_f64() * f64::from(rate)) as usize
}

// === impl Session ===

impl Session {
    async fn run(mut self, mut inputs: Inputs) -> Result<(), Gone> {
        let mut is_open = true;
        while is_open || !self.ended.is_empty() {
            let has_room = self.ended.len() < MOST_ENDED;
            tokio::select! {
                biased;
                () = self.events.closed() => return Err(Gone),
                () = answered(self.ended.front_mut()) => self.tell_ended().await?,
                () = answered(pending_of(&mut self.utterance)) => self.tell_early().await?,
                input = inputs.next(), if is_open && has_room => match input {
                    Some(input) => self.take(input).await?,
                    None => {
                        is_open = false;
                        self.finish();
                    }
                },
            }
        }
        Ok(())
    }

    async fn take(&mut self, input: Input) -> Result<(), Gone> {
        match input {
            Input::Audio(frame) => self.hear(&frame),
            Input::Mark(Mark::Began) => self.begin(),
            Input::Mark(Mark::Paused) => self.pause(),
            Input::Mark(Mark::Resumed) => return self.resume().await,
            Input::Mark(Mark::Ended) => self.finish(),
            Input::Finalize => self.cut(),
        }
        Ok(())
    }

    fn hear(&mut self, frame: &[i16]) {
        let longest = samples(LONGEST, self.rate);
        match &mut self.utterance {
            Some(utterance) => {
                utterance.samples.extend_from_slice(frame);
                if utterance.samples.len() >= longest {
                    self.cut();
                }
            }
            None => self.keep(frame),
        }
    }

    /// Keeps audio that may turn out to belong to the next utterance.
    fn keep(&mut self, samples: &[i16]) {
        self.before.extend(&samples[samples.len().saturating_sub(self.prefix)..]);
        let surplus = self.before.len().saturating_sub(self.prefix);
        self.before.drain(..surplus);
    }

    fn begin(&mut self) {
        if self.utterance.is_none() {
            let samples = self.before.drain(..).collect();
            self.utterance = Some(Utterance { samples, pause: None });
        }
    }

    fn pause(&mut self) {
        let Some(utterance) = self.utterance.as_ref().filter(|utterance| utterance.pause.is_none()) else {
            return;
        };
        let at = utterance.samples.len();
        let asked = self.ask(&utterance.samples);
        if let Some(utterance) = &mut self.utterance {
            utterance.pause = asked.map(|asked| Pause { at, asked, is_told: false });
        }
    }

    async fn resume(&mut self) -> Result<(), Gone> {
        // The utterance may have been cut during its pause.
        self.begin();
        let pause = self.utterance.as_mut().and_then(|utterance| utterance.pause.take());
        let Some(Pause { asked, is_told, .. }) = pause else { return Ok(()) };
        self.account(asked.request.report(), asked.usage()).await?;
        if is_told { self.tell(Event::Resumed).await } else { Ok(()) }
    }

    /// The utterance has ended.
    fn finish(&mut self) {
        let Some(Utterance { samples, pause }) = self.utterance.take() else { return };
        let (at, asked) = match pause {
            Some(pause) => (pause.at, Some(pause.asked)),
            None => (samples.len(), self.ask(&samples)),
        };
        self.ended.extend(asked);
        self.keep(&samples[at..]);
    }

    /// The utterance is to be transcribed as far as it has come; speech that goes on belongs to the next.
    fn cut(&mut self) {
        let goes_on = self.utterance.as_ref().is_some_and(|utterance| utterance.pause.is_none());
        self.finish();
        if goes_on {
            self.utterance = Some(Utterance::default());
        }
    }

    fn ask(&self, samples: &[i16]) -> Option<Asked> {
        let is_long_enough = length(samples.len(), self.rate) >= SHORTEST;
        is_long_enough.then(|| Asked {
            request: self.transcriber.transcribe(samples, self.rate, self.language.as_deref()),
            answer: None,
        })
    }

    async fn tell_ended(&mut self) -> Result<(), Gone> {
        let Some(asked) = self.ended.pop_front() else { return Ok(()) };
        self.account(asked.request.report(), asked.usage()).await?;
        match asked.answer {
            Some(Ok(transcript)) if transcript.is_nothing() => self.tell(Event::NothingSaid).await,
            Some(Ok(transcript)) => self.tell(Event::Final(transcript.into())).await,
            Some(Err(trouble)) => self.tell(Event::Failed(trouble)).await,
            None => Ok(()),
        }
    }

    /// The text is there before the utterance is known to have ended. A failure is told at the end.
    async fn tell_early(&mut self) -> Result<(), Gone> {
        let Some(pause) = self.utterance.as_mut().and_then(|utterance| utterance.pause.as_mut()) else {
            return Ok(());
        };
        let Some(Ok(transcript)) = &pause.asked.answer else { return Ok(()) };
        if transcript.is_nothing() {
            return Ok(());
        }
        pause.is_told = true;
        let text = transcript.text.clone();
        self.tell(Event::EagerEnd { text }).await
    }

    /// Tells what a request was and costs.
    async fn account(&mut self, report: Report, audio: Option<Usage>) -> Result<(), Gone> {
        self.tell(Event::Request(Box::new(RequestReport(report)))).await?;
        match audio {
            Some(Usage { audio, tokens }) => self.tell(Event::Usage { audio, tokens }).await,
            None => Ok(()),
        }
    }

    async fn tell(&mut self, event: Event) -> Result<(), Gone> {
        if self.events.send(event).await { Ok(()) } else { Err(Gone) }
    }
}

// === impl Asked ===

impl Asked {
    /// None: there is no transcript.
    fn usage(&self) -> Option<Usage> {
        let transcript = self.answer.as_ref()?.as_ref().ok()?;
        let audio = transcript.audio.unwrap_or_else(|| self.request.report().audio);
        Some(Usage { audio, tokens: transcript.tokens })
    }
}

/// The request of the present pause, as long as it has no answer.
fn pending_of(utterance: &mut Option<Utterance>) -> Option<&mut Asked> {
    let asked = &mut utterance.as_mut()?.pause.as_mut()?.asked;
    asked.answer.is_none().then_some(asked)
}

/// Waits for the answer of a request. Safe to drop and call again.
async fn answered(asked: Option<&mut Asked>) {
    match asked {
        Some(Asked { answer: Some(_), .. }) => {}
        Some(asked) => asked.answer = Some((&mut asked.request).await),
        None => pending().await,
    }
}

impl From<Transcript> for Final {
    fn from(transcript: Transcript) -> Self {
        let confidence = transcript.confidence();
        let Transcript { text, words, language, request_id, .. } = transcript;
        Self { text, words, language, confidence, request_id }
    }
}
