"""One end of a voice connection through LiveKit's official Python SDK; `voice-bench` is the same in Rust.

  voice.py say RATE FILE     publishes FILE.pcm (16-bit mono) in real time once somebody has subscribed to it, and leaves
  voice.py hear RATE FILE    writes the first audio track it gets to FILE.pcm until its sender leaves, nothing if none comes

Each writes FILE.times, a line `NANOSECONDS POSITION` for each frame: when, on CLOCK_MONOTONIC, the frame that begins with
the sample at POSITION was handed to the SDK or came from it.
Environment: LIVEKIT_URL, LIVEKIT_TOKEN
"""

import asyncio
import os
import sys
import time

from livekit import rtc

FRAME_MS = 10
# What the source may hold. A frame comes every 10 ms, so it is nearly empty unless we were held up.
QUEUE_MS = 100
# The way has to be open before anything is said.
SETTLE = 1.0


async def say(rate: int, file: str) -> None:
    room = rtc.Room()
    heard = asyncio.Event()
    room.on("local_track_subscribed", lambda _: heard.set())
    await room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
    source = rtc.AudioSource(rate, 1, QUEUE_MS)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    await room.local_participant.publish_track(track, options)
    await heard.wait()
    await asyncio.sleep(SETTLE)
    with open(f"{file}.pcm", "rb") as pcm, open(f"{file}.times", "w") as times:
        await play(source, rate, pcm, times)
    await asyncio.sleep(SETTLE)
    await room.disconnect()


async def play(source: rtc.AudioSource, rate: int, pcm, times) -> None:
    samples = rate * FRAME_MS // 1000
    start, position = time.monotonic_ns(), 0
    while data := pcm.read(2 * samples):
        data = data.ljust(2 * samples, b"\0")
        due = start + position * 1_000_000_000 // rate
        await asyncio.sleep(max(0, due - time.monotonic_ns()) / 1e9)
        times.write(f"{time.monotonic_ns()} {position}\n")
        await source.capture_frame(rtc.AudioFrame(data, rate, 1, samples))
        position += samples


async def hear(rate: int, file: str) -> None:
    room = rtc.Room()
    tracks: asyncio.Queue = asyncio.Queue()
    ended = asyncio.Event()
    room.on("track_subscribed", lambda track, *_: tracks.put_nowait(track))
    room.on("track_unsubscribed", lambda *_: ended.set())
    room.on("participant_disconnected", lambda *_: ended.set())
    await room.connect(os.environ["LIVEKIT_URL"], os.environ["LIVEKIT_TOKEN"])
    with open(f"{file}.pcm", "wb") as pcm, open(f"{file}.times", "w") as times:
        writing = asyncio.create_task(write(tracks, rate, pcm, times))
        await asyncio.wait([writing, asyncio.create_task(ended.wait())], return_when=asyncio.FIRST_COMPLETED)
        writing.cancel()
    await room.disconnect()


async def write(tracks: asyncio.Queue, rate: int, pcm, times) -> None:
    stream = rtc.AudioStream(await tracks.get(), sample_rate=rate, num_channels=1)
    position = 0
    async for event in stream:
        times.write(f"{time.monotonic_ns()} {position}\n")
        pcm.write(event.frame.data)
        position += event.frame.samples_per_channel


asyncio.run({"say": say, "hear": hear}[sys.argv[1]](int(sys.argv[2]), sys.argv[3]))
# The SDK's threads may abort the process while the interpreter shuts down.
os._exit(0)
