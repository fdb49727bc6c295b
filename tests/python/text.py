"""Text turns through LiveKit's official Python SDK, for bench/loss-text.sh.

  text.py answer ROOM CHUNKS PAUSE_MS                       an agent's end: each text is answered with so many chunks, a
                                                            pause before each
  text.py ask LABEL TURNS CHUNKS NAME=ROOM[=AGENT] ...      a caller in all the rooms, who says something in one after the
                                                            other; a worker's AGENT is called to its room

`answer` prints a line when it has joined, `ask` one for each room, which begins with LABEL: when the first word and when the
whole reply had come.
Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET; TIMES, a file that `ask` adds each turn to
"""

import asyncio
import math
import os
import sys
import time

from livekit import rtc

from access import token

QUESTIONS, ANSWERS = "lk.chat", "lk.transcription"
# Only a hang takes this long.
PATIENCE = 60.0
# Turns that do not count: the first ones of a connection have no round-trip times to go by.
WARM = 3
BETWEEN = 0.05


async def answer(name: str, chunks: int, pause: float) -> None:
    room = rtc.Room()
    questions: asyncio.Queue = asyncio.Queue()
    room.register_text_stream_handler(QUESTIONS, lambda reader, _: questions.put_nowait(reader))
    await room.connect(os.environ["LIVEKIT_URL"], token(name, "agent"))
    print("joined", flush=True)
    while True:
        await (await questions.get()).read_all()
        writer = await room.local_participant.stream_text(topic=ANSWERS)
        for number in range(chunks):
            await asyncio.sleep(pause)
            await writer.write(f"word{number:02} ")
        await writer.aclose()


class Line:
    """A room, the agent in it, and how long its replies took: to the first word and to the end, in milliseconds."""

    def __init__(self, place: str) -> None:
        self.name, self.place, *agents = place.split("=")
        self.agents = tuple(agents)
        self.room = rtc.Room()
        self.replies: asyncio.Queue = asyncio.Queue()
        self.turns: list[tuple[float, float]] = []
        self.room.register_text_stream_handler(ANSWERS, lambda reader, _: self.replies.put_nowait(reader))

    async def join(self) -> None:
        await self.room.connect(os.environ["LIVEKIT_URL"], token(self.place, "caller", self.agents))
        deadline = time.monotonic() + PATIENCE
        while not self.has_agent():
            if time.monotonic() > deadline:
                sys.exit(f"no agent came into the room of {self.name}")
            await asyncio.sleep(0.05)

    def has_agent(self) -> bool:
        states = [agent.attributes.get("lk.agent.state") for agent in self.room.remote_participants.values()]
        return "listening" in states if self.agents else bool(states)

    async def turn(self, chunks: int) -> tuple[float, float]:
        asked = time.monotonic()
        await self.room.local_participant.send_text("a question", topic=QUESTIONS)
        try:
            return await asyncio.wait_for(self.reply(chunks, asked), PATIENCE)
        except asyncio.TimeoutError:
            sys.exit(f"{self.name} left a question without an answer")

    async def reply(self, chunks: int, asked: float) -> tuple[float, float]:
        reader = await self.replies.get()
        first, came = None, 0
        async for _ in reader:
            first = first or time.monotonic()
            came += 1
        if came != chunks:
            sys.exit(f"{self.name} answered with {came} chunks instead of {chunks}")
        return 1e3 * (first - asked), 1e3 * (time.monotonic() - asked)

    def whole(self) -> list[float]:
        return percentiles([whole for _, whole in self.turns])


def percentiles(times: list[float]) -> list[float]:
    """Median, 95th percentile and worst, by nearest rank."""
    times = sorted(times)
    return [times[math.ceil(len(times) * percent / 100) - 1] for percent in (50, 95, 100)]


async def ask(label: str, turns: int, chunks: int, places: list[str]) -> None:
    lines = [Line(place) for place in places]
    for line in lines:
        await line.join()
    for number in range(WARM + turns):
        # Each goes first in every other round.
        for line in lines if number % 2 else reversed(lines):
            took = await line.turn(chunks)
            if number >= WARM:
                line.turns.append(took)
            await asyncio.sleep(BETWEEN)
    if "TIMES" in os.environ:
        with open(os.environ["TIMES"], "a", encoding="utf-8") as file:
            file.writelines(
                f"{label} {line.name} {first:.0f} {whole:.0f}\n" for line in lines for first, whole in line.turns
            )
    for line in lines:
        first, whole = percentiles([first for first, _ in line.turns]), line.whole()
        ratios = [mine / official for mine, official in zip(whole, lines[0].whole())]
        times = [" / ".join(f"{time:.0f}" for time in times) for times in (first, whole)]
        against = " / ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"{label:>4} % {line.name:<10} {times[0]:>28} {times[1]:>28}   {against}", flush=True)


match sys.argv[1:]:
    case ["answer", room, chunks, pause]:
        asyncio.run(answer(room, int(chunks), int(pause) / 1e3))
    case ["ask", label, turns, chunks, *places]:
        asyncio.run(ask(label, int(turns), int(chunks), places))
    case _:
        sys.exit(__doc__)
# The SDK's threads may abort the process while the interpreter shuts down.
os._exit(0)
