//! Offers and answers in the orders in which real programs use them.

use libwebrtc::prelude::*;

use super::support::{
    Line, Peer, connected_pair, eventually, negotiate,
    relay::{Weather, relayed_pair},
};

fn receive_only() -> RtpTransceiverInit {
    RtpTransceiverInit {
        direction: RtpTransceiverDirection::RecvOnly,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    }
}

fn send_only(stream: &str) -> RtpTransceiverInit {
    RtpTransceiverInit {
        direction: RtpTransceiverDirection::SendOnly,
        stream_ids: vec![stream.to_owned()],
        send_encodings: Vec::new(),
    }
}

fn audio_track(id: &str) -> MediaStreamTrack {
    use libwebrtc::{
        audio_source::native::NativeAudioSource,
        peer_connection_factory::{PeerConnectionFactory, native::PeerConnectionFactoryExt},
    };
    let source = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 0);
    PeerConnectionFactory::default().create_audio_track(id, source).into()
}

#[tokio::test]
async fn offers_that_are_dropped_cost_nothing() {
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let mut near = a.line("chat", DataChannelInit { negotiated: true, id: 0, ..Default::default() });
    let mut in_band = a.line("more", DataChannelInit::default());
    for kind in [MediaType::Audio, MediaType::Video] {
        a.pc.add_transceiver_for_media(kind, receive_only()).unwrap();
    }
    for _ in 0..5 {
        a.pc.create_offer(OfferOptions::default()).await.unwrap();
    }
    assert!(a.pc.transceivers().iter().all(|transceiver| transceiver.mid().is_none()));
    let mut far = b.line("chat", DataChannelInit { negotiated: true, id: 0, ..Default::default() });
    negotiate(&a, &b).await;
    a.connected().await;
    b.connected().await;
    near.open().await;
    far.open().await;
    in_band.open().await;
    assert_eq!(b.channels.next().await.label(), "more");
    near.channel.send(b"x", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"x");
    assert_eq!(a.pc.transceivers().len(), 2);
}

/// The behaviour of `livekit` with a server that opens its channels in-band: it learns of that after it has sent the
/// offer.
#[tokio::test]
async fn channels_closed_before_the_answer_never_open_and_their_replacements_do() {
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let mut early: Vec<Line> = (0..3)
        .map(|id| a.line("early", DataChannelInit { negotiated: true, id, ..Default::default() }))
        .collect();
    let offer = a.pc.create_offer(OfferOptions::default()).await.unwrap();
    early.iter().for_each(|line| line.channel.close());
    let mut late = a.line("late", DataChannelInit::default());
    a.pc.set_local_description(offer.clone()).await.unwrap();
    let answer = b.answer(offer).await;
    a.pc.set_remote_description(answer).await.unwrap();
    late.open().await;
    assert_eq!(b.channels.next().await.label(), "late");
    for line in &mut early {
        line.closed().await;
        assert!(!line.states.so_far().contains(&DataChannelState::Open));
    }
    assert!(a.channels.so_far().is_empty(), "our own channels are not announced to us");
}

#[tokio::test]
async fn an_offer_with_nothing_new_is_negotiated_all_the_same() {
    let (a, mut near, b, mut far) = connected_pair(DataChannelInit::default()).await;
    for _ in 0..2 {
        negotiate(&a, &b).await;
        negotiate(&b, &a).await;
    }
    near.channel.send(b"ping", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"ping");
    far.channel.send(b"pong", true).unwrap();
    assert_eq!(near.messages.next().await.0, b"pong");
}

#[tokio::test]
async fn an_offer_with_media_and_nothing_new_is_negotiated_all_the_same() {
    let (mut a, b) = (Peer::new(), Peer::new());
    for kind in [MediaType::Audio, MediaType::Video] {
        a.pc.add_transceiver_for_media(kind, receive_only()).unwrap();
    }
    for _ in 0..3 {
        negotiate(&a, &b).await;
    }
    a.connected().await;
    assert_eq!(a.pc.transceivers().len(), 2);
    assert_eq!(b.pc.transceivers().len(), 2);
    assert!(
        a.pc.transceivers()
            .iter()
            .all(|transceiver| transceiver.direction() == RtpTransceiverDirection::RecvOnly)
    );
}

#[tokio::test]
async fn the_answer_in_force_set_again_withdraws_the_pending_offer() {
    let (a, _near, b, _far) = connected_pair(DataChannelInit::default()).await;
    let in_force = a.pc.current_remote_description().unwrap();
    let transceiver = a.pc.add_transceiver_for_media(MediaType::Audio, receive_only()).unwrap();
    a.offer().await;
    assert!(transceiver.mid().is_some());
    a.pc.set_remote_description(in_force).await.unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    assert_eq!(transceiver.mid(), None);
    negotiate(&a, &b).await;
    assert!(transceiver.mid().is_some());
}

#[tokio::test]
async fn a_rollback_withdraws_the_pending_offer() {
    let (a, b) = (Peer::new(), Peer::new());
    let _near = a.line("chat", DataChannelInit::default());
    a.offer().await;
    a.pc.set_local_description(SessionDescription::parse("", SdpType::Rollback).unwrap()).await.unwrap();
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
    negotiate(&a, &b).await;
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
}

#[tokio::test]
async fn an_offer_of_the_peer_wins_over_our_pending_one() {
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let mut near = a.line("from a", DataChannelInit::default());
    let mut far = b.line("from b", DataChannelInit::default());
    a.offer().await;
    negotiate(&b, &a).await;
    near.open().await;
    far.open().await;
    assert_eq!(a.channels.next().await.label(), "from b");
    assert_eq!(b.channels.next().await.label(), "from a");
}

#[tokio::test]
async fn the_program_is_told_once_of_each_track_and_again_when_its_place_is_used_anew() {
    let (a, mut b) = (Peer::new(), Peer::new());
    let transceiver = a.pc.add_transceiver(audio_track("TR_1"), send_only("PA_1")).unwrap();
    negotiate(&a, &b).await;
    assert_eq!(b.tracks.next().await, "TR_1 in PA_1");
    negotiate(&a, &b).await;
    assert!(b.tracks.so_far().is_empty());
    let receiver = b.pc.receivers().remove(0);
    assert_eq!(receiver.stream_ids(), ["PA_1"]);

    a.pc.remove_track(transceiver.sender()).unwrap();
    negotiate(&a, &b).await;
    assert!(receiver.stream_ids().is_empty());
    assert_eq!(transceiver.direction(), RtpTransceiverDirection::Inactive);
}

/// A server that has nothing to send yet answers `inactive`; the next offer must ask again.
#[tokio::test]
async fn an_inactive_answer_does_not_change_what_we_ask_for() {
    let (a, b) = (Peer::new(), Peer::new());
    let ours = a.pc.add_transceiver_for_media(MediaType::Audio, receive_only()).unwrap();
    negotiate(&a, &b).await;
    assert_eq!(ours.current_direction(), Some(RtpTransceiverDirection::Inactive));
    let offer = a.offer().await.to_string();
    assert!(offer.contains("a=recvonly") && !offer.contains("a=inactive"), "{offer}");
}

#[tokio::test]
async fn an_edited_offer_is_accepted_as_local_description() {
    let (mut a, b) = (Peer::new(), Peer::new());
    a.pc.add_transceiver_for_media(MediaType::Audio, receive_only()).unwrap();
    let offer = a.pc.create_offer(OfferOptions::default()).await.unwrap();
    let edited = offer.to_string().replace("useinbandfec=1", "useinbandfec=1;stereo=1");
    assert_ne!(edited, offer.to_string());
    let edited = SessionDescription::parse(&edited, SdpType::Offer).unwrap();
    a.pc.set_local_description(edited.clone()).await.unwrap();
    let answer = b.answer(edited).await;
    a.pc.set_remote_description(answer).await.unwrap();
    a.connected().await;
}

#[tokio::test]
async fn an_offer_that_is_not_the_last_one_is_refused() {
    let a = Peer::new();
    a.pc.add_transceiver_for_media(MediaType::Audio, receive_only()).unwrap();
    let old = a.pc.create_offer(OfferOptions::default()).await.unwrap();
    a.pc.create_offer(OfferOptions::default()).await.unwrap();
    let error = a.pc.set_local_description(old).await.unwrap_err();
    assert!(error.message.contains("not the last one"), "{error}");
}

#[tokio::test]
async fn calls_in_the_wrong_state_are_refused_with_advice() {
    let a = Peer::new();
    let error = a.pc.create_answer(AnswerOptions::default()).await.unwrap_err();
    assert_eq!(error.error_type, RtcErrorType::InvalidState);
    assert!(error.message.contains("set the peer's offer first"), "{error}");
    let error = a.pc.create_offer(OfferOptions::default()).await.unwrap_err();
    assert!(error.message.contains("nothing to offer"), "{error}");
    let candidate = IceCandidate::parse("0", 0, "candidate:1 1 udp 1 127.0.0.1 9 typ host").unwrap();
    let error = a.pc.add_ice_candidate(candidate).await.unwrap_err();
    assert!(error.message.contains("set the remote description first"), "{error}");
}

#[tokio::test]
async fn candidates_are_told_once_the_local_description_is_set() {
    use std::sync::{Arc, Mutex};
    let a = Peer::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    a.pc.on_ice_candidate(Some(Box::new(move |candidate| tell.lock().unwrap().push(candidate.candidate()))));
    let _near = a.line("chat", DataChannelInit::default());
    let offer = a.pc.create_offer(OfferOptions::default()).await.unwrap();
    assert!(told.lock().unwrap().is_empty());
    a.pc.set_local_description(offer).await.unwrap();
    let told = told.lock().unwrap();
    assert!(told.iter().all(|line| line.starts_with("candidate:") && line.contains(" udp ")));
    assert!(!told.is_empty());
    assert_eq!(a.pc.ice_gathering_state(), IceGatheringState::Complete);
}

#[tokio::test]
async fn an_ice_restart_brings_new_credentials_and_is_visible_as_a_reconnect() {
    let (mut a, near, b, mut far, relay) =
        relayed_pair(Peer::new(), DataChannelInit::default(), Weather::default()).await;
    let before = ufrag(&a.pc.current_local_description().unwrap());

    let options = OfferOptions { ice_restart: true, ..Default::default() };
    let offer = a.pc.create_offer(options).await.unwrap();
    assert_ne!(ufrag(&offer), before);
    a.states.so_far();
    a.pc.set_local_description(offer.clone()).await.unwrap();
    relay.exchange(&a, &b, offer).await;
    a.connected().await;
    eventually("b is connected", || b.pc.connection_state() == PeerConnectionState::Connected).await;
    near.channel.send(b"over the new path", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"over the new path");
}

#[tokio::test]
async fn a_program_is_told_when_an_offer_is_due() {
    use tokio::sync::mpsc;
    let a = Peer::new();
    let (told, mut needed) = mpsc::unbounded_channel();
    a.pc.on_negotiation_needed(Some(Box::new(move |id| _ = told.send(id))));
    let _near = a.line("chat", DataChannelInit::default());
    assert_eq!(needed.recv().await, Some(1));
    a.offer().await;
    a.pc.add_transceiver_for_media(MediaType::Audio, receive_only()).unwrap();
    a.pc.set_local_description(SessionDescription::parse("", SdpType::Rollback).unwrap()).await.unwrap();
    assert_eq!(needed.recv().await, Some(2));
}

#[tokio::test]
async fn states_of_signalling_and_of_ice_are_told_in_order() {
    use std::sync::{Arc, Mutex};
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let (signaling, ice) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (told, told_of_ice) = (signaling.clone(), ice.clone());
    a.pc.on_signaling_state_change(Some(Box::new(move |state| told.lock().unwrap().push(state))));
    a.pc.on_ice_connection_state_change(Some(Box::new(move |state| told_of_ice.lock().unwrap().push(state))));
    let _line = a.line("chat", DataChannelInit::default());
    negotiate(&a, &b).await;
    a.connected().await;
    b.connected().await;
    assert_eq!(ice.lock().unwrap()[..2], [IceConnectionState::Checking, IceConnectionState::Connected]);
    a.pc.close();
    a.states.until(|state| *state == PeerConnectionState::Closed).await;
    eventually("the close is told", || signaling.lock().unwrap().len() == 3).await;
    let expected = [SignalingState::HaveLocalOffer, SignalingState::Stable, SignalingState::Closed];
    assert_eq!(signaling.lock().unwrap()[..], expected);
}

fn ufrag(description: &SessionDescription) -> String {
    let text = description.to_string();
    text.lines().find(|line| line.starts_with("a=ice-ufrag:")).unwrap().to_owned()
}
