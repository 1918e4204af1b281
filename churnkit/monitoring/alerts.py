"""What was measured, as sentences for a person: what, since when, how bad, on which evidence.

An alert may ask for a pause of a rollout. It can ask for nothing else: aborting and promoting need
matured or operational evidence and belong to the rollout's controller (DESIGN §9). The type says
so; there is no word for the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import Field

from churnkit.domain.evaluation import Estimate
from churnkit.domain.frozen import Frozen
from churnkit.monitoring.drift_report import DriftReport, FeatureDrift
from churnkit.monitoring.label_free import Beside, LabelFree
from churnkit.monitoring.performance import Quality

Severity = Literal["info", "warning", "critical"]
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "critical")
Request = Literal["tell", "pause"]
"""All that monitoring may ask for."""

_WORSE_UP = {"brier", "ece"}
_EITHER_WAY = {"calibration_gap", "rate"}
_WIDTH_OF_INTERVAL = 2 * 1.959964
_NAMES = {
    "roc_auc": "AUC",
    "brier": "Brier score",
    "ece": "calibration error",
    "calibration_gap": "gap between probability and rate",
    "lift": "lift of the riskiest tenth",
    "profit": "profit per customer",
    "rate": "churn rate",
}


class Alert(Frozen):
    """One thing that a person should know. ``rule`` and ``subject`` say whether it is the same."""

    rule: Literal["drift", "quality", "label_free", "concept_drift"]
    subject: str
    severity: Severity
    what: str
    since: datetime | None
    evidence: dict[str, float]
    request: Request = "tell"

    @property
    def key(self) -> str:
        """Equal for alerts about the same thing."""
        return f"{self.rule}: {self.subject}"

    @property
    def sentence(self) -> str:
        """``what``, which names the model version in any case."""
        version = self.subject.partition(",")[0]
        return self.what if version in self.what else f"{version}: {self.what}"


class AlertRules(Frozen):
    """From when on what is how bad.

    Proven drift is info; from ``psi_warning`` on (PSI since the change, in nats) a warning, and
    critical from ``psi_critical`` on. A figure is worse when it lies ``sd_warning`` standard errors
    on the bad side of what the model's test promised; critical from ``sd_critical`` on.
    """

    psi_warning: float = Field(0.1, gt=0)
    psi_critical: float = Field(0.25, gt=0)
    sd_warning: float = Field(3.5, gt=0)
    sd_critical: float = Field(5.0, gt=0)
    pause_from: Severity = "critical"


def drift_alerts(report: DriftReport, *, version: str, rules: AlertRules) -> tuple[Alert, ...]:
    """One alert for each feature that is named, or one for all when none can be."""
    named = [feature for feature in report.features if feature.alarm is not None]
    found = [_feature_alert(feature, version, rules) for feature in named]
    if report.alarm is not None and not named:
        found.append(
            Alert(
                rule="drift",
                subject=f"{version}, all features",
                severity="info",
                what=(
                    "The customers differ from those of the training, "
                    "but no single column can be named yet."
                ),
                since=report.alarm.at,
                evidence={"log_e": report.log_e, "n_rows": report.n_rows},
            )
        )
    return tuple(found)


def _feature_alert(feature: FeatureDrift, version: str, rules: AlertRules) -> Alert:
    psi, moved = feature.recent_psi, feature.moved
    severity: Severity = "info"
    if psi >= rules.psi_critical:
        severity = "critical"
    elif psi >= rules.psi_warning:
        severity = "warning"
    evidence = {
        "log_e": feature.log_e,
        "psi": psi,
        "js": feature.recent_js,
        "since_row": feature.since_row,
        "psi_overall_low": feature.overall.psi.low,
        "psi_overall_high": feature.overall.psi.high,
    }
    if feature.recent_ks is not None:
        evidence["ks"] = feature.recent_ks
    return Alert(
        rule="drift",
        subject=f"{version}, {feature.name}",
        severity=severity,
        what=(
            f"{feature.name} differs from the training's customers (PSI {psi:.2f}): "
            f"'{moved.bin}' went from {moved.before:.1%} to {moved.now:.1%}."
        ),
        since=feature.since,
        evidence=evidence,
        request=_request(severity, rules),
    )


def quality_alerts(
    quality: Sequence[Quality], *, promised: Mapping[str, Mapping[str, Estimate]], rules: AlertRules
) -> tuple[Alert, ...]:
    """The newest month of each version, where it is worse than the model's test promised.

    ``since`` is the first of the months in a row, up to the newest, that would have alarmed.

    Parameters
    ----------
    quality : as from ``matured_quality``
    promised : the test's figures of each version; a calibration gap is compared with 0
    """
    nothing = Estimate(value=0.0, low=0.0, high=0.0)
    monthly = sorted((q for q in quality if q.month is not None), key=lambda q: q.month or "")
    found: list[Alert] = []
    for version in sorted({row.version for row in monthly}):
        rows = [row for row in monthly if row.version == version]
        for name, expected in {**promised.get(version, {}), "calibration_gap": nothing}.items():
            bad = None
            for row in reversed(rows):
                alert = _worse(name, row, expected, rules)
                if alert is None:
                    break
                bad = (bad or alert).model_copy(update={"since": alert.since})
            found += [] if bad is None else [bad]
    return tuple(found)


def label_free_alerts(
    estimated: LabelFree, *, version: str, promised: Mapping[str, Estimate], rules: AlertRules
) -> tuple[Alert, ...]:
    """Where scores alone say that figures will be worse than the model's test promised."""
    said = (
        _compared("label_free", name, version, estimated.metrics.get(name), promised[name], rules)
        for name in promised
    )
    return tuple(alert for alert in said if alert is not None)


def concept_drift_alerts(
    compared: Sequence[Beside], *, version: str, rules: AlertRules
) -> tuple[Alert, ...]:
    """Where what came true is not what the scores promised: customers leave for other reasons."""
    found: list[Alert] = []
    for row in compared:
        # The estimate's interval is for what comes true: the error of the labels is in it.
        sds = abs(row.error) / max(_sd(row.estimated), 1e-12)
        severity = _severity(sds, rules)
        if severity is None:
            continue
        found.append(
            Alert(
                rule="concept_drift",
                subject=f"{version}, {row.metric}",
                severity=severity,
                what=(
                    f"The {_NAMES.get(row.metric, row.metric)} came out at {row.realised.value:.3f}"
                    f"; the scores alone had said {row.estimated}. Scores mean something else now."
                ),
                since=None,
                evidence={
                    "standard_errors": sds,
                    "realised": row.realised.value,
                    "estimated": row.estimated.value,
                },
                request=_request(severity, rules),
            )
        )
    return tuple(found)


def _worse(name: str, row: Quality, expected: Estimate, rules: AlertRules) -> Alert | None:
    """The alert of one figure in one month."""
    month = row.month or ""
    measured = row.metrics.get(name)
    told = _compared("quality", name, row.version, measured, expected, rules, month=month)
    if told is None:
        return None
    return told.model_copy(update={"since": _month_start(month)})


def _month_start(month: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    except ValueError:
        return None  # the months have names of another kind


def _compared(
    rule: Literal["quality", "label_free"],
    name: str,
    version: str,
    measured: Estimate | None,
    expected: Estimate,
    rules: AlertRules,
    *,
    month: str = "",
) -> Alert | None:
    if measured is None:
        return None
    gap = measured.value - expected.value
    if name in _EITHER_WAY:
        gap = abs(gap)
    elif name not in _WORSE_UP:
        gap = -gap
    sds = gap / max((_sd(measured) ** 2 + _sd(expected) ** 2) ** 0.5, 1e-12)
    severity = _severity(sds, rules)
    if severity is None:
        return None
    says = "is" if rule == "quality" else "will be, by the scores alone,"
    where = f" in {month}" if month else ""
    return Alert(
        rule=rule,
        subject=f"{version}, {name}",
        severity=severity,
        what=(
            f"The {_NAMES.get(name, name)} of {version}{where} {says} {measured}; "
            f"{expected.value:.3f} was promised."
        ),
        since=None,
        evidence={
            "standard_errors": sds,
            "measured": measured.value,
            "promised": expected.value,
        },
        request=_request(severity, rules),
    )


def _sd(estimate: Estimate) -> float:
    return (estimate.high - estimate.low) / _WIDTH_OF_INTERVAL


def _severity(sds: float, rules: AlertRules) -> Severity | None:
    if sds >= rules.sd_critical:
        return "critical"
    return "warning" if sds >= rules.sd_warning else None


def _request(severity: Severity, rules: AlertRules) -> Request:
    asks = SEVERITIES.index(severity) >= SEVERITIES.index(rules.pause_from)
    return "pause" if asks else "tell"
