//! The meaning of a job's termination by the server.
//!
//! A LiveKit server does so when the job's dispatch is deleted, and whenever our participant has left the room:
//! because an operator removed it, or because the server has lost the connection to it. The message does not say
//! which. So the room itself, the room service and the dispatch are asked: an order is followed, and a lost connection
//! is a lost connection.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use crate::room::roster::{Kind, Known, Member, Roster, RosterError};
use crate::room::{Occupancy, Place};
use crate::session::EndReason;

/// How long the room gets to tell that it is closed: a removed participant is told on the room's own connection, at
/// about the same time. A list of participants can be older than that.
const ROOM_FIRST: Duration = Duration::from_secs(1);
/// How long the server is asked.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long the SDK gets to come back by itself: it may be rejoining, which puts out our former stay.
const SDK_FIRST: Duration = Duration::from_secs(3);
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// The servers to ask, and the job to ask about.
pub(super) struct Inquiry<'a> {
    pub(super) roster: &'a Roster,
    pub(super) place: &'a Place,
    /// Empty where the server does not tell.
    pub(super) dispatch_id: &'a str,
    pub(super) occupancy: &'a Occupancy,
}

/// The server's account of the room.
#[derive(Debug)]
struct Answers {
    room: Option<Known>,
    members: Vec<Member>,
}

/// The meaning of a termination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The server has us in the room still, or again.
    Stay,
    End(EndReason),
}

// === impl Inquiry ===

impl Inquiry<'_> {
    /// Returns within some seconds.
    pub(super) async fn meaning(&self) -> Meaning {
        let began = Instant::now();
        let deadline = began + PATIENCE;
        if let Ok(Some(false)) = timeout_at(deadline, self.is_dispatched()).await {
            return Meaning::End(EndReason::Stopped);
        }
        sleep_until(began + ROOM_FIRST).await;
        loop {
            let answers = timeout_at(deadline, self.answers()).await.ok();
            let meaning = judge(self.place, self.occupancy.is_connected(), answers.as_ref());
            if !meaning.is_loss() || began.elapsed() >= SDK_FIRST {
                return meaning;
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// Whether our dispatch stands; None when the server cannot tell.
    async fn is_dispatched(&self) -> Option<bool> {
        if self.dispatch_id.is_empty() {
            return None;
        }
        let asked = self.roster.is_dispatched(&self.place.room, self.dispatch_id).await;
        asked.inspect_err(|error| tracing::debug!(%error, "asking whether the dispatch stands")).ok()
    }

    async fn answers(&self) -> Answers {
        loop {
            match self.ask().await {
                Ok(answers) => return answers,
                Err(error) => tracing::debug!(%error, "asking who is in the room of a terminated job"),
            }
            sleep(ASK_AGAIN).await;
        }
    }

    async fn ask(&self) -> Result<Answers, RosterError> {
        let room = self.roster.rooms(vec![self.place.room.clone()]).await?.remove(&self.place.room);
        let members = self.roster.members(&self.place.room).await?;
        Ok(Answers { room, members })
    }
}

// === impl Meaning ===

impl Meaning {
    fn is_loss(&self) -> bool {
        matches!(self, Self::End(EndReason::ConnectionLost(_)))
    }
}

/// Our dispatch stands, or the server does not say; `answers` is None when the server could not be asked.
fn judge(place: &Place, connected: bool, answers: Option<&Answers>) -> Meaning {
    let lost = || {
        let why = "LiveKit has removed us from the room, where people wait, after it lost the connection";
        Meaning::End(EndReason::ConnectionLost(why.to_owned()))
    };
    let Some(answers) = answers else {
        // We learn of our end in the room while we are in it.
        return if connected { Meaning::Stay } else { lost() };
    };
    let is_ours = |room: &&Known| !place.has_sid() || room.sid == place.sid;
    if answers.room.as_ref().filter(is_ours).is_none() {
        return Meaning::End(EndReason::RoomClosed("the server knows it no longer".to_owned()));
    }
    if answers.members.iter().all(|member| member.kind != Kind::Person) {
        return Meaning::End(EndReason::EverybodyLeft);
    }
    let is_here = answers.members.iter().any(|member| member.identity == place.identity);
    if connected && is_here { Meaning::Stay } else { lost() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us() -> (&'static str, Kind) {
        ("agent", Kind::Agent { name: "support".to_owned() })
    }

    fn caller() -> (&'static str, Kind) {
        ("ada", Kind::Person)
    }

    fn answers(sid: &str, members: &[(&str, Kind)]) -> Answers {
        let member =
            |(identity, kind): &(&str, Kind)| Member { identity: (*identity).to_owned(), kind: kind.clone() };
        let room = Known { sid: sid.to_owned(), closes_after: Duration::from_secs(20) };
        Answers { room: Some(room), members: members.iter().map(member).collect() }
    }

    fn judged(connected: bool, answers: Option<&Answers>) -> Meaning {
        let [room, sid, identity] = ["call", "RM_1", "agent"].map(str::to_owned);
        judge(&Place { room, sid, identity }, connected, answers)
    }

    #[test]
    fn a_termination_is_a_loss_where_a_person_waits_in_our_room_without_us() {
        for connected in [true, false] {
            assert!(judged(connected, Some(&answers("RM_1", &[caller()]))).is_loss(), "{connected}");
        }
        let lingering = answers("RM_1", &[caller(), us()]);
        assert!(judged(false, Some(&lingering)).is_loss(), "the server has us, and we are not there");
    }

    #[test]
    fn a_termination_of_a_stay_that_has_been_replaced_ends_nothing() {
        assert_eq!(judged(true, Some(&answers("RM_1", &[us(), caller()]))), Meaning::Stay);
    }

    #[test]
    fn a_termination_ends_the_session_of_an_empty_room() {
        let recorder = ("EG_1", Kind::Other);
        for members in [vec![], vec![us()], vec![us(), recorder]] {
            let meaning = judged(true, Some(&answers("RM_1", &members)));
            assert_eq!(meaning, Meaning::End(EndReason::EverybodyLeft), "{members:?}");
        }
    }

    #[test]
    fn a_termination_ends_the_session_of_a_room_that_is_gone_or_was_made_anew() {
        let gone = Answers { room: None, members: Vec::new() };
        for answers in [gone, answers("RM_2", &[caller(), us()])] {
            let meaning = judged(true, Some(&answers));
            assert!(matches!(meaning, Meaning::End(EndReason::RoomClosed(_))), "{answers:?}");
        }
    }

    #[test]
    fn without_the_servers_word_the_connection_decides() {
        assert_eq!(judged(true, None), Meaning::Stay);
        assert!(judged(false, None).is_loss());
    }
}
