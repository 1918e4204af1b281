"""Results as tables for a terminal; a notebook shows the same as HTML."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from churnkit.domain.columns import SchemaChange
from churnkit.domain.evaluation import Evaluation
from churnkit.domain.models import Check, JournalEntry, ModelVersion
from churnkit.domain.predictions import Explanation, PredictionRow
from churnkit.domain.profiles import LeakFinding, RoleGuess, TableProfile
from churnkit.domain.runs import RunRecord
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

_MAX_COLUMNS = 40
_BAR = 16


def escape_text(text: str) -> str:
    """Text that rich prints as it is."""
    return escape(text)


def html_table(renderable: RenderableType) -> str:
    """A result as HTML for a notebook."""
    console = Console(
        record=True, file=io.StringIO(), width=110, force_jupyter=False, highlight=False
    )
    console.print(renderable)
    return console.export_html(
        inline_styles=True,
        code_format='<pre style="line-height:1.25;font-family:monospace">{code}</pre>',
    )


def roles_table(guesses: Sequence[RoleGuess]) -> RenderableType:
    """What each column is for, and why churnkit thinks so."""
    table = _table("column", "role", "ground")
    order = {"target": 0, "id": 1, "time": 2, "ignore": 3, "input": 4}
    ranked = sorted(guesses, key=lambda guess: order[guess.role])
    for guess in ranked[:_MAX_COLUMNS]:
        role = f"{guess.role}: {guess.positive} = left" if guess.positive else guess.role
        table.add_row(_name(guess.column), _plain(role), _plain(guess.ground))
    return _with_rest(table, len(ranked))


def profile_table(profile: TableProfile) -> RenderableType:
    """A table in figures."""
    table = _table("column", "kind", "missing", "distinct", "values", "note", numbers=(2, 3))
    for column in profile.columns[:_MAX_COLUMNS]:
        missing = f"{column.missing / max(profile.n_rows, 1):.1%}" if column.missing else "–"
        if column.role == "id":
            values = ""
        elif column.kind == "number" and column.low is not None:
            values = f"{_figure(column.low)} … {_figure(column.high)}, mean {_figure(column.mean)}"
        else:
            values = ", ".join(
                f"{_short(value, 18)} {n / max(profile.n_rows, 1):.0%}"
                for value, n in column.top[:2]
            )
        notes = [column.note] if column.note else []
        if column.blanks:
            notes.append(f"{column.blanks:,} blank texts = missing")
        if column.missing_words:
            notes.append(f"{', '.join(column.missing_words)}: means missing?")
        if column.role != "input":
            notes.insert(0, column.role)
        table.add_row(
            _name(column.name, 24),
            column.kind,
            missing,
            f"{column.distinct:,}",
            _plain(values),
            _plain("; ".join(notes)),
        )
    lines: list[RenderableType] = [
        Text(
            f"{profile.n_rows:,} customers, of whom {profile.n_positive:,} "
            f"({profile.rate:.1%}) left ({profile.target} = {profile.positive})."
        ),
        _with_rest(table, len(profile.columns)),
    ]
    for n, what in (
        (profile.duplicate_ids, "rows repeat an id that came before"),
        (profile.duplicates, "rows repeat an earlier one in all but the id"),
        (profile.conflicting, "groups of equal customers have different outcomes"),
    ):
        if n:
            lines.append(Text(f"{n:,} {what}."))
    return Group(*lines)


def leaks_table(leaks: Sequence[LeakFinding]) -> RenderableType:
    """Columns that know the answer."""
    if not leaks:
        return Text("No column knows the answer: nothing is blocked.")
    table = _table("column", "verdict", "evidence")
    # These names are copied into a settings file: they wrap, but nothing is left out.
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    table.columns[0].max_width = 36
    for leak in leaks:
        verdict = Text("blocked", style="bold red") if leak.blocked else Text("look at it")
        table.add_row(_plain(leak.column), verdict, _plain(leak.evidence))
    note = (
        "Blocked columns are kept from the model; if one was truly known beforehand, name it in "
        "columns.allow_leaking."
    )
    return Group(Text("Columns that seem to know the answer", style="bold"), table, Text(note))


def evaluation_table(evaluation: Evaluation, money: Money) -> RenderableType:
    """Quality with intervals, and what each figure means."""
    table = _table("quality", "value [95 % interval]", "meaning")
    for title, figure, meaning in metric_rows(evaluation, money):
        table.add_row(title, Text(figure, no_wrap=True), meaning)
    return Group(
        Text(headline(evaluation), style="bold"),
        Text(money_line(evaluation, money)),
        table,
        Text(
            f"Measured once on {evaluation.n:,} customers that the model never saw "
            f"({evaluation.rate:.1%} left); {evaluation.bootstrap_rounds:,} bootstrap rounds."
        ),
        *(Text(note) for note in evaluation.notes),
    )


def deciles_table(evaluation: Evaluation) -> RenderableType:
    """Customers by tenths, the riskiest first."""
    table = _table(
        "tenth", "customers", "said", "left", "lift", "caught so far", numbers=(0, 1, 2, 3, 4, 5)
    )
    for part in evaluation.deciles:
        table.add_row(
            str(part.decile),
            f"{part.n:,}",
            f"{part.mean_probability:.1%}",
            f"{part.rate:.1%}",
            interval(part.lift, ".2f"),
            f"{part.capture.value:.0%} [{part.capture.low:.0%}, {part.capture.high:.0%}]",
        )
    return table


def slices_table(evaluation: Evaluation) -> RenderableType:
    """Whether the model is as good for everybody: quality by segment."""
    table = _table(
        "segment", "customers", "said", "left", "ROC AUC", "Brier score", numbers=(1, 2, 3, 4, 5)
    )
    for part in evaluation.slices:
        table.add_row(
            Text(f"{part.column} = {part.value}"),
            f"{part.n:,}",
            f"{part.mean_probability:.1%}",
            f"{part.rate:.1%}",
            interval(part.roc_auc) if part.roc_auc else "one class only",
            interval(part.brier),
        )
    return table


def trials_table(record: RunRecord) -> RenderableType:
    """The best trial of each candidate."""
    table = _table("candidate", "trials", "log loss", "ROC AUC", "", numbers=(1, 2, 3))
    names = list(dict.fromkeys(trial.candidate for trial in record.trials))
    best = {
        name: min(
            (trial for trial in record.trials if trial.candidate == name),
            key=lambda trial: trial.log_loss,
        )
        for name in names
    }
    for name in sorted(names, key=lambda name: best[name].log_loss):
        n = sum(trial.candidate == name for trial in record.trials)
        chosen = "chosen" if name == record.best.candidate else ""
        if chosen and record.why_chosen:
            chosen = f"chosen: {record.why_chosen}"
        table.add_row(
            candidate_title(name),
            str(n),
            f"{best[name].log_loss:.4f}",
            f"{best[name].roc_auc:.4f}",
            chosen,
        )
    head = (
        f"Tried {len(record.trials)} models by cross-validation on {record.n_train:,} customers; "
        f"{record.n_test:,} were kept for the test ({record.split})."
    )
    return Group(Text(head), table)


def explanation_table(explanation: Explanation) -> RenderableType:
    """Why a customer has this probability."""
    table = _table("reason", "value", "points", "", numbers=(2,))
    largest = max((abs(reason.points) for reason in explanation.reasons), default=0.0)
    for reason in explanation.reasons:
        length = round(_BAR * abs(reason.points) / largest) if largest else 0
        bar = "█" * length
        table.add_row(
            _name(reason.column),
            _plain(shown_value(reason.value), 30),
            points(reason.points),
            Text(bar, style="red" if reason.points > 0 else "green"),
        )
    head = (
        f"Customer {explanation.customer_id}: probability of leaving "
        f"{explanation.probability:.1%} ({explanation.risk_band} risk), "
        f"model {explanation.model_version}."
    )
    foot = (
        f"Points are percentage points: + raises the risk, - lowers it. They start from "
        f"{explanation.base_probability:.1%}, the model's typical customer "
        f"({explanation.base_rate:.1%} of all left)."
    )
    return Group(
        Text(head, style="bold"), table, Text(foot), *(Text(note) for note in explanation.notes)
    )


def versions_table(
    versions: Sequence[ModelVersion], holders: Mapping[str, str | None]
) -> RenderableType:
    """All model versions, and who holds which alias."""
    table = _table("version", "alias", "candidate", "ROC AUC", "profit", "trained")
    for figures in table.columns[3:]:
        figures.no_wrap = True  # an interval that is cut says something else
    for version in versions:
        aliases = [alias for alias, name in holders.items() if name == version.version]
        auc, profit = version.metrics.get("roc_auc"), version.metrics.get("profit")
        table.add_row(
            version.version,
            Text(", ".join(aliases), style="bold"),
            candidate_title(version.candidate),
            _in_two_lines(interval(auc) if auc else ""),
            _in_two_lines(interval(profit, ".2f") if profit else ""),
            f"{version.created_at:%Y-%m-%d}",
        )
    return table


def journal_table(entries: Sequence[JournalEntry]) -> RenderableType:
    """Every change of who serves, and every customer who was erased."""
    table = _table("#", "when (UTC)", "who", "what", "why", numbers=(0,))
    for entry in entries:
        before = f" (was {entry.previous_version})" if entry.previous_version else ""
        what = f"{entry.action}: {entry.alias} {entry.version or 'nobody'}{before}"
        if entry.alias == "challenger" and "rollout" in entry.evidence:  # nobody's alias moved
            what = f"{entry.action}: rollout {entry.evidence['rollout']}"
        if entry.action in ("erase", "allow"):
            what = f"{entry.action}: a customer"
        table.add_row(
            str(entry.sequence),
            f"{entry.at:%Y-%m-%d %H:%M:%S}",
            _plain(entry.who),
            what,
            _plain(entry.why),
        )
    return table


def predictions_table(rows: Sequence[PredictionRow]) -> RenderableType:
    """Recorded predictions."""
    table = _table(
        "when (UTC)", "customer", "probability", "risk", "model", "reasons", numbers=(2,)
    )
    for row in rows:
        reasons = ", ".join(
            f"{reason.column} {points(reason.points)}" for reason in row.reasons[:3]
        )
        table.add_row(
            f"{row.made_at:%Y-%m-%d %H:%M:%S}",
            _plain(row.customer_id),
            f"{row.probability:.1%}",
            row.risk_band,
            row.model_version,
            _plain(reasons),
        )
    return table


def changes_table(changes: Sequence[SchemaChange]) -> RenderableType:
    """How a later table differs."""
    table = _table("column", "change", "detail")
    for change in changes:
        table.add_row(_name(change.column), change.change.replace("_", " "), _plain(change.detail))
    return table


def checks_table(checks: Sequence[Check]) -> RenderableType:
    """What was looked at, and whether it holds."""
    table = _table("", "what", "detail")
    signs = {"ok": ("ok", "green"), "failed": ("FAILED", "bold red"), "unchecked": ("?", "yellow")}
    for check in checks:
        sign, style = signs[check.state]
        table.add_row(Text(sign, style=style), _plain(check.subject), _plain(check.detail))
    failed = sum(check.state == "failed" for check in checks)
    unchecked = sum(check.state == "unchecked" for check in checks)
    verdict = f"{failed} of {len(checks)} failed." if failed else f"{len(checks)} looked at."
    rest = f" {unchecked} could not be checked." if unchecked else ""
    return Group(table, Text(verdict + rest, style="bold red" if failed else ""))


# --- the look of all of them --------------------------------------------------------------


def _table(*heads: str, numbers: Sequence[int] = ()) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for position, head in enumerate(heads):
        right = position in numbers
        table.add_column(
            head,
            justify="right" if right else "left",
            # The first column names the row: it stays whole, the others wrap.
            no_wrap=right or position == 0,
            overflow="ellipsis" if position == 0 else "fold",
        )
    return table


def _plain(text: str, limit: int = 400) -> Text:
    """A text of the user's: no markup in it, no control characters."""
    printable = "".join(c if c.isprintable() else "�" for c in text)
    return Text(_short(printable, limit))


def _name(text: str, limit: int = 30) -> Text:
    """A column's name, shortened in the middle: long names often differ at their end only."""
    whole = _plain(text).plain
    head = limit // 2
    return Text(whole if len(whole) <= limit else f"{whole[:head]}…{whole[head + 1 - limit :]}")


def _figure(number: float | None) -> str:
    """A number to read, not to copy: --json has all digits."""
    if number is None:
        return ""
    return f"{number:,.0f}" if 1e3 <= abs(number) < 1e15 else f"{number:.4g}"


def _in_two_lines(figure: str) -> Text:
    """A value above its interval, neither of them ever cut."""
    return Text(figure.replace(" [", "\n["), no_wrap=True)


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _with_rest(table: Table, n: int) -> RenderableType:
    if n <= _MAX_COLUMNS:
        return table
    return Group(table, Text(f"… and {n - _MAX_COLUMNS:,} more; --json shows all of them."))
