"""A rollout's plan from what a project says and what a person asks for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from churnkit.errors import PlanInvalid
from churnkit.project import Project
from churnkit.rollout.plan import DEFAULT_GUARDRAILS, Plan, read_plan
from churnkit.usecases.plan_files import read_plan_file

_TERMS = ("customer_value", "contact_cost", "offer_cost", "success_rate")
_FIX = "A plan is a TOML file with keys such as alpha_promote or [[gates]]."
_SHADOW_PART = 0.5
"""Shadow needs this part of the last stage's customers: all of them are scored by both models."""


def make_plan(project: Project, asked: Mapping[str, Any] | Path | str | None = None) -> Plan:
    """The plan: what is asked for, over churnkit.toml's tables ``rollout`` and ``money``.

    Parameters
    ----------
    asked : keys of a plan as plain data, or a TOML file that holds them

    Raises
    ------
    PlanInvalid : it names the first place that cannot be used
    """
    values = read_plan_file(asked, fix=_FIX) if isinstance(asked, Path | str) else dict(asked or {})
    table = project.settings.rollout
    money = project.settings.money
    policy = values.pop("policy", {})
    if not isinstance(policy, Mapping):
        raise PlanInvalid("'policy' must be a table.", key="policy")
    terms = {name: getattr(money, name) for name in _TERMS}
    if isinstance(policy.get("terms"), Mapping):
        terms |= policy["terms"]
    defaults: dict[str, Any] = {
        "stages": _stages(table.shares, table.minimum_days, table.minimum_customers),
        "max_unproven_share": table.max_unproven_share,
        "gates": [{"metric": "profit", "tolerance": table.profit_tolerance}],
        "guardrails": [
            rule.model_dump()
            if rule.metric != "profit"
            else {**rule.model_dump(), "tolerance": table.profit_tolerance}
            for rule in DEFAULT_GUARDRAILS
        ],
        "alpha_promote": table.alpha_promote,
        "alpha_abort": table.alpha_abort,
        "outcomes": table.outcomes,
        "accept_history": table.accept_history,
        "score_drift": table.score_drift,
        "automatic_promotion": table.automatic_promotion,
        "automatic_abort": table.automatic_abort,
    }
    unknown = sorted(set(values) - set(Plan.model_fields))
    if unknown:
        raise PlanInvalid(
            f"a plan has no '{unknown[0]}'.",
            fix=f"It has: {', '.join(Plan.model_fields)}.",
            key=unknown[0],
        )
    return read_plan({**defaults, **values, "policy": {**policy, "terms": terms}})


def _stages(
    shares: tuple[float, ...], minimum_days: float, minimum_customers: int
) -> list[dict[str, Any]]:
    """Shadow and the shares; each needs customers as its share is to the largest one."""
    stages = [
        {
            "name": "shadow",
            "share": 0.0,
            "minimum_customers": int(_SHADOW_PART * minimum_customers),
            "minimum_days": minimum_days,
        }
    ]
    for share in shares:
        part = share / shares[-1]
        stages.append(
            {
                "name": f"{100 * share:g} %",
                "share": share,
                "minimum_customers": int(part * minimum_customers),
                "minimum_days": minimum_days,
            }
        )
    return stages
