//! The places for connections, and the choice of the one that gives way when all are in use.
//!
//! A connection that waits for its client goes first: between two requests, or before the first head is whole. A
//! request that is under way is cut only when no connection waits, the oldest first. Of equals those go first that
//! have more than their address's share. An address alone may have all places, because a proxy is one address for many
//! people.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::origin::Origin;
use super::seldom::Seldom;
use crate::metrics::{Holding, Metrics};

/// More clients than this wait in the listener's backlog, for as long as it takes to make room.
pub(super) const MAX_CONNECTIONS: usize = 128;
/// How many an address may have before its own give way first.
const SHARE: usize = 32;
/// How long a client is left alone: to send a head, and then to take its answer. Shorter ones cut clients of a busy
/// machine, longer ones keep a new client waiting while many come.
const MOMENT: Duration = Duration::from_millis(100);
/// How soon to look again when no connection may be told to leave yet.
const AGAIN: Duration = Duration::from_millis(5);
/// How soon to look again when a connection was told to leave.
const LEAVING: Duration = Duration::from_secs(1);

/// Cheap to clone; clones share the places.
#[derive(Clone)]
pub(super) struct Places {
    permits: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
    metrics: Metrics,
}

#[derive(Default)]
struct State {
    taken: Vec<Place>,
    closed: Seldom,
}

/// The place of one connection. Cheap to clone.
#[derive(Clone)]
pub(super) struct Place {
    origin: Origin,
    activity: Arc<Mutex<Activity>>,
    leave: CancellationToken,
}

/// A place that is free again when this is dropped.
pub(super) struct Taken {
    places: Places,
    place: Place,
    _permit: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug)]
struct Activity {
    doing: Doing,
    /// The beginning of the wait for a request, or of the request under way.
    since: Instant,
    has_asked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// No whole head has come.
    Waiting,
    /// We work on the answer.
    Working,
    /// The client has not taken all of the answer.
    Answered,
}

// === impl Places ===

impl Places {
    pub(super) fn new(metrics: Metrics) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { permits, state: Arc::default(), metrics }
    }

    /// A place for a client of this origin; another client gives way if need be. None: there will be no more places.
    pub(super) async fn take(&self, origin: Origin) -> Option<Taken> {
        if let Ok(permit) = self.permits.clone().try_acquire_owned() {
            return Some(self.enter(origin, permit));
        }
        let mut free = std::pin::pin!(self.permits.clone().acquire_owned());
        loop {
            let again = self.make_room(Instant::now());
            tokio::select! {
                permit = &mut free => return Some(self.enter(origin, permit.ok()?)),
                () = tokio::time::sleep(again) => {}
            }
        }
    }

    fn enter(&self, origin: Origin, permit: OwnedSemaphorePermit) -> Taken {
        let activity = Activity { doing: Doing::Waiting, since: Instant::now(), has_asked: false };
        let activity = Arc::new(Mutex::new(activity));
        let place = Place { origin, activity, leave: CancellationToken::new() };
        self.lock().taken.push(place.clone());
        Taken { places: self.clone(), place, _permit: permit }
    }

    /// Tells a connection to leave, if one may be told. Returns when to look again.
    fn make_room(&self, now: Instant) -> Duration {
        let mut state = self.lock();
        let seats: Vec<_> = state.taken.iter().map(|place| (place.origin, place.activity())).collect();
        let Some(leaving) = first_to_leave(&seats, now) else { return AGAIN };
        let (origin, activity) = seats[leaving];
        state.taken.swap_remove(leaving).leave.cancel();
        self.metrics.instruments.http_closed.add(activity.holding());
        if let Some(closed) = state.closed.happened(now) {
            warn!(
                closed, address = %origin, places = MAX_CONNECTIONS,
                "all connections to the HTTP endpoints were in use: those idle longest were closed to make room"
            );
        }
        LEAVING
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The one of these that gives way to a new client; None: each has a moment left.
fn first_to_leave(seats: &[(Origin, Activity)], now: Instant) -> Option<usize> {
    let held = |wanted: Origin| seats.iter().filter(|(origin, _)| *origin == wanted).count();
    let is_crowd = |(origin, activity): &(Origin, Activity)| !activity.is_busy() && held(*origin) > SHARE;
    // The others do not leave because a crowd has only just come.
    let crowd_alone = seats.iter().any(is_crowd);
    let may_leave = seats
        .iter()
        .enumerate()
        .filter(|(_, seat)| seat.1.has_had_its_moment(now) && (!crowd_alone || is_crowd(seat)));
    let rank = |(origin, activity): &(Origin, Activity)| {
        (activity.is_busy(), held(*origin) <= SHARE, activity.since)
    };
    may_leave.min_by_key(|(_, seat)| rank(seat)).map(|(index, _)| index)
}

// === impl Place ===

impl Place {
    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Takes note of a whole head. Returns whether it is the connection's first.
    pub(super) fn asked(&self) -> bool {
        let mut activity = self.lock();
        // A client that sends requests ahead and reads no answer has been busy since the first of them.
        if activity.doing == Doing::Waiting {
            activity.since = Instant::now();
        }
        activity.doing = Doing::Working;
        !std::mem::replace(&mut activity.has_asked, true)
    }

    /// The answer is ready to be sent.
    pub(super) fn answered(&self) {
        self.lock().doing = Doing::Answered;
    }

    /// All written bytes have gone to the client.
    pub(super) fn flushed(&self) {
        let mut activity = self.lock();
        if activity.doing == Doing::Answered {
            activity.doing = Doing::Waiting;
            activity.since = Instant::now();
        }
    }

    /// Returns when the connection has to make room.
    pub(super) async fn told_to_leave(&self) {
        self.leave.cancelled().await;
    }

    fn activity(&self) -> Activity {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Taken ===

impl Taken {
    pub(super) fn place(&self) -> &Place {
        &self.place
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let is_ours = |place: &Place| Arc::ptr_eq(&place.activity, &self.place.activity);
        self.places.lock().taken.retain(|place| !is_ours(place));
    }
}

// === impl Activity ===

impl Activity {
    fn holding(self) -> Holding {
        match self.doing {
            Doing::Waiting => Holding::Idle,
            Doing::Working | Doing::Answered => Holding::Busy,
        }
    }

    fn is_busy(self) -> bool {
        self.holding() == Holding::Busy
    }

    fn has_had_its_moment(self, now: Instant) -> bool {
        now >= self.since + MOMENT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn origin(number: u8) -> Origin {
        Origin::of([192, 0, 2, number].into())
    }

    fn seat(from: u8, doing: Doing, since: Instant) -> (Origin, Activity) {
        (origin(from), Activity { doing, since, has_asked: false })
    }

    #[test]
    fn the_one_that_is_idle_longest_leaves_before_any_request_is_cut() {
        let start = Instant::now();
        let seats = [
            seat(1, Doing::Working, start),
            seat(2, Doing::Answered, start),
            seat(3, Doing::Waiting, start + 2 * SECOND),
            seat(4, Doing::Waiting, start + SECOND),
        ];
        assert_eq!(first_to_leave(&seats, start + 3 * SECOND), Some(3));
        assert_eq!(first_to_leave(&seats[..3], start + 3 * SECOND), Some(2));
        assert_eq!(first_to_leave(&seats[..2], start + 3 * SECOND), Some(0), "the older request");
    }

    #[test]
    fn of_idle_ones_an_address_with_more_than_its_share_goes_first() {
        let start = Instant::now();
        let mut seats = vec![seat(1, Doing::Waiting, start)];
        seats.extend((0..SHARE).map(|_| seat(2, Doing::Waiting, start + SECOND)));
        assert_eq!(first_to_leave(&seats, start + 2 * SECOND), Some(0), "it has its share and no more");
        seats.push(seat(2, Doing::Waiting, start + SECOND));
        assert_eq!(first_to_leave(&seats, start + 2 * SECOND), Some(1));
        assert_eq!(
            first_to_leave(&seats, start + SECOND),
            None,
            "not another instead, however long it is idle"
        );
        seats[1..].iter_mut().for_each(|(_, activity)| activity.doing = Doing::Working);
        assert_eq!(first_to_leave(&seats, start + 2 * SECOND), Some(0), "a proxy's requests go on");
    }

    #[test]
    fn a_client_that_has_just_come_has_a_moment_to_ask() {
        let start = Instant::now();
        let seats = [seat(1, Doing::Waiting, start), seat(2, Doing::Answered, start)];
        assert_eq!(first_to_leave(&seats, start), None);
        assert_eq!(first_to_leave(&seats, start + MOMENT), Some(0));
        let seats = [seat(1, Doing::Waiting, start + MOMENT), seat(2, Doing::Answered, start)];
        assert_eq!(
            first_to_leave(&seats, start + MOMENT),
            Some(1),
            "it need not wait for the idle one's moment"
        );
    }

    #[tokio::test]
    async fn requests_sent_ahead_do_not_make_a_connection_look_new() {
        let places = Places::new(Metrics::default());
        let taken = places.take(origin(1)).await.unwrap();
        let place = taken.place();
        assert!(place.asked());
        let first = place.activity().since;
        place.answered();
        assert!(!place.asked());
        place.flushed();
        assert_eq!((place.activity().doing, place.activity().since), (Doing::Working, first));
        place.answered();
        place.flushed();
        assert_eq!(place.activity().holding(), Holding::Idle);
        assert!(place.activity().since >= first);
        drop(taken);
        assert!(places.lock().taken.is_empty(), "what is left is forgotten");
    }
}
