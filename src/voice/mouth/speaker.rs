//! The task that has segments spoken.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use conversation::Failure;
use speech::playout::Playout;
use speech_services::Trouble;
use speech_services::speaking::Event;
use tokio::sync::mpsc;

use super::segment::Segment;
use super::{Command, Said, SoundEnd, Voice};
use crate::runtime::sleep_until;
use crate::voice::patience::{Patience, Verdict};
use crate::voice::player::{Audience, Shared};

pub(super) struct Speaker {
    voice: Voice,
    commands: mpsc::Receiver<Command>,
    news: mpsc::Sender<Said>,
    shared: Arc<Shared>,
    segments: VecDeque<Segment>,
    /// News that wait for room.
    untold: VecDeque<Said>,
    /// The sound of the last segment was late, or failed.
    in_doubt: bool,
}

// === impl Speaker ===

impl Speaker {
    pub(super) fn new(
        voice: Voice,
        commands: mpsc::Receiver<Command>,
        news: mpsc::Sender<Said>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            voice,
            commands,
            news,
            shared,
            segments: VecDeque::new(),
            untold: VecDeque::new(),
            in_doubt: false,
        }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.leave_unheard();
            self.segments.front_mut().into_iter().for_each(|segment| segment.ask(&self.voice));
            self.follow();
            let deadline = self.wait(Instant::now());
            let has_room = self.shared.lock().playout.has_room();
            tokio::select! {
                biased;
                command = self.commands.recv() => match command {
                    Some(command) => self.take(command),
                    None => return,
                },
                () = told(&self.news, &mut self.untold) => {}
                event = sounding(&mut self.segments), if has_room => self.hear(event),
                () = self.shared.advanced.notified() => {}
                () = sleep_until(deadline) => {}
            }
        }
    }

    fn take(&mut self, command: Command) {
        match (command, self.segments.back_mut()) {
            (Command::Open(segment), _) => self.segments.push_back(*segment),
            (Command::Say(text), Some(segment)) => segment.say(text.expose()),
            (Command::Close, Some(segment)) => segment.close(),
            (Command::Cut, _) => {
                // Sound may have come between the session's cut and this.
                self.shared.change(Playout::clear_rest);
                self.end_all(SoundEnd::Cut);
            }
            (Command::Say(_) | Command::Close, None) => {}
        }
    }

    /// What no participant hears is not spoken.
    fn leave_unheard(&mut self) {
        if self.shared.lock().audience == Audience::Missing && !self.segments.is_empty() {
            self.shared.change(Playout::clear);
            self.end_all(SoundEnd::Silent);
        }
    }

    fn hear(&mut self, event: Option<Event>) {
        let Some(segment) = self.segments.front_mut() else { return };
        let Some(request) = segment.requests.front_mut() else { return };
        if let Some(piece) = request.begin(event.as_ref()) {
            self.voice.lately.add(Instant::now(), &piece.text);
            self.shared.lock().playout.begin(segment.number, piece);
        }
        match event {
            Some(Event::Audio(sound)) => {
                let samples = request.samples(&sound);
                self.shared.change(|playout| playout.add(&samples));
            }
            Some(Event::Words(_)) => {}
            Some(Event::Done { .. }) | None => self.finish_request(None),
            Some(Event::Failed { trouble, .. }) => self.finish_request(Some(trouble)),
        }
    }

    /// The first request is over.
    fn finish_request(&mut self, trouble: Option<Trouble>) {
        let Some(segment) = self.segments.front_mut() else { return };
        let Some(mut request) = segment.requests.pop_front() else { return };
        let rest = request.rest();
        if request.has_begun() {
            self.shared.change(|playout| {
                playout.add(&rest);
                if trouble.is_none() { playout.whole() } else { playout.broken() }
            });
        }
        drop(request);
        if let Some(trouble) = trouble {
            self.fail(trouble);
        }
    }

    fn fail(&mut self, trouble: Trouble) {
        self.in_doubt = true;
        self.segments.front_mut().into_iter().for_each(|segment| segment.fail());
        self.tell(Said::Failed(trouble));
    }

    /// Lets the text through that was heard, and tells what has begun and what is over.
    fn follow(&mut self) {
        while let Some(segment) = self.segments.front_mut() {
            let (heard, has_begun, is_played) = {
                let playout = &mut self.shared.lock().playout;
                let number = segment.number;
                (playout.heard(number), playout.has_begun(number), playout.is_played(number))
            };
            segment.grant.raise(heard);
            let (number, is_over) = (segment.number, segment.is_spoken() && is_played);
            if has_begun && !std::mem::replace(&mut segment.has_begun, true) {
                self.tell(Said::Began { segment: number, at: Instant::now() });
            }
            if !is_over {
                return;
            }
            self.finish();
        }
    }

    /// All sound of the first segment was played.
    fn finish(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        let is_late = segment.patience.as_ref().is_some_and(Patience::has_let_go);
        if segment.has_begun
            && !segment.has_failed
            && std::mem::replace(&mut self.in_doubt, is_late)
            && !is_late
        {
            tracing::info!("the agent speaks again");
        }
        let end = if segment.has_failed { SoundEnd::Silent } else { SoundEnd::Whole };
        self.end(segment, end);
    }

    /// Waits for sound that is due, for so long. Returns when that is to be judged again.
    fn wait(&mut self, now: Instant) -> Option<Instant> {
        let segment = self.segments.front_mut()?;
        let is_due = !segment.requests.is_empty() && self.shared.lock().playout.is_dry();
        let patience = segment.patience.get_or_insert_with(|| Patience::new(self.in_doubt));
        let verdict = patience.step(now, is_due);
        let deadline = patience.deadline();
        match verdict {
            Some(Verdict::LetGo) => {
                tracing::warn!("the sound of a reply is late: its text is written without it");
                self.in_doubt = true;
                segment.grant.open();
            }
            Some(Verdict::GiveUp) => self.fail(never_came()),
            None => {}
        }
        deadline
    }

    fn end_all(&mut self, end: SoundEnd) {
        for segment in std::mem::take(&mut self.segments) {
            self.end(segment, end);
        }
    }

    fn end(&mut self, segment: Segment, end: SoundEnd) {
        let played = {
            let playout = &mut self.shared.lock().playout;
            let played = playout.sounded(segment.number);
            playout.forget(segment.number);
            played
        };
        if let Some(turn) = &segment.turn {
            turn.record.played(played);
        }
        self.tell(Said::Ended { segment: segment.number });
        segment.end(end);
    }

    /// There are a few news for each segment, and few segments.
    fn tell(&mut self, said: Said) {
        self.untold.push_back(said);
    }
}

/// Returns once the first of the news was told.
async fn told(news: &mpsc::Sender<Said>, untold: &mut VecDeque<Said>) {
    if let (false, Ok(room)) = (untold.is_empty(), news.reserve().await)
        && let Some(said) = untold.pop_front()
    {
        return room.send(said);
    }
    std::future::pending().await
}

/// The next event of the request whose sound is played.
async fn sounding(segments: &mut VecDeque<Segment>) -> Option<Event> {
    match segments.front_mut().and_then(|segment| segment.requests.front_mut()) {
        Some(request) => request.next().await,
        None => std::future::pending().await,
    }
}

fn never_came() -> Trouble {
    let message = "the provider of speech neither sent sound nor failed; this is a defect of its client, please report it";
    Trouble { status: None, retryable: true, failure: Failure::new("no_sound", message) }
}
