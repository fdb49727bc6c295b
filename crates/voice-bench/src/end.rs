//! One end of a voice connection: the sound it plays or records, and the times of its frames.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use livekit::prelude::*;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::{End, audio, clock};

/// The connection has to be up before any sound is played.
const SETTLE: Duration = Duration::from_secs(1);

type Events = UnboundedReceiver<RoomEvent>;

pub(crate) async fn say(end: &End) -> Result<()> {
    let samples = audio::samples(&end.file.with_extension("pcm"))?;
    let mut times = create(end, "times")?;

    let (room, mut events) = join(end).await?;
    let source = audio::publish(&room, end.rate).await?;
    until(&mut events, |event| matches!(event, RoomEvent::LocalTrackSubscribed { .. }).then_some(())).await?;
    sleep(SETTLE).await;
    audio::play(&source, end.rate, &samples, |position| stamp(&mut times, position)).await?;
    times.flush()?;
    sleep(SETTLE).await;
    room.close().await?;
    Ok(())
}

pub(crate) async fn hear(end: &End) -> Result<()> {
    let (mut pcm, mut times) = (create(end, "pcm")?, create(end, "times")?);
    let (room, mut events) = join(end).await?;
    let track = until(&mut events, |event| match event {
        RoomEvent::TrackSubscribed { track: RemoteTrack::Audio(track), .. } => Some(Some(track)),
        RoomEvent::ParticipantDisconnected(_) => Some(None),
        _ => None,
    });
    let Some(track) = track.await? else { return Ok(room.close().await?) };
    let mut position = 0;
    let listening = audio::listen(&track, end.rate, |samples| {
        stamp(&mut times, position)?;
        position += samples.len();
        samples.iter().try_for_each(|sample| pcm.write_all(&sample.to_le_bytes()))?;
        Ok(())
    });
    let ended = until(&mut events, |event| match event {
        RoomEvent::TrackUnsubscribed { .. } | RoomEvent::ParticipantDisconnected(_) => Some(()),
        _ => None,
    });
    tokio::select! {
        result = listening => result?,
        result = ended => result?,
    }
    pcm.flush()?;
    times.flush()?;
    room.close().await?;
    Ok(())
}

async fn join(end: &End) -> Result<(Room, Events)> {
    Ok(Room::connect(&end.url, &end.token, RoomOptions::default()).await?)
}

async fn until<T>(events: &mut Events, wanted: impl Fn(RoomEvent) -> Option<T>) -> Result<T> {
    while let Some(event) = events.recv().await {
        if let RoomEvent::Disconnected { reason } = &event {
            bail!("the room was lost ({reason:?}); look at the server's log");
        }
        if let Some(found) = wanted(event) {
            return Ok(found);
        }
    }
    bail!("the room's events have ended; look at the server's log")
}

fn create(end: &End, extension: &str) -> Result<BufWriter<File>> {
    let path = end.file.with_extension(extension);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

fn stamp(times: &mut impl Write, position: usize) -> Result<()> {
    Ok(writeln!(times, "{} {position}", clock::now().as_nanos())?)
}
