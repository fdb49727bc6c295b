"""Somebody with a camera and a microphone, with LiveKit's official Python SDK.

Joins ROOM as IDENTITY, publishes a moving picture and a tone, prints "published", and leaves when stdin ends.
Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET. Arguments: ROOM IDENTITY
"""

import asyncio
import os
import sys

import numpy
from livekit import rtc

from access import token

WIDTH, HEIGHT, PICTURES_A_SECOND = 320, 240, 15
RATE = 48_000
FRAME = RATE // 100


async def film(source: rtc.VideoSource) -> None:
    """Noise, so that each picture has many bytes."""
    noise = numpy.random.default_rng(1)
    while True:
        picture = noise.integers(0, 255, WIDTH * HEIGHT * 4, numpy.uint8)
        source.capture_frame(rtc.VideoFrame(WIDTH, HEIGHT, rtc.VideoBufferType.RGBA, picture.tobytes()))
        await asyncio.sleep(1 / PICTURES_A_SECOND)


async def hum(source: rtc.AudioSource) -> None:
    samples = (8000 * numpy.sin(2 * numpy.pi * 440 / RATE * numpy.arange(FRAME * 100))).astype(numpy.int16)
    while True:
        for frame in samples.reshape(100, FRAME):
            await source.capture_frame(rtc.AudioFrame(frame.tobytes(), RATE, 1, FRAME))


async def main() -> None:
    room = rtc.Room()
    await room.connect(os.environ["LIVEKIT_URL"], token(*sys.argv[1:3]))
    pictures, sound = rtc.VideoSource(WIDTH, HEIGHT), rtc.AudioSource(RATE, 1, 100)
    me, options = room.local_participant, rtc.TrackPublishOptions(simulcast=False)
    await me.publish_track(rtc.LocalVideoTrack.create_video_track("camera", pictures), options)
    await me.publish_track(rtc.LocalAudioTrack.create_audio_track("microphone", sound), options)
    working = [asyncio.create_task(film(pictures)), asyncio.create_task(hum(sound))]
    print("published", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for task in working:
        task.cancel()
    await room.disconnect()


asyncio.run(main())
# The SDK's threads may abort the process while the interpreter shuts down.
os._exit(0)
