"""The same screens on a real service with a real PostgreSQL."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keyring
import keyring.backend
import keyring.errors
import pytest
from churnkit_desktop.actions import Action
from churnkit_desktop.backend.facts import CustomerQuery
from churnkit_desktop.backend.lost import ConnectionLost
from churnkit_desktop.backend.remote import python
from churnkit_desktop.backend.remote.backend import KeyRefused, RemoteBackend
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.screens.customers.table_export import same_customers
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme

import churnkit as ck
from churnkit.data.samples.locate import telco_path
from churnkit.errors import NoChampion
from churnkit.settings.file import write_settings
from tests.desktop.conftest import WAIT_MS
from tests.live import Live, item, live
from tests.postgres import own_postgres
from tests.rollout.worlds import World, world_project

N_SCORED = 300


@pytest.fixture(scope="module")
def served(served_folder: Path, fresh_database: str) -> Iterator[Live]:
    """A service with a champion, a challenger and 300 scored customers."""
    with live(served_folder, fresh_database) as running:
        for i in range(N_SCORED // 10):
            items = [
                item(f"C-{i * 10 + j:03d}", tenure=i * 2 + 1, MonthlyCharges=20.0 + j * 9)
                for j in range(10)
            ]
            assert running.predict(*items, reasons=3).status == 200
        _until(lambda: _count(running) == N_SCORED)
        yield running


def _count(running: Live) -> int:
    told = running.ask("GET", "/v1/customers?counts=true&limit=1").json
    return int((told["counts"] or {"total": 0})["total"])


def _until(true: Any, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.1)


@pytest.fixture
def keys(served: Live) -> Keys:
    """The key of the service, for this session."""
    keys = Keys(uses_keyring=False)
    keys.put(served.url, served.keys["all"], keep=False)
    return keys


@pytest.fixture
def backend(served: Live) -> Iterator[RemoteBackend]:
    """A connection; its thread is gone afterwards."""
    made = RemoteBackend(served.url, served.keys["all"])
    yield made
    made.close()
    assert not made.line._thread.is_alive()


def test_the_key_is_asked_for(served: Live) -> None:
    with pytest.raises(KeyRefused, match="wants an API key"):
        RemoteBackend(served.url)
    with pytest.raises(KeyRefused, match="does not know"):
        RemoteBackend(served.url, "ck_nobody_xyz")
    with pytest.raises(ConnectionLost):
        RemoteBackend("http://127.0.0.1:9", "x")


def test_pages_of_the_service_are_the_whole_table_in_order(backend: RemoteBackend) -> None:
    view = backend.customers(CustomerQuery())
    assert view.n_rows == view.n_all == N_SCORED
    # As one scrolls: a jump to the end, back, and page after page.
    end = backend.page(view.name, 290, 60)
    rows = [row for start in range(0, 300, 60) for row in backend.page(view.name, start, 60)]
    assert rows[290:] == list(end) and len({row[0] for row in rows}) == N_SCORED
    scores = [float(str(row[1])) for row in rows]
    assert scores == sorted(scores, reverse=True)
    both = backend.customers(CustomerQuery(bands=("high", "medium"), search="c-1"))
    found = backend.page(both.name, 0, 300)
    wanted = [row for row in rows if row[2] != "low" and "C-1" in str(row[0])]
    assert list(found) == wanted and both.n_rows == len(wanted)
    about = backend.probabilities()
    assert len(about) == N_SCORED
    assert max(abs(a - b) for a, b in zip(about, scores, strict=True)) <= 1 / 2000


def test_the_script_writes_the_same_customers(
    served: Live, backend: RemoteBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the panel shows for an export, run as the program that it belongs to."""
    monkeypatch.setenv("CHURNKIT_API_KEY", served.keys["all"])
    query = CustomerQuery(bands=("high", "medium"), search="c-1", sort="customer_id",
                          descending=False)  # fmt: skip
    top = Action("contact_list", {"output": str(tmp_path / "top.csv"), "customers": 25})
    lines = [python.line(same_customers(query, str(tmp_path / "shown.csv"))), python.line(top)]
    exec("\n".join([python.head(served.url), *lines]), {})
    for name, asked, n in (("shown.csv", query, N_SCORED), ("top.csv", CustomerQuery(), 25)):
        rows = backend.page(backend.customers(asked).name, 0, n)
        written = (tmp_path / name).read_text(encoding="utf-8").splitlines()[1:]
        assert [line.split(",")[0] for line in written] == [row[0] for row in rows]


def test_a_what_if_records_nothing(served: Live, backend: RemoteBackend) -> None:
    row = {field.name: field.example for field in backend.form()}
    before = served.ask("GET", "/v1/predictions?limit=1").json
    first, other = backend.what_if(row), backend.what_if({**row, "tenure": 1.0})
    assert first.probability != other.probability
    assert {reason.column for reason in first.reasons} == set(row)
    total = first.base_probability + sum(reason.points for reason in first.reasons)
    assert total == pytest.approx(first.probability, abs=1e-6)
    assert served.ask("GET", "/v1/predictions?limit=1").json == before


def test_a_customer_shows_recorded_reasons_and_says_why_there_is_no_what_if(
    backend: RemoteBackend,
) -> None:
    detail = backend.customer("C-007")
    assert len(detail.explanation.reasons) == 3 and len(detail.history) == 1
    assert "Score one" in detail.why_no_what_if


Open = Any


@pytest.fixture
def console(qtbot: Any, qapp: Any, memory: Memory, keys: Keys) -> Iterator[Open]:
    """Opens windows; all their threads are gone at the end."""
    threads = set(threading.enumerate())
    windows: list[MainWindow] = []

    def opened(place: str = "", known: Keys | None = None) -> MainWindow:
        window = MainWindow(Theme(qapp, "light"), memory, known or keys)
        qtbot.addWidget(window)
        window.show()
        window.begin(place)
        windows.append(window)
        return window

    yield opened
    for window in windows:
        window.close()
        window.shut()
    # The service runs in this process, too; its threads are no business of the console's.
    service = ("churnkit-", "asyncio_", "uvloop_")
    left = [
        thread
        for thread in threading.enumerate()
        if thread not in threads and not thread.name.startswith(service)
    ]
    assert not left, f"threads were left behind: {left}"


def _open(qtbot: Any, window: MainWindow, key: str, subject: str = "") -> Any:
    window.go(key, subject)
    presenter = window._views[key].presenter  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: not presenter.busy, timeout=WAIT_MS)
    return presenter


def test_every_screen_works_on_a_service_or_says_why_not(
    qtbot: Any, console: Open, served: Live
) -> None:
    window = console(served.url)
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
    for entry in SCREENS:
        if window.desk.backend.why_not(entry.key):
            window.go(entry.key)
            assert not hasattr(window._views[entry.key], "presenter")
            continue
        presenter = _open(qtbot, window, entry.key)
        assert presenter.error is None, (entry.key, presenter.error)
        assert window._views[entry.key].isVisible()
    models = window._views["models"]
    assert "not trained by this service" in models.why_no_curves.text()


def test_a_refused_key_opens_the_dialog_and_what_was_typed_stays(
    qtbot: Any, console: Open, served: Live
) -> None:
    from churnkit_desktop.connect_dialog import ConnectDialog

    window = console(served.url, Keys(uses_keyring=False))
    qtbot.waitUntil(lambda: bool(window.findChildren(ConnectDialog)), timeout=WAIT_MS)
    (dialog,) = window.findChildren(ConnectDialog)
    qtbot.waitUntil(lambda: dialog.keyring.text() != "", timeout=WAIT_MS)
    assert "no keyring" in dialog.keyring.text() and not dialog.keep.isEnabled()
    qtbot.keyClicks(dialog.key, "ck_wrong_key")
    dialog.go()
    qtbot.waitUntil(lambda: dialog.banner.isVisible(), timeout=WAIT_MS)
    assert dialog.key.text() == "ck_wrong_key" and dialog.url.text() == served.url
    dialog.key.setText(served.keys["all"])
    dialog.go()
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
    assert window.desk.backend.place == served.url
    window.memory.settle()
    written = "".join(path.read_text() for path in window.memory.folder.glob("*.json"))
    assert served.keys["all"] not in written, "a key was written to a file"


@pytest.mark.long
def test_import_train_score_export_on_an_empty_service(
    qtbot: Any, console: Open, keys: Keys, tmp_path: Path, postgres_url: str
) -> None:
    """The whole journey: everything is done by the service's own jobs."""
    lines = telco_path().read_text(encoding="utf-8").splitlines(keepends=True)
    data = tmp_path / "telco.csv"
    data.write_text("".join(lines[:801]), encoding="utf-8")
    empty = ck.create_project(tmp_path / "empty", data, name="empty").project
    empty.close()
    with live(tmp_path / "empty", postgres_url) as served:
        keys.put(served.url, served.keys["all"], keep=False)
        window = console(served.url)
        qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
        overview = _open(qtbot, window, "overview")
        assert [need.button for need in overview.facts.needs] == ["Upload a file"]
        score_one = _open(qtbot, window, "score_one")
        assert isinstance(score_one.error, NoChampion)
        assert window.desk.backend.line.outage is None, "no model is no lost connection"
        screen = _open(qtbot, window, "data")
        assert screen.facts.profile is None and "Nothing was uploaded" in screen.facts.why
        screen.import_file(str(data))
        qtbot.waitUntil(lambda: bool(screen.job and not screen.job.running), timeout=WAIT_MS)
        assert screen.job.state == "finished", screen.job.error
        qtbot.waitUntil(lambda: screen.facts.profile is not None, timeout=WAIT_MS)
        assert screen.facts.profile.n_rows == 800
        train = _open(qtbot, window, "train")
        train.set_budget(5)
        train.begin()
        qtbot.waitUntil(lambda: not train.job.running, timeout=2 * WAIT_MS)
        assert train.job.state == "finished", train.job.error
        qtbot.waitUntil(lambda: train.made is not None, timeout=WAIT_MS)
        assert train.made.record is not None and train.made.record.trials
        assert "champion" in train.made.aliases
        told = [(one.candidate, one.roc_auc) for one in train.news.trials]
        tried = [(one.candidate, one.roc_auc) for one in train.made.record.trials]
        assert told and told == tried[: len(told)], "the curve grew while the service searched"
        customers = _open(qtbot, window, "customers")
        assert customers.view.n_all == 0
        customers.score_file(str(data))
        qtbot.waitUntil(lambda: not customers.job.running, timeout=2 * WAIT_MS)
        assert customers.job.state == "finished", customers.job.error
        qtbot.waitUntil(lambda: bool(customers.view and customers.view.n_all), timeout=WAIT_MS)
        assert customers.view.n_all == 800
        qtbot.waitUntil(lambda: customers.campaign is not None, timeout=WAIT_MS)
        path = tmp_path / "contacts.csv"
        customers.export_top(str(path), 25)
        qtbot.waitUntil(path.exists, timeout=WAIT_MS)
        assert len(path.read_text(encoding="utf-8").splitlines()) == 26
        script = window.desk.script.text()
        compile(script, "script", "exec")
        for word in ("datasets.submit", "trainings.submit", "batches.submit"):
            assert word in script
        assert served.keys["all"] not in script
        window.close()


def test_a_lost_connection_is_shown_and_costs_no_entry(
    qtbot: Any, console: Open, keys: Keys, served_folder: Path
) -> None:
    with own_postgres() as database, live(served_folder, database.url) as served:
        keys.put(served.url, served.keys["all"], keep=False)
        window = console(served.url)
        qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
        models = _open(qtbot, window, "models")
        before, right = models.listed.champion, models.right
        database.stop()
        models.set_why("better on the last quarter")
        models.promote()
        banner = window.connection.banner
        qtbot.waitUntil(banner.isVisible, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: "1 action" in banner.fix.text(), timeout=WAIT_MS)
        assert models.why == "better on the last quarter"
        # Other screens can be looked at; they say what they said, and wait.
        window.go("overview")
        window.go("models")
        database.start()
        window.connection._try_now()
        qtbot.waitUntil(lambda: models.listed.champion == right != before, timeout=WAIT_MS)
        qtbot.waitUntil(banner.isHidden, timeout=WAIT_MS)
        rows = served.ask("GET", "/v1/models/history?limit=10").json["journal"]
        assert [row["why"] for row in rows].count("better on the last quarter") == 1
        window.close()


def test_a_rollout_is_started_watched_and_promoted_on_a_service(
    qtbot: Any, console: Open, keys: Keys, served_folder: Path, tmp_path: Path, postgres_url: str
) -> None:
    with world_project(served_folder, tmp_path / "world", postgres_url) as project:
        write_settings(project.folder, project.settings)
        with live(project.folder, postgres_url) as served:
            keys.put(served.url, served.keys["all"], keep=False)
            window = console(served.url)
            qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
            rollout = _open(qtbot, window, "rollout")
            rollout.begin_start()
            qtbot.waitUntil(lambda: rollout.form is not None and not rollout.busy, timeout=WAIT_MS)
            rollout.enter_form(customers=20_000, per_day=300.0, why="it knows more")
            qtbot.waitUntil(lambda: not rollout.busy, timeout=WAIT_MS)
            assert rollout.plan.forecast.customers == 20_000
            rollout.start_rollout()
            qtbot.waitUntil(lambda: rollout.facts is not None, timeout=WAIT_MS)
            assert rollout.facts.line.stage == "shadow"
            assert rollout.facts.journal[0].why == "it knows more"
            # Days pass: others score, record and look. The console only watches.
            world = World(project, noise=0.4, per_day=300)
            for now in world.days(14):
                ck.advance_rollout(project, now=now)
            rollout.tick()
            qtbot.waitUntil(lambda: rollout.facts.pairs > 0, timeout=WAIT_MS)
            assert rollout.facts.line.stage != "shadow" and len(rollout.course.x) >= 2
            rollout.set_why("seen enough")
            rollout.move("promote")
            qtbot.waitUntil(lambda: not rollout.running, timeout=WAIT_MS)
            assert rollout.facts.line.outcome == "promoted"
            _until(lambda: served.predict(item()).json["predictions"][0]["model_version"] == "v2")
            script = window.desk.script.text()
            assert "client.start_rollout(challenger='v2', customers=20000" in script
            assert "client.move_rollout('r1', 'promote', why='seen enough')" in script
            window.close()


def test_news_of_the_service_reach_the_monitor(qtbot: Any, console: Open, served: Live) -> None:
    window = console(served.url)
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
    monitor = _open(qtbot, window, "monitor")
    qtbot.waitUntil(lambda: monitor.desk.backend.line.outage is None, timeout=WAIT_MS)
    for i in range(5):
        served.predict(*[item(f"M-{i}-{j}") for j in range(20)])
    qtbot.waitUntil(lambda: sum(monitor.rate.n.values()) >= 99.9, timeout=WAIT_MS)
    assert monitor.rate.mean_probability() is not None
    view = window._views["monitor"]
    qtbot.waitUntil(lambda: "predictions in two minutes" in view.live_text.text(), timeout=WAIT_MS)
    for i in range(view.tabs.count()):
        view.tabs.setCurrentIndex(i)
    assert "churnkit monitor" in view.tabs.notes["quality"].text()


def test_services_are_added_tested_and_removed(
    qtbot: Any, console: Open, served: Live, keys: Keys
) -> None:
    window = console(served.url)
    qtbot.waitUntil(lambda: window.desk is not None, timeout=WAIT_MS)
    settings = _open(qtbot, window, "settings")
    assert settings.has_keyring is False
    assert [(s.url, s.key) for s in settings.services] == [
        (served.url, "until the console is closed")
    ]
    settings.test(served.url)
    qtbot.waitUntil(lambda: settings.services[0].state.startswith("answers"), timeout=WAIT_MS)
    view = window._views["settings"]
    assert view.keyring.text().startswith("This system offers no keyring")
    settings.remove(served.url)
    qtbot.waitUntil(lambda: settings.services == (), timeout=WAIT_MS)
    assert keys.get(served.url) == "" and served.url not in window.memory.recent()
    settings.set_reopens(False)
    assert console("").desk is None, "nothing is opened that nobody asked for"


class _Ring(keyring.backend.KeyringBackend):
    """A keyring that is in memory: the system's own is the person's."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}

    def get_password(self, service: str, username: str) -> str | None:
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if (service, username) not in self.kept:
            raise keyring.errors.PasswordDeleteError("not there")
        del self.kept[service, username]


def test_keys_are_kept_in_the_keyring_and_else_for_the_session() -> None:
    before = keyring.get_keyring()
    ring = _Ring()
    keyring.set_keyring(ring)
    try:
        keys = Keys()
        assert keys.put("https://a/", "ck_1", keep=True)
        assert not keys.put("https://b", "ck_2", keep=False)
        again = Keys()
        assert (again.get("https://a"), again.get("https://b")) == ("ck_1", "")
        assert keys.get("https://b") == "ck_2"
        assert keys.place("https://a") == "in the keyring"
        assert keys.place("https://b") == "until the console is closed"
        keys.forget("https://a")
        keys.forget("https://a")
        assert ring.kept == {} and keys.get("https://a") == ""
    finally:
        keyring.set_keyring(before)
    none = Keys(uses_keyring=False)
    assert not none.put("https://a", "ck_1", keep=True) and "no keyring" in none.trouble
