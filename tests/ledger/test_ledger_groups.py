"""Groups of predictions: committed whole, by either sink, under ids that sort by time."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.recording import IdempotentAnswer, PredictionColumns
from churnkit.errors import LedgerBusy, StorageUnreachable
from churnkit.ledger.group_commit import Entry, GroupCommitWriter, Refused
from churnkit.ledger.postgres_sink import PostgresSink
from churnkit.ledger.sqlite_sink import SqliteSink
from churnkit.ledger.store import Ledger

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


class Nobody:
    """Nobody was erased."""

    def pseudonyms(self, customer_ids: Iterable[str]) -> list[str]:
        return []

    def read_again(self, customer_ids: Iterable[str]) -> set[str]:
        return set()


def _columns(*customers: str, shadow_of: list[str] | None = None) -> PredictionColumns:
    n = len(customers)
    return PredictionColumns(
        prediction_ids=time_ordered_ids(n, 1_700_000_000_000),
        customer_ids=list(customers),
        probabilities=[0.1 + 0.2] * n,
        risk_bands=["medium"] * n,
        reasons=['[{"column": "tenure", "value": 1.0, "points": 0.25}]'] * n,
        unknown_categories=['["Contract"]'] * n,
        model_version="v1",
        variant="champion",
        made_at=NOW,
        as_of=NOW,
        request_id="r-1",
        rollout_id="canary" if shadow_of else None,
        shadow_of=shadow_of,
    )


def _answer(key: str) -> IdempotentAnswer:
    return IdempotentAnswer("owner", key, "h" * 64, 200, b"{}", NOW)


def _writer(ledger: Ledger, url: str, **limits: float) -> GroupCommitWriter:
    sinks = (
        [SqliteSink(ledger.engine, lambda *_: set())]
        if url.startswith("sqlite")
        else [PostgresSink(url, timeout_seconds=5, erasures=Nobody()) for _ in range(2)]
    )
    given_limits = {"max_pending_rows": 10_000, "max_group_rows": 1_000, "timeout_seconds": 5.0}
    return GroupCommitWriter(sinks, **{**given_limits, **limits})  # type: ignore[arg-type]


def test_what_is_handed_in_is_there_when_it_is_acknowledged(ledger_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        writer = _writer(ledger, ledger_url)
        writer.start()
        few = [writer.submit([_columns(f"few-{i}")]) for i in range(50)]
        many = writer.submit([_columns(*[f"many-{i}" for i in range(600)])])
        served = _columns("paired")
        pair = writer.submit([served, _columns("paired", shadow_of=served.prediction_ids)])
        assert await asyncio.gather(*few, many, pair) == [True] * 52
        assert writer.pending_rows == 0
        assert writer.figures.rows == 652
        assert writer.figures.commits < 52  # they shared commits
        await writer.close()

    with Ledger.open(ledger_url) as ledger:
        asyncio.run(work(ledger))
        rows = ledger.predictions(limit=1_000)
        assert len(rows) == 652
        assert {row.made_at for row in rows} == {NOW}
        row = ledger.predictions(customer_id="few-7")[0]
        assert (row.probability, row.unknown_categories) == (0.1 + 0.2, ("Contract",))
        assert row.reasons[0].points == 0.25
        assert (row.as_of, row.request_id) == (NOW, "r-1")
        shadow = next(r for r in ledger.predictions(customer_id="paired") if r.shadow_of)
        assert ledger.prediction(shadow.shadow_of or "") is not None
        assert shadow.rollout_id == "canary"


def test_an_idempotency_key_admits_one_request(ledger_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        writer = _writer(ledger, ledger_url)
        writer.start()
        first = await writer.submit([_columns("once")], _answer("k"))
        mixed = await asyncio.gather(
            writer.submit([_columns("twice")], _answer("k")),
            writer.submit([_columns("other")], _answer("other")),
            writer.submit([_columns("plain")]),
        )
        assert (first, mixed) == (True, [False, True, True])
        await writer.close()

    with Ledger.open(ledger_url) as ledger:
        asyncio.run(work(ledger))
        found = {row.customer_id for row in ledger.predictions()}
        assert found == {"once", "other", "plain"}


def test_a_row_that_is_refused_does_not_take_the_others_with_it(ledger_url: str) -> None:
    async def work(ledger: Ledger) -> None:
        writer = _writer(ledger, ledger_url)
        known = _columns("first")
        writer.start()
        await writer.submit([known])
        again = writer.submit([known])  # the same id
        fine = writer.submit([_columns("fine")])
        assert await fine is True
        with pytest.raises(Exception, match="refuses"):
            await again
        await writer.close()

    with Ledger.open(ledger_url) as ledger:
        asyncio.run(work(ledger))
        assert {row.customer_id for row in ledger.predictions()} == {"first", "fine"}


class _Vanishing(PostgresSink):
    """Its machine is lost between the key and what the key stands for; nobody hangs up."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout_seconds=0.5, erasures=Nobody())
        self.vanished, self.back = asyncio.Event(), asyncio.Event()

    async def _insert(self, connection: object, parts: Sequence[PredictionColumns]) -> None:
        self.vanished.set()
        await self.back.wait()
        await super()._insert(connection, parts)  # type: ignore[arg-type]


def test_a_lost_replica_does_not_hold_its_key_for_ever(postgres_url: str) -> None:
    async def work() -> None:
        lost = _Vanishing(postgres_url)
        group = [Entry([_columns("once")], _answer("k"), asyncio.Future(), 1)]
        vanished = asyncio.create_task(lost.commit(group))
        await lost.vanished.wait()
        there = PostgresSink(postgres_url, timeout_seconds=0.5, erasures=Nobody())
        again = Entry([_columns("once")], _answer("k"), asyncio.Future(), 1)
        end = asyncio.get_running_loop().time() + 5
        while True:
            try:
                assert await there.commit([again]) == []
            except StorageUnreachable:  # it waited as long as it may
                assert asyncio.get_running_loop().time() < end, "the key is still held"
                continue
            break
        lost.back.set()
        with pytest.raises(StorageUnreachable):  # nothing is acknowledged twice
            await vanished
        await there.close()

    with Ledger.open(postgres_url) as ledger:
        asyncio.run(work())
        assert [row.customer_id for row in ledger.predictions()] == ["once"]


class _Away:
    """A sink whose database is away until it is told otherwise."""

    def __init__(self) -> None:
        self.there = False
        self.written: list[Entry] = []

    async def commit(self, group: Sequence[Entry]) -> Sequence[Entry | Refused]:
        if not self.there:
            raise StorageUnreachable("away")
        self.written += group
        return ()

    async def reconnect(self) -> None:
        if not self.there:
            raise StorageUnreachable("away")

    async def close(self) -> None:
        """Nothing to let go of."""


def test_who_waits_is_told_and_nobody_is_let_in_until_it_is_back() -> None:
    async def work() -> None:
        sink = _Away()
        writer = GroupCommitWriter(
            [sink], max_pending_rows=3, max_group_rows=1, timeout_seconds=1.0
        )
        writer.start()
        waiting = [writer.submit([_columns("c")]) for _ in range(3)]
        with pytest.raises(LedgerBusy):
            writer.submit([_columns("c")])
        told = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(error) for error in told] == [StorageUnreachable] * 3
        assert writer.pending_rows == 0
        assert not writer.available
        with pytest.raises(StorageUnreachable):
            writer.submit([_columns("c")])
        sink.there = True
        for _ in range(500):
            if writer.available:
                break
            await asyncio.sleep(0.01)
        assert await writer.submit([_columns("c")]) is True
        await writer.close()
        assert len(sink.written) == 1
        with pytest.raises(StorageUnreachable):
            writer.submit([_columns("c")])

    asyncio.run(work())


@given(st.integers(0, 2**48 - 2), st.integers(1, 50))
def test_ids_are_uuids_of_version_7_that_sort_by_time(now_ms: int, n: int) -> None:
    early, late = time_ordered_ids(n, now_ms), time_ordered_ids(n, now_ms + 1)
    assert len({*early, *late}) == 2 * n
    assert max(early) < min(late)
    for name in early:
        parsed = uuid.UUID(name)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert parsed.int >> 80 == now_ms


def test_many_rows_are_written_as_few_are(postgres_url: str) -> None:
    """COPY's rows, built by hand, against those of an INSERT."""
    early = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)

    def parts(shadow_of: list[str] | None) -> PredictionColumns:
        n = 20
        return PredictionColumns(
            prediction_ids=time_ordered_ids(n, 1_700_000_000_000),
            customer_ids=["ü €\t\\N 'x'", "7590-VHVEG", *[f"c{i}" for i in range(n - 2)]],
            probabilities=[0.1 + 0.2, 1e-300, 1.0, *[i / n for i in range(n - 3)]],
            risk_bands=["low", "high"] * (n // 2),
            reasons=["[]", '[{"column": "Über", "value": null, "points": 0.5}]'] * (n // 2),
            unknown_categories=[None, '["Contract"]'] * (n // 2),
            model_version="v1",
            variant="champion",
            made_at=NOW if shadow_of else early,
            as_of=None if shadow_of else NOW,
            request_id=None if shadow_of else "r-1",
            rollout_id="canary" if shadow_of else None,
            shadow_of=shadow_of,
        )

    async def work() -> None:
        few, many = parts(None), parts(None)
        more = parts(many.prediction_ids)
        writer = GroupCommitWriter(
            [PostgresSink(postgres_url, timeout_seconds=5, erasures=Nobody())],
            max_pending_rows=1_000,
            max_group_rows=1_000,
            timeout_seconds=5.0,
        )
        writer.start()
        assert await writer.submit([few]) is True
        assert await writer.submit([many, more]) is True
        await writer.close()

    def rows(ledger: Ledger, where: str) -> list[tuple[object, ...]]:
        query = sa.text(
            "select customer_id, probability, risk_band, reasons, unknown_categories, "
            f"model_version, variant, made_at, as_of, request_id, rollout_id from predictions "
            f"where {where} order by probability, customer_id"
        )
        with ledger.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    with Ledger.open(postgres_url) as ledger:
        asyncio.run(work())
        plain = rows(ledger, "shadow_of is null")
        assert len(plain) == 40
        assert plain[::2] == plain[1::2]
        assert plain[0][7:10] == (early, NOW, "r-1")
        shadows = rows(ledger, "shadow_of in (select prediction_id from predictions)")
        assert len(shadows) == 20
        assert [row[:7] for row in shadows] == [row[:7] for row in plain[::2]]
        assert {row[7:] for row in shadows} == {(NOW, None, None, "canary")}
