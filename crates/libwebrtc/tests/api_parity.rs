//! The public API is the one `livekit` was written against.
//!
//! Most of this file is checked by the compiler: a name, a signature or a field that drifts from
//! `libwebrtc` 0.3.55 does not build. Only what `livekit` 0.10 and the programs over it use is listed.

#![allow(clippy::type_complexity)] // The types are those of the API, spelled out to be compared.

use std::{error::Error, future::Future};

use libwebrtc::{
    audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
    audio_stream::native::{NativeAudioStream, NativeAudioStreamOptions},
    data_channel::{OnBufferedAmountChange, OnMessage, OnStateChange},
    native::{create_random_uuid, frame_cryptor as fc, packet_trailer as pt},
    peer_connection::{
        IceCandidateError, OnConnectionChange, OnDataChannel, OnIceCandidate, OnIceCandidateError,
        OnIceConnectionChange, OnIceGatheringChange, OnNegotiationNeeded, OnSignalingChange, OnTrack,
        TrackEvent,
    },
    peer_connection_factory::native::PeerConnectionFactoryExt,
    prelude::*,
    session_description::SdpParseError,
    stats::RtcStats,
    video_source::native::NativeVideoSource,
    video_stream::native::{NativeVideoStream, NativeVideoStreamOptions},
};

type Rtc<T> = Result<T, RtcError>;
type Boxed<T> = Result<T, Box<dyn Error>>;

/// Builds only if each item has exactly this type.
macro_rules! signatures {
    ($($item:path => $type:ty;)+) => { $(const _: $type = $item;)+ };
}

signatures! {
    PeerConnection::set_configuration => fn(&PeerConnection, RtcConfiguration) -> Rtc<()>;
    PeerConnection::set_bitrate => fn(&PeerConnection, BitrateSettings) -> Rtc<()>;
    PeerConnection::create_data_channel => fn(&PeerConnection, &str, DataChannelInit) -> Rtc<DataChannel>;
    PeerConnection::add_track::<String> => fn(&PeerConnection, MediaStreamTrack, &[String]) -> Rtc<RtpSender>;
    PeerConnection::remove_track => fn(&PeerConnection, RtpSender) -> Rtc<()>;
    PeerConnection::add_transceiver => fn(&PeerConnection, MediaStreamTrack, RtpTransceiverInit) -> Rtc<RtpTransceiver>;
    PeerConnection::add_transceiver_for_media => fn(&PeerConnection, MediaType, RtpTransceiverInit) -> Rtc<RtpTransceiver>;
    PeerConnection::close => fn(&PeerConnection);
    PeerConnection::restart_ice => fn(&PeerConnection);
    PeerConnection::connection_state => fn(&PeerConnection) -> PeerConnectionState;
    PeerConnection::ice_connection_state => fn(&PeerConnection) -> IceConnectionState;
    PeerConnection::ice_gathering_state => fn(&PeerConnection) -> IceGatheringState;
    PeerConnection::signaling_state => fn(&PeerConnection) -> SignalingState;
    PeerConnection::current_local_description => fn(&PeerConnection) -> Option<SessionDescription>;
    PeerConnection::current_remote_description => fn(&PeerConnection) -> Option<SessionDescription>;
    PeerConnection::senders => fn(&PeerConnection) -> Vec<RtpSender>;
    PeerConnection::receivers => fn(&PeerConnection) -> Vec<RtpReceiver>;
    PeerConnection::transceivers => fn(&PeerConnection) -> Vec<RtpTransceiver>;
    PeerConnection::on_connection_state_change => fn(&PeerConnection, Option<OnConnectionChange>);
    PeerConnection::on_data_channel => fn(&PeerConnection, Option<OnDataChannel>);
    PeerConnection::on_ice_candidate => fn(&PeerConnection, Option<OnIceCandidate>);
    PeerConnection::on_ice_candidate_error => fn(&PeerConnection, Option<OnIceCandidateError>);
    PeerConnection::on_ice_connection_state_change => fn(&PeerConnection, Option<OnIceConnectionChange>);
    PeerConnection::on_ice_gathering_state_change => fn(&PeerConnection, Option<OnIceGatheringChange>);
    PeerConnection::on_negotiation_needed => fn(&PeerConnection, Option<OnNegotiationNeeded>);
    PeerConnection::on_signaling_state_change => fn(&PeerConnection, Option<OnSignalingChange>);
    PeerConnection::on_track => fn(&PeerConnection, Option<OnTrack>);

    SessionDescription::parse => fn(&str, SdpType) -> Result<SessionDescription, SdpParseError>;
    SessionDescription::sdp_type => fn(&SessionDescription) -> SdpType;
    SessionDescription::to_string => fn(&SessionDescription) -> String;
    IceCandidate::parse => fn(&str, i32, &str) -> Result<IceCandidate, SdpParseError>;
    IceCandidate::sdp_mid => fn(&IceCandidate) -> String;
    IceCandidate::sdp_mline_index => fn(&IceCandidate) -> i32;
    IceCandidate::candidate => fn(&IceCandidate) -> String;
    IceCandidate::to_string => fn(&IceCandidate) -> String;

    DataChannel::send => fn(&DataChannel, &[u8], bool) -> Result<(), DataChannelError>;
    DataChannel::id => fn(&DataChannel) -> i32;
    DataChannel::label => fn(&DataChannel) -> String;
    DataChannel::state => fn(&DataChannel) -> DataChannelState;
    DataChannel::close => fn(&DataChannel);
    DataChannel::buffered_amount => fn(&DataChannel) -> u64;
    DataChannel::on_state_change => fn(&DataChannel, Option<OnStateChange>);
    DataChannel::on_message => fn(&DataChannel, Option<OnMessage>);
    DataChannel::on_buffered_amount_change => fn(&DataChannel, Option<OnBufferedAmountChange>);
}

signatures! {
    PeerConnectionFactory::default => fn() -> PeerConnectionFactory;
    PeerConnectionFactory::with_options => fn(bool, bool) -> PeerConnectionFactory;
    PeerConnectionFactory::create_peer_connection => fn(&PeerConnectionFactory, RtcConfiguration) -> Rtc<PeerConnection>;
    PeerConnectionFactory::get_rtp_sender_capabilities => fn(&PeerConnectionFactory, MediaType) -> RtpCapabilities;
    PeerConnectionFactory::get_rtp_receiver_capabilities => fn(&PeerConnectionFactory, MediaType) -> RtpCapabilities;
    PeerConnectionFactory::create_video_track => fn(&PeerConnectionFactory, &str, NativeVideoSource) -> RtcVideoTrack;
    PeerConnectionFactory::create_audio_track => fn(&PeerConnectionFactory, &str, NativeAudioSource) -> RtcAudioTrack;
    PeerConnectionFactory::create_device_audio_track => fn(&PeerConnectionFactory, &str) -> RtcAudioTrack;
    PeerConnectionFactory::playout_devices => fn(&PeerConnectionFactory) -> i16;
    PeerConnectionFactory::recording_devices => fn(&PeerConnectionFactory) -> i16;
    PeerConnectionFactory::playout_device_name => fn(&PeerConnectionFactory, u16) -> String;
    PeerConnectionFactory::recording_device_name => fn(&PeerConnectionFactory, u16) -> String;
    PeerConnectionFactory::playout_device_guid => fn(&PeerConnectionFactory, u16) -> String;
    PeerConnectionFactory::recording_device_guid => fn(&PeerConnectionFactory, u16) -> String;
    PeerConnectionFactory::set_playout_device => fn(&PeerConnectionFactory, u16) -> bool;
    PeerConnectionFactory::set_recording_device => fn(&PeerConnectionFactory, u16) -> bool;
    PeerConnectionFactory::set_playout_device_by_guid => fn(&PeerConnectionFactory, &str) -> bool;
    PeerConnectionFactory::set_recording_device_by_guid => fn(&PeerConnectionFactory, &str) -> bool;
    PeerConnectionFactory::stop_recording => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::init_recording => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::start_recording => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::recording_is_initialized => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::stop_playout => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::init_playout => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::start_playout => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::playout_is_initialized => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::builtin_aec_is_available => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::builtin_agc_is_available => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::builtin_ns_is_available => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::enable_builtin_aec => fn(&PeerConnectionFactory, bool) -> bool;
    PeerConnectionFactory::enable_builtin_agc => fn(&PeerConnectionFactory, bool) -> bool;
    PeerConnectionFactory::enable_builtin_ns => fn(&PeerConnectionFactory, bool) -> bool;
    PeerConnectionFactory::set_adm_recording_enabled => fn(&PeerConnectionFactory, bool);
    PeerConnectionFactory::adm_recording_enabled => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::set_adm_playout_enabled => fn(&PeerConnectionFactory, bool);
    PeerConnectionFactory::adm_playout_enabled => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::acquire_platform_adm => fn(&PeerConnectionFactory) -> bool;
    PeerConnectionFactory::release_platform_adm => fn(&PeerConnectionFactory);
    PeerConnectionFactory::platform_adm_ref_count => fn(&PeerConnectionFactory) -> i32;
    PeerConnectionFactory::is_platform_adm_active => fn(&PeerConnectionFactory) -> bool;
}

signatures! {
    RtpSender::track => fn(&RtpSender) -> Option<MediaStreamTrack>;
    RtpSender::set_track => fn(&RtpSender, Option<MediaStreamTrack>) -> Rtc<()>;
    RtpSender::parameters => fn(&RtpSender) -> RtpParameters;
    RtpSender::set_parameters => fn(&RtpSender, RtpParameters) -> Rtc<()>;
    RtpSender::set_video_encoder_backend => fn(&RtpSender, VideoEncoderBackend);
    RtpReceiver::track => fn(&RtpReceiver) -> Option<MediaStreamTrack>;
    RtpReceiver::stream_ids => fn(&RtpReceiver) -> Vec<String>;
    RtpReceiver::streams => fn(&RtpReceiver) -> Vec<MediaStream>;
    RtpReceiver::parameters => fn(&RtpReceiver) -> RtpParameters;
    RtpTransceiver::mid => fn(&RtpTransceiver) -> Option<String>;
    RtpTransceiver::current_direction => fn(&RtpTransceiver) -> Option<RtpTransceiverDirection>;
    RtpTransceiver::direction => fn(&RtpTransceiver) -> RtpTransceiverDirection;
    RtpTransceiver::sender => fn(&RtpTransceiver) -> RtpSender;
    RtpTransceiver::receiver => fn(&RtpTransceiver) -> RtpReceiver;
    RtpTransceiver::set_codec_preferences => fn(&RtpTransceiver, Vec<RtpCodecCapability>) -> Rtc<()>;
    RtpTransceiver::stop => fn(&RtpTransceiver) -> Rtc<()>;
    RtpParameters::set_degradation_preference => fn(&mut RtpParameters, DegradationPreference);
    RtpParameters::degradation_preference => fn(&RtpParameters) -> Option<DegradationPreference>;

    MediaStream::id => fn(&MediaStream) -> String;
    MediaStream::audio_tracks => fn(&MediaStream) -> Vec<RtcAudioTrack>;
    MediaStream::video_tracks => fn(&MediaStream) -> Vec<RtcVideoTrack>;
    MediaStreamTrack::id => fn(&MediaStreamTrack) -> String;
    MediaStreamTrack::enabled => fn(&MediaStreamTrack) -> bool;
    MediaStreamTrack::set_enabled => fn(&MediaStreamTrack, bool) -> bool;
    MediaStreamTrack::state => fn(&MediaStreamTrack) -> RtcTrackState;
    MediaStreamTrack::from => fn(RtcAudioTrack) -> MediaStreamTrack;
    MediaStreamTrack::from => fn(RtcVideoTrack) -> MediaStreamTrack;
    RtcAudioTrack::id => fn(&RtcAudioTrack) -> String;
    RtcAudioTrack::enabled => fn(&RtcAudioTrack) -> bool;
    RtcAudioTrack::set_enabled => fn(&RtcAudioTrack, bool) -> bool;
    RtcAudioTrack::state => fn(&RtcAudioTrack) -> RtcTrackState;
    RtcVideoTrack::id => fn(&RtcVideoTrack) -> String;
    RtcVideoTrack::enabled => fn(&RtcVideoTrack) -> bool;
    RtcVideoTrack::set_enabled => fn(&RtcVideoTrack, bool) -> bool;
    RtcVideoTrack::state => fn(&RtcVideoTrack) -> RtcTrackState;
    RtcVideoTrack::set_packet_trailer_handler => fn(&RtcVideoTrack, pt::PacketTrailerHandler);
    RtcVideoTrack::packet_trailer_handler => fn(&RtcVideoTrack) -> Option<pt::PacketTrailerHandler>;
}

signatures! {
    AudioFrame::new => fn(u32, u32, u32) -> AudioFrame<'static>;
    NativeAudioSource::new => fn(AudioSourceOptions, u32, u32, u32) -> NativeAudioSource;
    NativeAudioSource::clear_buffer => fn(&NativeAudioSource);
    NativeAudioSource::set_audio_options => fn(&NativeAudioSource, AudioSourceOptions);
    NativeAudioSource::audio_options => fn(&NativeAudioSource) -> AudioSourceOptions;
    NativeAudioSource::sample_rate => fn(&NativeAudioSource) -> u32;
    NativeAudioSource::num_channels => fn(&NativeAudioSource) -> u32;
    RtcAudioSource::Native => fn(NativeAudioSource) -> RtcAudioSource;
    RtcAudioSource::set_audio_options => fn(&RtcAudioSource, AudioSourceOptions);
    RtcAudioSource::audio_options => fn(&RtcAudioSource) -> AudioSourceOptions;
    RtcAudioSource::sample_rate => fn(&RtcAudioSource) -> u32;
    RtcAudioSource::num_channels => fn(&RtcAudioSource) -> u32;
    NativeAudioStream::new => fn(RtcAudioTrack, i32, i32) -> NativeAudioStream;
    NativeAudioStream::with_options => fn(RtcAudioTrack, i32, i32, NativeAudioStreamOptions) -> NativeAudioStream;
    NativeAudioStream::track => fn(&NativeAudioStream) -> RtcAudioTrack;
    NativeAudioStream::close => fn(&mut NativeAudioStream);

    NativeVideoSource::default => fn() -> NativeVideoSource;
    NativeVideoSource::new => fn(VideoResolution, bool) -> NativeVideoSource;
    NativeVideoSource::capture_frame::<I420Buffer> => fn(&NativeVideoSource, &VideoFrame<I420Buffer>) -> bool;
    NativeVideoSource::capture_frame::<BoxVideoBuffer> => fn(&NativeVideoSource, &BoxVideoFrame) -> bool;
    NativeVideoSource::set_packet_trailer_handler => fn(&NativeVideoSource, pt::PacketTrailerHandler);
    NativeVideoSource::video_resolution => fn(&NativeVideoSource) -> VideoResolution;
    RtcVideoSource::Native => fn(NativeVideoSource) -> RtcVideoSource;
    RtcVideoSource::video_resolution => fn(&RtcVideoSource) -> VideoResolution;
    NativeVideoStream::new => fn(RtcVideoTrack) -> NativeVideoStream;
    NativeVideoStream::with_options => fn(RtcVideoTrack, NativeVideoStreamOptions) -> NativeVideoStream;
    NativeVideoStream::set_packet_trailer_handler => fn(&NativeVideoStream, pt::PacketTrailerHandler);
    NativeVideoStream::track => fn(&NativeVideoStream) -> RtcVideoTrack;
    NativeVideoStream::close => fn(&mut NativeVideoStream);
    I420Buffer::new => fn(u32, u32) -> I420Buffer;
    I420Buffer::data => fn(&I420Buffer) -> (&[u8], &[u8], &[u8]);
    I420Buffer::data_mut => fn(&mut I420Buffer) -> (&mut [u8], &mut [u8], &mut [u8]);
}

signatures! {
    create_random_uuid => fn() -> String;
    fc::KeyProvider::new => fn(fc::KeyProviderOptions) -> fc::KeyProvider;
    fc::KeyProvider::set_shared_key => fn(&fc::KeyProvider, i32, Vec<u8>) -> bool;
    fc::KeyProvider::ratchet_shared_key => fn(&fc::KeyProvider, i32) -> Option<Vec<u8>>;
    fc::KeyProvider::get_shared_key => fn(&fc::KeyProvider, i32) -> Option<Vec<u8>>;
    fc::KeyProvider::set_key => fn(&fc::KeyProvider, String, i32, Vec<u8>) -> bool;
    fc::KeyProvider::ratchet_key => fn(&fc::KeyProvider, String, i32) -> Option<Vec<u8>>;
    fc::KeyProvider::get_key => fn(&fc::KeyProvider, String, i32) -> Option<Vec<u8>>;
    fc::KeyProvider::set_sif_trailer => fn(&fc::KeyProvider, Vec<u8>);
    fc::FrameCryptor::new_for_rtp_sender =>
        fn(&PeerConnectionFactory, String, fc::EncryptionAlgorithm, fc::KeyProvider, RtpSender) -> fc::FrameCryptor;
    fc::FrameCryptor::new_for_rtp_receiver =>
        fn(&PeerConnectionFactory, String, fc::EncryptionAlgorithm, fc::KeyProvider, RtpReceiver) -> fc::FrameCryptor;
    fc::FrameCryptor::set_enabled => fn(&fc::FrameCryptor, bool);
    fc::FrameCryptor::enabled => fn(&fc::FrameCryptor) -> bool;
    fc::FrameCryptor::set_key_index => fn(&fc::FrameCryptor, i32);
    fc::FrameCryptor::key_index => fn(&fc::FrameCryptor) -> i32;
    fc::FrameCryptor::participant_id => fn(&fc::FrameCryptor) -> String;
    fc::FrameCryptor::on_state_change => fn(&fc::FrameCryptor, Option<fc::OnStateChange>);
    fc::FrameCryptor::set_packet_trailer_handler => fn(&fc::FrameCryptor, &pt::PacketTrailerHandler);
    fc::DataPacketCryptor::new => fn(fc::EncryptionAlgorithm, fc::KeyProvider) -> fc::DataPacketCryptor;
    fc::DataPacketCryptor::encrypt => fn(&fc::DataPacketCryptor, &str, u32, &[u8]) -> Boxed<fc::EncryptedPacket>;
    fc::DataPacketCryptor::decrypt => fn(&fc::DataPacketCryptor, &str, &fc::EncryptedPacket) -> Boxed<Vec<u8>>;
    pt::create_sender_handler => fn(&PeerConnectionFactory, &RtpSender) -> pt::PacketTrailerHandler;
    pt::create_receiver_handler => fn(&PeerConnectionFactory, &RtpReceiver) -> pt::PacketTrailerHandler;
    pt::PacketTrailerHandler::set_enabled => fn(&pt::PacketTrailerHandler, bool);
    pt::PacketTrailerHandler::enabled => fn(&pt::PacketTrailerHandler) -> bool;
    pt::PacketTrailerHandler::lookup_frame_metadata => fn(&pt::PacketTrailerHandler, u32) -> Option<(u64, u32, Vec<u8>)>;
    pt::PacketTrailerHandler::store_frame_metadata => fn(&pt::PacketTrailerHandler, i64, u64, u32, &[u8]);
    pt::PacketTrailerHandler::set_publish_timing_observer => fn(&pt::PacketTrailerHandler, Option<pt::PublishTimingObserver>);
    pt::PacketTrailerHandler::set_subscribe_timing_observer => fn(&pt::PacketTrailerHandler, Option<pt::SubscribeTimingObserver>);
}

fn is_sent<T>(future: impl Future<Output = T> + Send) -> impl Future<Output = T> + Send {
    future
}

/// The `async` methods, whose futures `livekit` spawns on many threads.
#[allow(dead_code)]
async fn asynchronous(pc: PeerConnection, sdp: SessionDescription, candidate: IceCandidate) -> Rtc<()> {
    let _: SessionDescription = is_sent(pc.create_offer(OfferOptions::default())).await?;
    let _: SessionDescription = is_sent(pc.create_answer(AnswerOptions::default())).await?;
    let (): () = is_sent(pc.set_local_description(sdp.clone())).await?;
    let (): () = is_sent(pc.set_remote_description(sdp)).await?;
    let (): () = is_sent(pc.add_ice_candidate(candidate)).await?;
    let _: Vec<RtcStats> = is_sent(pc.get_stats()).await?;
    for transceiver in pc.transceivers() {
        let _: Vec<RtcStats> = is_sent(transceiver.sender().get_stats()).await?;
        let _: Vec<RtcStats> = is_sent(transceiver.receiver().get_stats()).await?;
    }
    let source = NativeAudioSource::new(AudioSourceOptions::default(), 48_000, 1, 0);
    is_sent(source.capture_frame(&AudioFrame::new(48_000, 1, 480))).await
}

/// Structs that are taken apart: a field more or less, or of another type, does not build.
#[allow(dead_code)]
fn fields(
    event: TrackEvent,
    error: IceCandidateError,
    buffer: DataBuffer<'_>,
    init: DataChannelInit,
    options: OfferOptions,
    bitrate: BitrateSettings,
    encoding: RtpEncodingParameters,
) {
    let TrackEvent { receiver, streams, track, transceiver } = event;
    let _: (RtpReceiver, Vec<MediaStream>, MediaStreamTrack, RtpTransceiver) =
        (receiver, streams, track, transceiver);
    let IceCandidateError { address, port, url, error_code, error_text } = error;
    let _: (String, i32, String, i32, String) = (address, port, url, error_code, error_text);
    let DataBuffer { data, binary } = buffer;
    let _: (&[u8], bool) = (data, binary);
    let DataChannelInit { ordered, max_retransmit_time, max_retransmits, protocol, negotiated, id, priority } =
        init;
    let _: (bool, Option<i32>, Option<i32>, String) =
        (ordered, max_retransmit_time, max_retransmits, protocol);
    let _: (bool, i32, Option<Priority>) = (negotiated, id, priority);
    let OfferOptions { ice_restart, offer_to_receive_audio, offer_to_receive_video } = options;
    let _: (bool, bool, bool) = (ice_restart, offer_to_receive_audio, offer_to_receive_video);
    let BitrateSettings { min_bitrate_bps, start_bitrate_bps, max_bitrate_bps } = bitrate;
    let _: [Option<u64>; 3] = [min_bitrate_bps, start_bitrate_bps, max_bitrate_bps];
    let RtpEncodingParameters {
        active,
        max_bitrate,
        max_framerate,
        priority,
        rid,
        scale_resolution_down_by,
        scalability_mode,
        has_ssrc,
        ssrc,
    } = encoding;
    let _: (bool, Option<u64>, Option<f64>, Priority) = (active, max_bitrate, max_framerate, priority);
    let _: (String, Option<f64>, Option<String>) = (rid, scale_resolution_down_by, scalability_mode);
    let _: (bool, u32) = (has_ssrc, ssrc);
}

/// Structs that are put together.
#[allow(dead_code)]
fn literals() {
    let mut config = RtcConfiguration::default();
    config.ice_servers =
        vec![IceServer { urls: vec![String::new()], username: String::new(), password: String::new() }];
    config.continual_gathering_policy = ContinualGatheringPolicy::GatherContinually;
    config.ice_transport_type = IceTransportsType::Relay;
    config.enable_sctp_snap = false;
    let _ = RtpTransceiverInit {
        direction: RtpTransceiverDirection::SendOnly,
        stream_ids: vec![String::new()],
        send_encodings: vec![RtpEncodingParameters::default()],
    };
    let _ = fc::KeyProviderOptions {
        shared_key: true,
        ratchet_window_size: 16,
        ratchet_salt: Vec::new(),
        failure_tolerance: -1,
        key_ring_size: 16,
        key_derivation_algorithm: fc::KeyDerivationAlgorithm::PBKDF2,
    };
    let _ = fc::EncryptedPacket { data: Vec::new(), iv: Vec::new(), key_index: 0u32 };
    let _ = RtcError { error_type: RtcErrorType::InvalidSdp, message: String::new() };
    let _ = NativeAudioStreamOptions { queue_size_frames: Some(10) };
}

/// Enums that are matched without a wildcard.
#[allow(dead_code)]
fn variants(connection: PeerConnectionState, ice: IceConnectionState, channel: DataChannelState) {
    match connection {
        PeerConnectionState::New | PeerConnectionState::Connecting | PeerConnectionState::Connected => {}
        PeerConnectionState::Disconnected | PeerConnectionState::Failed | PeerConnectionState::Closed => {}
    }
    match ice {
        IceConnectionState::New | IceConnectionState::Checking | IceConnectionState::Connected => {}
        IceConnectionState::Completed | IceConnectionState::Failed | IceConnectionState::Disconnected => {}
        IceConnectionState::Closed | IceConnectionState::Max => {}
    }
    match channel {
        DataChannelState::Connecting | DataChannelState::Open => {}
        DataChannelState::Closing | DataChannelState::Closed => {}
    }
    let _ = [fc::EncryptionState::New, fc::EncryptionState::Ok, fc::EncryptionState::EncryptionFailed];
    let _ = [fc::EncryptionState::DecryptionFailed, fc::EncryptionState::MissingKey];
    let _ = [fc::EncryptionState::KeyRatcheted, fc::EncryptionState::InternalError];
}

fn is_shared<T: Send + Sync>() {}

#[test]
fn handles_are_shared_between_threads() {
    is_shared::<PeerConnectionFactory>();
    is_shared::<PeerConnection>();
    is_shared::<DataChannel>();
    is_shared::<MediaStreamTrack>();
    is_shared::<RtpTransceiver>();
    is_shared::<NativeAudioSource>();
    is_shared::<NativeVideoSource>();
    is_shared::<NativeAudioStream>();
    is_shared::<fc::FrameCryptor>();
    is_shared::<fc::DataPacketCryptor>();
    is_shared::<pt::PacketTrailerHandler>();
    is_shared::<BoxVideoFrame>();
    is_shared::<RtcError>();
}

#[test]
fn a_data_channel_is_reliable_and_in_band_unless_asked_otherwise() {
    let init = DataChannelInit::default();
    assert!(init.ordered && !init.negotiated);
    assert_eq!((init.id, init.max_retransmits, init.max_retransmit_time), (-1, None, None));
}

#[test]
fn the_types_of_a_description_are_written_as_in_signalling() {
    for (name, sdp_type) in [
        ("offer", SdpType::Offer),
        ("pranswer", SdpType::PrAnswer),
        ("answer", SdpType::Answer),
        ("rollback", SdpType::Rollback),
    ] {
        assert_eq!(name.parse(), Ok(sdp_type));
        assert_eq!(sdp_type.to_string(), name);
    }
    assert!("OFFER".parse::<SdpType>().is_err());
}

#[test]
fn what_is_switched_on_an_absent_device_is_remembered() {
    let factory = PeerConnectionFactory::default();
    for enabled in [true, false] {
        factory.set_adm_recording_enabled(enabled);
        factory.set_adm_playout_enabled(enabled);
        assert_eq!(factory.clone().adm_recording_enabled(), enabled);
        assert_eq!(factory.clone().adm_playout_enabled(), enabled);
    }
    assert_eq!((factory.playout_devices(), factory.recording_devices()), (0, 0));
    assert!(!factory.set_recording_device(0) && !factory.set_playout_device_by_guid("default"));
}
