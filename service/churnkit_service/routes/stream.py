"""``/v1/stream``: messages are scored in order over one WebSocket."""

from __future__ import annotations

from aiohttp import web

from churnkit.client.messages.stream import StreamAnswer, StreamRequest
from churnkit_service.conversation import Conversation
from churnkit_service.endpoint import Call, Endpoint
from churnkit_service.guard import finish
from churnkit_service.problems import UpgradeRequired


async def stream(call: Call) -> web.StreamResponse:
    """Open the WebSocket, and answer until either side ends it."""
    settings = call.service.settings
    socket = web.WebSocketResponse(
        heartbeat=settings.heartbeat_seconds,
        timeout=settings.slow_client_seconds,
        max_msg_size=settings.stream_message_bytes,
        compress=False,
        decode_text=False,
    )
    if not socket.can_prepare(call.request):
        raise UpgradeRequired(
            "this address speaks WebSocket.",
            fix="Connect with a WebSocket client, or use POST /v1/predictions.",
        )
    finish(socket, call.request_id)
    await socket.prepare(call.request)
    await Conversation(call, socket).run()
    return socket


ENDPOINTS = (
    Endpoint(
        "GET",
        "/v1/stream",
        stream,
        "Score over a WebSocket",
        "predictions",
        "score",
        answers={101: (None, "The WebSocket is open.")},
        problems=(UpgradeRequired,),
        lasting=True,
        messages=(StreamRequest, StreamAnswer),
        description="Each message is a `StreamRequest` as JSON, and is answered by a "
        "`StreamAnswer`, in the order of the messages, after its predictions are committed. "
        "`service.stream_window` messages may wait for their answer; then the service reads on "
        "when the first of them was sent. Closes: 1001 the service ends (what was read is "
        "answered before), 1008 the key is not valid any more, 1009 a message is too large, "
        "1000 nothing came for `service.stream_idle_seconds`.",
    ),
)
