"""What the service is measured against.

``python tests/benchmarks/peers.py usual PORT PROJECT DATABASE`` is the stack of the usual
tutorial: FastAPI, the same scikit-learn pipeline on a one-row frame, one INSERT and COMMIT per
request. ``… echo PORT`` is a bare aiohttp server that reads JSON and sends it back;
``… durable_echo PORT DATABASE`` is the same, but answers when its row is committed, in one commit
with all that wait.
"""

from __future__ import annotations

import sys
import uuid
from datetime import UTC, datetime

from pydantic import BaseModel


class Item(BaseModel):
    """One customer."""

    customer_id: str
    features: dict[str, float | str | None]


class Request(BaseModel):
    """Customers to score."""

    items: list[Item]


def usual(port: int, project: str, database: str) -> None:
    """FastAPI, scikit-learn, one commit per request."""
    import pandas as pd
    import sqlalchemy as sa
    import uvicorn
    from fastapi import FastAPI

    import churnkit as ck
    from churnkit.usecases.models.serving import load_predictor

    _, bundle = load_predictor(ck.open_project(project))
    pipeline = bundle.load_pipeline()
    columns = list(bundle.schema.names())
    engine = sa.create_engine(database, pool_size=16)
    insert = sa.text(
        "insert into predictions (prediction_id, customer_id, model_version, probability, "
        "risk_band, variant, made_at, reasons) values (:id, :customer, 'v1', :p, :band, "
        "'champion', :at, '[]')"
    )

    app = FastAPI()

    @app.post("/v1/predictions")
    def predict(request: Request) -> dict[str, object]:
        item = request.items[0]
        frame = pd.DataFrame([item.features], columns=columns)
        p = float(pipeline.predict_proba(frame)[0, 1])
        band = "high" if p >= 0.6 else "medium" if p >= 0.3 else "low"
        name = uuid.uuid4().hex
        with engine.begin() as connection:
            connection.execute(
                insert,
                {
                    "id": name,
                    "customer": item.customer_id,
                    "p": p,
                    "band": band,
                    "at": datetime.now(UTC),
                },
            )
        return {"prediction_id": name, "probability": p, "risk_band": band}

    uvicorn.run(app, port=port, log_level="warning", access_log=False)


def echo(port: int) -> None:
    """A bare aiohttp server."""
    import orjson
    import uvloop
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        content = orjson.loads(await request.read())
        return web.Response(
            body=orjson.dumps(content), headers={"Content-Type": "application/json"}
        )

    app = web.Application(client_max_size=10**8)
    app.router.add_post("/v1/predictions", answer)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


_INSERT = (
    "insert into predictions (prediction_id, customer_id, model_version, probability, risk_band, "
    "variant, made_at, reasons) select id, customer, 'v1', 0.5, 'low', 'champion', now(), '[]' "
    "from unnest($1::text[], $2::text[]) as row(id, customer)"
)


def durable_echo(port: int, database: str) -> None:
    """A bare aiohttp server that commits before it answers: the floor of this disk."""
    import asyncio

    import asyncpg
    import orjson
    import uvloop
    from aiohttp import web

    waiting: list[tuple[str, str, asyncio.Future[None]]] = []
    some = asyncio.Event()

    async def answer(request: web.Request) -> web.Response:
        content = orjson.loads(await request.read())
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting.append((uuid.uuid4().hex, content["items"][0]["customer_id"], done))
        some.set()
        await done
        return web.Response(
            body=orjson.dumps(content), headers={"Content-Type": "application/json"}
        )

    async def write() -> None:
        connection = await asyncpg.connect(database.replace("+psycopg2", ""))
        while True:
            await some.wait()
            some.clear()
            group = waiting.copy()
            waiting.clear()
            await connection.execute(_INSERT, [g[0] for g in group], [g[1] for g in group])
            for _, _, done in group:
                done.set_result(None)

    async def start(app: web.Application) -> None:
        app["writer"] = asyncio.create_task(write())

    app = web.Application(client_max_size=10**8)
    app.on_startup.append(start)
    app.router.add_post("/v1/predictions", answer)
    uvloop.install()
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    kind, port, *rest = sys.argv[1:]
    {"usual": usual, "echo": echo, "durable_echo": durable_echo}[kind](int(port), *rest)
