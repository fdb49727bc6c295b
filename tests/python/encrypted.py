"""A participant who encrypts, with LiveKit's official Python SDK as it comes from PyPI.

Joins ROOM as IDENTITY with the shared KEY and obeys the stdin's JSON lines, with one JSON line for each:

  {"say": TEXT}   ->   {"said": TEXT}           as a text stream, and again as a data packet
  {"hear": N}     ->   {"heard": [TEXT, ...]}   waits for N texts, sorted; those of packets are in brackets
  {"ratchet": 0}  ->   {"key": HEX}             moves the shared key on
  {"play": HZ}    ->   {"play": HZ}             plays that tone from now on
  {"tone": HZ, "from": IDENTITY}   ->   {"tone": HZ}      waits until hardly anything else is heard of somebody, else null
  {"quiet": IDENTITY}              ->   {"quiet": true}   waits until nothing is heard of somebody, who has a track, else false

Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET. Arguments: ROOM IDENTITY KEY PBKDF2|HKDF RATCHET_WINDOW
"""

import asyncio
import json
import os
import sys

import numpy
from livekit import rtc

from access import token

PATIENCE = 60.0
TOPIC = "secrets"
RATE = 48_000
FRAME = RATE // 100
# Of what is heard, the latest that is looked at: 0.4 s.
WINDOW = RATE * 2 // 5
LOUD = 8000.0
# The share of a tone in the energy of everything heard, from which on it is heard.
CLEAR = 0.8
# A sample of what counts as silence, on average.
QUIET = 100.0


class Participant:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.heard: list[str] = []
        self.news = asyncio.Condition()
        self.tasks: set[asyncio.Task] = set()
        self.hertz: int | None = None
        self.lately: dict[str, numpy.ndarray] = {}
        self.room.on("track_subscribed", lambda track, _, who: self.start(self.listen(track, who.identity)))
        self.room.register_text_stream_handler(TOPIC, lambda reader, _: self.start(self.read(reader)))
        self.room.on("data_received", lambda packet: self.start(self.hears(f"[{packet.data.decode()}]")))

    async def join(self, room: str, identity: str, key: str, derivation: str, window: str) -> None:
        options = rtc.KeyProviderOptions(
            shared_key=key.encode(),
            ratchet_window_size=int(window),
            key_derivation_function=rtc.KeyDerivationFunction.Value(derivation),
        )
        encryption = rtc.E2EEOptions(key_provider_options=options)
        await self.room.connect(
            os.environ["LIVEKIT_URL"], token(room, identity), rtc.RoomOptions(encryption=encryption)
        )

    def start(self, work) -> None:
        task = asyncio.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def read(self, reader: rtc.TextStreamReader) -> None:
        await self.hears("".join([chunk async for chunk in reader]))

    async def hears(self, text: str) -> None:
        async with self.news:
            self.heard.append(text)
            self.news.notify_all()

    async def hear(self, count: int) -> dict:
        async with self.news:
            enough = self.news.wait_for(lambda: len(self.heard) >= count)
            await asyncio.wait_for(enough, PATIENCE)
        heard, self.heard = self.heard, []
        return {"heard": sorted(heard)}

    async def listen(self, track: rtc.Track, who: str) -> None:
        lately = numpy.zeros(0)
        async for event in rtc.AudioStream(track, sample_rate=RATE, num_channels=1):
            lately = numpy.append(lately, numpy.frombuffer(event.frame.data, numpy.int16))[-WINDOW:]
            self.lately[who] = lately

    async def publish(self) -> None:
        source = rtc.AudioSource(RATE, 1, 100)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        await self.room.local_participant.publish_track(track, rtc.TrackPublishOptions())
        self.start(self.play(source))

    async def play(self, source: rtc.AudioSource) -> None:
        phase = 0.0
        while True:
            phases = phase + 2 * numpy.pi * self.hertz / RATE * numpy.arange(FRAME + 1)
            phase = phases[-1] % (2 * numpy.pi)
            samples = (LOUD * numpy.sin(phases[:-1])).astype(numpy.int16)
            await source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, FRAME))

    async def window(self, who: str) -> numpy.ndarray:
        while len(self.lately.get(who, [])) < WINDOW:
            await asyncio.sleep(0.05)
        return self.lately[who]

    async def wait_for_tone(self, hertz: int, who: str) -> None:
        turned = numpy.exp(-2j * numpy.pi * hertz / RATE * numpy.arange(WINDOW))
        while True:
            heard = await self.window(who)
            if 2 * abs(heard @ turned) ** 2 / WINDOW > CLEAR * max(1.0, heard @ heard):
                return
            await asyncio.sleep(0.05)

    async def wait_for_silence(self, who: str) -> None:
        while True:
            heard = await self.window(who)
            if numpy.sqrt(heard @ heard / WINDOW) < QUIET:
                return
            await asyncio.sleep(0.05)

    async def obey(self, order: dict) -> dict:
        if "hear" in order:
            return await self.hear(order["hear"])
        if "ratchet" in order:
            return {"key": self.room.e2ee_manager.key_provider.ratchet_shared_key(order["ratchet"]).hex()}
        if "play" in order:
            published, self.hertz = self.hertz is not None, order["play"]
            if not published:
                await self.publish()
            return order
        if "tone" in order:
            heard = await became_so(self.wait_for_tone(order["tone"], order["from"]))
            return {"tone": order["tone"] if heard else None}
        if "quiet" in order:
            return {"quiet": await became_so(self.wait_for_silence(order["quiet"]))}
        me, text = self.room.local_participant, order["say"]
        await me.send_text(text, topic=TOPIC)
        await me.publish_data(text, topic=TOPIC)
        return {"said": text}


async def became_so(waiting) -> bool:
    try:
        await asyncio.wait_for(waiting, PATIENCE)
    except asyncio.TimeoutError:
        return False
    return True


async def main() -> None:
    participant = Participant()
    await participant.join(*sys.argv[1:6])
    print(json.dumps({"joined": True}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await participant.obey(json.loads(line))), flush=True)
    await participant.room.disconnect()


asyncio.run(main())
