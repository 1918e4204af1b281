"""How many customers churned over time, and what another horizon would change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.text import Text

from churnkit.data.event_reading import read_log_schema
from churnkit.data.zones import moment_us, shown_moment
from churnkit.domain.labels import HorizonEffect, LabelRate, Panel
from churnkit.domain.progress import Progress, Step, silent
from churnkit.errors import LabelsNotMatured, SettingsInvalid
from churnkit.features.labels import label_rates
from churnkit.features.panel import Calendar, panel
from churnkit.project import Project
from churnkit.reporting.event_tables import horizons_table, rates_table
from churnkit.settings.churn import ChurnTable
from churnkit.usecases.result import Result

_HORIZONS = (7, 30, 90, 180, 365)
_MOST_SHOWN = 60


@dataclass(frozen=True, repr=False)
class Labels(Result):
    """The rate of churn over time, and the dates that a model would learn from."""

    churn: ChurnTable
    zone: str
    known_until_us: int
    rates: tuple[LabelRate, ...]
    horizons: tuple[HorizonEffect, ...]
    panel: Panel | None
    no_panel: str

    @property
    def n_not_matured(self) -> int:
        """How many labels of the dates shown are not decided yet."""
        return sum(rate.n_eligible for rate in self.rates if not rate.matured)

    def __rich__(self) -> RenderableType:
        newest = self.rates[-_MOST_SHOWN:]
        parts: list[RenderableType] = [Text(self._meaning()), rates_table(newest, self.zone)]
        if len(newest) < len(self.rates):
            # A single mistyped year must not fill the screen.
            first = shown_moment(self.rates[0].as_of_us, self.zone)
            parts.append(
                Text(
                    f"{len(self.rates) - len(newest):,} earlier dates, from {first} on, are not "
                    "shown (--json has them). Did the log begin so early?"
                )
            )
        dates = sum(not rate.matured for rate in self.rates)
        parts.append(
            Text(
                f"{self.n_not_matured:,} labels at {dates} dates are not matured: facts are known "
                f"until {shown_moment(self.known_until_us, self.zone)}."
            )
        )
        if self.horizons:
            at = shown_moment(self.horizons[0].at.as_of_us, self.zone)
            parts += [
                Text(f"\nOther horizons, as of {at}:"),
                horizons_table(self.horizons, self.zone),
            ]
        parts.append(Text(f"\nPanel: {self.panel.ground if self.panel else self.no_panel}"))
        return Group(*parts)

    def _meaning(self) -> str:
        churn = self.churn
        window = f"within {churn.horizon_days} days" + (
            f", from day {churn.lead_days} on" if churn.lead_days else ""
        )
        if churn.kind == "contractual":
            grace = f"without renewal in {churn.grace_days} days"
            return f"Churned: the subscription ends {window} {grace}; asked where one runs."
        what = ", ".join(churn.activity) or "activity"
        who = f"active in the {churn.eligible_days} days" if churn.eligible_days else "ever active"
        return f"Churned: no {what} {window}; asked of customers {who} before."

    def to_json(self) -> dict[str, object]:
        def shown(rate: LabelRate) -> dict[str, object]:
            return {
                "as_of": shown_moment(rate.as_of_us, self.zone),
                "rate": rate.rate,
                "interval": rate.interval(),
                **rate.model_dump(mode="json"),
            }

        return {
            "churn": self.churn.model_dump(mode="json"),
            "zone": self.zone,
            "known_until_us": self.known_until_us,
            "n_not_matured": self.n_not_matured,
            "rates": [shown(rate) for rate in self.rates],
            "horizons": [
                {**effect.model_dump(mode="json"), "at": shown(effect.at)}
                for effect in self.horizons
            ],
            "panel": self.panel.model_dump(mode="json") if self.panel else None,
        }


def labels(
    project: Project,
    *,
    horizon_days: int | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
) -> Labels:
    """Count who was eligible and who churned, month by month.

    Parameters
    ----------
    project : a project with an [events] table
    horizon_days : instead of the one in churnkit.toml
    now : the present; labels that need later facts are not matured

    Raises
    ------
    DataEmpty : no events were imported
    SettingsInvalid : this is no project of events
    """
    calendar = project_calendar(project, horizon_days=horizon_days, now=now)
    progress(Step("counting who churned"))
    dates = list(calendar.month_starts())
    rates = label_rates(project.database, [calendar], [dates])[0]
    progress(Step("looking at other horizons"))
    try:
        chosen: Panel | None = panel(calendar)
        why = ""
    except LabelsNotMatured as error:
        chosen, why = None, f"none; {error}"
    return Labels(
        churn=calendar.churn,
        zone=calendar.log.zone,
        known_until_us=calendar.known_until_us,
        rates=tuple(rates),
        horizons=tuple(_horizons(project, calendar, dates)),
        panel=chosen,
        no_panel=why,
    )


def project_calendar(
    project: Project, *, horizon_days: int | None = None, now: datetime | None = None
) -> Calendar:
    """The churn definition of a project on its log.

    Raises
    ------
    DataEmpty : no events were imported
    SettingsInvalid : this is no project of events
    """
    settings = project.settings
    if settings.events is None:
        raise SettingsInvalid(
            "this is no project of events: churnkit.toml has no [events] table.",
            fix="Labels of a snapshot are in its target column.",
            file=project.folder,
        )
    churn = settings.churn
    if horizon_days is not None:
        churn = churn.model_copy(update={"horizon_days": horizon_days})
    delay = max(
        table.arrival_delay_days
        for table in (settings.events, settings.attributes, settings.subscriptions)
        if table is not None
    )
    now = now or datetime.now(UTC)
    return Calendar(churn, read_log_schema(project.database), delay, moment_us(now, "UTC"))


def _horizons(project: Project, calendar: Calendar, dates: Sequence[int]) -> list[HorizonEffect]:
    own = calendar.churn.horizon_days
    tried = []
    for days in sorted({*_HORIZONS, max(own // 2, 1), own, own * 2}):
        other = Calendar(
            calendar.churn.model_copy(update={"horizon_days": days}),
            calendar.log, calendar.arrival_delay_days, calendar.now_us,
        )  # fmt: skip
        matured = [as_of for as_of in dates if other.matured(as_of)]
        if matured:
            tried.append((other, matured))
    if not tried:
        return []
    common = tried[-1][1][-1]  # matured for the longest, so for all
    rates = label_rates(project.database, [one for one, _ in tried], [[common]] * len(tried))
    effects = []
    for (other, matured), (rate,) in zip(tried, rates, strict=True):
        try:
            chosen = panel(other)
            n_train, latest = len(chosen.train_us), chosen.test_us
        except LabelsNotMatured:
            n_train, latest = 0, matured[-1]
        effects.append(
            HorizonEffect(
                horizon_days=other.churn.horizon_days,
                at=rate,
                latest_us=latest,
                n_train_dates=n_train,
            )
        )
    return effects
