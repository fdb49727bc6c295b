//! The additions of the C++ library to WebRTC itself.

pub mod frame_cryptor;
pub mod packet_trailer;

pub use crate::random::create_random_uuid;
