"""What wants a person's decision, the same for a folder and for a service."""

from __future__ import annotations

from churnkit_desktop.backend.facts import ModelList, Need


def needs(models: ModelList, n_scored: int, scored_by: str) -> tuple[Need, ...]:
    """From the models and who made the latest scores."""
    if models.champion is None:
        return (Need("There is no model yet.", "train", "Train one"),)
    found = []
    if models.challenger is not None:
        found.append(
            Need(
                f"{models.challenger} is waiting: may it take over from {models.champion}?",
                "models",
                "Compare them",
            )
        )
    if not n_scored:
        found.append(Need("Nobody has been scored yet.", "customers", "Score the customers"))
    elif scored_by != models.champion:
        found.append(
            Need(
                f"The scores are {scored_by}'s; {models.champion} serves now.",
                "customers",
                "Score again",
            )
        )
    return tuple(found)
