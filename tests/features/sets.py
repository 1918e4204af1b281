"""FeatureSets that use everything."""

from __future__ import annotations

from churnkit.features.definitions import (
    AttributeFeature,
    Condition,
    EventFeature,
    Feature,
    FeatureSet,
    Ratio,
    SubscriptionFeature,
    Trend,
)

_FILTERS: tuple[tuple[str, tuple[str, ...], tuple[Condition, ...]], ...] = (
    ("all", (), ()),
    ("buy", ("buy",), ()),
    ("two", ("it's", "login"), ()),
    ("big", ("buy",), (Condition(column="amount", op=">=", value=0.3),)),
    ("web", (), (Condition(column="channel", op="!=", value="web"),)),
    ("none", (), (Condition(column="amount", op="missing"),)),
    (
        "both",
        (),
        (
            Condition(column="channel", op="in", value=("web", "a\\b'c")),
            Condition(column="amount", op="present"),
        ),
    ),
)
_WINDOWS = (1, 7, 63, None)


def _events() -> list[Feature]:
    listed: list[Feature] = []
    for label, types, where in _FILTERS:
        for window in _WINDOWS:
            for aggregate in (
                "count", "sum", "mean", "min", "max", "distinct", "active_days", "recency_days",
                "since_first_days", "mean_gap_days",
            ):  # fmt: skip
                column = {"distinct": "channel"}.get(
                    aggregate, "amount" if aggregate in ("sum", "mean", "min", "max") else ""
                )
                listed.append(
                    EventFeature(
                        name=f"{label}_{aggregate}_{window or 'ever'}",
                        aggregate=aggregate,  # type: ignore[arg-type]
                        column=column,
                        event_types=types,
                        where=where,
                        window_days=window,
                    )
                )
    return listed


EVERYTHING = FeatureSet(
    features=(
        *_events(),
        EventFeature(name="kinds", aggregate="distinct", column="event_type", window_days=30),
        Ratio(name="deep", numerator="share", denominator="trend"),
        Ratio(name="share", numerator="buy_count_7", denominator="all_count_63"),
        Ratio(name="per_day", numerator="all_sum_ever", denominator="all_active_days_ever"),
        Trend(name="trend", recent="all_count_7", base="all_count_63"),
        Trend(name="money_trend", recent="buy_sum_7", base="buy_sum_63"),
        AttributeFeature(name="plan", column="plan"),
        AttributeFeature(name="age", column="age"),
        AttributeFeature(name="vip", column="vip"),
        Ratio(name="per_age", numerator="age", denominator="all_count_ever"),
        SubscriptionFeature(name="tenure", figure="tenure_days"),
        SubscriptionFeature(name="to_end", figure="days_to_end"),
        SubscriptionFeature(name="periods", figure="periods"),
    )
)
