"""The report in seven answers, for who decides: question, data, quality, who, why, money, risks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from churnkit.domain.evaluation import Evaluation, Slice
from churnkit.domain.profiles import TableProfile
from churnkit.domain.runs import RunRecord
from churnkit.reporting.wording import headline, interval, money_line
from churnkit.settings.money import Money

_FEW = 5


@dataclass(frozen=True)
class Answer:
    """One question and what is known."""

    key: str
    question: str
    sentences: tuple[str, ...]


def brief(profile: TableProfile, record: RunRecord, money: Money) -> tuple[Answer, ...]:
    """The seven answers, each in a few sentences.

    Parameters
    ----------
    profile : of the table that was imported
    record : of the run; its evaluation is told
    money : what a customer and a contact are worth
    """
    evaluation = record.evaluation
    return (
        Answer("question", "What was asked?", _question(profile, record)),
        Answer("data", "From what?", _data(profile, record)),
        Answer("quality", "How good is the answer?", _quality(evaluation)),
        Answer("who", "Who will leave?", _who(evaluation)),
        Answer("why", "Why?", _why(record)),
        Answer("money", "What is it worth?", _money(evaluation, profile, money)),
        Answer("risks", "What can go wrong?", _risks(profile, evaluation, money)),
    )


def _question(profile: TableProfile, record: RunRecord) -> tuple[str, ...]:
    churn = record.settings.get("churn", {})
    days = churn.get("horizon_days") if isinstance(churn, dict) else None
    when = f" within {days:g} days" if record.features is not None and days else ""
    return (
        f"Which customers will leave{when}, why, and whom does it pay to contact?",
        f"“Left” means {profile.target} = {profile.positive}.",
    )


def _data(profile: TableProfile, record: RunRecord) -> tuple[str, ...]:
    told = [
        f"{profile.n_rows:,} rows from {Path(profile.source).name}, of which "
        f"{profile.n_positive:,} ({profile.rate:.1%}) left.",
        f"{record.n_train:,} were learnt from; {record.n_test:,} were put aside before anything "
        "was fitted, and judge the model.",
    ]
    blocked = [leak.column for leak in profile.leaks if leak.blocked]
    told.append(
        f"Kept from the model, because they know the answer: {', '.join(blocked)}."
        if blocked
        else "No column knows the answer beforehand."
    )
    return tuple(told)


def _quality(evaluation: Evaluation) -> tuple[str, ...]:
    auc, ece = evaluation.metrics["roc_auc"], evaluation.metrics["ece"]
    return (
        f"Of a leaver and a stayer it ranks the leaver higher with a chance of {interval(auc)} "
        "(0.5 is luck, 1 is perfect; in brackets the 95 % interval).",
        f"The probabilities are off by {100 * ece.value:.1f} percentage points on average.",
    )


def _who(evaluation: Evaluation) -> tuple[str, ...]:
    first = evaluation.deciles[0]
    told = [
        headline(evaluation),
        f"In that tenth {first.rate:.0%} left, {first.lift.value:.1f} times the average.",
    ]
    riskiest = sorted(evaluation.slices, key=lambda part: -part.rate)[:3]
    if riskiest:
        groups = "; ".join(f"{_segment(part)} ({part.rate:.0%})" for part in riskiest)
        told.append(f"Most leave among: {groups}.")
    return tuple(told)


def _why(record: RunRecord) -> tuple[str, ...]:
    top = sorted(record.importance.items(), key=lambda pair: -pair[1].value)[:_FEW]
    if not top:
        return ("The model does not say which columns it listens to.",)
    names = ", ".join(name for name, _ in top)
    return (
        f"The model listens most to: {names}.",
        "That says who is likely to leave, not what would change if the column changed.",
    )


def _money(evaluation: Evaluation, profile: TableProfile, money: Money) -> tuple[str, ...]:
    gain = evaluation.metrics["profit"]
    total = gain.value * profile.n_rows
    return (
        money_line(evaluation, money),
        f"For a base of {profile.n_rows:,} customers that is about {total:,.0f} {money.currency} "
        f"[{gain.low * profile.n_rows:,.0f}, {gain.high * profile.n_rows:,.0f}].",
        f"Assumed: a lost customer costs {money.customer_value:g} {money.currency}, a contact "
        f"{money.contact_cost:g}, the offer {money.offer_cost:g}, and it keeps "
        f"{money.success_rate:.0%} of those who would leave.",
    )


def _risks(profile: TableProfile, evaluation: Evaluation, money: Money) -> tuple[str, ...]:
    told = []
    gain = evaluation.metrics["profit"]
    if gain.low <= 0:
        told.append("The interval of the profit reaches below zero: acting may cost money.")
    weak = _weakest(evaluation)
    if weak is not None:
        gap = 100 * abs(weak.mean_probability - weak.rate)
        told.append(
            f"It is least right for {_segment(weak)}: {weak.mean_probability:.0%} was said, "
            f"{weak.rate:.0%} left ({gap:.0f} points apart, {weak.n:,} customers)."
        )
    doubtful = [leak.column for leak in profile.leaks if not leak.blocked]
    if doubtful:
        told.append(
            f"These columns deserve a look, they may know the answer: {', '.join(doubtful)}."
        )
    told += list(evaluation.notes)
    told += [
        f"The offer is assumed to keep {money.success_rate:.0%}; only a test with customers who "
        "are left alone shows what it really keeps.",
        "The figures hold for customers like those in the data; they say nothing of a changed "
        "market.",
    ]
    return tuple(told)


def _weakest(evaluation: Evaluation) -> Slice | None:
    """The segment whose predictions are furthest from what happened."""
    return max(
        evaluation.slices, key=lambda part: abs(part.mean_probability - part.rate), default=None
    )


def _segment(part: Slice) -> str:
    return f"{part.column} = {part.value}"
