"""Online states in the ledger: changed one after another, whole or not at all, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import pytest

from churnkit.ledger.online import OnlineStates, States
from churnkit.ledger.store import Ledger

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LAYOUT, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def states(ledger_url: str) -> Iterator[OnlineStates]:
    with Ledger.open(ledger_url) as ledger:
        yield OnlineStates(ledger)


def _put(states: OnlineStates, layout: str, rows: list[tuple[str, str]]) -> int:
    return states.replace(layout, iter(rows), feature_hash="f", description="{}", at=NOW)


def nobody(connection: object, customer_ids: object) -> set[str]:
    """Nobody was erased."""
    return set()


def test_what_was_put_is_read(states: OnlineStates) -> None:
    rows = [(f"c{i}", f"s{i}") for i in range(2_500)]
    assert _put(states, LAYOUT, rows) == 2_500
    wanted = [name for name, _ in rows] + ["unknown"]
    assert states.read(LAYOUT, wanted) == dict(rows)
    assert states.read(OTHER, wanted) == {}
    assert list(states.layouts()) == [LAYOUT]


def test_replacing_leaves_no_customer_of_before(states: OnlineStates) -> None:
    _put(states, LAYOUT, [("a", "1"), ("b", "1")])
    _put(states, OTHER, [("a", "other")])
    _put(states, LAYOUT, [("b", "2")])
    assert states.read(LAYOUT, ["a", "b"]) == {"b": "2"}
    assert states.read(OTHER, ["a"]) == {"a": "other"}
    states.drop(LAYOUT)
    assert states.read(LAYOUT, ["b"]) == {}
    assert list(states.layouts()) == [OTHER]


def test_a_replacement_that_fails_keeps_what_was_there(states: OnlineStates) -> None:
    _put(states, LAYOUT, [("a", "1")])

    def broken() -> Iterator[tuple[str, str]]:
        yield from ((f"c{i}", "x") for i in range(1_500))
        raise RuntimeError("the log ended early")

    with pytest.raises(RuntimeError):
        states.replace(LAYOUT, broken(), feature_hash="f", description="{}", at=NOW)
    assert states.read(LAYOUT, ["a", "c1"]) == {"a": "1"}


def test_a_change_that_fails_changes_no_layout(states: OnlineStates) -> None:
    for layout in (LAYOUT, OTHER):
        _put(states, layout, [("a", "1")])

    def change(found: Mapping[str, States], erased: set[str]) -> Mapping[str, States]:
        raise RuntimeError("a bad event")

    with pytest.raises(RuntimeError):
        states.change([LAYOUT, OTHER], ["a", "new"], change, at=NOW, erased=nobody)
    assert states.read(LAYOUT, ["a", "new"]) == {"a": "1"}


def test_writers_of_the_same_customers_lose_nothing(states: OnlineStates) -> None:
    """Four writers count up overlapping customers, new ones too, in opposite orders."""
    names = [f"c{i}" for i in range(6)]
    rounds = 12

    def count(found: Mapping[str, States], erased: set[str]) -> Mapping[str, States]:
        return {
            layout: {name: str(int(known.get(name, "0")) + 1) for name in names}
            for layout, known in found.items()
        }

    failed: list[BaseException] = []

    def work(turn: int) -> None:
        order = names if turn % 2 else names[::-1]
        layouts = [LAYOUT, OTHER] if turn % 2 else [OTHER, LAYOUT]
        try:
            for _ in range(rounds):
                states.change(layouts, order, count, at=NOW, erased=nobody)
        except BaseException as error:  # noqa: BLE001 - handed to the test
            failed.append(error)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for layout in (LAYOUT, OTHER):
        assert states.read(layout, names) == dict.fromkeys(names, str(4 * rounds))
