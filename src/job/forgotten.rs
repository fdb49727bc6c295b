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
    match roster.members(&place.room).await {
        Ok(members) => members.iter().all(|member| member.identity != place.identity),
        Err(error) => {
            tracing::debug!(%error, "asking whether the server knows of us");
            false
        }
    }
}
