use std::path::Path;

use super::*;
use crate::session::{ChatContext, Summary};
use conversation::Secret;

fn assignment() -> Assignment {
    Assignment {
        job_id: "AJ_1".to_owned(),
        dispatch_id: String::new(),
        room_name: "room".to_owned(),
        room_sid: "RM_1".to_owned(),
        url: url::Url::parse("ws://127.0.0.1:7880").unwrap(),
        token: Secret::new("token"),
        identity: "agent-AJ_1".to_owned(),
        metadata: String::new(),
        attributes: HashMap::new(),
    }
}

/// A recovery whose search is the test.
fn recovery(root: &Path) -> (Recovery, mpsc::Receiver<InterruptedSession>) {
    let (notes, _) = SessionFiles::open(root, &assignment().url, "ada").unwrap();
    let (interrupted, found) = mpsc::channel(INTERRUPTED);
    (Recovery::new(Some(Arc::new(notes)), interrupted, StoredContext::none(), Metrics::default()), found)
}

/// The summary of a session with ada whose connection was lost.
fn summary() -> Summary {
    Summary {
        reason: crate::session::EndReason::ConnectionLost("cut".to_owned()),
        totals: Default::default(),
        chat_context: ChatContext { turns: Vec::new(), next_turn: 4 },
        people: vec!["ada".to_owned()],
    }
}

fn files(root: &Path) -> usize {
    let slots = std::fs::read_dir(root).unwrap().flatten();
    let files = slots.flat_map(|slot| std::fs::read_dir(slot.path()).unwrap().flatten());
    files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json")).count()
}

async fn tracked(recovery: &Recovery, stop: &CancellationToken) -> TrackedSession {
    recovery.track(&assignment(), "RM_1", &["ada".to_owned()], stop.clone()).await
}

#[tokio::test]
async fn what_breaks_down_is_looked_after_and_what_ended_or_was_stopped_is_not() {
    let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let (recovery, mut found) = recovery(root.path());
    tracked(&recovery, &stop).await.over();
    assert_eq!((files(root.path()), found.try_recv().is_ok()), (0, false), "it ended");

    let broken = tracked(&recovery, &stop).await;
    let breaking = async move {
        let _broken = broken;
        panic!("a defect")
    };
    assert!(tokio::spawn(breaking).await.unwrap_err().is_panic());
    let InterruptedSession { session, note, suspended } = found.try_recv().unwrap();
    assert_eq!((session.room_name.as_str(), files(root.path()), suspended), ("room", 1, false));
    drop(note);
    assert_eq!(files(root.path()), 1, "the next process would find it, too");

    let stopped = tracked(&recovery, &stop).await;
    stop.cancel();
    drop(stopped);
    assert_eq!((files(root.path()), found.try_recv().is_ok()), (1, false), "it was told to end");
}

#[tokio::test]
async fn a_session_whose_connection_was_lost_goes_on_in_the_job_that_its_people_bring() {
    let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let (recovery, mut found) = recovery(root.path());
    let interrupted = tracked(&recovery, &stop).await.lost(summary());
    assert!(found.try_recv().is_err(), "we are still in the room");
    assert!(recovery.suspended.holds("AJ_1"), "the next job may be there before we are out");
    interrupted.look();
    let InterruptedSession { session, suspended, .. } = found.try_recv().unwrap();
    assert!(suspended);
    let next = Assignment { job_id: "AJ_2".to_owned(), ..assignment() };
    let mut tracked = recovery.track(&next, "RM_2", &["ada".to_owned()], stop).await;
    assert_eq!(tracked.chat_context().map(|chat_context| chat_context.next_turn), Some(4));
    assert!(!recovery.suspended.holds(&session.job_id), "nobody else goes on with it");
}

#[tokio::test]
async fn a_session_is_not_asked_for_again_until_the_worker_has_refused_it() {
    let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let (recovery, mut found) = recovery(root.path());
    drop(tracked(&recovery, &stop).await);
    let InterruptedSession { session, note, .. } = found.try_recv().unwrap();
    recovery.resuming.ask(session.clone(), note);
    let progress = || recovery.resuming.progress("AJ_1");
    assert!(matches!(progress(), Progress::UnderWay), "the worker has not looked yet");
    recovery.joining("AJ_1");
    assert!(matches!(progress(), Progress::UnderWay));
    recovery.not_joined("AJ_1");
    let Progress::Refused(note) = progress() else { panic!("it was refused") };
    recovery.resuming.ask(session, note);
    let taken_up = tracked(&recovery, &stop).await;
    assert!(matches!(progress(), Progress::Done), "it is a session again");
    taken_up.over();
    assert_eq!(files(root.path()), 0, "under the note that it had");
}

#[tokio::test]
async fn a_job_that_is_in_its_room_before_its_people_claims_what_was_said_when_they_come() {
    let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
    let (recovery, _found) = recovery(root.path());
    let interrupted = tracked(&recovery, &stop).await.lost(summary());
    let next = Assignment { job_id: "AJ_2".to_owned(), ..assignment() };
    let mut tracked = recovery.track(&next, "RM_2", &[], stop).await;
    assert!(tracked.chat_context().is_none(), "nobody is there");
    let claims = recovery.claims(&next.room_name);
    assert!(claims.claim("eve").is_none(), "a stranger");
    assert_eq!(claims.claim("ada").map(|chat_context| chat_context.next_turn), Some(4));
    assert!(claims.claim("ada").is_none(), "once");
    interrupted.look();
}
