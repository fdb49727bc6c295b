//! The offer/answer state without a peer: the descriptions are written by hand.

use std::sync::Arc;

use crate::{
    channel_init::{DataChannelInit, DataChannelState},
    configuration::RtcConfiguration,
    connection_state::{OfferOptions, SignalingState},
    direction::RtpTransceiverDirection,
    pc::{
        channel::{Channel, config_of},
        effect::Effect,
        link::Link,
        state::{OfferPlan, RemoteStep, State},
        transceiver::{Kind, Transceiver},
    },
    sdp_type::SdpType,
    session_description::SessionDescription,
    transceiver_init::RtpTransceiverInit,
};

fn state() -> State {
    State::new(RtcConfiguration::default(), Vec::new(), Link::loose())
}

fn transceiver(direction: RtpTransceiverDirection) -> Arc<Transceiver> {
    let init = RtpTransceiverInit { direction, stream_ids: Vec::new(), send_encodings: Vec::new() };
    Arc::new(Transceiver::new(Kind::Audio, None, init, Link::loose()))
}

fn channel(init: DataChannelInit) -> Arc<Channel> {
    let config = config_of("chat", &init).unwrap();
    Arc::new(Channel::new(config, DataChannelState::Connecting, Arc::default()))
}

fn plan(state: &mut State) -> OfferPlan {
    state.plan_offer(&OfferOptions::default()).unwrap()
}

/// Acts as the engine on a plan, with mids numbered from `first_mid`.
fn offer(state: &mut State, first_mid: usize) -> SessionDescription {
    let plan = plan(state);
    let mids: Vec<_> =
        plan.add.into_iter().zip(first_mid..).map(|(own, mid)| (own, mid.to_string())).collect();
    let known = plan.directions.into_iter().map(|(mid, _)| mid);
    let text: String =
        known.chain(mids.iter().map(|(_, mid)| mid.clone())).map(|mid| audio(&mid, "recvonly", "")).collect();
    state.offer_made(mids, plan.ice_restart);
    SessionDescription::from_text(text, SdpType::Offer)
}

fn answer(text: String) -> SessionDescription {
    SessionDescription::from_text(text, SdpType::Answer)
}

fn audio(mid: &str, direction: &str, msid: &str) -> String {
    format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:{mid}\r\na={direction}\r\n{msid}")
}

fn tracks(effects: &[Effect]) -> Vec<String> {
    let track = |effect: &Effect| match effect {
        Effect::Track(event) => Some(event.track.id()),
        _ => None,
    };
    effects.iter().filter_map(track).collect()
}

#[test]
fn a_dropped_offer_is_made_again_in_full() {
    let mut state = state();
    state.add_transceiver(transceiver(RtpTransceiverDirection::RecvOnly)).unwrap();
    state.add_channel(channel(DataChannelInit::default())).unwrap();
    offer(&mut state, 0);
    let again = plan(&mut state);
    assert_eq!((again.add.len(), again.add_data_section), (1, true));
}

#[test]
fn mids_are_only_given_when_the_offer_is_set_and_taken_back_when_it_is_dropped() {
    let mut state = state();
    let own = transceiver(RtpTransceiverDirection::RecvOnly);
    state.add_transceiver(own.clone()).unwrap();
    let offer = offer(&mut state, 0);
    assert_eq!(own.mid(), None);
    state.set_local(offer).unwrap();
    assert_eq!(own.mid().as_deref(), Some("0"));
    assert_eq!(state.signaling(), SignalingState::HaveLocalOffer);
    state.rollback();
    assert_eq!((own.mid(), state.signaling()), (None, SignalingState::Stable));
}

#[test]
fn a_second_offer_replaces_the_mids_of_the_first() {
    let mut state = state();
    let own = transceiver(RtpTransceiverDirection::RecvOnly);
    state.add_transceiver(own.clone()).unwrap();
    let first = offer(&mut state, 0);
    state.set_local(first.clone()).unwrap();
    let second = offer(&mut state, 5);
    assert!(state.set_local(first).is_err(), "only the last offer can be set");
    state.set_local(second).unwrap();
    assert_eq!(own.mid().as_deref(), Some("5"));
}

#[test]
fn the_next_offer_asks_for_our_direction_whatever_the_answer_was() {
    let mut state = state();
    let own = transceiver(RtpTransceiverDirection::RecvOnly);
    state.add_transceiver(own.clone()).unwrap();
    let first = offer(&mut state, 0);
    state.set_local(first).unwrap();
    state.answer_accepted(answer(audio("0", "inactive", "")));
    assert_eq!(own.current_direction(), Some(RtpTransceiverDirection::Inactive));
    let next = plan(&mut state);
    assert_eq!(next.directions, [("0".to_owned(), RtpTransceiverDirection::RecvOnly)]);
    assert!(next.add.is_empty());
}

#[test]
fn a_track_is_announced_once_for_each_use_of_its_place() {
    let mut state = state();
    state.add_transceiver(transceiver(RtpTransceiverDirection::RecvOnly)).unwrap();
    let mut exchange = |text: String| {
        let offer = offer(&mut state, 0);
        state.set_local(offer).unwrap();
        tracks(&state.answer_accepted(answer(text)))
    };
    assert_eq!(exchange(audio("0", "sendonly", "a=msid:PA_1 TR_1\r\n")), ["TR_1"]);
    assert!(exchange(audio("0", "sendonly", "a=msid:PA_1 TR_1\r\n")).is_empty());
    assert!(exchange(audio("0", "inactive", "")).is_empty());
    assert_eq!(exchange(audio("0", "sendonly", "a=msid:PA_1 TR_1\r\n")), ["TR_1"]);
    assert_eq!(exchange(audio("0", "sendonly", "a=msid:PA_2 TR_2\r\n")), ["TR_2"]);
}

#[test]
fn the_answer_in_force_withdraws_a_pending_offer_and_a_new_one_is_applied() {
    let mut state = state();
    state.add_transceiver(transceiver(RtpTransceiverDirection::RecvOnly)).unwrap();
    let in_force = answer(audio("0", "inactive", ""));
    let first = offer(&mut state, 0);
    state.set_local(first).unwrap();
    assert_eq!(state.plan_remote(&in_force).unwrap(), RemoteStep::AcceptAnswer);
    state.answer_accepted(in_force.clone());
    let second = offer(&mut state, 1);
    state.set_local(second).unwrap();
    assert_eq!(state.plan_remote(&in_force).unwrap(), RemoteStep::Rollback);
    let other = answer(audio("0", "sendonly", ""));
    assert_eq!(state.plan_remote(&other).unwrap(), RemoteStep::AcceptAnswer);
}

#[test]
fn m_lines_of_the_peer_become_transceivers_with_the_answered_direction() {
    let mut state = state();
    let remote =
        SessionDescription::from_text(audio("x", "sendonly", "a=msid:PA_1 TR_1\r\n"), SdpType::Offer);
    let effects = state.offer_accepted(remote, audio("x", "recvonly", ""));
    assert_eq!(tracks(&effects), ["TR_1"]);
    assert_eq!(state.signaling(), SignalingState::HaveRemoteOffer);
    let own = state.transceivers()[0].clone();
    assert_eq!((own.mid().as_deref(), own.direction()), (Some("x"), RtpTransceiverDirection::RecvOnly));
    let answer = state.plan_answer().unwrap();
    state.set_local(answer).unwrap();
    assert_eq!(own.current_direction(), Some(RtpTransceiverDirection::RecvOnly));
}

#[test]
fn an_offer_of_the_peer_withdraws_ours() {
    let mut state = state();
    let own = transceiver(RtpTransceiverDirection::SendOnly);
    state.add_transceiver(own.clone()).unwrap();
    let ours = offer(&mut state, 0);
    state.set_local(ours).unwrap();
    let remote = SessionDescription::from_text(audio("x", "sendonly", ""), SdpType::Offer);
    state.offer_accepted(remote, audio("x", "recvonly", ""));
    assert_eq!(own.mid(), None);
    assert!(state.plan_offer(&OfferOptions::default()).is_err());
}

#[test]
fn channels_need_an_m_line_only_while_they_live() {
    let mut state = state();
    let own = channel(DataChannelInit::default());
    state.add_channel(own.clone()).unwrap();
    assert!(plan(&mut state).add_data_section);
    own.close();
    assert!(!plan(&mut state).add_data_section);
}

#[test]
fn a_stopped_transceiver_leaves_the_offer() {
    let mut state = state();
    let (placed, unplaced) =
        (transceiver(RtpTransceiverDirection::RecvOnly), transceiver(RtpTransceiverDirection::RecvOnly));
    state.add_transceiver(placed.clone()).unwrap();
    let first = offer(&mut state, 0);
    state.set_local(first).unwrap();
    state.answer_accepted(answer(audio("0", "inactive", "")));
    state.add_transceiver(unplaced.clone()).unwrap();
    placed.stop();
    unplaced.stop();
    let next = plan(&mut state);
    assert_eq!((next.add.len(), next.directions.len(), next.stop), (0, 0, vec!["0".to_owned()]));
}

#[test]
fn an_ice_restart_is_wanted_until_an_offer_with_it_is_answered() {
    let mut state = state();
    state.add_transceiver(transceiver(RtpTransceiverDirection::RecvOnly)).unwrap();
    state.want_ice_restart();
    let first = offer(&mut state, 0);
    state.set_local(first).unwrap();
    assert!(plan(&mut state).ice_restart);
    let second = offer(&mut state, 0);
    state.set_local(second).unwrap();
    state.answer_accepted(answer(audio("0", "inactive", "")));
    assert!(!plan(&mut state).ice_restart);
}

#[test]
fn an_offer_can_ask_for_media_that_no_transceiver_does() {
    let mut state = state();
    let options = OfferOptions { offer_to_receive_audio: true, ..Default::default() };
    assert_eq!(state.plan_offer(&options).unwrap().add.len(), 1);
    assert_eq!(state.plan_offer(&options).unwrap().add.len(), 1, "and not twice");
}

#[test]
fn a_closed_connection_does_nothing_more() {
    let mut state = state();
    state.close();
    assert!(state.plan_offer(&OfferOptions::default()).is_err());
    assert!(state.add_transceiver(transceiver(RtpTransceiverDirection::RecvOnly)).is_err());
    assert!(state.add_channel(channel(DataChannelInit::default())).is_err());
    assert!(state.take_negotiation_needed().is_none());
}
