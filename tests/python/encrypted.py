"""A participant who encrypts, with LiveKit's official Python SDK as it comes from PyPI.

Joins ROOM as IDENTITY with the shared KEY and obeys the stdin's JSON lines, with one JSON line for each:

  {"say": TEXT}   ->   {"said": TEXT}           as a text stream, and again as a data packet
  {"hear": N}     ->   {"heard": [TEXT, ...]}   waits for N texts, sorted; those of packets are in brackets
  {"ratchet": 0}  ->   {"key": HEX}             moves the shared key on

Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET. Arguments: ROOM IDENTITY KEY PBKDF2|HKDF RATCHET_WINDOW
"""

import asyncio
import json
import os
import sys

from livekit import api, rtc

PATIENCE = 60.0
TOPIC = "secrets"


def token(room: str, identity: str) -> str:
    return (
        api.AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
        .to_jwt()
    )


class Participant:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.heard: list[str] = []
        self.news = asyncio.Condition()
        self.tasks: set[asyncio.Task] = set()
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

    async def obey(self, order: dict) -> dict:
        if "hear" in order:
            return await self.hear(order["hear"])
        if "ratchet" in order:
            return {"key": self.room.e2ee_manager.key_provider.ratchet_shared_key(order["ratchet"]).hex()}
        me, text = self.room.local_participant, order["say"]
        await me.send_text(text, topic=TOPIC)
        await me.publish_data(text, topic=TOPIC)
        return {"said": text}


async def main() -> None:
    participant = Participant()
    await participant.join(*sys.argv[1:6])
    print(json.dumps({"joined": True}), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await participant.obey(json.loads(line))), flush=True)
    await participant.room.disconnect()


asyncio.run(main())
