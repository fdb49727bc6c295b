"""People of all ages of LiveKit's frontends, by the official Python SDK as it comes from PyPI.

Obeys the JSON lines of its stdin, each with one line in answer. "$agent" among identities is the agent's. In "to" stand those whom
something is sent to; without it, it goes to the room.

  {"join": NAME, "kind": KIND}                          waits until the agent listens         -> {"agent": IDENTITY}
  {"as": NAME, "data": PAYLOAD, "topic": TOPIC}         a data packet; "lossy": true
  {"as": NAME, "message": TEXT}                         a ChatMessage of the protocol         -> {"id": ID}
  {"as": NAME, "message": TEXT, "edits": ID}            an edit of one; "deleted": true
  {"as": NAME, "text": TEXT, "topic": TOPIC}            a text stream; "id", "operation", "reply_to", "attributes", "attached"
  {"as": NAME, "open": TOPIC}                           the header of one, and nothing more
  {"as": NAME, "file": TEXT, "topic": TOPIC}            a byte stream; "id"
  {"as": NAME, "attributes": {..}}                      the participant's own attributes
  {"as": NAME, "replies": N}                            waits for so many transcriptions      -> {"replies": [..]}
  {"as": NAME, "seen": true}                            all that came since it was asked last -> {"replies", "json", "messages"}
  {"api": PAYLOAD, "topic": TOPIC}                      as a backend sends it

Environment: LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET. Arguments: ROOM AGENT_NAME
"""

import asyncio
import json
import os
import sys

from livekit import api, rtc
from livekit.rtc._ffi_client import FfiClient
from livekit.rtc._proto import data_stream_pb2, ffi_pb2

PATIENCE = 30.0
ROOM, AGENT_NAME = sys.argv[1:3]


def token(identity: str, kind: str) -> str:
    access = (
        api.AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity(identity)
        .with_kind(kind)
        .with_grants(api.VideoGrants(room_join=True, room=ROOM, can_update_own_metadata=True, agent=kind == "agent"))
        .with_room_config(api.RoomConfiguration(agents=[api.RoomAgentDispatch(agent_name=AGENT_NAME)]))
    )
    return access.to_jwt()


class Reader(rtc.Room):
    """The SDK for Python hands no ChatMessage on, though the library below it does."""

    def _on_room_event(self, event) -> None:
        if event.WhichOneof("message") == "chat_message":
            self.emit("chat_message", event.chat_message)
        super()._on_room_event(event)


class Member:
    def __init__(self) -> None:
        self.room = Reader()
        self.agent = ""
        self.listening = asyncio.Event()
        self.replied = asyncio.Condition()
        self.seen: dict[str, list] = {"replies": [], "json": [], "messages": []}
        self.reading: set[asyncio.Task] = set()
        self.room.on("participant_attributes_changed", lambda *_: self.look())
        self.room.on("participant_connected", lambda _: self.look())
        self.room.on("data_received", self.data_received)
        self.room.on("chat_message", self.message_received)
        self.room.register_text_stream_handler("lk.transcription", self.opened)

    async def join(self, identity: str, kind: str) -> dict:
        await self.room.connect(os.environ["LIVEKIT_URL"], token(identity, kind))
        self.look()
        await asyncio.wait_for(self.listening.wait(), PATIENCE)
        return {"agent": self.agent}

    def look(self) -> None:
        for participant in self.room.remote_participants.values():
            state = participant.attributes.get("lk.agent.state")
            if participant.kind == rtc.ParticipantKind.PARTICIPANT_KIND_AGENT and state == "listening":
                self.agent = participant.identity
                self.listening.set()

    def data_received(self, packet: rtc.DataPacket) -> None:
        if packet.topic == "lk-chat-topic" and packet.participant and packet.participant.identity == self.agent:
            self.seen["json"].append(json.loads(packet.data))

    def message_received(self, received) -> None:
        if received.participant_identity == self.agent:
            self.seen["messages"].append({"id": received.message.id, "message": received.message.message})

    def opened(self, reader: rtc.TextStreamReader, identity: str) -> None:
        task = asyncio.create_task(self.read(reader, identity))
        self.reading.add(task)
        task.add_done_callback(self.reading.discard)

    async def read(self, reader: rtc.TextStreamReader, identity: str) -> None:
        text = "".join([chunk async for chunk in reader])
        if identity == self.agent:
            async with self.replied:
                self.seen["replies"].append({"id": (reader.info.attributes or {}).get("lk.segment_id"), "message": text})
                self.replied.notify_all()

    async def obey(self, order: dict) -> dict:
        to = [self.agent if who == "$agent" else who for who in order.get("to", [])]
        me = self.room.local_participant
        if "data" in order:
            reliable = not order.get("lossy", False)
            await me.publish_data(
                order["data"], topic=order["topic"], destination_identities=to, reliable=reliable
            )
        elif "message" in order:
            return await self.message(order, to)
        elif "text" in order:
            await self.text(order, to)
        elif "open" in order:
            await me.stream_text(topic=order["open"], destination_identities=to)
        elif "file" in order:
            writer = await me.stream_bytes("notes.txt", topic=order["topic"], stream_id=order.get("id"))
            await writer.write(order["file"].encode())
            await writer.aclose()
        elif "attributes" in order:
            await me.set_attributes(order["attributes"])
        elif "replies" in order:
            async with self.replied:
                enough = self.replied.wait_for(lambda: len(self.seen["replies"]) >= order["replies"])
                await asyncio.wait_for(enough, PATIENCE)
            return {"replies": [reply["message"] for reply in self.seen["replies"]]}
        else:
            seen, self.seen = self.seen, {"replies": [], "json": [], "messages": []}
            return seen
        return {}

    async def ask(self, request: ffi_pb2.FfiRequest, name: str, callback: str):
        """What the SDK for Python has no function for, and the library below it has."""
        getattr(request, name).local_participant_handle = self.room.local_participant._ffi_handle.handle
        queue = FfiClient.instance.queue.subscribe()
        try:
            asked = getattr(FfiClient.instance.request(request), "send_chat_message" if "chat" in name else name)
            event = await asyncio.wait_for(
                queue.wait_for(lambda event: getattr(event, callback).async_id == asked.async_id), PATIENCE
            )
        finally:
            FfiClient.instance.queue.unsubscribe(queue)
        return getattr(event, callback)

    async def message(self, order: dict, to: list[str]) -> dict:
        request = ffi_pb2.FfiRequest()
        name = "edit_chat_message" if "edits" in order else "send_chat_message"
        chat = getattr(request, name)
        chat.destination_identities.extend(to)
        if "edits" in order:
            chat.edit_text = order["message"]
            original = chat.original_message
            original.id, original.timestamp, original.message = order["edits"], 1, ""
            original.deleted = order.get("deleted", False)
        else:
            chat.message = order["message"]
        sent = await self.ask(request, name, "chat_message")
        return {"id": sent.chat_message.id}

    async def text(self, order: dict, to: list[str]) -> None:
        request = ffi_pb2.FfiRequest()
        options = request.send_text.options
        request.send_text.text = order["text"]
        options.topic = order["topic"]
        options.destination_identities.extend(to)
        options.attributes.update(order.get("attributes", {}))
        options.attached_stream_ids.extend(order.get("attached", []))
        if "id" in order:
            options.id = order["id"]
        if "reply_to" in order:
            options.reply_to_stream_id = order["reply_to"]
        operations = data_stream_pb2.TextStreamInfo.OperationType
        options.operation_type = operations.Value(order.get("operation", "CREATE"))
        await self.ask(request, "send_text", "send_text")


async def send_by_api(order: dict, members: dict[str, Member]) -> None:
    agents = {member.agent for member in members.values()}
    to = [agents.copy().pop() if who == "$agent" else who for who in order.get("to", [])]
    request = api.SendDataRequest(
        room=ROOM, data=order["api"].encode(), topic=order["topic"], destination_identities=to
    )
    async with api.LiveKitAPI() as backend:
        await backend.room.send_data(request)


async def obey(order: dict, members: dict[str, Member]) -> dict:
    if "join" in order:
        members[order["join"]] = member = Member()
        return await member.join(order["join"], order.get("kind", "standard"))
    if "api" in order:
        await send_by_api(order, members)
        return {}
    return await members[order["as"]].obey(order)


async def main() -> None:
    members: dict[str, Member] = {}
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await obey(json.loads(line), members)), flush=True)
    for member in members.values():
        await member.room.disconnect()


asyncio.run(main())
