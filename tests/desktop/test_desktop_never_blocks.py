"""The event loop comes round: a tour of all screens, a million customers, a stream of news."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme
from PySide6.QtCore import QEventLoop, QTimer

from tests.desktop.conftest import WAIT_MS
from tests.desktop.gaps import Gaps
from tests.live import command, prepare

AIM_MS = 50.0
MOST_OWN_MS = 50.0
"""Of the processor's time in one turn, whatever else the machine does."""
MOST_MS = 250.0
"""What a machine that does other things may show: there, who holds Python's lock is made to wait
for a processor, too. The aim is printed, reached or not."""
N = 1_000_000
_STAY = 700


def _spin(ms: int) -> None:
    """Let the event loop run; QTest's own waiting holds Python's lock."""
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()


def _wait(true: Callable[[], object]) -> None:
    for _ in range(WAIT_MS // 20):
        if true():
            return
        _spin(20)
    raise AssertionError("it did not come true")


def _look_around(window: MainWindow, gaps: Gaps) -> None:
    """A person looks at the first screen for a second or two, then at all of them."""
    gaps.doing = "opening"
    _wait(lambda: len(window._views) == len(SCREENS))
    _spin(200)
    _tour(window, gaps)


def _tour(window: MainWindow, gaps: Gaps) -> None:
    """Every screen; in the table of customers what a person does there."""
    for entry in SCREENS:
        gaps.doing = entry.key
        window.go(entry.key)
        view = window._views[entry.key]
        presenter = getattr(view, "presenter", None)
        if presenter is not None:
            _wait(lambda presenter=presenter: not presenter.busy)
        _spin(_STAY)
        tabs = getattr(view, "tabs", None)
        for i in range(tabs.count() if tabs is not None else 0):
            gaps.doing = f"{entry.key}, tab {tabs.tabText(i)}"
            tabs.setCurrentIndex(i)
            _spin(250)
        if tabs is not None:
            tabs.setCurrentIndex(0)
        if entry.key == "customers":
            _customers(view, presenter, gaps)


def _customers(view: Any, presenter: Any, gaps: Gaps) -> None:
    assert presenter.view.n_all == N
    bar = view.table.verticalScrollBar()
    for share in (0.5, 0.9, 0.1, 1.0, 0.0):
        gaps.doing = f"customers, scroll to {share}"
        bar.setValue(round(bar.maximum() * share))
        row = min(round(N * share), N - 1)
        _wait(lambda row=row: view.model.customer_id(row))
        _spin(150)
    for change in (
        {"sort": "customer_id", "descending": False},
        {"bands": ("high", "medium")},
        {"search": "99"},
        {"search": "", "bands": (), "sort": "probability", "descending": True},
    ):
        gaps.doing = f"customers, {change}"
        presenter.ask(**change)
        _wait(lambda: not presenter.busy)
        _spin(250)
    _wait(lambda: presenter.campaign is not None)
    for value in (150.0, 300.0, 250.0):
        gaps.doing = "customers, another value"
        presenter.set_money(customer_value=value)
        _spin(150)


def _report(gaps: Gaps, where: str, news: int = 0) -> None:
    worst = gaps.worst(12)
    for stall, gap, doing in worst:
        print(f"{where}: {stall:6.1f} ms (gap {gap:6.1f} ms) in {doing}")
    slow = gaps.slowness
    print(f"{where}: {len(gaps.stalls):,} turns, {news:,} news taken; work took {slow:.2f} times")
    print(f"{where}: worst stall {worst[0][0]:.1f} ms here, {worst[0][0] / slow:.1f} ms if quiet")
    print(f"{where}: aim {AIM_MS} ms: {'reached' if worst[0][0] < AIM_MS else 'missed'}")
    own, doing = max(gaps.own)
    print(f"{where}: most work in one turn {own:.1f} ms, {own / slow:.1f} ms if quiet, in {doing}")
    assert own / slow < MOST_OWN_MS, "the event loop itself does too much in one turn"
    assert worst[0][0] / slow < MOST_MS, worst


@contextmanager
def _window(qapp: Any, place: str, memory: Memory, keys: Keys) -> Iterator[MainWindow]:
    threads = set(threading.enumerate())
    window = MainWindow(Theme(qapp, "light"), memory, keys)
    window.resize(1280, 800)
    window.show()
    window.begin(place)
    try:
        _wait(lambda: window.desk is not None)
        yield window
    finally:
        window.close()
        window.shut()
        window.deleteLater()
        _spin(50)
    assert set(threading.enumerate()) <= threads


@pytest.mark.long
def test_the_tour_of_a_project_folder_never_stalls(qapp: Any, folder: Path, memory: Memory) -> None:
    rng = np.random.default_rng(3)
    p = rng.beta(1.2, 3.0, N)
    table = pa.table(
        {
            "customer_id": [f"C-{i:07d}" for i in range(N)],
            "probability": p,
            "risk_band": np.where(p >= 0.6, "high", np.where(p >= 0.3, "medium", "low")),
            "model_version": pa.array(["v1"] * N),
        }
    )
    pq.write_table(table, folder / "store" / "latest-scores.parquet")
    with _window(qapp, str(folder), memory, Keys(uses_keyring=False)) as window:
        gaps = Gaps()
        gaps.start()
        _look_around(window, gaps)
        gaps.stop()
        gaps.close()
    _report(gaps, "folder")


_FILL = """
insert into latest_scores
    (customer_id, prediction_id, probability, risk_band, risk_rank, model_version, variant, made_at)
select 'C-' || lpad(i::text, 7, '0'), 'none', p,
    case when p >= 0.6 then 'high' when p >= 0.3 then 'medium' else 'low' end,
    case when p >= 0.6 then 2 when p >= 0.3 then 1 else 0 end, 'v1', 'champion', now()
from (select i, random() * random() as p from generate_series(1, :n) as s(i)) as drawn
"""


@pytest.mark.long
def test_the_tour_of_a_service_never_stalls(
    qapp: Any, served_folder: Path, memory: Memory, postgres_url: str
) -> None:
    token = prepare(served_folder, postgres_url)["all"]
    engine = sa.create_engine(postgres_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(_FILL), {"n": N})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("vacuum analyze latest_scores"))
    engine.dispose()
    with command(served_folder, postgres_url) as (_, url):
        proxy = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("feed_proxy.py")), url, "100"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert proxy.stdout is not None
            place = proxy.stdout.readline().strip()
            keys = Keys(uses_keyring=False)
            keys.put(place, token, keep=False)
            with _window(qapp, place, memory, keys) as window:
                assert window.desk is not None
                taken = [0]
                window.desk.news.connect(lambda news: taken.__setitem__(0, taken[0] + len(news)))
                gaps = Gaps()
                gaps.start()
                _look_around(window, gaps)
                gaps.stop()
                gaps.close()
        finally:
            proxy.kill()
            proxy.wait()
            if proxy.stdout is not None:
                proxy.stdout.close()
    _report(gaps, "service", taken[0])
    assert taken[0] > 500, "the news did not come"
