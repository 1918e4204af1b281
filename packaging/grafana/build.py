"""Writes the dashboards: `python packaging/grafana/build.py`. A test holds both equal.

A query is checked against the figures that a running service exposes
(tests/stack/test_stack_dashboards.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "churnkit-prometheus"}
_SERVICE = 'job="churnkit"'
_RATE = "[$__rate_interval]"
_COLUMNS = 24


@dataclass(frozen=True)
class Panel:
    """One picture.

    Parameters
    ----------
    queries : expression and legend of each curve
    kind : timeseries, stat, heatmap or table
    width : in twenty-fourths of the page
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8
    text: str = ""
    stacked: bool = False


def _rate(name: str, labels: str = "") -> str:
    inside = ",".join(filter(None, (_SERVICE, labels)))
    return f"rate({name}{{{inside}}}{_RATE})"


def _now(name: str, labels: str = "") -> str:
    return f"{name}{{{','.join(filter(None, (_SERVICE, labels)))}}}"


def _quantile(q: float, name: str, labels: str = "", by: str = "") -> str:
    groups = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({q}, sum by ({groups}) ({_rate(f'{name}_bucket', labels)}))"


_SECONDS = "churnkit_http_request_duration_seconds"
_SCORING = 'method="POST",route="/v1/predictions"'
_API = 'route=~"/v1/.*"'
_ERRORS = f'{_API},status=~"5.."'

SERVICE = (
    Panel("Replicas", ((f"sum(up{{{_SERVICE}}})", "answering"),), kind="stat", width=4),
    Panel(
        "Replicas the proxy sends to",
        (('haproxy_backend_active_servers{proxy="replicas"}', "up"),),
        kind="stat", width=4,
    ),
    Panel("Database", (("min(churnkit_ledger_up)", "answers"),), kind="stat", width=4),
    Panel(
        "Requests per second", ((f"sum({_rate('churnkit_http_requests_total', _API)})", "now"),),
        unit="reqps", kind="stat", width=4,
    ),
    Panel(
        "Errors of the service",
        ((
            f"(sum({_rate('churnkit_http_requests_total', _ERRORS)})"
            f" or vector(0)) / sum({_rate('churnkit_http_requests_total', _API)})", "share",
        ),),
        unit="percentunit", kind="stat", width=4,
    ),
    Panel(
        "99 % of predictions within",
        ((_quantile(0.99, _SECONDS, _SCORING), "p99"),), unit="s", kind="stat", width=4,
    ),
    Panel(
        "Requests by status",
        ((f"sum by (status) ({_rate('churnkit_http_requests_total', _API)})", "{{status}}"),),
        unit="reqps", width=12, stacked=True,
    ),
    Panel(
        "Time of POST /v1/predictions",
        tuple((_quantile(q, _SECONDS, _SCORING), f"p{q * 100:g}") for q in (0.5, 0.95, 0.99)),
        unit="s", width=12,
    ),
    Panel(
        "Requests by address",
        ((f"sum by (route) ({_rate('churnkit_http_requests_total', _API)}) > 0", "{{route}}"),),
        unit="reqps",
    ),
    Panel(
        "Time by address, p95",
        ((_quantile(0.95, _SECONDS, _API, "route"), "{{route}}"),), unit="s",
    ),
    Panel(
        "Requests in flight",
        ((_now("churnkit_http_requests_in_flight"), "{{instance}}"),),
    ),
    Panel(
        "Time of a commit",
        tuple(
            (_quantile(q, "churnkit_ledger_commit_duration_seconds"), f"p{q * 100:g}")
            for q in (0.5, 0.95)
        ),
        unit="s",
    ),
    Panel(
        "Requests that share a commit",
        ((
            f"sum({_rate('churnkit_ledger_commit_requests_sum')})"
            f" / sum({_rate('churnkit_ledger_commit_requests_count')})", "mean",
        ),),
    ),
    Panel(
        "Predictions that wait for a commit",
        (("sum by (instance) (churnkit_ledger_pending_rows)", "{{instance}}"),),
    ),
    Panel(
        "WebSockets and feeds", ((_now("churnkit_connections"), "{{route}} {{instance}}"),)
    ),
    Panel(
        "Messages of WebSockets",
        ((f"sum by (outcome) ({_rate('churnkit_stream_messages_total')})", "{{outcome}}"),),
        unit="mps",
    ),
    Panel(
        "Connections for queries in use",
        ((_now("churnkit_query_connections_busy"), "{{instance}}"),),
    ),
    Panel(
        "Jobs",
        ((f"max by (kind, state) ({_now('churnkit_jobs')}) > 0", "{{kind}} {{state}}"),),
    ),
    Panel(
        "Messages of the broker",
        ((
            f"sum by (role, outcome) (rate(churnkit_broker_messages_total{_RATE}))",
            "{{role}} {{outcome}}",
        ),),
        unit="mps",
    ),
    Panel(
        "Events", ((f"sum by (outcome) (rate(churnkit_events_total{_RATE}))", "{{outcome}}"),),
    ),
    Panel(
        "Requests that the proxy sent again",
        ((f'sum(rate(haproxy_backend_retry_warnings_total{{proxy="replicas"}}{_RATE}))', "again"),),
        unit="reqps",
    ),
    Panel(
        "What consoles were told",
        ((f"sum by (kind) ({_rate('churnkit_feed_events_total')})", "{{kind}}"),),
    ),
    Panel(
        "Latest scores and figures are behind by",
        (("time() - max(churnkit_figures_refreshed_timestamp_seconds)", "behind"),), unit="s",
    ),
)  # fmt: skip

_PREDICTIONS = "churnkit_predictions_total"
_UNKNOWN = "churnkit_predictions_with_unknown_categories_total"
_PROBABILITY = "churnkit_prediction_probability_ratio"
MODELS = (
    Panel(
        "Who serves", (("max by (model_version) (churnkit_model_info) > 0", "{{model_version}}"),),
        kind="table", width=6,
    ),
    Panel(
        "Predictions per second",
        ((f"sum by (model_version) ({_rate(_PREDICTIONS)})", "{{model_version}}"),), width=9,
    ),
    Panel(
        "Mean probability",
        ((
            f"sum by (model_version) ({_rate(f'{_PROBABILITY}_sum')})"
            f" / sum by (model_version) ({_rate(f'{_PROBABILITY}_count')})", "{{model_version}}",
        ),),
        unit="percentunit", width=9,
    ),
    Panel(
        "Probabilities",
        ((f"sum by (le) (increase({_now(f'{_PROBABILITY}_bucket')}{_RATE}))", "{{le}}"),),
        kind="heatmap", width=12,
    ),
    Panel(
        "Risk bands",
        ((
            f"sum by (risk_band) ({_rate(_PREDICTIONS)})"
            f" / on () group_left () sum({_rate(_PREDICTIONS)})", "{{risk_band}}",
        ),),
        unit="percentunit", width=12, stacked=True,
    ),
    Panel(
        "Columns that drifted",
        ((
            "max by (model_version, kind, severity) (churnkit_drift_columns)",
            "{{model_version}} {{kind}} {{severity}}",
        ),),
        width=12, text="From 'warning' on it is more than a trifle (PSI 0.1).",
    ),
    Panel(
        "Predictions with a category that the model never saw",
        ((
            f"sum by (model_version) ({_rate(_UNKNOWN)})"
            f" / sum by (model_version) ({_rate(_PREDICTIONS)})", "{{model_version}}",
        ),),
        unit="percentunit", width=12,
    ),
    Panel(
        "Rows of jobs",
        ((f"sum by (kind, outcome) ({_rate('churnkit_job_rows_total')})", "{{kind}} {{outcome}}"),),
        width=12,
    ),
    Panel(
        "Jobs that ended",
        ((
            f"sum by (kind, ending) (increase({_now('churnkit_jobs_ended_total')}[1h]))",
            "{{kind}} {{ending}}",
        ),),
        width=12,
    ),
)  # fmt: skip

_OPEN = 'max by (rollout_id, condition) (churnkit_rollout_condition{job="churnkit"})'
_RUNS = 'and on (rollout_id) max by (rollout_id) (churnkit_rollout_condition{job="churnkit"}) == 1'


def _of_rollout(name: str) -> str:
    return f"max by (rollout_id) ({_now(name)})"


ROLLOUT = (
    Panel(
        "Condition", ((f"{_OPEN} == 1", "{{rollout_id}} {{condition}}"),), kind="table", width=6
    ),
    Panel(
        "Stage (0: shadow)", ((_of_rollout("churnkit_rollout_stage"), "{{rollout_id}}"),),
        kind="stat", width=6,
    ),
    Panel(
        "Share that the challenger answers",
        ((
            f"max by (rollout_id, challenger) ({_now('churnkit_rollout_share_ratio')})",
            "{{rollout_id}} {{challenger}}",
        ),),
        unit="percentunit", kind="stat", width=6,
    ),
    Panel(
        "Waits for a person",
        ((_of_rollout("churnkit_rollout_awaits_person"), "{{rollout_id}}"),), kind="stat", width=6,
    ),
    Panel(
        "In this stage since",
        ((
            f"(time() - {_of_rollout('churnkit_rollout_stage_since_timestamp_seconds')}) {_RUNS}",
            "{{rollout_id}}",
        ),),
        unit="s",
    ),
    Panel(
        "Since a controller looked",
        ((
            f"(time() - {_of_rollout('churnkit_rollout_looked_timestamp_seconds')}) {_RUNS}",
            "{{rollout_id}}",
        ),),
        unit="s",
    ),
    Panel(
        "Matured pairs", ((_of_rollout("churnkit_rollout_matured_pairs"), "{{rollout_id}}"),)
    ),
    Panel(
        "Share of predictions by variant",
        ((
            f"sum by (variant) ({_rate(_PREDICTIONS)})"
            f" / on () group_left () sum({_rate(_PREDICTIONS)})", "{{variant}}",
        ),),
        unit="percentunit", stacked=True,
    ),
    Panel(
        "What became of the silent model's rows",
        ((
            f"sum by (outcome) ({_rate('churnkit_rollout_shadow_rows_total')})", "{{outcome}}",
        ),),
    ),
    Panel(
        "Are the arms' shares as planned",
        (
            (_of_rollout("churnkit_rollout_sample_ratio_p_value"), "{{rollout_id}}: p value"),
            (_of_rollout("churnkit_rollout_sample_ratio_mismatch"), "{{rollout_id}}: mismatch"),
        ),
        text="The p value holds at all times together; a mismatch pauses the rollout.",
    ),
)  # fmt: skip

DASHBOARDS = {"service": SERVICE, "models": MODELS, "rollout": ROLLOUT}


def dashboard(name: str, panels: tuple[Panel, ...]) -> dict[str, Any]:
    """A dashboard as Grafana reads it."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        tall = 4 if panel.kind == "stat" else 8
        if x + panel.width > _COLUMNS:
            x, y, height = 0, y + height, 0
        placed.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": tall}))
        x, height = x + panel.width, max(height, tall)
    return {
        "uid": f"churnkit-{name}",
        "title": f"churnkit: {name}",
        "tags": ["churnkit"],
        "editable": False,
        "schemaVersion": 39,
        "version": 1,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "10s",
        "timezone": "browser",
        "graphTooltip": 1,
        "links": [
            {
                "type": "dashboards",
                "tags": ["churnkit"],
                "title": "churnkit",
                "asDropdown": False,
                "includeVars": False,
                "keepTime": True,
            }
        ],
        "templating": {"list": []},
        "annotations": {"list": []},
        "panels": placed,
    }


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    instant = panel.kind == "table"
    targets = [
        {
            "refId": chr(ord("A") + i),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            "instant": instant,
            "range": not instant,
            "format": {"table": "table", "heatmap": "heatmap"}.get(panel.kind, "time_series"),
        }
        for i, (expression, legend) in enumerate(panel.queries)
    ]
    custom: dict[str, Any] = {}
    if panel.kind == "timeseries":
        custom = {
            "drawStyle": "line",
            "lineWidth": 1,
            "fillOpacity": 20 if panel.stacked else 0,
            "showPoints": "never",
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
        }
    return {
        "id": number,
        "title": panel.title,
        "description": panel.text,
        "type": panel.kind,
        "datasource": SOURCE,
        "gridPos": place,
        "targets": targets,
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": custom}, "overrides": []},
        "options": {},
    }


def text_of(name: str) -> str:
    """A dashboard's file."""
    return json.dumps(dashboard(name, DASHBOARDS[name]), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (FOLDER / f"{each}.json").write_text(text_of(each), encoding="utf-8")
