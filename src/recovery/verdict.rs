//! Whether to go back to a room: pure.

use super::Left;
use crate::room::roster::{Kind, Member};

/// What is in the room of a session that a dead process left, as the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Census {
    pub(super) room_sid: String,
    pub(super) members: Vec<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoBack,
    /// The room is gone, another one has its name, or nobody waits in it.
    Over,
    /// An agent of our name is there already.
    Served,
}

/// What to do about a session; `room` is None when the server knows no room of that name.
pub(super) fn verdict(left: &Left, room: Option<&Census>, agent_name: &str) -> Verdict {
    let Some(room) = room.filter(|room| room.room_sid == left.room_sid) else { return Verdict::Over };
    // Our own lingers until the server has noticed its death.
    let ours = |name: &String, member: &Member| name == agent_name && member.identity != left.identity;
    let is_ours = |member: &Member| matches!(&member.kind, Kind::Agent { name } if ours(name, member));
    if room.members.iter().any(is_ours) {
        return Verdict::Served;
    }
    match room.members.iter().any(|member| member.kind == Kind::Person) {
        true => Verdict::GoBack,
        false => Verdict::Over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left() -> Left {
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

    fn of(members: Vec<Member>) -> Verdict {
        verdict(&left(), Some(&Census { room_sid: "RM_1".to_owned(), members }), "helper")
    }

    #[test]
    fn somebody_waits_alone_or_with_what_is_left_of_us_or_with_agents_of_other_names() {
        assert_eq!(of(vec![person()]), Verdict::GoBack);
        assert_eq!(of(vec![person(), agent("agent-AJ_1", "helper")]), Verdict::GoBack);
        assert_eq!(of(vec![person(), agent("agent-AJ_2", "transcriber")]), Verdict::GoBack);
    }

    #[test]
    fn nobody_goes_where_one_of_us_is() {
        assert_eq!(of(vec![person(), agent("agent-AJ_2", "helper")]), Verdict::Served);
    }

    #[test]
    fn a_room_without_people_is_over_and_so_is_one_that_is_gone_or_another() {
        let recorder = Member { identity: "EG_1".to_owned(), kind: Kind::Other };
        assert_eq!(of(vec![agent("agent-AJ_1", "helper"), recorder]), Verdict::Over);
        assert_eq!(verdict(&left(), None, "helper"), Verdict::Over);
        let another = Census { room_sid: "RM_2".to_owned(), members: vec![person()] };
        assert_eq!(verdict(&left(), Some(&another), "helper"), Verdict::Over);
    }
}
