//! A caller who speaks and listens.

use std::time::{Duration, Instant};

use conversation::Text;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::exchange::{Event, Exchange, Times};
use super::mouth::{Mouth, News};
use super::tracks::Side;
use super::{CallError, Caller, Recording, VoiceFile, is_given_up, is_ready};
use crate::room::audio::Microphone;
use crate::room::text::{IncomingText, TRANSCRIPTION_TOPIC, TextError};
use crate::room::{JoinOptions, Room, RoomEvent};
use crate::runtime::sleep_until;

/// The state of an agent that awaits words.
const LISTENING: &str = "listening";
/// Louder samples of the agent are its voice.
const AUDIBLE: u16 = 300;
/// The first sound of a new track can be lost on its way.
const SETTLE: Duration = Duration::from_millis(500);
/// How often an agent that is there may be found not to hear before it is taken for one that never does.
const MOST_UNHEARD: u32 = 1;
/// An agent that goes on for longer than this behind a recording is left.
const LONGEST_REPLY: Duration = Duration::from_secs(600);

/// A caller in a room, with an agent to speak to.
pub struct SpokenCaller {
    caller: Caller,
    mouth: Mouth,
    /// The agent's voice.
    voice: Option<Box<Microphone>>,
    /// The texts that are coming, each until its next piece.
    texts: FuturesUnordered<BoxFuture<'static, Piece>>,
    listens: bool,
    recording: Option<Recording>,
}

/// What a caller sees of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// What the agent understood.
    Transcript(&'a str),
    /// A piece of the reply.
    Words(&'a str),
    /// The reply, or a part of it that stands by itself, is whole.
    ReplyEnded,
}

/// A text with its next piece.
struct Piece {
    text: Box<IncomingText>,
    words: Option<Result<Text, TextError>>,
    /// The pieces so far of a transcript, which is told whole.
    transcript: String,
}

/// Something that matters to a turn.
enum Happened {
    Event(Event),
    Spoken(usize),
    Transcript(String),
    Words(Text),
    ReplyEnded,
    AgentIsReady,
    Heard,
    Unheard,
}

// === impl SpokenCaller ===

impl SpokenCaller {
    /// Joins the room with a microphone, and waits until an agent listens to it.
    pub async fn join(
        options: JoinOptions,
        patience: Duration,
        recording: Option<Recording>,
    ) -> Result<Self, CallError> {
        let mut room = Room::join(options, &CancellationToken::new()).await?;
        room.hear_agent();
        let mouth = Mouth::open(room.callers_voice());
        let caller = Caller::new(room);
        let texts = FuturesUnordered::new();
        let mut spoken = Self { caller, mouth, voice: None, texts, listens: false, recording };
        let room = spoken.caller.name();
        let error = match timeout(patience, spoken.wait_for_agent()).await {
            Ok(Ok(())) => return Ok(spoken),
            Ok(Err(error)) => error,
            Err(_) => CallError::NoAgent { room, timeout: patience },
        };
        let _ = spoken.leave().await;
        Err(error)
    }

    /// The identity of the agent that the caller speaks to.
    pub fn agent(&self) -> &str {
        self.caller.agent()
    }

    /// Plays a recording, and waits until the agent has answered. `patience` is how long nothing may happen.
    pub async fn say(
        &mut self,
        voice: &VoiceFile,
        patience: Duration,
        told: impl FnMut(Told),
    ) -> Result<Times, CallError> {
        self.mouth.say(voice.samples()).await;
        let mut exchange = Exchange::spoken(Instant::now(), self.listens, self.texts.len());
        let turn = self.follow(&mut exchange, Some(voice), patience, told);
        match timeout(voice.length() + LONGEST_REPLY, turn).await {
            Ok(done) => done.map(|()| exchange.times()),
            Err(_) => Err(CallError::NoEnd { room: self.caller.name(), timeout: LONGEST_REPLY }),
        }
    }

    /// Hears what the agent says of its own, if it begins within `patience`.
    pub async fn listen(&mut self, patience: Duration, told: impl FnMut(Told)) -> Result<(), CallError> {
        let mut exchange = Exchange::greeting(Instant::now(), self.listens, self.texts.len());
        match self.follow(&mut exchange, None, patience, told).await {
            Err(CallError::NoReply { .. }) => Ok(()),
            done => done,
        }
    }

    /// Leaves the room, and ends the recording.
    pub async fn leave(self) -> Result<(), CallError> {
        let Self { caller, mouth, recording, .. } = self;
        drop(mouth);
        caller.leave().await;
        let Some(recording) = recording else { return Ok(()) };
        let path = recording.path().to_owned();
        recording.finish().map_err(|why| CallError::NotRecorded { path, why })
    }

    async fn wait_for_agent(&mut self) -> Result<(), CallError> {
        let (mut is_there, mut is_heard, mut unheard) = (self.caller.find_agent(), false, 0);
        while !(is_there && is_heard) {
            match self.next(None, false).await? {
                Some(Happened::AgentIsReady) => is_there = true,
                Some(Happened::Heard) => is_heard = true,
                Some(Happened::Unheard) if is_there && unheard == MOST_UNHEARD => {
                    return Err(CallError::Unheard { room: self.caller.name() });
                }
                Some(Happened::Unheard) if is_there => unheard += 1,
                _ => {}
            }
        }
        let settled = Instant::now() + SETTLE;
        while Instant::now() < settled {
            self.next(Some(settled), false).await?;
        }
        Ok(())
    }

    /// Follows a turn until the agent has finished.
    async fn follow(
        &mut self,
        exchange: &mut Exchange,
        voice: Option<&VoiceFile>,
        patience: Duration,
        mut told: impl FnMut(Told),
    ) -> Result<(), CallError> {
        let mut left = voice.map_or(0, VoiceFile::speech);
        loop {
            let now = Instant::now();
            if exchange.is_over(now) {
                return Ok(());
            }
            let given_up = exchange.changed() + patience;
            if now >= given_up {
                return Err(CallError::NoReply { room: self.caller.name(), timeout: patience });
            }
            let until = Some(exchange.settled()).filter(|settled| *settled > now).unwrap_or(given_up);
            let Some(happened) = self.next(Some(until), true).await? else { continue };
            let now = Instant::now();
            match happened {
                Happened::Spoken(samples) => {
                    let ends = left > 0 && samples >= left;
                    left = left.saturating_sub(samples);
                    exchange.step(now, if ends { Event::SpeechEnded } else { Event::Speaking });
                }
                Happened::Event(event) => exchange.step(now, event),
                Happened::Transcript(text) => {
                    exchange.step(now, Event::Transcribed);
                    exchange.step(now, Event::TextEnded);
                    told(Told::Transcript(&text));
                }
                Happened::Words(words) => {
                    exchange.step(now, Event::Word);
                    told(Told::Words(words.expose()));
                }
                Happened::ReplyEnded => {
                    exchange.step(now, Event::TextEnded);
                    told(Told::ReplyEnded);
                }
                Happened::AgentIsReady | Happened::Heard | Happened::Unheard => {}
            }
        }
    }

    /// The next that happens. Texts are read if `reads`, and else wait. None: nothing did until then.
    async fn next(&mut self, until: Option<Instant>, reads: bool) -> Result<Option<Happened>, CallError> {
        loop {
            let happened = tokio::select! {
                event = self.caller.room.next() => self.in_room(event)?,
                frame = sound(&mut self.voice) => self.hear(&frame)?,
                news = self.mouth.next() => self.play(news)?,
                Some(piece) = self.texts.next(), if reads => self.read(piece),
                () = sleep_until(until) => return Ok(None),
            };
            if happened.is_some() {
                return Ok(happened);
            }
        }
    }

    fn in_room(&mut self, event: RoomEvent) -> Result<Option<Happened>, CallError> {
        match event {
            RoomEvent::Agent { identity, state } => return Ok(self.announced(identity, &state)),
            RoomEvent::Microphone(voice) => self.voice = Some(voice),
            RoomEvent::Text(text) => return Ok(self.begin(text)),
            RoomEvent::AgentLeft(identity) if identity == self.caller.agent => {
                return Err(CallError::AgentLeft { room: self.caller.name() });
            }
            RoomEvent::Closed(why) | RoomEvent::Lost(why) => {
                return Err(CallError::RoomClosed { room: self.caller.name(), why });
            }
            _ => {}
        }
        Ok(None)
    }

    fn announced(&mut self, identity: String, state: &str) -> Option<Happened> {
        let is_first = self.caller.agent.is_empty() && is_ready(state);
        if is_first {
            self.caller.agent = identity;
        } else if identity != self.caller.agent {
            return None;
        }
        self.listens = state == LISTENING;
        Some(if is_first {
            Happened::AgentIsReady
        } else {
            Happened::Event(Event::State { listens: self.listens })
        })
    }

    fn begin(&mut self, text: Box<IncomingText>) -> Option<Happened> {
        let is_ours = self.is_ours(&text) && text.topic() == TRANSCRIPTION_TOPIC;
        if !(is_ours || self.caller.is_reply(&text) || self.is_early(&text)) {
            text.discard();
            return None;
        }
        self.texts.push(piece(text, String::new()));
        Some(Happened::Event(Event::TextBegan))
    }

    /// An agent that is about to be ours greets us: its words may come before the news that it listens.
    fn is_early(&self, text: &IncomingText) -> bool {
        let is_agents = || self.caller.room.agents().iter().any(|(identity, _)| identity == text.sender());
        self.caller.agent.is_empty() && text.topic() == TRANSCRIPTION_TOPIC && is_agents()
    }

    /// Our words, which the agent writes in our name.
    fn is_ours(&self, text: &IncomingText) -> bool {
        text.sender() == self.caller.room.place().identity
    }

    fn read(&mut self, Piece { text, words, mut transcript }: Piece) -> Option<Happened> {
        let is_ours = self.is_ours(&text);
        match words {
            Some(Ok(words)) => {
                transcript.push_str(if is_ours { words.expose() } else { "" });
                self.texts.push(piece(text, transcript));
                (!is_ours).then_some(Happened::Words(words))
            }
            // A stream that broke off with the connection is written again.
            Some(Err(_)) => Some(Happened::Event(Event::TextEnded)),
            None if is_given_up(&text) => Some(Happened::Event(Event::TextEnded)),
            None if is_ours => Some(Happened::Transcript(transcript)),
            None => {
                self.caller.remember(&text);
                Some(Happened::ReplyEnded)
            }
        }
    }

    fn hear(&mut self, frame: &[i16]) -> Result<Option<Happened>, CallError> {
        if frame.is_empty() {
            self.voice = None;
            return Ok(None);
        }
        self.record(Side::Right, frame)?;
        let is_audible = frame.iter().any(|sample| sample.unsigned_abs() > AUDIBLE);
        Ok(Some(Happened::Event(Event::Sound { is_audible })))
    }

    fn play(&mut self, news: News) -> Result<Option<Happened>, CallError> {
        match news {
            News::Heard => Ok(Some(Happened::Heard)),
            News::Unheard => Ok(Some(Happened::Unheard)),
            News::Failed(why) => Err(CallError::NotSpoken { room: self.caller.name(), why }),
            News::Played => Ok(Some(Happened::Event(Event::Played))),
            News::Frame(samples) => {
                self.record(Side::Left, &samples)?;
                Ok(Some(Happened::Spoken(samples.len())))
            }
        }
    }

    fn record(&mut self, side: Side, samples: &[i16]) -> Result<(), CallError> {
        let Some(recording) = &mut self.recording else { return Ok(()) };
        let added = recording.add(Instant::now(), side, samples);
        added.map_err(|why| CallError::NotRecorded { path: recording.path().to_owned(), why })
    }
}

fn piece(mut text: Box<IncomingText>, transcript: String) -> BoxFuture<'static, Piece> {
    Box::pin(async move {
        let words = text.chunk().await;
        Piece { text, words, transcript }
    })
}

/// The next 10 ms of the agent; none at the end of its track, and pending without one.
async fn sound(voice: &mut Option<Box<Microphone>>) -> Vec<i16> {
    match voice {
        Some(voice) => voice.next().await.map(|frame| frame.data.into_owned()).unwrap_or_default(),
        None => std::future::pending().await,
    }
}
