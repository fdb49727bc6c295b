//! Whether the server still knows of us in a room to which nobody came.
//!
//! A LiveKit server that deletes a room while an agent joins it can let the agent into what is left of the room: nobody can
//! come there, and no end is ever announced, so the session would hold its slot for good. Only a question from outside
//! tells.

use std::time::Duration;

use crate::room::Place;
use crate::room::roster::Roster;

/// When to ask, counted from the join. It happens in the moment of the join or not at all.
const ASK_AFTER: [Duration; 3] = [Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(60)];
/// An answer can be older than our join where servers share their rooms, so that it takes two.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// Comes to its end when the server has said twice that we are not there; else never.
pub(super) async fn forgotten(roster: &Roster, place: &Place) {
    for after in ASK_AFTER {
        tokio::time::sleep(after).await;
        if is_missing(roster, place).await {
            tokio::time::sleep(ASK_AGAIN).await;
            if is_missing(roster, place).await {
                return;
            }
        }
    }
    std::future::pending().await
}

/// A server that cannot be asked says nothing about us.
async fn is_missing(roster: &Roster, place: &Place) -> bool {
    is_unknown(roster, place).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "asking whether the server knows of us");
        false
    })
}

/// The room is asked for first: of one that was deleted under us, the server can still list us as its participant.
async fn is_unknown(roster: &Roster, place: &Place) -> Result<bool, String> {
    let rooms = roster.rooms(vec![place.room.clone()]).await?;
    if rooms.get(&place.room).is_none_or(|sid| place.has_sid() && *sid != place.sid) {
        return Ok(true);
    }
    let members = roster.members(&place.room).await?;
    Ok(members.iter().all(|member| member.identity != place.identity))
}
