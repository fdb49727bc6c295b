//! What is known of the agent's own track: its SID, which a new stay in the room changes, and whether it is heard.

use tokio::sync::watch;

/// Clones share it: the room tells, and the loudspeaker and the transcripts read.
#[derive(Clone, Default)]
pub(in crate::room) struct OwnTrack(watch::Sender<Sids>);

#[derive(Default)]
struct Sids {
    published: Option<String>,
    /// The track that a participant has subscribed to. The server tells it once for each track.
    subscribed: Option<String>,
}

// === impl OwnTrack ===

impl OwnTrack {
    pub(in crate::room) fn published(&self, sid: String) {
        self.0.send_modify(|sids| sids.published = Some(sid));
    }

    pub(in crate::room) fn subscribed(&self, sid: String) {
        self.0.send_modify(|sids| sids.subscribed = Some(sid));
    }

    /// The connection was restored. The news of a subscription may have been lost with it.
    pub(in crate::room) fn resumed(&self) {
        self.0.send_modify(|sids| sids.subscribed.clone_from(&sids.published));
    }

    pub(in crate::room) fn sid(&self) -> Option<String> {
        self.0.borrow().published.clone()
    }

    /// Returns once a participant has subscribed to the track.
    pub(super) async fn heard(&self) {
        let is_heard = |sids: &Sids| sids.published.is_some() && sids.published == sids.subscribed;
        // The sender is here, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(is_heard).await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn is_heard(track: &OwnTrack) -> bool {
        track.heard().now_or_never().is_some()
    }

    #[test]
    fn a_track_is_heard_once_a_participant_has_subscribed() {
        let track = OwnTrack::default();
        track.published("TR_1".into());
        assert!(!is_heard(&track));
        track.subscribed("TR_1".into());
        assert!(is_heard(&track));
    }

    #[test]
    fn the_track_of_a_new_stay_is_not_heard_by_those_of_the_old_one() {
        let track = OwnTrack::default();
        track.published("TR_1".into());
        track.subscribed("TR_1".into());
        // The news may come before the loudspeaker knows the track.
        track.subscribed("TR_2".into());
        assert!(!is_heard(&track));
        track.published("TR_2".into());
        assert!(is_heard(&track));
        track.published("TR_3".into());
        assert!(!is_heard(&track));
    }

    #[test]
    fn after_an_outage_the_track_counts_as_heard() {
        let track = OwnTrack::default();
        track.resumed();
        assert!(!is_heard(&track), "it is not published");
        track.published("TR_1".into());
        track.resumed();
        assert!(is_heard(&track));
    }
}
