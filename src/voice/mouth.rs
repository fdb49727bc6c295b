//! The texts of a session on their way to sound: pieces, requests, samples.
//!
//! The segment that was opened first is spoken, the others wait. While a piece sounds the next one is asked for. Each
//! segment ends exactly once: when its last sample was played, when its speech failed, or when it is cut.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::Text;
use speech::pieces::{Piece, Pieces};
use speech::resample::Resampler;
use speech_services::Trouble;
use speech_services::speaking::{Event, Sound};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tracing::Instrument;

use super::Speech;
use super::piece_request::{PieceRequest, SpokenTo};
use super::player::{Shared, play};
use super::playout::Playout;
use super::spoken_lately::SpokenLately;
use crate::metrics::Metrics;
use crate::room::audio::{Loudspeaker, SPOKEN_RATE};

/// Commands that wait for the mouth, which never waits with one.
const COMMANDS: usize = 64;
/// News for the session.
const NEWS: usize = 32;

/// What became of the sound of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SoundEnd {
    Whole,
    Cut,
    /// It has no sound, or not all of it: the text counts.
    Silent,
}

/// How far a segment had come when it was cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cut {
    /// The bytes of its text that were heard.
    pub(crate) heard: usize,
    /// The length of its sound that was played.
    pub(crate) played: Duration,
}

/// News of the sound.
pub(crate) enum Said {
    /// The first sample of a segment was played.
    Began {
        segment: u64,
        at: Instant,
    },
    Ended {
        segment: u64,
    },
    /// The rest of a segment is not spoken.
    Failed(Trouble),
}

/// The agent's voice in one session.
pub(crate) struct Mouth {
    commands: mpsc::Sender<Command>,
    news: mpsc::Receiver<Said>,
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

enum Command {
    Open {
        segment: u64,
        turn: Option<SpokenTo>,
        ended: oneshot::Sender<SoundEnd>,
    },
    Say(Text),
    Close,
    /// All segments were cut.
    Cut,
}

/// The task.
struct Speaker {
    speech: Speech,
    metrics: Metrics,
    commands: mpsc::Receiver<Command>,
    news: mpsc::Sender<Said>,
    shared: Arc<Shared>,
    spoken: Arc<SpokenLately>,
    segments: VecDeque<Segment>,
}

struct Segment {
    number: u64,
    turn: Option<SpokenTo>,
    pieces: Pieces,
    waiting: VecDeque<Piece>,
    requests: VecDeque<Request>,
    is_closed: bool,
    has_failed: bool,
    has_begun: bool,
    ended: Option<oneshot::Sender<SoundEnd>>,
}

struct Request {
    /// None once its sound has begun.
    piece: Option<Piece>,
    utterance: PieceRequest,
    resampler: Option<Resampler>,
}

// === impl Mouth ===

impl Mouth {
    pub(crate) fn open(
        speech: &Speech,
        metrics: &Metrics,
        loudspeaker: Loudspeaker,
        spoken: Arc<SpokenLately>,
    ) -> Self {
        let (commands, taken) = mpsc::channel(COMMANDS);
        let (sender, news) = mpsc::channel(NEWS);
        let shared = Arc::new(Shared::default());
        let speaker = Speaker {
            speech: speech.clone(),
            metrics: metrics.clone(),
            commands: taken,
            news: sender,
            shared: shared.clone(),
            spoken,
            segments: VecDeque::new(),
        };
        let player = tokio::spawn(play(shared.clone(), loudspeaker).in_current_span()).abort_handle();
        let speaker = tokio::spawn(speaker.run().in_current_span()).abort_handle();
        Self { commands, news, shared, tasks: [player, speaker] }
    }

    /// Begins a segment; the receiver gets its end.
    pub(crate) async fn begin(&self, segment: u64, turn: Option<SpokenTo>) -> oneshot::Receiver<SoundEnd> {
        let (ended, end) = oneshot::channel();
        self.put(Command::Open { segment, turn, ended }).await;
        end
    }

    pub(crate) async fn say(&self, text: Text) {
        self.put(Command::Say(text)).await;
    }

    pub(crate) async fn close(&self) {
        self.put(Command::Close).await;
    }

    /// Stops at once, until [`Mouth::resume`].
    pub(crate) fn pause(&self) {
        self.shared.change(Playout::pause);
    }

    pub(crate) fn resume(&self) {
        self.shared.change(Playout::resume);
    }

    /// Silences all segments. Returns how far each of these had come.
    pub(crate) async fn cut(&self, segments: &[u64]) -> Vec<Cut> {
        let cut = self.shared.change(|playout| {
            let cut =
                |segment: &u64| Cut { heard: playout.heard(*segment), played: playout.sounded(*segment) };
            let cut = segments.iter().map(cut).collect();
            playout.clear();
            cut
        });
        self.put(Command::Cut).await;
        cut
    }

    /// The next news. Safe to drop and call again.
    pub(crate) async fn next(&mut self) -> Option<Said> {
        self.news.recv().await
    }

    async fn put(&self, command: Command) {
        // The task only ends with the session.
        let _ = self.commands.send(command).await;
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

// === impl Speaker ===

impl Speaker {
    async fn run(mut self) {
        loop {
            self.ask();
            self.follow();
            let has_room = self.shared.lock().has_room();
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command),
                    None => return,
                },
                event = sounding(&mut self.segments), if has_room => self.hear(event),
                () = self.shared.advanced.notified() => {}
            }
        }
    }

    fn take(&mut self, command: Command) {
        match (command, self.segments.back_mut()) {
            (Command::Open { segment, turn, ended }, _) => {
                self.segments.push_back(Segment::new(segment, turn, ended));
            }
            (Command::Say(text), Some(segment)) => segment.waiting.extend(segment.pieces.push(text.expose())),
            (Command::Close, Some(segment)) if !segment.is_closed => {
                segment.is_closed = true;
                segment.waiting.extend(segment.pieces.finish());
            }
            (Command::Cut, _) => {
                // Sound may have come between the session's cut and this.
                self.shared.change(Playout::clear_rest);
                let cut = std::mem::take(&mut self.segments);
                cut.into_iter().for_each(|segment| self.end(segment, SoundEnd::Cut));
            }
            (Command::Say(_) | Command::Close, _) => {}
        }
    }

    /// Asks for the speech of the next piece, once sound of the one before has come: a slow server makes the first words
    /// first.
    fn ask(&mut self) {
        let Some(segment) = self.segments.front_mut().filter(|segment| !segment.has_failed) else { return };
        while segment.may_ask()
            && let Some(piece) = segment.waiting.pop_front()
        {
            let text = Text::from(piece.text.as_str());
            let utterance = PieceRequest::begin(&self.speech, &self.metrics, segment.turn.as_ref(), &text);
            segment.requests.push_back(Request { piece: Some(piece), utterance, resampler: None });
        }
    }

    fn hear(&mut self, event: Option<Event>) {
        let Some(segment) = self.segments.front_mut() else { return };
        let Some(request) = segment.requests.front_mut() else { return };
        if let Some(piece) =
            request.piece.take_if(|_| matches!(event, Some(Event::Audio(_) | Event::Done { .. })))
        {
            self.spoken.add(Instant::now(), &piece.text);
            self.shared.lock().begin(segment.number, piece);
        }
        match event {
            Some(Event::Audio(sound)) => {
                let samples = request.samples(&sound);
                self.shared.change(|playout| playout.add(&samples));
            }
            Some(Event::Words(_)) => {}
            Some(Event::Done { .. }) => self.finish_request(None),
            Some(Event::Failed { trouble, .. }) => self.finish_request(Some(trouble)),
            None => self.finish_request(None),
        }
    }

    /// The first request is over.
    fn finish_request(&mut self, trouble: Option<Trouble>) {
        let Some(segment) = self.segments.front_mut() else { return };
        let Some(mut request) = segment.requests.pop_front() else { return };
        let rest = request.rest();
        self.shared.change(|playout| {
            if request.piece.is_none() {
                playout.add(&rest);
                playout.whole();
            }
        });
        drop(request);
        if let Some(trouble) = trouble {
            segment.fail();
            self.tell(Said::Failed(trouble));
        }
    }

    /// Tells what has begun and what is over.
    fn follow(&mut self) {
        while let Some(segment) = self.segments.front_mut() {
            let (has_begun, is_played) = {
                let playout = self.shared.lock();
                (playout.has_begun(segment.number), playout.is_played(segment.number))
            };
            let (number, is_over) = (segment.number, segment.is_spoken() && is_played);
            if has_begun && !std::mem::replace(&mut segment.has_begun, true) {
                self.tell(Said::Began { segment: number, at: Instant::now() });
            }
            if !is_over {
                return;
            }
            let Some(segment) = self.segments.pop_front() else { return };
            let end = if segment.has_failed { SoundEnd::Silent } else { SoundEnd::Whole };
            self.end(segment, end);
        }
    }

    fn end(&self, mut segment: Segment, end: SoundEnd) {
        // The session reads the record once it knows of the end.
        segment.requests.clear();
        let played = {
            let mut playout = self.shared.lock();
            let played = playout.sounded(segment.number);
            playout.forget(segment.number);
            played
        };
        if let Some(turn) = &segment.turn {
            turn.record.played(played);
        }
        self.tell(Said::Ended { segment: segment.number });
        if let Some(ended) = segment.ended.take() {
            // The session may have forgotten the segment.
            let _ = ended.send(end);
        }
    }

    /// News are dropped when the session does not take them; the ends of segments have a way of their own.
    fn tell(&self, said: Said) {
        let _ = self.news.try_send(said);
    }
}

// === impl Segment ===

impl Segment {
    fn new(number: u64, turn: Option<SpokenTo>, ended: oneshot::Sender<SoundEnd>) -> Self {
        Self {
            number,
            turn,
            pieces: Pieces::new(speech::pieces::Settings::default()),
            waiting: VecDeque::new(),
            requests: VecDeque::new(),
            is_closed: false,
            has_failed: false,
            has_begun: false,
            ended: Some(ended),
        }
    }

    /// Whether the next piece may be asked for.
    fn may_ask(&self) -> bool {
        match self.requests.front() {
            Some(request) => request.piece.is_none() && self.requests.len() == 1,
            None => true,
        }
    }

    /// Whether no more sound of it will come.
    fn is_spoken(&self) -> bool {
        let is_all = self.is_closed && self.waiting.is_empty() && self.requests.is_empty();
        is_all || self.has_failed
    }

    /// The rest of it is not spoken.
    fn fail(&mut self) {
        self.has_failed = true;
        self.waiting.clear();
        self.requests.clear();
    }
}

// === impl Request ===

impl Request {
    /// The samples at the rate of the track.
    fn samples(&mut self, sound: &Sound) -> Vec<i16> {
        let mut samples = Vec::new();
        if self.resampler.is_none() {
            self.resampler = Resampler::new(sound.rate, SPOKEN_RATE)
                .inspect_err(|_| {
                    tracing::warn!(rate = sound.rate, "speech of this sample rate cannot be played")
                })
                .ok();
        }
        if let Some(resampler) = &mut self.resampler {
            resampler.push(&sound.samples, &mut samples);
        }
        samples
    }

    fn rest(&mut self) -> Vec<i16> {
        let mut samples = Vec::new();
        if let Some(resampler) = &mut self.resampler {
            resampler.finish(&mut samples);
        }
        samples
    }
}

/// The next event of the request whose sound is played.
async fn sounding(segments: &mut VecDeque<Segment>) -> Option<Event> {
    match segments.front_mut().and_then(|segment| segment.requests.front_mut()) {
        Some(request) => request.utterance.next().await,
        None => std::future::pending().await,
    }
}
