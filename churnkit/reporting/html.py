"""The report: one HTML file that needs nothing else, for reading, sending and printing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from churnkit.domain.models import ModelVersion
from churnkit.domain.predictions import Explanation
from churnkit.domain.profiles import TableProfile
from churnkit.domain.runs import RunRecord
from churnkit.reporting import figures
from churnkit.reporting.brief import brief
from churnkit.reporting.wording import (
    candidate_title,
    headline,
    interval,
    metric_rows,
    money_line,
    points,
    shown_value,
)
from churnkit.settings.money import Money


def render_report(
    *,
    project: str,
    profile: TableProfile,
    record: RunRecord,
    version: ModelVersion | None,
    alias: str | None,
    money: Money,
    examples: Sequence[Explanation] = (),
    made_at: datetime,
    next_steps: Sequence[str] = (),
) -> str:
    """The report as HTML.

    Parameters
    ----------
    project : its name
    profile : of the table that was imported
    record : of the run; its evaluation is shown
    version, alias : the admitted model and who it is; None: it was not admitted
    money : what a customer and a contact are worth
    examples : explained customers
    made_at : when, in UTC
    next_steps : commands worth typing next
    """
    environment = Environment(
        loader=PackageLoader("churnkit.reporting", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        interval=interval, points=points, shown=shown_value, candidate=candidate_title
    )
    evaluation = record.evaluation
    drawings = (
        ("calibration", figures.calibration(evaluation)),
        ("lift by tenth", figures.lift(evaluation)),
        ("profit by share contacted", figures.profit(evaluation, money.currency)),
        ("importance of columns", figures.importance(record.importance)),
        ("ROC curve", figures.roc(evaluation)),
        ("precision and recall", figures.precision_recall(evaluation)),
    )
    return environment.get_template("report.html").render(
        project=project,
        profile=profile,
        record=record,
        evaluation=evaluation,
        version=version,
        alias=alias,
        money=money,
        examples=examples,
        largest=max(
            (abs(reason.points) for told in examples for reason in told.reasons), default=1.0
        )
        or 1.0,
        made_at=made_at,
        next_steps=next_steps,
        headline=headline(evaluation),
        answers=brief(profile, record, money),
        money_line=money_line(evaluation, money),
        metrics=metric_rows(evaluation, money),
        figures=[
            (label, Markup(figures.svg(draw, label))) for label, draw in drawings
        ],  # our own drawing
        style=Markup(environment.get_template("report.css").render()),  # our own file
    )
