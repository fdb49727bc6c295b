//! The answers of SQL, against the same worked out by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use conversation::TurnOutcome;

use super::*;
use crate::find::{Direction, Filter, Place, ReadError, SpeechFigures, Spread, Turns, Window};
use crate::samples::{STARTED_US, failed_turn, open_turn, recorded, retried_turn, spoken_turn};
use crate::tests::NAMES;
use crate::turn::{End, Status, Turn};

struct Base {
    dir: tempfile::TempDir,
    database: Database,
}

impl Base {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.sqlite");
        std::fs::write(&path, "").unwrap();
        Self { database: Database::open(&path, NAMES, "run").unwrap(), dir }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("record.sqlite")
    }

    fn with(mut self, turns: impl IntoIterator<Item = Turn>) -> Self {
        let turns: Vec<_> = turns.into_iter().map(Arc::new).collect();
        self.database.write(&turns).unwrap();
        self
    }

    fn reader(&self) -> Reader {
        Reader::new(&self.path(), NAMES)
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.database.connection().query_row(&sql, [], |row| row.get(0)).unwrap()
    }

    fn ids(&self, filter: &Filter) -> Vec<String> {
        let found = self.reader().sessions(filter, None, 100).unwrap();
        assert_eq!(found.count as usize, found.sessions.len());
        found.sessions.into_iter().map(|session| session.id).collect()
    }
}

impl Database {
    /// Keeps all other connections from writing for as long as the value lives.
    pub(crate) fn hold_the_lock(&mut self) -> impl Drop {
        begin(self.connection_mut()).unwrap()
    }

    pub(crate) fn pretend(&self, version: i64, application: Option<i64>) {
        let set = |name, value| self.connection().pragma_update(None, name, value).unwrap();
        set("user_version", version);
        application.into_iter().for_each(|id| set("application_id", id));
        self.checkpoint();
    }

    /// Writes the log into the file.
    pub(crate) fn checkpoint(&self) {
        self.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
}

/// A turn of this session that began `at` seconds after the first and took `e2e` microseconds to its first word.
fn turn(session: &str, at: i64, e2e: Option<i64>) -> Turn {
    let end = retried_turn().end.map(|end| End { e2e_us: e2e, ttft_us: e2e.map(|us| us / 2), ..end });
    let started_us = STARTED_US + at * 1_000_000;
    Turn { end, started_us, ..open_turn(session, &format!("{session}-{at:06}"), 0) }
}

#[test]
fn percentiles_are_by_nearest_rank() {
    let mut numbers = fastrand::Rng::with_seed(7);
    for n in [1, 2, 3, 10, 19, 20, 21, 99, 100, 101, 457] {
        let values: Vec<i64> = (0..n).map(|_| numbers.i64(1..5_000_000)).collect();
        let base = Base::new()
            .with(values.iter().zip(0..).map(|(value, at)| turn("RM_1", at, Some(*value))))
            .with([turn("RM_1", 900_000, None), turn("RM_2", 0, Some(1))]);
        let mut sorted = values.clone();
        sorted.sort_unstable();
        let nearest = |percent: f64| sorted[(percent / 100.0 * f64::from(n)).ceil() as usize - 1];
        let figures = base.reader().session("RM_1").unwrap().figures;
        assert_eq!(
            (figures.e2e.p50_us, figures.e2e.p95_us),
            (Some(nearest(50.0)), Some(nearest(95.0))),
            "{n}"
        );
        assert_eq!(figures.ttft.p50_us, Some(nearest(50.0) / 2));
    }
}

#[test]
fn the_figures_count_each_kind_of_turn() {
    let kinds = [
        retried_turn(),
        failed_turn(),
        open_turn("RM_1", "c", 5),
        Turn {
            end: Some(End { outcome: TurnOutcome::Interrupted, ..End::unknown() }),
            ..open_turn("RM_1", "d", 6)
        },
        Turn { end: Some(End::unknown()), ..open_turn("RM_1", "e", 7) },
    ];
    let base = Base::new().with(kinds);
    let session = base.reader().session("RM_1").unwrap();
    let figures = session.figures;
    let kinds = [figures.answered, figures.failed, figures.open, figures.interrupted, figures.aborted];
    assert_eq!((figures.turns, kinds, figures.errors()), (5, [1; 5], 2));
    assert_eq!((figures.input_tokens, figures.output_tokens, figures.attempts), (21, 48, 3));
    assert_eq!((session.room.as_str(), session.length_us()), ("kitchen", 400_000));
}

#[test]
fn the_figures_of_speech_are_of_spoken_turns_only() {
    let spoken = |at: i64, delay: Option<i64>| {
        let mut turn = Turn { span_id: format!("spoken-{at}"), ..spoken_turn() };
        turn.end.as_mut().unwrap().speech.end_of_turn_delay_us = delay;
        turn
    };
    let base = Base::new().with((1..=20).map(|at| spoken(at, Some(at)))).with([
        spoken(21, None),
        retried_turn(),
        Turn { session: "RM_2".to_owned(), ..failed_turn() },
    ]);
    let speech = base.reader().session("RM_1").unwrap().figures.speech;
    assert_eq!((speech.turns, speech.heard_us, speech.played_us), (21, 21 * 1_300_000, 21 * 1_190_000));
    let spread = |spread: Spread| (spread.p50_us, spread.p95_us);
    assert_eq!(spread(speech.end_of_turn_delay), (Some(10), Some(19)));
    assert_eq!(spread(speech.tts_ttfb), (Some(90_000), Some(90_000)));
    let found = base.reader().sessions(&Filter::default(), None, 10).unwrap();
    assert_eq!(found.totals.speech, speech, "the totals are of all sessions");
    assert_eq!(base.reader().session("RM_2").unwrap().figures.speech, SpeechFigures::default());
}

#[test]
fn no_number_of_tokens_breaks_the_sums() {
    let mut greedy = retried_turn();
    greedy.end.as_mut().unwrap().usage.input = u64::MAX;
    let again = Turn { span_id: "again".to_owned(), ..greedy.clone() };
    let base = Base::new().with([greedy, again]);
    assert!(base.reader().session("RM_1").unwrap().figures.input_tokens >= 1 << 40);
}

#[test]
fn sessions_are_found_by_time_room_and_status() {
    let hall = |turn: Turn| Turn { room: "hall [1]?".to_owned(), ..turn };
    let failed = Turn { started_us: STARTED_US + 50_000_000, ..failed_turn() };
    let base = Base::new().with([
        turn("RM_A", 0, None),
        turn("RM_A", 100, None),
        hall(turn("RM_B", 10, None)),
        Turn { session: "RM_C".to_owned(), ..failed },
    ]);
    let all = Filter::default();
    assert_eq!(base.ids(&all), ["RM_C", "RM_B", "RM_A"], "the newest first");
    let window = |since: Option<i64>, until: Option<i64>| {
        let at = |seconds: i64| STARTED_US + seconds * 1_000_000;
        Filter { window: Window { since_us: since.map(at), until_us: until.map(at) }, ..Filter::default() }
    };
    assert_eq!(base.ids(&window(Some(60), None)), ["RM_A"], "it went on for long enough");
    assert_eq!(base.ids(&window(None, Some(10))), ["RM_A"]);
    assert_eq!(base.ids(&window(Some(5), Some(60))), ["RM_C", "RM_B", "RM_A"]);
    let room = |room: &str| Filter { room: Some(room.to_owned()), ..Filter::default() };
    assert_eq!(base.ids(&room("hall [1]?")), ["RM_B"]);
    assert_eq!(base.ids(&room("hall*")), ["RM_B"]);
    assert_eq!(base.ids(&room("hall")), [""; 0]);
    assert_eq!(base.ids(&room("' OR 1=1 --")), [""; 0]);
    let status = |status| Filter { status: Some(status), ..Filter::default() };
    assert_eq!(base.ids(&status(Status::Failed)), ["RM_C"]);
    assert_eq!(base.ids(&status(Status::Open)), [""; 0]);
    let found = base.reader().sessions(&status(Status::Answered), None, 100).unwrap();
    assert_eq!((found.count, found.totals.turns), (2, 3));
}

#[test]
fn pages_follow_each_other_without_gap_or_repetition() {
    // Some begin at the same time.
    let base = Base::new().with((0..23).map(|n| turn(&format!("RM_{n:02}"), n / 3, None)));
    let mut after = None;
    let mut seen = Vec::new();
    loop {
        let found = base.reader().sessions(&Filter::default(), after.as_ref(), 5).unwrap();
        assert_eq!((found.count, found.totals.turns), (23, 23), "totals are of all pages");
        seen.extend(found.sessions.into_iter().map(|session| session.id));
        after = found.next.map(|next| Place::parse(&next.token()).unwrap());
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..23).rev().map(|n| format!("RM_{n:02}")).collect::<Vec<_>>());
}

#[test]
fn turns_are_read_from_either_end() {
    let base = Base::new().with((0..10).map(|at| turn("RM_1", at, None)));
    let page = |direction| {
        let wanted = Turns { direction, limit: 4, max_text: 3, max_bytes: usize::MAX };
        let found = base.reader().turns("RM_1", &wanted).unwrap();
        let ats: Vec<_> = found.turns.iter().map(|turn| (turn.started_us - STARTED_US) / 1_000_000).collect();
        (ats, found.more, found.turns)
    };
    let (ats, more, turns) = page(Direction::After(None));
    assert_eq!((ats, more), (vec![0, 1, 2, 3], true));
    assert_eq!(turns[0].question.as_str(), Some("wha…"));
    let (ats, more, _) = page(Direction::After(turns.last().map(Place::of)));
    assert_eq!((ats, more), (vec![4, 5, 6, 7], true));
    let (ats, more, turns) = page(Direction::Before(None));
    assert_eq!((ats, more), (vec![6, 7, 8, 9], true));
    let (_, _, turns) = page(Direction::Before(turns.first().map(Place::of)));
    let (ats, more, _) = page(Direction::Before(turns.first().map(Place::of)));
    assert_eq!((ats, more), (vec![0, 1], false));
}

#[test]
fn a_page_of_turns_ends_where_its_texts_come_to_too_much_and_loses_none() {
    let base = Base::new().with((0..5).map(|at| turn("RM_1", at, None)));
    let wanted = |direction, max_bytes| Turns { direction, limit: 4, max_text: usize::MAX, max_bytes };
    let whole = base.reader().turns("RM_1", &wanted(Direction::After(None), usize::MAX)).unwrap();
    let two = whole.turns[..2].iter().map(Turn::text_bytes).sum();
    for (max_bytes, most) in [(two, 2), (two - 1, 1), (0, 1)] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let found = base.reader().turns("RM_1", &wanted(Direction::After(after), max_bytes)).unwrap();
            assert!((1..=most).contains(&found.turns.len()), "{}", found.turns.len());
            after = found.turns.last().map(Place::of);
            seen.extend(found.turns.into_iter().map(|turn| turn.span_id));
            if !found.more {
                break;
            }
        }
        assert_eq!(seen.len(), 5);
        let found = base.reader().turns("RM_1", &wanted(Direction::Before(None), max_bytes)).unwrap();
        assert_eq!(found.turns.last().map(|turn| &turn.span_id), seen.last());
    }
}

#[test]
fn a_session_is_known_by_the_beginning_of_its_id_where_only_one_begins_so() {
    let base = Base::new().with(["RM_abc", "RM_abd", "RM_x", "RM_xy"].map(|id| turn(id, 0, None)));
    let id = |prefix: &str| base.reader().session(prefix).map(|session| session.id);
    assert_eq!(id("RM_abc").unwrap(), "RM_abc");
    assert_eq!(id("RM_x").unwrap(), "RM_x", "an id is itself, though another begins with it");
    assert_eq!(id("RM_xy").unwrap(), "RM_xy");
    assert!(matches!(id("RM_ab"), Err(ReadError::Ambiguous(_, known)) if known == "RM_abc, RM_abd"));
    assert!(matches!(id("abc"), Err(ReadError::UnknownSession { .. })));
    assert!(matches!(id("RM_%"), Err(ReadError::UnknownSession { .. })));
    let nowhere = Reader::new(Path::new("/nowhere/record.sqlite"), NAMES);
    assert!(matches!(nowhere.session("RM"), Err(ReadError::Missing(..))));
}

#[test]
fn a_question_that_takes_too_long_is_given_up_and_says_what_to_do() {
    let base = Base::new().with((0..2_000).map(|n| turn(&format!("RM_{n}"), n, Some(n))));
    let all = Filter::default();
    let error = base.reader().within(Duration::ZERO).sessions(&all, None, 50).unwrap_err();
    assert!(matches!(error, ReadError::TooSlow(_)), "{error}");
    assert!(error.to_string().contains("ask for less of it"), "{error}");
    let patient = base.reader().within(Duration::from_secs(600));
    assert_eq!(patient.sessions(&all, None, 50).unwrap().count, 2_000);
}

#[test]
fn what_cannot_be_read_is_not_told_as_if_the_reader_wrote() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record.sqlite");
    std::fs::write(&path, "not a database, not at all".repeat(100)).unwrap();
    let corrupt = Reader::new(&path, NAMES).session("RM").unwrap_err().to_string();
    assert!(corrupt.contains("`voiced start` moves it aside"), "{corrupt}");
    for (version, application, words) in [(99, None, "use that version"), (1, Some(7), "is left alone")] {
        let base = Base::new();
        base.database.pretend(version, application);
        let error = base.reader().session("RM").unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_file_of_the_first_version_is_read_and_written_by_this_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record.sqlite");
    let first = Connection::open(&path).unwrap();
    configure(&first, true).unwrap();
    first.execute_batch(MIGRATIONS[0]).unwrap();
    first.pragma_update(None, "user_version", 1).unwrap();
    let row =
        "INSERT INTO turns (span_id, trace_id, run, session, speaker, turn, status, started_us, question)
        VALUES ('s1', 't', 'r', 'RM_1', 'ada', 0, 'answered', 1, 'hi');
        INSERT INTO sessions VALUES ('RM_1', 'kitchen', 'agent', 1, 1)";
    first.execute_batch(row).unwrap();
    drop(first);
    let error = Reader::new(&path, NAMES).session("RM_1").unwrap_err().to_string();
    assert!(error.contains("voiced start"), "{error}");
    let mut database = Database::open(&path, NAMES, "run").unwrap();
    database.write(&[Arc::new(retried_turn())]).unwrap();
    let found = Reader::new(&path, NAMES)
        .turns(
            "RM_1",
            &Turns { direction: Direction::After(None), limit: 9, max_text: 99, max_bytes: usize::MAX },
        )
        .unwrap();
    let reasons = found.turns.iter().map(|turn| turn.end.as_ref().unwrap().finish_reason.as_deref());
    assert_eq!(reasons.collect::<Vec<_>>(), [None, Some("length")]);
}

#[test]
fn a_file_from_before_speech_keeps_its_attempts_and_takes_spoken_turns() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("record.sqlite");
    let second = Connection::open(&path).unwrap();
    configure(&second, true).unwrap();
    MIGRATIONS[..2].iter().for_each(|step| second.execute_batch(step).unwrap());
    second.pragma_update(None, "user_version", 2).unwrap();
    let rows = "INSERT INTO turns (span_id, trace_id, run, session, speaker, turn, status, started_us, question, ended_us)
        VALUES ('s1', 't', 'r', 'RM_1', 'ada', 0, 'answered', 1, 'hi', 900);
        INSERT INTO attempts VALUES ('s1', 'llm', 1, 2, 800, 200, NULL, NULL);
        INSERT INTO sessions VALUES ('RM_1', 'kitchen', 'agent', 1, 1)";
    second.execute_batch(rows).unwrap();
    drop(second);
    let mut database = Database::open(&path, NAMES, "run").unwrap();
    database.write(&[Arc::new(spoken_turn())]).unwrap();
    let all = Turns { direction: Direction::After(None), limit: 9, max_text: 99, max_bytes: usize::MAX };
    let turns = Reader::new(&path, NAMES).turns("RM_1", &all).unwrap().turns;
    let ends: Vec<&End> = turns.iter().map(|turn| turn.end.as_ref().unwrap()).collect();
    assert!(ends[0].speech.is_none() && ends[0].attempts[0].ended_us == 800);
    let written = spoken_turn().end.unwrap();
    assert_eq!((ends[1].speech, &ends[1].attempts), (written.speech, &written.attempts));
}

#[test]
fn what_is_too_old_is_deleted_in_chunks_with_all_that_belongs_to_it() {
    let spoken = Turn { session: "RM_old".to_owned(), ..spoken_turn() };
    let mut base = Base::new()
        .with((0..1199).map(|at| turn("RM_old", at, None)))
        .with([spoken, turn("RM_new", 5000, None)]);
    assert_eq!(base.count("speech"), 1);
    let bounds = Bounds { since_us: STARTED_US + 2_000_000_000, max_bytes: 1 << 30 };
    let steps: Vec<bool> = (0..3).map(|_| base.database.prune(bounds).unwrap()).collect();
    assert_eq!(steps, [true, true, false]);
    assert_eq!((base.count("turns"), base.count("attempts"), base.count("sessions")), (1, 2, 1));
    assert_eq!(base.count("speech"), 0);
    while base.database.shrink().unwrap() {}
    assert!(!base.database.prune(bounds).unwrap());
}

#[test]
fn a_file_that_is_too_large_loses_its_oldest_turns_and_gives_the_room_back() {
    let question = recorded(&"word ".repeat(1000));
    let mut base =
        Base::new().with((0..2000).map(|at| Turn { question: question.clone(), ..turn("RM_1", at, None) }));
    let bounds = Bounds { since_us: 0, max_bytes: 4 << 20 };
    while base.database.prune(bounds).unwrap() || base.database.shrink().unwrap() {}
    let left = base.count("turns");
    assert!((1..1000).contains(&left), "{left}");
    let first: i64 = base
        .database
        .connection()
        .query_row("SELECT min(started_us) FROM turns", [], |row| row.get(0))
        .unwrap();
    assert_eq!(first, STARTED_US + (2000 - left) * 1_000_000, "the newest stay");
    base.database.connection().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert!(std::fs::metadata(base.path()).unwrap().len() < 6 << 20);
}

#[test]
fn a_full_disk_is_a_trouble_that_may_pass_and_writes_nothing_by_half() {
    let mut base = Base::new().with([turn("RM_1", 0, None)]);
    let pages: i64 = base.database.connection().query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    let limit = |base: &Base, pages: i64| {
        base.database
            .connection()
            .query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
            .unwrap();
    };
    limit(&base, pages);
    let large = Turn { question: recorded(&"x".repeat(50_000)), ..turn("RM_2", 0, None) };
    let batch = [Arc::new(turn("RM_2", 1, None)), Arc::new(large)];
    let trouble = base.database.write(&batch).unwrap_err();
    assert_eq!(trouble.kind, TroubleKind::Full);
    assert!(
        trouble.message.contains("full") && trouble.message.contains("[store] path"),
        "{}",
        trouble.message
    );
    assert_eq!(base.count("turns"), 1);
    limit(&base, pages + 100);
    base.database.write(&batch).unwrap();
    assert_eq!(base.count("turns"), 3);
}

#[test]
fn every_question_goes_by_an_index() {
    let base = Base::new();
    let plan = |sql: &str| {
        let mut statement = base.database.connection().prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map([], |row| row.get::<_, String>(3)).unwrap();
        lines.collect::<Result<Vec<_>, _>>().unwrap().join("\n")
    };
    for sql in [
        "SELECT * FROM turns WHERE session = 'x' ORDER BY started_us, span_id LIMIT 5",
        "SELECT * FROM turns WHERE session = 'x' AND (started_us, span_id) < (1, 'y') ORDER BY started_us DESC, span_id DESC",
        "SELECT id FROM sessions s WHERE EXISTS (SELECT 1 FROM turns f WHERE f.session = s.id AND f.status = 'open')
            ORDER BY s.started_us DESC, s.id DESC",
        "SELECT span_id FROM turns WHERE started_us < 5 ORDER BY started_us LIMIT 5",
        "SELECT DISTINCT run FROM turns WHERE status = 'open'",
        "SELECT sum(v.heard_us) FROM speech v WHERE v.span_id IN (SELECT t.span_id FROM turns t WHERE t.session = 'x')",
    ] {
        let plan = plan(sql);
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
        assert!(plan.lines().all(|line| !line.contains("SCAN") || line.contains("INDEX")), "{sql}\n{plan}");
    }
}
