"""A caller who uses LiveKit's official Python SDK as it comes from PyPI.

Joins ROOM, waits for an agent that listens, says each text on the stdin's JSON lines and prints one JSON line per event:

  {"say": TEXT, "on": "chat" | "transcription" | "interim"}   ->   {"reply": TEXT, "chunks": N, "attributes": {...}}
  {"states": TURNS}                                           ->   {"states": [...]}

Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET. Arguments: ROOM AGENT_NAME
"""

import asyncio
import json
import os
import sys
import uuid

from livekit import rtc

from access import token

PATIENCE = 30.0


class Caller:
    def __init__(self) -> None:
        self.room = rtc.Room()
        self.states: list[str] = []
        self.listening = asyncio.Event()
        self.replies: asyncio.Queue = asyncio.Queue()
        self.reading: set[asyncio.Task] = set()
        self.room.on("participant_attributes_changed", self.attributes_changed)
        self.room.on("participant_connected", lambda _: self.look())
        self.room.register_text_stream_handler("lk.transcription", self.opened)

    async def join(self, room: str, agent_name: str) -> None:
        await self.room.connect(os.environ["LIVEKIT_URL"], token(room, "python-caller", (agent_name,)))
        self.look()
        await asyncio.wait_for(self.listening.wait(), PATIENCE)

    def attributes_changed(self, changed: dict, participant: rtc.Participant) -> None:
        self.look()

    def look(self) -> None:
        for participant in self.room.remote_participants.values():
            if participant.kind != rtc.ParticipantKind.PARTICIPANT_KIND_AGENT:
                continue
            state = participant.attributes.get("lk.agent.state")
            if state and (not self.states or self.states[-1] != state):
                self.states.append(state)
            if state == "listening":
                self.listening.set()

    async def settled(self, turns: int) -> None:
        """Waits for the states of all turns: those behind the last reply may still be on their way."""
        while self.states.count("speaking") < turns or self.states[-1] != "listening":
            await asyncio.sleep(0.05)

    def opened(self, reader: rtc.TextStreamReader, identity: str) -> None:
        task = asyncio.create_task(self.read(reader, identity))
        self.reading.add(task)
        task.add_done_callback(self.reading.discard)

    async def read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        chunks = [chunk async for chunk in reader]
        await self.replies.put(
            {
                "reply": "".join(chunks),
                "chunks": len(chunks),
                "from": identity,
                "attributes": dict(reader.info.attributes or {}),
            }
        )

    async def say(self, text: str, on: str) -> dict:
        me = self.room.local_participant
        if on == "chat":
            await me.send_text(text, topic="lk.chat")
        else:
            segment = {"lk.segment_id": f"SG_{uuid.uuid4().hex[:12]}"}
            # A transcriber sends a segment's text again and again, and marks the last version.
            interim = {**segment, "lk.transcription_final": "false"}
            await me.send_text(text[: len(text) // 2], topic="lk.transcription", attributes=interim)
            if on == "interim":
                return {"reply": None}
            final = {**segment, "lk.transcription_final": "true"}
            await me.send_text(text, topic="lk.transcription", attributes=final)
            # The same segment once more, as some clients do: it must not be a turn of its own.
            await me.send_text(text, topic="lk.transcription", attributes=final)
        return await asyncio.wait_for(self.replies.get(), PATIENCE)


async def main() -> None:
    caller = Caller()
    await caller.join(sys.argv[1], sys.argv[2])
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        order = json.loads(line)
        if "states" in order:
            await asyncio.wait_for(caller.settled(order["states"]), PATIENCE)
            answer = {"states": caller.states}
        else:
            answer = await caller.say(order["say"], order["on"])
        print(json.dumps(answer), flush=True)
    await caller.room.disconnect()


asyncio.run(main())
