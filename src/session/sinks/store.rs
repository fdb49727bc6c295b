//! A session's turns in the local store.

use std::time::Instant;

use speech_services::Report;
use turn_store::{Attempt, End, Speech, Stage, Store, Turn, length_us};

use crate::llm::AttemptReport;
use crate::room::Place;
use crate::session::spoken_record::SpokenRecord;
use crate::session::turn_record::{TurnEnd, TurnRecord, TurnSink};

/// Hands the turns of one session to the local store.
pub(in crate::session) struct StoreSink {
    store: Store,
    place: Place,
    agent: String,
}

// === impl StoreSink ===

impl StoreSink {
    pub(in crate::session) fn new(store: Store, place: &Place, agent: &str) -> Self {
        Self { store, place: place.clone(), agent: agent.to_owned() }
    }

    fn put(&self, turn: &TurnRecord, end: Option<End>) {
        self.store.put(Turn {
            span_id: turn.span_id.clone(),
            trace_id: turn.trace_id.clone(),
            session: self.place.sid.clone(),
            room: self.place.room.clone(),
            agent: self.agent.clone(),
            speaker: turn.speaker.clone(),
            index: turn.index,
            started_us: turn.began_us,
            question: turn.question.clone(),
            end,
        });
    }
}

impl TurnSink for StoreSink {
    fn began(&mut self, turn: &TurnRecord) {
        self.put(turn, None);
    }

    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd) {
        let spoken = &end.spoken;
        let mut attempts = turn.speech_attempts(Stage::Stt, &spoken.stt);
        attempts.extend(end.attempts.iter().zip(1..).map(|(report, number)| turn.attempt(report, number)));
        attempts.extend(turn.speech_attempts(Stage::Tts, &spoken.tts));
        let end = End {
            outcome: end.outcome.clone(),
            ended_us: Some(turn.at_us(end.ended)),
            answer: end.answer.clone().unless_empty(),
            model: end.model.clone(),
            finish_reason: end.finish_reason.clone(),
            usage: end.usage,
            ttft_us: end.time_to_first_token.map(length_us),
            e2e_us: end.latency.map(length_us),
            speech: turn.speech(spoken),
            attempts,
        };
        self.put(turn, Some(end));
    }
}

// === impl TurnRecord ===

impl TurnRecord {
    /// Microseconds since 1970. They only go forward, even when the system's clock is set during the turn.
    fn at_us(&self, instant: Instant) -> i64 {
        self.began_us.saturating_add(length_us(instant.saturating_duration_since(self.began)))
    }

    fn speech(&self, spoken: &SpokenRecord) -> Speech {
        let figures = spoken.figures;
        Speech {
            last_speech_us: spoken.last_speech.map(|at| self.at_us(at)),
            transcription_delay_us: figures.transcription_delay.map(length_us),
            end_of_turn_delay_us: figures.end_of_turn_delay.map(length_us),
            tts_ttfb_us: figures.tts_ttfb.map(length_us),
            heard_us: figures.heard.map(length_us),
            played_us: figures.played.map(length_us),
            cut_bytes: figures.cut.map(|bytes| bytes as u64),
        }
    }

    /// The attempts of all requests to one service, counted on from request to request.
    fn speech_attempts(&self, stage: Stage, requests: &[Report]) -> Vec<Attempt> {
        let attempts = requests.iter().flat_map(|report| &report.attempts).zip(1..);
        let attempt = |(attempt, number): (&conversation::Attempt, u32)| Attempt {
            stage,
            number,
            started_us: self.at_us(attempt.started),
            ended_us: self.at_us(attempt.ended),
            first_us: attempt.first_byte.map(|at| self.at_us(at)),
            http_status: attempt.http_status,
            error: attempt.failure.clone(),
        };
        attempts.map(attempt).collect()
    }

    fn attempt(&self, report: &AttemptReport, number: u32) -> Attempt {
        Attempt {
            stage: Stage::Llm,
            number,
            started_us: self.at_us(report.started),
            ended_us: self.at_us(report.ended),
            first_us: None,
            http_status: report.http_status,
            error: report.failure.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use conversation::Failure;
    use redaction::Recorded;
    use speech_services::Outcome;
    use turn_store::{Direction, Reader, Settings, Turns, bars};

    use super::*;
    use crate::session::turn_record::Unasked;
    use crate::telemetry::spans::{SpokenFigures, Tracer};

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A request with an attempt that failed and one that did not, from `from` to `until`.
    fn report(from: Instant, until: Instant) -> Report {
        let attempt = |started, ended, status, failure| conversation::Attempt {
            started,
            ended,
            http_status: Some(status),
            request_id: None,
            first_byte: Some(ended),
            failure,
        };
        let half = from + until.duration_since(from) / 2;
        let busy = Failure::new("503", "busy");
        Report {
            started: from,
            ended: until,
            attempts: vec![attempt(from, half, 503, Some(busy)), attempt(half, until, 200, None)],
            time_to_first_byte: Some(until.duration_since(from)),
            audio: ms(1500),
            characters: 20,
            tokens: None,
            outcome: Outcome::Complete,
        }
    }

    /// A turn whose last speech was half a second before it was asked.
    fn spoken_turn() -> (TurnRecord, TurnEnd) {
        let zero = Instant::now();
        let at = |after: u64| zero + ms(after);
        let turn = TurnRecord {
            index: 0,
            trace_id: "t".into(),
            span_id: "s".into(),
            speaker: "ada".into(),
            question: Recorded::default(),
            started: at(500),
            began: zero,
            began_us: 1_700_000_000_000_000,
        };
        let spoken = SpokenRecord {
            last_speech: Some(zero),
            figures: SpokenFigures { cut: Some(7), played: Some(ms(900)), ..SpokenFigures::default() },
            stt: vec![report(at(20), at(180)), report(at(200), at(400))],
            tts: vec![report(at(700), at(800))],
            ..SpokenRecord::default()
        };
        let end =
            TurnEnd::unasked(Unasked::Overtaken, Recorded::default(), spoken, Tracer::default().privacy());
        (turn, TurnEnd { ended: at(2000), ..end })
    }

    #[tokio::test]
    async fn a_spoken_turn_is_stored_with_every_attempt_at_its_services() {
        let place = tempfile::tempdir().unwrap();
        let settings = Settings {
            path: Some(place.path().join("record.sqlite")),
            retention: ms(1 << 50),
            max_bytes: 1 << 30,
            names: crate::config::STORE_NAMES,
        };
        let store = Store::start(&settings);
        let room = Place { room: "kitchen".into(), sid: "RM_1".into(), identity: "agent".into() };
        let mut sink = StoreSink::new(store.clone(), &room, "agent");
        let (record, end) = spoken_turn();
        sink.began(&record);
        sink.ended(&record, &end);
        store.shutdown(ms(60_000)).await;
        let all = Turns { direction: Direction::After(None), limit: 9, max_text: 9, max_bytes: 9999 };
        let turns = Reader::of(&settings).unwrap().turns("RM_1", &all).unwrap().turns;
        let told: Vec<_> = turns[0].end.iter().flat_map(|end| &end.attempts).collect();
        let told = told.iter().map(|attempt| {
            let at = |us: i64| (us - record.began_us) / 1_000;
            (attempt.stage.as_str(), attempt.number, at(attempt.started_us), attempt.http_status)
        });
        let expected = [
            ("stt", 1, 20, Some(503)),
            ("stt", 2, 100, Some(200)),
            ("stt", 3, 200, Some(503)),
            ("stt", 4, 300, Some(200)),
            ("tts", 1, 700, Some(503)),
            ("tts", 2, 750, Some(200)),
        ];
        assert_eq!(told.collect::<Vec<_>>(), expected);
        let speech = turns[0].end.as_ref().unwrap().speech;
        assert_eq!((speech.last_speech_us, speech.cut_bytes), (Some(record.began_us), Some(7)));
        assert_eq!(bars(&turns[0]).iter().filter(|bar| bar.is_bad).count(), 3);
    }
}
