//! Creates peer connections and tracks.

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use crate::{
    MediaType, RtcError,
    audio_device::AudioDevice,
    peer_connection::PeerConnection,
    rtp_parameters::{RtpCapabilities, RtpCodecCapability},
};

pub use crate::configuration::{ContinualGatheringPolicy, IceServer, IceTransportsType, RtcConfiguration};

/// Creates connections and tracks. Clones share the settings of the audio device.
#[derive(Clone, Default)]
pub struct PeerConnectionFactory {
    audio_device: Arc<AudioDevice>,
}

impl PeerConnectionFactory {
    /// Both options are accepted and change nothing: the first concerns video, the second shortens a handshake with
    /// peers that support it.
    pub fn with_options(_zero_playout_delay: bool, _enable_warp: bool) -> Self {
        Self::default()
    }

    /// Binds a UDP socket per network interface and starts the connection's task, on the caller's tokio runtime if there
    /// is one.
    pub fn create_peer_connection(&self, config: RtcConfiguration) -> Result<PeerConnection, RtcError> {
        PeerConnection::open(config)
    }

    /// The capabilities that every connection offers for sending.
    pub fn get_rtp_sender_capabilities(&self, media_type: MediaType) -> RtpCapabilities {
        capabilities(media_type)
    }

    /// The capabilities that every connection offers for receiving.
    pub fn get_rtp_receiver_capabilities(&self, media_type: MediaType) -> RtpCapabilities {
        capabilities(media_type)
    }
}

impl Debug for PeerConnectionFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnectionFactory").finish()
    }
}

fn capabilities(media_type: MediaType) -> RtpCapabilities {
    let codecs = match media_type {
        MediaType::Audio => vec![codec("audio/opus", 48_000, Some(2), Some("minptime=10;useinbandfec=1"))],
        MediaType::Video => vec![
            codec("video/VP8", 90_000, None, None),
            codec(
                "video/H264",
                90_000,
                None,
                Some("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
            ),
        ],
        MediaType::Data | MediaType::Unsupported => Vec::new(),
    };
    RtpCapabilities { codecs, header_extensions: Vec::new() }
}

fn codec(mime_type: &str, clock_rate: u64, channels: Option<u16>, fmtp: Option<&str>) -> RtpCodecCapability {
    RtpCodecCapability {
        channels,
        clock_rate: Some(clock_rate),
        mime_type: mime_type.to_owned(),
        sdp_fmtp_line: fmtp.map(str::to_owned),
    }
}

pub mod native {
    //! Tracks from sources of this program, and the machine's audio devices, which this crate does not drive.

    use super::PeerConnectionFactory;
    use crate::{
        audio_source::native::NativeAudioSource, audio_track::RtcAudioTrack,
        video_source::native::NativeVideoSource, video_track::RtcVideoTrack,
    };

    /// The factory's functions beyond the browser's API.
    ///
    /// This crate plays and records no audio. The device lists are empty, switching a device on returns `false`, and
    /// settings are stored and returned.
    pub trait PeerConnectionFactoryExt {
        /// A track that negotiates; nothing is sent of it.
        fn create_video_track(&self, label: &str, source: NativeVideoSource) -> RtcVideoTrack;
        /// A track of the samples that a program pushes into `source`.
        fn create_audio_track(&self, label: &str, source: NativeAudioSource) -> RtcAudioTrack;
        /// A track of a microphone, which is silent.
        fn create_device_audio_track(&self, label: &str) -> RtcAudioTrack;

        fn playout_devices(&self) -> i16 {
            0
        }
        fn recording_devices(&self) -> i16 {
            0
        }
        fn playout_device_name(&self, _index: u16) -> String {
            String::new()
        }
        fn recording_device_name(&self, _index: u16) -> String {
            String::new()
        }
        fn playout_device_guid(&self, _index: u16) -> String {
            String::new()
        }
        fn recording_device_guid(&self, _index: u16) -> String {
            String::new()
        }

        fn set_playout_device(&self, _index: u16) -> bool {
            false
        }
        fn set_recording_device(&self, _index: u16) -> bool {
            false
        }
        fn set_playout_device_by_guid(&self, _guid: &str) -> bool {
            false
        }
        fn set_recording_device_by_guid(&self, _guid: &str) -> bool {
            false
        }

        fn stop_recording(&self) -> bool {
            false
        }
        fn init_recording(&self) -> bool {
            false
        }
        fn start_recording(&self) -> bool {
            false
        }
        fn recording_is_initialized(&self) -> bool {
            false
        }

        fn stop_playout(&self) -> bool {
            false
        }
        fn init_playout(&self) -> bool {
            false
        }
        fn start_playout(&self) -> bool {
            false
        }
        fn playout_is_initialized(&self) -> bool {
            false
        }

        fn builtin_aec_is_available(&self) -> bool {
            false
        }
        fn builtin_agc_is_available(&self) -> bool {
            false
        }
        fn builtin_ns_is_available(&self) -> bool {
            false
        }
        fn enable_builtin_aec(&self, _enable: bool) -> bool {
            false
        }
        fn enable_builtin_agc(&self, _enable: bool) -> bool {
            false
        }
        fn enable_builtin_ns(&self, _enable: bool) -> bool {
            false
        }

        /// Remembers the switch.
        fn set_adm_recording_enabled(&self, enabled: bool);
        /// The switch as last set.
        fn adm_recording_enabled(&self) -> bool;
        /// Remembers the switch.
        fn set_adm_playout_enabled(&self, enabled: bool);
        /// The switch as last set.
        fn adm_playout_enabled(&self) -> bool;

        fn acquire_platform_adm(&self) -> bool {
            false
        }
        fn release_platform_adm(&self) {}
        fn platform_adm_ref_count(&self) -> i32 {
            0
        }
        fn is_platform_adm_active(&self) -> bool {
            false
        }
    }

    impl PeerConnectionFactoryExt for PeerConnectionFactory {
        fn create_video_track(&self, label: &str, _source: NativeVideoSource) -> RtcVideoTrack {
            RtcVideoTrack::new(label.to_owned())
        }

        fn create_audio_track(&self, label: &str, source: NativeAudioSource) -> RtcAudioTrack {
            RtcAudioTrack::local(label.to_owned(), source.source().clone())
        }

        fn create_device_audio_track(&self, label: &str) -> RtcAudioTrack {
            RtcAudioTrack::device(label.to_owned())
        }

        fn set_adm_recording_enabled(&self, enabled: bool) {
            self.audio_device.set_recording_enabled(enabled)
        }

        fn adm_recording_enabled(&self) -> bool {
            self.audio_device.recording_enabled()
        }

        fn set_adm_playout_enabled(&self, enabled: bool) {
            self.audio_device.set_playout_enabled(enabled)
        }

        fn adm_playout_enabled(&self) -> bool {
            self.audio_device.playout_enabled()
        }
    }
}
