//! Whether to go back to a room: pure.

use super::ResumableSession;
use crate::room::roster::{Kind, Member};

/// The content of a room whose session a dead process left, as the server reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RoomMembers {
    pub(super) room_sid: String,
    pub(super) members: Vec<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    GoBack,
    /// No person is there yet who could go on with the conversation.
    Wait,
    /// The room is gone, another one has its name, or no person waits in it.
    Over,
    /// An agent of our name is there already.
    Served,
}

/// Decides about a session; `room` is None when the server knows no room of that name. `met` are the people of a
/// session whose connection was lost; None when its process died or it broke down.
///
/// When the server was restarted the conversation goes on in a room with another SID, as soon as one of its people is
/// there. Others in a room of the same name are none of its business.
pub(super) fn decide(
    session: &ResumableSession,
    met: Option<&[String]>,
    room: Option<&RoomMembers>,
    agent_name: &str,
) -> Decision {
    let absent = if met.is_some() { Decision::Wait } else { Decision::Over };
    let Some(room) = room else { return absent };
    let same = room.room_sid == session.room_sid;
    let knows = |identity: &String| met.is_some_and(|met| met.contains(identity));
    let waits = |member: &&Member| member.kind == Kind::Person && (same || knows(&member.identity));
    // Our own participant lingers until the server has noticed its death.
    let ours = |name: &String, member: &Member| name == agent_name && member.identity != session.identity;
    let is_ours = |member: &Member| matches!(&member.kind, Kind::Agent { name } if ours(name, member));
    match room.members.iter().find(waits) {
        None => absent,
        Some(_) if room.members.iter().any(is_ours) => Decision::Served,
        Some(_) => Decision::GoBack,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> ResumableSession {
        let text = r#"{"job_id": "AJ_1", "dispatch_id": "", "room_name": "r", "room_sid": "RM_1", "url": "ws://h/",
            "identity": "agent-AJ_1", "metadata": "", "attributes": {}}"#;
        serde_json::from_str(text).unwrap()
    }

    fn agent(identity: &str, name: &str) -> Member {
        Member { identity: identity.to_owned(), kind: Kind::Agent { name: name.to_owned() } }
    }

    fn person() -> Member {
        Member { identity: "ada".to_owned(), kind: Kind::Person }
    }

    fn room(sid: &str, members: Vec<Member>) -> RoomMembers {
        RoomMembers { room_sid: sid.to_owned(), members }
    }

    fn of(members: Vec<Member>) -> Decision {
        decide(&session(), None, Some(&room("RM_1", members)), "helper")
    }

    fn of_lost(room: Option<RoomMembers>) -> Decision {
        decide(&session(), Some(&["ada".to_owned()]), room.as_ref(), "helper")
    }

    #[test]
    fn a_person_waits_alone_or_beside_agents_of_other_names() {
        assert_eq!(of(vec![person()]), Decision::GoBack);
        assert_eq!(of(vec![person(), agent("agent-AJ_1", "helper")]), Decision::GoBack);
        assert_eq!(of(vec![person(), agent("agent-AJ_2", "transcriber")]), Decision::GoBack);
    }

    #[test]
    fn no_worker_goes_where_one_of_us_is() {
        assert_eq!(of(vec![person(), agent("agent-AJ_2", "helper")]), Decision::Served);
    }

    #[test]
    fn a_room_without_people_is_over_and_so_is_one_that_is_gone_or_another() {
        let recorder = Member { identity: "EG_1".to_owned(), kind: Kind::Other };
        assert_eq!(of(vec![agent("agent-AJ_1", "helper"), recorder]), Decision::Over);
        assert_eq!(decide(&session(), None, None, "helper"), Decision::Over);
        let another = room("RM_2", vec![person()]);
        assert_eq!(decide(&session(), None, Some(&another), "helper"), Decision::Over);
    }

    #[test]
    fn a_lost_session_waits_for_its_people_and_finds_them_in_a_new_room_too() {
        let stranger = || Member { identity: "eve".to_owned(), kind: Kind::Person };
        assert_eq!(of_lost(None), Decision::Wait);
        assert_eq!(of_lost(Some(room("RM_1", vec![]))), Decision::Wait);
        assert_eq!(
            of_lost(Some(room("RM_1", vec![stranger()]))),
            Decision::GoBack,
            "who came while we were away"
        );
        assert_eq!(of_lost(Some(room("RM_2", vec![stranger()]))), Decision::Wait, "another conversation");
        assert_eq!(of_lost(Some(room("RM_2", vec![person()]))), Decision::GoBack);
        let served = vec![person(), agent("agent-AJ_2", "helper")];
        assert_eq!(of_lost(Some(room("RM_2", served))), Decision::Served);
    }
}
