//! Every metric, once: its name over OTLP, its name for Prometheus, its labels and its meaning.
//!
//! Names over OTLP are those of the GenAI semantic conventions (in development; as they stood beside semantic
//! conventions 1.42) and of the process conventions where there is one, then those of LiveKit's own agents (`lk.agents.*`),
//! else `voiced.*`. Prometheus' names follow its own rules: base units, `_total` for counters.

use agent_worker::JobResult;

use super::label::{
    AttemptLabel, ErrorClass, Holding, Panicked, Pause, Phase, Refusal, RequestLabel, Restored, Resumption,
    Tokens, TurnLabel, Wordless,
};
use super::meter::{Counter, Histogram, Meter, Seconds};

/// One metric.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) text_name: &'static str,
    pub(crate) kind: Kind,
    /// UCUM, as OTLP wants it.
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
    /// The label that tells the values of its counter apart; empty where there is none.
    pub(crate) label: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    /// With the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

/// The buckets that the GenAI conventions prescribe for durations of calls.
const CALL_SECONDS: Kind = Kind::Histogram(&[
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
]);
/// The buckets that they prescribe for tokens.
const TOKENS_USED: Kind = Kind::Histogram(&[
    1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0,
    16777216.0, 67108864.0,
]);
/// A server gives up on an offer after 3 s; healthy answers take far less.
const ANSWER_SECONDS: Kind =
    Kind::Histogram(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0]);
/// Conversations are judged by tenths of a second.
const DELAY_SECONDS: Kind = Kind::Histogram(&[
    0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0,
]);
const TOKENS_PER_SECOND: Kind =
    Kind::Histogram(&[1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 80.0, 100.0, 150.0, 200.0, 500.0, 1000.0]);

/// Each metric, and of those that are counted or measured where they happen the instrument. The others are looked up, by
/// `observed` and `process`.
macro_rules! catalogue {
    ($($id:ident $(as $field:ident: $instrument:ty)? $(, by $label:literal)? =
        $kind:expr, $name:literal, $text_name:literal, $unit:literal, $help:literal;)*) => {
        $(pub(crate) const $id: Definition = Definition {
            name: $name,
            text_name: $text_name,
            kind: $kind,
            unit: $unit,
            help: $help,
            label: concat!($($label)?),
        };)*
        const ALL: &[&Definition] = &[$(&$id),*];

        /// Every instrument. Their counters are at zero: one that does not exist until something goes wrong cannot be
        /// alerted on.
        pub(crate) struct Instruments {
            pub(super) meter: Meter,
            $($(pub(crate) $field: $instrument,)?)*
        }

        impl Instruments {
            pub(super) fn new(meter: Meter) -> Self {
                Self { $($($field: <$instrument>::new(&meter, &$id),)?)* meter }
            }
        }
    };
}

catalogue! {
    REGISTERED = Kind::Gauge, "voiced.worker.registered", "voiced_worker_registered", "1",
        "1 while the worker is registered with LiveKit, else 0.";
    DRAINING = Kind::Gauge, "voiced.worker.draining", "voiced_worker_draining", "1",
        "1 once the worker takes no more jobs because it is about to end.";
    SLOTS = Kind::Gauge, "voiced.worker.slots", "voiced_worker_slots", "{slot}",
        "How many sessions the worker takes at the same time, worker.max_sessions.";
    SLOTS_USED = Kind::Gauge, "voiced.worker.slots.used", "voiced_worker_slots_used", "{slot}",
        "Slots that a running job or an offer that was taken occupies.";
    JOBS_RUNNING = Kind::Gauge, "voiced.worker.jobs.running", "voiced_worker_jobs_running", "{job}",
        "Jobs that run now, each a session in a room.";
    JOBS as jobs: Counter<JobResult>, by "result" =
        Kind::Counter, "voiced.worker.jobs", "voiced_worker_jobs_total", "{job}",
        "Jobs that ended, by result: success, failed, panicked, aborted (did not stop in time).";
    DISPATCH_ANSWER as dispatch_answer: Histogram<f64> =
        ANSWER_SECONDS, "voiced.worker.dispatch_answer.duration", "voiced_worker_dispatch_answer_seconds", "s",
        "From the offer of a job to our answer on the socket, by answer: taken, declined, superfluous.";
    RESUMPTIONS as resumptions: Counter<Resumption>, by "result" =
        Kind::Counter, "voiced.worker.resumptions", "voiced_worker_resumptions_total", "{session}",
        "Sessions that a worker was torn out of, by result: resumed, over (no person waits), served (another of our agents is there), given_up.";
    CONNECTS as connects: Counter<()> =
        Kind::Counter, "voiced.worker.connects", "voiced_worker_connects_total", "{attempt}",
        "Attempts to connect the worker to LiveKit, the first one included.";
    CONNECT_WAIT = Kind::Gauge, "voiced.worker.connect_wait", "voiced_worker_connect_wait_seconds", "s",
        "How long the worker waits before its next attempt to connect to LiveKit; 0 while it is connected or trying.";
    ROOM_LOSSES as room_losses: Counter<Restored>, by "result" =
        Kind::Counter, "voiced.room.connection_losses", "voiced_room_connection_losses_total", "{loss}",
        "Connections to rooms that broke, by result: resumed (nothing was missed), rejoined (as a new participant), lost (recovery takes over).";
    PANICS as panics: Counter<Panicked>, by "task" =
        Kind::Counter, "voiced.panics", "voiced_panics_total", "{panic}",
        "Tasks that broke down by a defect of voiced, by task: a whole session, the answer to one turn, or the reading of one stream.";
    TURNS as turns: Counter<TurnLabel>, by "outcome" =
        Kind::Counter, "voiced.turns", "voiced_turns_total", "{turn}",
        "Turns that ended, by outcome: answered, interrupted, failed, aborted.";
    INTERRUPTIONS as interruptions: Counter<Phase>, by "while" =
        Kind::Counter, "voiced.turn.interruptions", "voiced_turn_interruptions_total", "{turn}",
        "Interrupted turns, by what they were cut in: waiting for their call, thinking, speaking.";
    FIRST_WORD as first_word: Histogram<f64> =
        CALL_SECONDS, "voiced.turn.first_word.duration", "voiced_turn_first_word_seconds", "s",
        "From the end of what a person said to the first word of the reply in the room.";
    TURN_DURATION as turn_duration: Histogram<f64> =
        CALL_SECONDS, "voiced.turn.duration", "voiced_turn_duration_seconds", "s",
        "From the call to the model to the end of the turn, by outcome.";
    TEXTS_REFUSED as texts_refused: Counter<Refusal>, by "reason" =
        Kind::Counter, "voiced.texts.refused", "voiced_texts_refused_total", "{text}",
        "Texts of people that were not taken as turns, by reason: too_long, not_utf8, idle, too_slow, broken, too_many, no_chat_message, stranger.";
    MESSAGES_CORRECTED as messages_corrected: Counter<bool>, by "known" =
        Kind::Counter, "voiced.messages.corrected", "voiced_messages_corrected_total", "{message}",
        "Messages that their senders edited or deleted. known: true when the session remembers the message, so that the model is told.";
    LLM_REQUESTS as llm_requests: Counter<RequestLabel>, by "outcome" =
        Kind::Counter, "voiced.llm.requests", "voiced_llm_requests_total", "{request}",
        "Requests to the model, all attempts of one counted once, by outcome: complete, interrupted, failed, aborted.";
    LLM_ATTEMPTS as llm_attempts: Counter<AttemptLabel>, by "outcome" =
        Kind::Counter, "voiced.llm.attempts", "voiced_llm_attempts_total", "{attempt}",
        "HTTP calls to the model, by outcome.";
    LLM_ERRORS as llm_errors: Counter<ErrorClass>, by "class" =
        Kind::Counter, "voiced.llm.attempt.errors", "voiced_llm_attempt_errors_total", "{attempt}",
        "Failed attempts by class of error: an HTTP status, or a class like first_token_timeout.";
    LLM_DURATION as llm_duration: Histogram<f64> =
        CALL_SECONDS, "gen_ai.client.operation.duration", "voiced_llm_request_duration_seconds", "s",
        "How long requests to the model took, all attempts and waits included; failed ones by error_type.";
    LLM_FIRST_TOKEN as llm_first_token: Histogram<f64> =
        CALL_SECONDS, "gen_ai.client.operation.time_to_first_chunk", "voiced_llm_time_to_first_token_seconds", "s",
        "From the question to the first token of the answer.";
    LLM_TOKENS_USED as llm_tokens_used: Histogram<u64> =
        TOKENS_USED, "gen_ai.client.token.usage", "voiced_llm_request_tokens", "{token}",
        "Tokens of a request as the provider measured them, by type: input, output. Estimates are not in here.";
    LLM_TOKENS as llm_tokens: Counter<Tokens> =
        Kind::Counter, "voiced.llm.tokens", "voiced_llm_tokens_total", "{token}",
        "Tokens by type: input, output, and cached_input, which is a part of input. estimated: the provider did not count.";
    PREEMPTIVE_CALLS as preemptive_calls: Counter<bool>, by "adopted" =
        Kind::Counter, "voiced.llm.preemptive_calls", "voiced_llm_preemptive_calls_total", "{call}",
        "Calls to the model that were made before a spoken turn had ended. adopted: false when the turn ended with other words.";
    DISCARDED_TOKENS as discarded_tokens: Counter<Tokens> =
        Kind::Counter, "voiced.llm.tokens.discarded", "voiced_llm_tokens_discarded_total", "{token}",
        "Tokens of such calls that were not adopted, by type; they are in voiced_llm_tokens_total as well.";
    LLM_TOKEN_RATE as llm_token_rate: Histogram<f64> =
        TOKENS_PER_SECOND, "voiced.llm.output.rate", "voiced_llm_output_tokens_per_second", "{token}/s",
        "Output tokens a second between the first token and the end of a complete answer.";
    LLM_CUT as llm_cut: Counter<()> =
        Kind::Counter, "voiced.llm.replies.cut", "voiced_llm_replies_cut_total", "{reply}",
        "Replies that were cut at llm.max_reply_bytes.";
    E2E_LATENCY as e2e_latency: Histogram<f64> =
        DELAY_SECONDS, "lk.agents.turn.e2e_latency", "voiced_turn_e2e_latency_seconds", "s",
        "From the last moment of a person's speech to the first sound of the reply.";
    TRANSCRIPTION_DELAY as transcription_delay: Histogram<f64> =
        DELAY_SECONDS, "lk.agents.turn.transcription_delay", "voiced_turn_transcription_delay_seconds", "s",
        "From the last moment of a person's speech to its last transcript.";
    END_OF_TURN_DELAY as end_of_turn_delay: Histogram<f64> =
        DELAY_SECONDS, "lk.agents.turn.end_of_turn_delay", "voiced_turn_end_of_turn_delay_seconds", "s",
        "From the last moment of a person's speech to the end of the turn.";
    TTS_TTFB as tts_ttfb: Histogram<f64> =
        DELAY_SECONDS, "lk.agents.turn.tts_ttfb", "voiced_turn_tts_ttfb_seconds", "s",
        "From the first text of a reply for the voice to its first sound.";
    HEARD as heard: Seconds =
        Kind::Counter, "voiced.turn.heard", "voiced_turn_heard_seconds_total", "s",
        "Speech of people that became turns.";
    PLAYED as played: Seconds =
        Kind::Counter, "voiced.turn.played", "voiced_turn_played_seconds_total", "s",
        "Sound of replies to turns that was played.";
    SPEECH_WORDLESS as speech_wordless: Counter<Wordless>, by "result" =
        Kind::Counter, "voiced.speech.wordless", "voiced_speech_wordless_total", "{sound}",
        "Sounds like speech that became no turn, by result: no_request (too short to be transcribed), no_words (nothing was understood), echo (the agent's own words).";
    SPEECH_PAUSES as speech_pauses: Counter<Pause>, by "result" =
        Kind::Counter, "voiced.speech.pauses", "voiced_speech_pauses_total", "{pause}",
        "Replies that paused while a person made a sound, by result: interrupted, resumed (a false interruption).";
    SESSION_EVENTS_LOST as session_events_lost: Counter<()> =
        Kind::Counter, "voiced.session.events.lost", "voiced_session_events_lost_total", "{event}",
        "Events of sessions that are missing in store.events_dir, because the disk did not keep up.";
    FRAMES_DROPPED as frames_dropped: Counter<()> =
        Kind::Counter, "voiced.speech.frames.dropped", "voiced_speech_frames_dropped_total", "{frame}",
        "Frames of microphones that were not transcribed, because speech to text did not keep up.";
    STT_REQUESTS as stt_requests: Counter<AttemptLabel>, by "outcome" =
        Kind::Counter, "voiced.stt.requests", "voiced_stt_requests_total", "{request}",
        "Requests for transcripts, all attempts of one counted once, by outcome: complete, interrupted (the person spoke on), failed.";
    STT_ERRORS as stt_errors: Counter<ErrorClass>, by "class" =
        Kind::Counter, "voiced.stt.attempt.errors", "voiced_stt_attempt_errors_total", "{attempt}",
        "Failed attempts at a transcript by class of error: an HTTP status, or a class like answer_timeout.";
    STT_AUDIO as stt_audio: Seconds =
        Kind::Counter, "lk.agents.usage.stt_audio_duration", "voiced_stt_audio_seconds_total", "s",
        "Sound of the requests for transcripts.";
    TTS_REQUESTS as tts_requests: Counter<AttemptLabel>, by "outcome" =
        Kind::Counter, "voiced.tts.requests", "voiced_tts_requests_total", "{request}",
        "Requests for the speech of a piece of a reply, all attempts of one counted once, by outcome: complete, interrupted, failed.";
    TTS_ERRORS as tts_errors: Counter<ErrorClass>, by "class" =
        Kind::Counter, "voiced.tts.attempt.errors", "voiced_tts_attempt_errors_total", "{attempt}",
        "Failed attempts at speech by class of error: an HTTP status, or a class like first_audio_timeout.";
    TTS_CHARACTERS as tts_characters: Counter<()> =
        Kind::Counter, "lk.agents.usage.tts_characters", "voiced_tts_characters_total", "{character}",
        "Characters of the requests for speech.";
    TTS_AUDIO as tts_audio: Seconds =
        Kind::Counter, "lk.agents.usage.tts_audio_duration", "voiced_tts_audio_seconds_total", "s",
        "Sound that came of the requests for speech.";
    SPANS_SENT = Kind::Counter, "voiced.export.spans.sent", "voiced_export_spans_sent_total", "{span}",
        "Spans that the OTLP receiver took.";
    SPANS_DROPPED = Kind::Counter, "voiced.export.spans.dropped", "voiced_export_spans_dropped_total", "{span}",
        "Spans that are lost: there was no room for them, or they grew too old.";
    SPANS_REJECTED = Kind::Counter, "voiced.export.spans.rejected", "voiced_export_spans_rejected_total", "{span}",
        "Spans that the OTLP receiver will never take; kept apart in the spool, with its reason.";
    SPANS_WAITING = Kind::Gauge, "voiced.export.spans.waiting", "voiced_export_spans_waiting", "{span}",
        "Spans in the spool that the OTLP receiver has not taken yet.";
    SPOOL_BYTES = Kind::Gauge, "voiced.export.spool.size", "voiced_export_spool_bytes", "By",
        "What the waiting spans take on the disk.";
    SPOOL_AGE = Kind::Gauge, "voiced.export.spool.oldest_age", "voiced_export_spool_oldest_age_seconds", "s",
        "Age of the oldest batch that waits; 0 while none does.";
    BATCHES_FAILED = Kind::Counter, "voiced.export.batches.failed", "voiced_export_batches_failed_total", "{batch}",
        "Attempts to send a batch of spans that failed.";
    EXPORT_FAILING = Kind::Gauge, "voiced.export.failing", "voiced_export_failing", "1",
        "1 while the latest batch of spans met with an error, else 0.";
    PUSHES_FAILED = Kind::Counter, "voiced.export.metric_pushes.failed", "voiced_export_metric_pushes_failed_total", "{push}",
        "Attempts to push metrics over OTLP that failed.";
    LOGS_SENT = Kind::Counter, "voiced.export.logs.sent", "voiced_export_logs_sent_total", "{record}",
        "Log records that the OTLP receiver took.";
    LOGS_DROPPED = Kind::Counter, "voiced.export.logs.dropped", "voiced_export_logs_dropped_total", "{record}",
        "Log records that were not exported; they stand in the log itself.";
    RECORD_WRITTEN = Kind::Counter, "voiced.record.turns.written", "voiced_record_turns_written_total", "{turn}",
        "Turns that are in the local record with their end; 0 while the record is off.";
    RECORD_DROPPED = Kind::Counter, "voiced.record.turns.dropped", "voiced_record_turns_dropped_total", "{turn}",
        "Turns whose end is not in the local record and never will be.";
    RECORD_WAITING = Kind::Gauge, "voiced.record.turns.waiting", "voiced_record_turns_waiting", "{turn}",
        "Turns that have ended and wait for the local record's file.";
    RECORD_FAILING = Kind::Gauge, "voiced.record.failing", "voiced_record_failing", "1",
        "1 while something is wrong with the local record's file, else 0.";
    REDACTIONS_GIVEN_UP = Kind::Counter, "voiced.redactions.given_up", "voiced_redactions_given_up_total", "{text}",
        "Texts that are recorded as [unsearched], because it took too long to redact them.";
    HTTP_CLOSED as http_closed: Counter<Holding>, by "state" =
        Kind::Counter, "voiced.http.connections.closed", "voiced_http_connections_closed_total", "{connection}",
        "Connections to the HTTP endpoints that were closed because all were in use and another client came, by state: idle, busy (an answer was cut).";
    HTTP_REFUSED as http_refused: Counter<()> =
        Kind::Counter, "voiced.http.answers.refused", "voiced_http_answers_refused_total", "{answer}",
        "Long answers of the HTTP endpoints that were refused with 503, because clients had not read so many others.";
    BUILD = Kind::Gauge, "voiced.build", "voiced_build_info", "1",
        "Always 1; its labels say what runs.";
    PROCESS_START = Kind::Gauge, "voiced.process.start_time", "process_start_time_seconds", "s",
        "When the process started, in seconds since 1970.";
    PROCESS_CPU = Kind::Counter, "process.cpu.time", "process_cpu_seconds_total", "s",
        "Processor time that the process has used, user and system.";
    PROCESS_MEMORY = Kind::Gauge, "process.memory.usage", "process_resident_memory_bytes", "By",
        "Memory of the process that is in RAM.";
    PROCESS_VIRTUAL = Kind::Gauge, "process.memory.virtual", "process_virtual_memory_bytes", "By",
        "Address space of the process.";
    PROCESS_FDS = Kind::Gauge, "process.unix.file_descriptor.count", "process_open_fds", "{file_descriptor}",
        "Open file descriptors.";
    PROCESS_SOCKETS = Kind::Gauge, "voiced.process.sockets", "process_open_sockets", "{socket}",
        "Open file descriptors that are sockets.";
    PROCESS_THREADS = Kind::Gauge, "process.thread.count", "process_threads", "{thread}",
        "Threads of the process.";
    TASKS = Kind::Gauge, "voiced.tasks", "voiced_tasks", "{task}",
        "Tasks of the async runtime that have not ended: a few for the worker, and some for each session.";
}

pub(crate) fn by_name(name: &str) -> Option<&'static Definition> {
    ALL.iter().copied().find(|definition| definition.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_rules_of_prometheus() {
        for definition in ALL {
            let name = definition.text_name;
            let letter = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
            let legal = name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit());
            assert!(legal && letter(name.as_bytes()[0]), "{name}");
            assert_eq!(name.ends_with("_total"), definition.kind == Kind::Counter, "{name}");
            let unit = match definition.unit {
                "s" => "_seconds",
                "By" => "_bytes",
                _ => "",
            };
            assert!(name.trim_end_matches("_total").ends_with(unit), "{name} lacks its unit");
            assert!(definition.help.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn no_name_is_given_twice() {
        for (index, definition) in ALL.iter().enumerate() {
            let clashes = |other: &&&Definition| {
                other.name == definition.name || other.text_name == definition.text_name
            };
            assert_eq!(ALL.iter().skip(index).filter(clashes).count(), 1, "{definition:?}");
        }
    }

    /// The table between the markers in docs/metrics.md.
    fn table() -> String {
        let kind = |kind| match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let row = |definition: &&Definition| {
            let Definition { name, text_name, help, .. } = definition;
            format!("| `{text_name}` | `{name}` | {} | {help} |\n", kind(definition.kind))
        };
        let rows: String = ALL.iter().map(row).collect();
        format!("| Prometheus | OTLP | kind | meaning |\n|---|---|---|---|\n{rows}")
    }

    #[test]
    fn the_document_of_the_metrics_is_written_from_the_catalogue() {
        const BEGIN: &str = "<!-- metrics: BLESS=1 cargo test -p voiced --lib metrics::catalogue -->\n";
        const END: &str = "<!-- /metrics -->";
        crate::generated_table::assert_current("docs/metrics.md", [BEGIN, END], &table());
    }
}
