//! One session, and the ways in which it ends.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use testbed::Process;

use super::stage::{AGENT_NAME, ASK_FOR_STORY, PATIENCE, STORY_BEGINS, Stage, pause};
use crate::interrupt::Interrupt;

/// Two thirds of all sessions end well.
const ENDINGS: [Ending; 12] = [
    Ending::KilledInReply,
    Ending::Leaves,
    Ending::Leaves,
    Ending::DeletedInReply,
    Ending::Leaves,
    Ending::Leaves,
    Ending::KilledAtAnyTime,
    Ending::Leaves,
    Ending::Leaves,
    Ending::CutJoin,
    Ending::Leaves,
    Ending::Leaves,
];
/// A random time of up to this much covers the time from a caller's start to its first words.
const ANY_TIME: Duration = Duration::from_millis(900);
/// A random time of up to this much covers the time from an agent's dispatch to its join.
const JOIN: Duration = Duration::from_millis(500);

/// How a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The caller says all its lines, and leaves.
    Leaves,
    /// The caller is killed while the agent speaks.
    KilledInReply,
    /// The caller is killed while it joins, waits for the agent, or writes.
    KilledAtAnyTime,
    /// The room is deleted while the agent speaks.
    DeletedInReply,
    /// The room is deleted while the agent joins.
    CutJoin,
}

impl Ending {
    pub(crate) fn of(session: u32) -> Self {
        ENDINGS[session as usize % ENDINGS.len()]
    }
}

/// Holds a session of `turns` turns. Returns whether it ended as intended.
pub(crate) fn hold(stage: &Stage, interrupt: &Interrupt, session: u32, turns: u32) -> Result<bool> {
    let room = format!("soak-{session}");
    match Ending::of(session) {
        Ending::Leaves => {
            let (mut caller, log) = stage.call(&room, &["--turns", &turns.to_string()])?;
            let status = interrupt.wait_for(PATIENCE, || caller.exit_status())?;
            let well = status.is_some_and(|status| status.success());
            if well {
                std::fs::remove_file(log)?;
            }
            Ok(well)
        }
        Ending::KilledInReply => {
            let (mut caller, log) = stage.call(&room, &["--say", ASK_FOR_STORY])?;
            let spoke = wait_for_story(interrupt, &mut caller, &log)?;
            caller.kill();
            Ok(spoke)
        }
        Ending::KilledAtAnyTime => {
            let (mut caller, _) = stage.call(&room, &["--say", ASK_FOR_STORY])?;
            pause(interrupt, moment(session, ANY_TIME))?;
            caller.kill();
            Ok(true)
        }
        Ending::DeletedInReply => {
            let (mut caller, log) = stage.call(&room, &["--say", ASK_FOR_STORY])?;
            let spoke = wait_for_story(interrupt, &mut caller, &log)?;
            stage.livekit().delete_room(&room)?;
            let ended = interrupt.wait_for(PATIENCE, || caller.exit_status())?;
            ensure!(ended.is_some(), "the caller stayed in room {room} after its end");
            Ok(spoke)
        }
        Ending::CutJoin => {
            stage.livekit().create_room(&room, AGENT_NAME)?;
            pause(interrupt, moment(session, JOIN))?;
            stage.livekit().delete_room(&room)?;
            Ok(true)
        }
    }
}

/// Waits until the agent is in the middle of a story. Returns false when the call ended before.
fn wait_for_story(interrupt: &Interrupt, caller: &mut Process, log: &Path) -> Result<bool> {
    let begun = interrupt.wait_for(PATIENCE, || {
        let heard = std::fs::read_to_string(log).unwrap_or_default();
        let speaks = heard.contains(STORY_BEGINS);
        Ok((speaks || caller.exit_status()?.is_some()).then_some(speaks))
    })?;
    Ok(begun.unwrap_or(false))
}

/// A moment within `span` that differs between sessions and is the same in each run.
fn moment(session: u32, span: Duration) -> Duration {
    let share = f64::from(session.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX);
    span.mul_f64(share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_sessions_end_hard_and_in_every_way() {
        let hard = (0..1200).filter(|session| Ending::of(*session) != Ending::Leaves).count();
        assert_eq!(hard, 400);
        for ending in ENDINGS {
            assert!((0..12).any(|session| Ending::of(session) == ending), "{ending:?}");
        }
    }

    #[test]
    fn moments_are_spread_over_their_span() {
        let moments: Vec<_> = (0..1000).map(|session| moment(session, JOIN)).collect();
        let early = moments.iter().filter(|moment| **moment < JOIN / 2).count();
        assert!((400..600).contains(&early), "{early}");
        assert!(moments.iter().all(|moment| *moment <= JOIN));
    }
}
