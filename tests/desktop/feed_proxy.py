"""A process between console and service: passes requests on, and tells 100 news a second itself.

    python feed_proxy.py SERVICE_URL MESSAGES_PER_SECOND

It prints its address. The service tells as much as it has; a test needs a steady stream.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

from aiohttp import ClientSession, web

_PASSED = ("Authorization", "Content-Type", "Accept", "Idempotency-Key")


async def pass_on(request: web.Request) -> web.Response:
    """The service's answer."""
    session: ClientSession = request.app["session"]
    headers = {name: request.headers[name] for name in _PASSED if name in request.headers}
    async with session.request(
        request.method, sys.argv[1] + request.path_qs, data=await request.read(), headers=headers
    ) as answer:
        return web.Response(
            status=answer.status,
            body=await answer.read(),
            headers={"Content-Type": answer.headers.get("Content-Type", "application/json")},
        )


def event(number: int) -> tuple[str, dict[str, object]]:
    """Nineteen predictions, then the count of a part of a second."""
    now = datetime.now(UTC)
    if number % 20:
        return "prediction", {
            "prediction_id": f"p{number}", "customer_id": f"C{number}", "model_version": "v1",
            "variant": "champion", "probability": 0.5, "risk_band": "medium",
            "made_at": now.isoformat(), "sampled": True,
        }  # fmt: skip
    counts = [
        {"model_version": "v1", "variant": "champion", "risk_band": band, "n": 30,
         "mean_probability": p}
        for band, p in (("low", 0.1), ("medium", 0.4), ("high", 0.8))
    ]  # fmt: skip
    since = now - timedelta(seconds=0.2)
    return "predictions", {
        "from": since.isoformat(), "to": now.isoformat(), "n": 90, "counts": counts,
    }  # fmt: skip


async def feed(request: web.Request) -> web.StreamResponse:
    """Messages without an end."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    pause, number = 1 / float(sys.argv[2]), 0
    begin = asyncio.get_running_loop().time()
    while True:
        number += 1
        kind, data = event(number)
        text = f"event: {kind}\nid: 1-{number}\ndata: {json.dumps(data)}\n\n"
        await response.write(text.encode())
        await asyncio.sleep(max(0.0, begin + number * pause - asyncio.get_running_loop().time()))


async def main() -> None:
    app = web.Application(client_max_size=1 << 30)
    app["session"] = ClientSession()
    app.router.add_get("/v1/feed", feed)
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
