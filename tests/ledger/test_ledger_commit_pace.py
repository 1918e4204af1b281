"""When small requests wait for one another before a commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from churnkit.domain.identifiers import time_ordered_ids
from churnkit.domain.recording import PredictionColumns
from churnkit.ledger.commit_pace import CommitPace
from churnkit.ledger.group_commit import Entry, GroupCommitWriter, Refused


def _turns(pace: CommitPace, *, took: float, turn: float, n: int, waiting: int) -> None:
    """A commit of n, all of whom are back after a turn."""
    pace.answered(n, waiting=waiting, took=took, now=10.0)
    for _ in range(n):
        pace.came(10.0 + turn)


@pytest.mark.parametrize(
    ("took", "turn", "waiting", "patience"),
    [
        (0.010, 0.001, 8, 0.005),  # a slow disk, quick clients: half a commit
        (0.010, 0.001, 16, 0.0),  # all are here
        (0.010, 0.004, 8, 0.0),  # both halves together take 8 ms to come back
        (0.001, 0.0001, 8, 0.0),  # a quick disk: no timer is that short
    ],
)
def test_it_waits_where_that_is_quicker_for_all(
    took: float, turn: float, waiting: int, patience: float
) -> None:
    pace = CommitPace()
    assert pace.patience(1) == 0.0  # nothing is known yet
    _turns(pace, took=took, turn=turn, n=8, waiting=8)
    assert pace.patience(waiting) == patience


def test_one_client_never_waits_for_another() -> None:
    pace = CommitPace()
    _turns(pace, took=0.1, turn=0.001, n=1, waiting=0)
    assert pace.patience(1) == 0.0


class _Slow:
    """A sink that needs long for a commit, however many share it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    async def commit(self, group: Sequence[Entry]) -> Sequence[Entry | Refused]:
        self.sizes.append(len(group))
        await asyncio.sleep(0.02)
        return ()

    async def reconnect(self) -> None:
        """It is there."""

    async def close(self) -> None:
        """Nothing to let go of."""


def _one(name: str) -> PredictionColumns:
    made = datetime(2026, 3, 1, tzinfo=UTC)
    ids = time_ordered_ids(1, 0)
    return PredictionColumns(ids, [name], [0.5], ["medium"], ["[]"], [None], "v1", "champion", made)


def test_clients_that_come_back_at_once_end_up_in_one_commit() -> None:
    async def work() -> _Slow:
        sink = _Slow()
        writer = GroupCommitWriter(
            [sink], max_pending_rows=100, max_group_rows=100, timeout_seconds=5.0
        )
        writer.start()

        async def client(name: str, late: bool) -> None:
            await asyncio.sleep(0.01 if late else 0.0)  # within the first commit
            for _ in range(12):
                assert await writer.submit([_one(name)]) is True

        await asyncio.gather(*(client(f"c{i}", i % 2 == 1) for i in range(8)))
        assert await asyncio.wait_for(writer.submit([_one("alone")]), 1.0) is True
        await asyncio.wait_for(writer.close(), 1.0)
        return sink

    sink = asyncio.run(work())
    assert sum(sink.sizes) == 8 * 12 + 1
    assert sink.sizes.count(8) >= 8  # without waiting, each commit has some of them
