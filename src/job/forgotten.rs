//! Whether the server still keeps a room that no person has joined.
//!
//! A LiveKit server that deletes a room while an agent joins it can let the agent into what is left of the room: no
//! person can come there, and no end is ever announced, so the session would hold its slot for good. Only questions
//! from outside tell. Mostly the server knows the room no longer; when our join overtook the deletion of what it has
//! written down, it goes on listing the room with us in it, but never closes it.

use std::iter;
use std::time::Duration;

use tokio::time::Instant;

use crate::room::roster::{Kind, Known, Member, Roster, RosterError};
use crate::room::{Occupancy, Place};

/// Pauses before the first questions; the room is lost in the moment of the join or not at all.
const FIRST_PAUSES: [Duration; 3] =
    [Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(60)];
const PAUSE: Duration = Duration::from_secs(60);
/// An answer can be older than our join where servers share their rooms, so two answers are needed.
const ASK_AGAIN: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_secs(1);
/// By how much a server may be late to close a room in which agents are alone.
const OVERDUE: Duration = Duration::from_secs(60);

/// Why a room is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forgotten {
    Unknown,
    NotClosed,
}

/// Returns when the server has said twice that it does not keep the room; never, once a person was here.
pub(super) async fn forgotten(roster: &Roster, place: &Place, occupancy: &Occupancy) {
    tokio::select! {
        () = server_has_forgotten(roster, place) => {}
        () = person_is_present(occupancy) => std::future::pending().await,
    }
}

/// With a person here the session knows when it is over, and a server that has just restarted may not know the room
/// yet.
async fn person_is_present(occupancy: &Occupancy) {
    while !occupancy.is_here() {
        tokio::time::sleep(LOOK).await;
    }
}

async fn server_has_forgotten(roster: &Roster, place: &Place) {
    let joined = Instant::now();
    for pause in FIRST_PAUSES.into_iter().chain(iter::repeat(PAUSE)) {
        tokio::time::sleep(pause).await;
        if ask(roster, place, joined.elapsed()).await.is_none() {
            continue;
        }
        tokio::time::sleep(ASK_AGAIN).await;
        if let Some(forgotten) = ask(roster, place, joined.elapsed()).await {
            return forgotten.warn();
        }
    }
}

/// None also when the server cannot be asked: that says nothing about us.
async fn ask(roster: &Roster, place: &Place, waited: Duration) -> Option<Forgotten> {
    let answers = async {
        let room = roster.rooms(vec![place.room.clone()]).await?.remove(&place.room);
        let members = roster.members(&place.room).await?;
        Ok::<_, RosterError>((room, members))
    };
    match answers.await {
        Ok((room, members)) => judge(place, room.as_ref(), &members, waited),
        Err(error) => {
            tracing::debug!(%error, "asking whether the server knows of us");
            None
        }
    }
}

/// The server can still list us as a participant of a room that was deleted under us.
fn judge(place: &Place, room: Option<&Known>, members: &[Member], waited: Duration) -> Option<Forgotten> {
    let Some(room) = room.filter(|room| !place.has_sid() || room.sid == place.sid) else {
        return Some(Forgotten::Unknown);
    };
    if members.iter().all(|member| member.identity != place.identity) {
        return Some(Forgotten::Unknown);
    }
    let is_overdue = waited > room.closes_after + OVERDUE;
    let is_empty = members.iter().all(|member| member.kind != Kind::Person);
    (is_overdue && is_empty).then_some(Forgotten::NotClosed)
}

// === impl Forgotten ===

impl Forgotten {
    fn warn(self) {
        match self {
            Self::Unknown => tracing::warn!(
                "no person came, and the server knows no such room with us in it: leaving what is left of it"
            ),
            Self::NotClosed => tracing::warn!(
                "no person came, and the server has not closed the room when its time was over: leaving what is left of it"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);
    const LATE: Duration = Duration::from_secs(361);

    fn judged(sid: &str, members: &[(&str, Kind)], waited: Duration) -> Option<Forgotten> {
        let [room, ours] = ["call", "RM_1"].map(str::to_owned);
        let place = Place { room, sid: ours, identity: "agent".to_owned() };
        let room = Known { sid: sid.to_owned(), closes_after: Duration::from_secs(300) };
        let member =
            |(identity, kind): &(&str, Kind)| Member { identity: (*identity).to_owned(), kind: kind.clone() };
        judge(&place, Some(&room), &members.iter().map(member).collect::<Vec<_>>(), waited)
    }

    fn us() -> (&'static str, Kind) {
        ("agent", Kind::Agent { name: "support".to_owned() })
    }

    #[test]
    fn a_room_that_the_server_knows_is_waited_in_until_it_should_have_closed_it() {
        assert_eq!(judged("RM_1", &[us()], SOON), None);
        assert_eq!(judged("RM_1", &[us()], LATE - Duration::from_secs(1)), None);
        assert_eq!(judged("RM_1", &[us(), ("recorder", Kind::Other)], LATE), Some(Forgotten::NotClosed));
        // A person whom we are not shown keeps it open.
        assert_eq!(judged("RM_1", &[us(), ("guest", Kind::Person)], LATE), None);
    }

    #[test]
    fn a_room_without_us_or_of_the_same_name_is_not_ours() {
        assert_eq!(judged("RM_2", &[us()], SOON), Some(Forgotten::Unknown));
        assert_eq!(judged("RM_1", &[("guest", Kind::Person)], SOON), Some(Forgotten::Unknown));
        let place = Place { room: "call".to_owned(), sid: "RM_1".to_owned(), identity: "agent".to_owned() };
        assert_eq!(judge(&place, None, &[], SOON), Some(Forgotten::Unknown));
    }
}
