"""``monitor`` says how good models were, keeps it, and tells persons once."""

from __future__ import annotations

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.policy import default
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import churnkit as ck
from churnkit import errors
from churnkit.cli.main import app
from churnkit.domain.outcomes import Outcome, Treatment
from churnkit.ledger.monitoring import read_months
from churnkit.ledger.outcomes import record_outcomes, record_treatments
from churnkit.project import Project
from churnkit.settings.file import write_settings
from churnkit.usecases.monitoring.notifying import send_alerts
from churnkit.usecases.monitoring.verbs import monitor
from tests.copies import copy_project
from tests.outcomes.projects import DAY, prediction
from tests.outcomes.servers import mailbox, webhook

STARTS = tuple(datetime(2025, month, 10, 12, tzinfo=UTC) for month in range(1, 7))
NOW = datetime(2025, 8, 1, tzinfo=UTC)
N = 500


@pytest.fixture(scope="module")
def folder(served_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two versions, six months: v1 is calibrated until May; in May concepts change."""
    path = tmp_path_factory.mktemp("monitor") / "project"
    copy_project(served_folder, path)
    rng = np.random.default_rng(11)
    with ck.open_project(path) as project:
        churn = project.settings.churn.model_copy(update={"horizon_days": 30})
        write_settings(path, project.settings.model_copy(update={"churn": churn}))
        engine = project.ledger.engine
        for month, start in enumerate(STARTS):
            p = rng.beta(1.2, 3.0, N)
            truth = p if month < 4 else rng.permutation(p)
            left = rng.random(N) < truth
            names = [f"m{month}-{i}" for i in range(N)]
            project.ledger.record_predictions(
                [
                    row
                    for i, name in enumerate(names)
                    for row in (
                        prediction(f"a{name}", name, start, float(p[i])),
                        prediction(f"b{name}", name, start, 0.3 + 0.4 * float(p[i]),
                                   model_version="v2", shadow_of=f"a{name}"),
                    )
                ]
            )  # fmt: skip
            if month < 5:  # June has matured, too, but nobody told what became of it
                record_outcomes(
                    engine,
                    [Outcome(n, bool(left[i]), "t", as_of=start) for i, n in enumerate(names)],
                    now=start + 31 * DAY,
                )
        project.ledger.record_predictions(
            [prediction(f"w{i}", f"w{i}", NOW - DAY, float(p)) for i, p in enumerate(p)]
        )
    return path


@pytest.fixture
def project(folder: Path, tmp_path: Path) -> Iterator[Project]:
    own = tmp_path / "project"
    copy_project(folder, own)
    with ck.open_project(own) as opened:
        yield opened


def test_quality_by_version_and_month_is_kept(project: Project, tmp_path: Path) -> None:
    seen = monitor(project, now=NOW, plot=tmp_path / "months.svg")
    first = next(one for one in seen.versions if one.version == "v1")
    months = {row.month: row for row in first.quality}
    assert list(months) == [None, *(f"2025-0{i}" for i in range(1, 6))]
    assert months["2025-01"].metrics["roc_auc"].low > 0.6
    assert months["2025-05"].metrics["roc_auc"].high < 0.6
    assert abs(months["2025-02"].metrics["calibration_gap"].value) < 0.06
    assert seen.n_waiting_days == 1  # June
    # The challenger's silent predictions are judged, too; it says too much.
    second = next(one for one in seen.versions if one.version == "v2")
    assert second.quality[0].metrics["calibration_gap"].low > 0.05
    assert first.ahead is not None and first.ahead.n == N
    stored = {(f.month, f.name): f for f in read_months(project.ledger.engine, "v1")}
    assert stored["2025-01", "roc_auc"].estimate == months["2025-01"].metrics["roc_auc"]
    monitor(project, now=NOW)
    assert len(read_months(project.ledger.engine, "v1")) == len(stored)
    shown = str(seen)
    assert "2025-05" in shown and "Nothing alarms" not in shown
    assert (tmp_path / "months.svg").read_text(encoding="utf-8").startswith("<svg")
    json.dumps(seen.to_json())


def test_what_scores_promise_is_shown_beside_what_came_true(project: Project) -> None:
    seen = monitor(project, version="v1", now=NOW)
    (only,) = seen.versions
    beside = dict(only.beside)
    assert "2025-01" not in beside  # no label had matured then
    calm = {row.metric: row for row in beside["2025-03"]}
    moved = {row.metric: row for row in beside["2025-05"]}
    assert calm["roc_auc"].inside and abs(calm["rate"].error) < 0.06
    assert not moved["roc_auc"].inside and moved["roc_auc"].error > 0.1
    rules = {alert.rule for alert in seen.alerts}
    assert "concept_drift" in rules and "quality" in rules


def test_where_customers_are_treated_only_evidence_counts(project: Project) -> None:
    names = [f"m0-{i}" for i in range(N)]
    rng = np.random.default_rng(1)
    record_treatments(
        project.ledger.engine,
        [
            Treatment(n, n, STARTS[0] + DAY, "call", "c", "t", 0.5, bool(rng.random() < 0.5))
            for n in names
        ],
        now=NOW,
    )
    seen = monitor(project, version="v1", now=NOW)
    assert seen.counting == "propensity"
    months = {row.month: row.n for row in seen.versions[0].quality}
    assert N / 2 - 60 < months["2025-01"] < N / 2 + 60
    assert list(months) == [None, "2025-01"]  # the others were in no draw


def _alerts_to(project: Project, **table: object) -> None:
    alerts = project.settings.alerts.model_copy(update=table)
    project.settings = project.settings.model_copy(update={"alerts": alerts})


def test_alerts_go_out_once_signed_and_again_when_due(project: Project) -> None:
    with webhook() as hook, mailbox() as box:
        _alerts_to(
            project, webhook_url=hook.url, smtp_host="127.0.0.1", smtp_port=box.port,
            smtp_security="none", email_to=("ann@example.com", "bob@example.com"),
            email_from="churn@example.com",
        )  # fmt: skip
        alerts = monitor(project, version="v1", now=NOW).alerts
        environ = {"CHURNKIT_WEBHOOK_SECRET": "quiet"}
        sent = send_alerts(project, alerts, now=NOW, environ=environ)
        assert sent.channels == ("webhook", "e-mail") and len(sent.sent) == len(alerts)
        body, headers = hook.bodies[0], hook.headers[0]
        digest = hmac.new(b"quiet", body, hashlib.sha256).hexdigest()
        assert headers["X-Churnkit-Signature"] == f"sha256={digest}"
        assert {row["subject"] for row in json.loads(body)["alerts"]} == {
            alert.subject for alert in alerts
        }
        mail = message_from_string(box.mails[0], policy=default)
        assert mail["To"] == "ann@example.com, bob@example.com"
        assert alerts[0].what in " ".join(mail.get_content().split())
        assert box.receivers == ["ann@example.com", "bob@example.com"]
        # Again within the week: nobody is disturbed. A week later: a reminder.
        assert not send_alerts(project, alerts, now=NOW + DAY, environ=environ).sent
        assert len(hook.bodies) == len(box.mails) == 1
        send_alerts(project, alerts, now=NOW + 8 * DAY, environ=environ)
        assert len(hook.bodies) == 2
        ended = send_alerts(project, (), now=NOW + 10 * DAY, environ=environ)
        assert set(ended.ended) == {alert.key for alert in alerts}


def test_what_no_channel_took_is_sent_the_next_time(project: Project) -> None:
    alerts = monitor(project, version="v1", now=NOW).alerts
    with pytest.raises(errors.AlertNotSent, match="nobody is named"):
        send_alerts(project, alerts, now=NOW)
    with webhook() as hook:
        _alerts_to(project, webhook_url=hook.url)
        for status in (500, 302):
            hook.status = status
            with pytest.raises(errors.AlertNotSent, match=str(status)) as caught:
                send_alerts(project, alerts, now=NOW)
            assert "secret-path" not in str(caught.value)
        assert len(hook.bodies) == 2  # the redirect was not followed
        hook.status = 200
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            _alerts_to(project, smtp_host="127.0.0.1", smtp_port=closed.getsockname()[1],
                       smtp_security="none", email_to=("a@example.com",))  # fmt: skip
            sent = send_alerts(project, alerts, now=NOW)
        # One channel took them, so they are known; the other's failure is told.
        assert sent.channels == ("webhook",) and "e-mail" in sent.failures[0]
        assert not send_alerts(project, alerts, now=NOW + timedelta(hours=2)).sent


def test_a_receiver_that_is_refused_is_told(project: Project) -> None:
    alerts = monitor(project, version="v1", now=NOW).alerts
    with mailbox() as box:
        box.refuse = "bob@"
        _alerts_to(project, smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none",
                   email_to=("ann@example.com", "bob@example.com"))  # fmt: skip
        with pytest.raises(errors.AlertNotSent, match="refused 1 of 2"):
            send_alerts(project, alerts, now=NOW)


def test_the_command_line_shows_it(project: Project, tmp_path: Path) -> None:
    plot = tmp_path / "m.png"
    answer = CliRunner().invoke(
        app, ["monitor", "-C", str(project.folder), "--json", "--plot", str(plot)]
    )
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["versions"][0]["version"] == "v1"
    assert plot.read_bytes().startswith(b"\x89PNG")
