"""What wants a person's decision, the same for a folder and for a service."""

from __future__ import annotations

from churnkit_desktop.backend.facts import ModelList, Need
from churnkit_desktop.language import tr


def needs(models: ModelList, n_scored: int, scored_by: str) -> tuple[Need, ...]:
    """From the models and who made the latest scores."""
    if models.champion is None:
        return (Need(tr("There is no model yet."), "train", tr("Train one")),)
    found = []
    if models.challenger is not None:
        found.append(
            Need(
                tr("{challenger} is waiting: may it take over from {champion}?").format(
                    challenger=models.challenger, champion=models.champion
                ),
                "models",
                tr("Compare them"),
            )
        )
    if not n_scored:
        found.append(
            Need(tr("Nobody has been scored yet."), "customers", tr("Score the customers"))
        )
    elif scored_by != models.champion:
        found.append(
            Need(
                tr("The scores are {scored_by}'s; {champion} serves now.").format(
                    scored_by=scored_by, champion=models.champion
                ),
                "customers",
                tr("Score again"),
            )
        )
    return tuple(found)
