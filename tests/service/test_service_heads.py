"""HEAD tells what GET would, without the body, and leaves the connection as it was."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp

from tests.live import Live, item, live
from tests.service.test_service_batches import as_csv, customers, ended, upload

PLACES = (
    "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/models", "/v1/predictions",
    "/v1/customers", "/v1/predictions/nothing", "/v1/batches", "/v1/rollouts",
    "/v1/metrics/summary",
)  # fmt: skip


def test_the_head_of_every_answer(served_folder: Path, postgres_url: str) -> None:
    with live(served_folder, postgres_url) as served:
        assert served.predict(item()).status == 200
        batch = ended(served, upload(served, as_csv(customers(5))))
        asyncio.run(_ask(served, (*PLACES, f"/v1/batches/{batch['id']}/result")))


async def _ask(served: Live, places: tuple[str, ...]) -> None:
    headers = {"Authorization": f"Bearer {served.keys['all']}"}
    connector = aiohttp.TCPConnector(limit=1)  # one connection: what a HEAD left there is met next
    async with aiohttp.ClientSession(served.url, headers=headers, connector=connector) as session:
        for path in places:
            async with session.head(path, allow_redirects=False) as head:
                assert await head.read() == b"", path
            async with session.get(path, allow_redirects=False) as whole:
                assert await whole.read(), path
                assert head.status == whole.status, path
                assert whole.status == 200 or path == "/v1/predictions/nothing", path
                assert head.headers["Content-Type"] == whole.headers["Content-Type"], path
