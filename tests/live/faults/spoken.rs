//! A worker that hears and speaks, with a person who asks by voice.

use std::time::{Duration, Instant};

use scripted_model::{Script, Step};

use crate::faults::account::{Ending, Loss, Taken, loss};
use crate::support::fault::{Measured, measured};
use crate::support::sounds::{SECOND, between, voice_of};
use crate::support::voice::{Person, Seen, Sound};
use crate::support::world::{PATIENCE, Worker, World, wait_until};

pub(crate) const UNDERSTOOD: &str = "What will the weather be tomorrow?";
pub(crate) const ANSWER: &str = "It will be sunny.";
const APOLOGY: &str = "Sorry, I could not answer that. Please try again.";
/// The time within which a person has to learn that something failed.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

/// Sound that comes later is another stretch of it.
const STRETCH: Duration = Duration::from_millis(1500);

pub(crate) struct Call {
    pub(crate) world: World,
    pub(crate) worker: Worker,
    pub(crate) ada: Person,
    /// The sound of a question.
    pub(crate) question: Vec<i16>,
    /// The turns that were answered, those of them in this room, and how many of these were heard.
    taken: usize,
    answered: usize,
    heard: usize,
}

// === impl Call ===

impl Call {
    /// A person with a microphone, who was answered once. None where the synthesiser is missing.
    pub(crate) async fn set(settings: &[&str]) -> Option<Self> {
        let mut call = Self::begun(settings).await?;
        call.ada.publish(1).await;
        call.ada.wait_for_agent().await;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        call.ask().await;
        Some(call)
    }

    /// A person without a microphone.
    pub(crate) async fn begun(settings: &[&str]) -> Option<Self> {
        let question = voice_of("rms", "what will the weather be tomorrow", 1.0)?;
        let question = between(SECOND / 5, &question, SECOND / 5);
        let mut script = Script::default().otherwise(Step::reply(ANSWER));
        script.transcriptions.otherwise = Step::reply(UNDERSTOOD);
        let world = World::start(script).await;
        let url = world.model.base_url();
        let [stt, tts] = ["stt", "tts"].map(|part| format!("{part}.base_url={url}"));
        let names = [
            "stt.provider=openai",
            "stt.model=whisper",
            "tts.provider=openai",
            "tts.model=kokoro",
            &stt,
            &tts,
        ];
        let usual = ["agent.greeting=", "agent.leave_grace=100ms"];
        let worker = world.worker(&[&names[..], &usual, settings].concat());
        let ada = Person::enter(&world, "spoken", "ada").await;
        Some(Self { world, worker, ada, question, taken: 0, answered: 0, heard: 0 })
    }

    /// The person leaves, whatever they are in the middle of, and another one joins this room.
    pub(crate) async fn call_anew(&mut self, room: &str) {
        self.ada.hang_up().await;
        self.ada = Person::join(&self.world, room).await;
        (self.answered, self.heard) = (0, 0);
    }

    /// Asks; the answer is heard.
    pub(crate) async fn ask(&mut self) {
        self.ada.say(&self.question).await;
        self.is_answered().await;
    }

    /// What was asked is answered by voice, once.
    pub(crate) async fn is_answered(&mut self) {
        self.taken += 1;
        self.answered += 1;
        self.heard += 1;
        let (count, heard) = (self.answered, self.heard);
        self.ada
            .wait_until("the answer is heard", |seen| {
                answers(seen) >= count && is_listening(seen) && seen.sounds.len() >= heard
            })
            .await;
        assert_eq!(self.ada.look(answers), count, "answered again:\n{}", self.worker.log());
    }

    /// Asks; the answer is there as text within 10 s, and is over. Returns how much of it was heard.
    pub(crate) async fn ask_and_read(&mut self) -> Duration {
        let asked = self.ada.say(&self.question).await;
        self.taken += 1;
        self.answered += 1;
        let (count, before) = (self.answered, self.heard);
        let read = self.ada.wait_until("the answer is read", |seen| answers(seen) >= count);
        let read = tokio::time::timeout_at((asked + TOLD_WITHIN).into(), read).await;
        assert!(read.is_ok(), "the answer was not read within {TOLD_WITHIN:?}:\n{}", self.worker.log());
        self.ada.wait_until("the turn is over", is_listening).await;
        tokio::time::sleep(STRETCH).await;
        self.heard = self.ada.look(|seen| seen.sounds.len());
        self.ada.look(|seen| seen.sounds.iter().skip(before).map(Sound::length).sum())
    }

    /// Asks in vain; the person hears or reads that something failed.
    pub(crate) async fn ask_in_vain(&mut self) {
        let asked = self.ada.say(&self.question).await;
        let is_told = |seen: &Seen| seen.texts.iter().any(|text| text.text == APOLOGY);
        let told = self.ada.wait_until("the agent apologises", is_told);
        let told = tokio::time::timeout_at((asked + TOLD_WITHIN).into(), told).await;
        assert!(told.is_ok(), "the person was not told within {TOLD_WITHIN:?}:\n{}", self.worker.log());
        self.ada.wait_until("the apology is over", is_listening).await;
    }

    /// Asks once more, counts, and reports the measurement of `row`.
    pub(crate) async fn finish(mut self, row: &str, since: Instant) {
        self.ask().await;
        let recovery = since.elapsed();
        let Self { world, worker, ada, taken, .. } = self;
        let taken = vec![Taken { question: UNDERSTOOD.to_owned(), ending: Ending::Answered }; taken];
        let counted = || loss(&world.record(), &taken, &world.collector.spans().unwrap(), &world.state());
        let is_whole = || counted() == Some(Loss::default());
        wait_until("nothing is missing", is_whole, || format!("{:?}\n{}", counted(), worker.log()));
        ada.leave().await;
        let log = worker.log_file();
        assert_eq!(worker.drain(), Some(0), "{}", std::fs::read_to_string(log).unwrap());
        let Loss { turns, spans } = counted().unwrap();
        measured(row, Measured { recovery, turns_lost: turns, spans_lost: spans });
    }
}

fn answers(seen: &Seen) -> usize {
    seen.texts.iter().filter(|text| text.text == ANSWER).count()
}

pub(crate) fn is_listening(seen: &Seen) -> bool {
    seen.states.last().is_some_and(|(_, state)| state == "listening")
}

/// Waits for as long as an answer takes that must not come.
pub(crate) async fn no_answer_comes() {
    tokio::time::sleep(Duration::from_secs(3).min(PATIENCE)).await;
}
