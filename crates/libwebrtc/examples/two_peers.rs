//! Two peers in one process, over loopback: one sends a message and a tone, the other receives both.
//!
//! `cargo run -p libwebrtc --example two_peers`

use std::{error::Error, f64::consts::TAU, time::Duration};

use futures_util::StreamExt;
use libwebrtc::{
    audio_source::native::NativeAudioSource,
    audio_stream::native::NativeAudioStream,
    peer_connection_factory::{RtcConfiguration, native::PeerConnectionFactoryExt},
    prelude::*,
};
use tokio::{sync::mpsc, time::timeout};

const RATE: u32 = 48_000;
const TONE: f64 = 440.0;
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
pub(crate) async fn main() -> Outcome<()> {
    let factory = PeerConnectionFactory::default();
    let caller = factory.create_peer_connection(RtcConfiguration::default())?;
    let callee = factory.create_peer_connection(RtcConfiguration::default())?;

    // What the caller sends has to exist before the offer, which names it.
    let channel = caller.create_data_channel("chat", DataChannelInit::default())?;
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE, 1, 100);
    let track = factory.create_audio_track("tone", source.clone());
    caller.add_track(track.into(), &["stream"])?;

    let mut tracks = tracks_of(&callee);
    let mut messages = messages_of(&callee);
    say_hello(channel);
    negotiate(&caller, &callee).await?;
    tokio::spawn(play(source));

    let message = timeout(PATIENCE, messages.recv()).await?.ok_or("the callee is gone")?;
    println!("received the message {message:?}");
    let track = timeout(PATIENCE, tracks.recv()).await?.ok_or("the callee is gone")?;
    println!("received the track {:?}", track.id());
    let hertz = timeout(PATIENCE, frequency(track)).await?.ok_or("the track has ended")?;
    println!("heard a tone of {hertz} Hz");

    caller.close();
    callee.close();
    if message != "hello" || (f64::from(hertz) - TONE).abs() > 5.0 {
        return Err(format!("\"hello\" and {TONE} Hz were sent").into());
    }
    Ok(())
}

/// Signalling: both descriptions reach the other side. They hold the addresses of this machine, so no candidate has to be
/// passed on; with STUN or TURN servers, `on_ice_candidate` tells further ones.
async fn negotiate(caller: &PeerConnection, callee: &PeerConnection) -> Result<(), RtcError> {
    let offer = caller.create_offer(OfferOptions::default()).await?;
    caller.set_local_description(offer.clone()).await?;
    callee.set_remote_description(offer).await?;
    let answer = callee.create_answer(AnswerOptions::default()).await?;
    callee.set_local_description(answer.clone()).await?;
    caller.set_remote_description(answer).await
}

/// Callbacks run on the connection's task and must not block, so they only pass on what they get.
fn tracks_of(peer: &PeerConnection) -> mpsc::UnboundedReceiver<RtcAudioTrack> {
    let (sender, tracks) = mpsc::unbounded_channel();
    peer.on_track(Some(Box::new(move |event| {
        if let MediaStreamTrack::Audio(track) = event.track {
            let _ = sender.send(track);
        }
    })));
    tracks
}

fn messages_of(peer: &PeerConnection) -> mpsc::UnboundedReceiver<String> {
    let (sender, messages) = mpsc::unbounded_channel();
    peer.on_data_channel(Some(Box::new(move |channel| {
        let sender = sender.clone();
        channel.on_message(Some(Box::new(move |message| {
            let _ = sender.send(String::from_utf8_lossy(message.data).into_owned());
        })));
    })));
    messages
}

/// A channel takes messages once it is open.
fn say_hello(channel: DataChannel) {
    let opened = channel.clone();
    channel.on_state_change(Some(Box::new(move |state| {
        if state == DataChannelState::Open
            && let Err(error) = opened.send(b"hello", false)
        {
            eprintln!("{error}");
        }
    })));
}

/// Plays the tone until the source's connection is gone. The source keeps the pace of real time.
async fn play(source: NativeAudioSource) {
    let mut angle = 0.0;
    loop {
        let mut frame = AudioFrame::new(RATE, 1, RATE / 100);
        for sample in frame.data.to_mut() {
            *sample = (f64::sin(angle) * 12_000.0) as i16;
            angle = (angle + TONE * TAU / f64::from(RATE)) % TAU;
        }
        if source.capture_frame(&frame).await.is_err() {
            return;
        }
    }
}

/// The periods in a second of sound, after a first second in which the connection settles.
async fn frequency(track: RtcAudioTrack) -> Option<u32> {
    let mut stream = NativeAudioStream::new(track, RATE as i32, 1);
    let mut samples = Vec::new();
    while samples.len() < 2 * RATE as usize {
        samples.extend_from_slice(&stream.next().await?.data);
    }
    let second = &samples[RATE as usize..2 * RATE as usize];
    Some(second.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count() as u32)
}
