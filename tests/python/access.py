"""Who may come into a room. Environment: LIVEKIT_API_KEY, LIVEKIT_API_SECRET."""

import os

from livekit import api


def token(room: str, identity: str, agents: tuple[str, ...] = ()) -> str:
    """For somebody who may do everything; the agents are called to the room if this makes it."""
    dispatches = [api.RoomAgentDispatch(agent_name=agent) for agent in agents]
    access = (
        api.AccessToken(os.environ["LIVEKIT_API_KEY"], os.environ["LIVEKIT_API_SECRET"])
        .with_identity(identity)
        .with_grants(api.VideoGrants(room_join=True, room=room))
    )
    if dispatches:
        access = access.with_room_config(api.RoomConfiguration(agents=dispatches))
    return access.to_jwt()
