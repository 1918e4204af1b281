"""Two models on the same customers, later than either has learnt from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from churnkit.data.groups import customer_groups
from churnkit.data.split import split_rows
from churnkit.data.target import labels
from churnkit.domain.evaluation import Estimate
from churnkit.domain.runs import RunRecord
from churnkit.inference.predictor import Predictor
from churnkit.measures.bootstrap import Figure, estimates, mean_of, roc_auc
from churnkit.measures.profit import contact_profit, profit_threshold
from churnkit.project import Project
from churnkit.settings.sources import ColumnsTable
from churnkit.settings.whole import Settings
from churnkit.usecases.features.panel import LearningRows
from churnkit.usecases.models.serving import load_predictor
from churnkit.usecases.tables import typed

ROUNDS = 1_000
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """How much better the new model is, on the rows of its test.

    ``differences``: new minus old for ``roc_auc``, ``brier`` and ``profit`` (per customer), with
    paired 95 % bootstrap intervals over customers; empty where it could not be measured fairly,
    and ``why_not`` says why.
    """

    n: int
    differences: dict[str, Estimate]
    why_not: str = ""

    @property
    def surely_worse(self) -> bool:
        """Whether the new model is worse in squared error *and* in money beyond chance."""
        if not self.differences:
            return False
        return self.differences["brier"].low > 0 and self.differences["profit"].high < 0


def compare_models(
    project: Project,
    rows: LearningRows,
    new: RunRecord,
    old: RunRecord,
    *,
    versions: tuple[str, str],
) -> Comparison:
    """Score the new model's test rows with both.

    They are later than what the old model learnt from where the rows are a panel; where they are
    a table of customers, only if both runs divided the same rows in the same way. Anything else
    would flatter the model that has seen them.

    Parameters
    ----------
    rows : what the new model learnt from and was judged on
    versions : names of the new and the old model version
    """
    why_not = _unfair(project, rows, new, old)
    if why_not:
        return Comparison(0, {}, why_not)
    settings = Settings.model_validate({**project.settings.model_dump(mode="json"), **new.settings})
    columns = _seen_columns(settings.columns, new)
    split = split_rows(
        rows.table,
        columns,
        test_share=settings.training.test_share,
        seed=new.seed,
        test_from=rows.test_from,
        zone=settings.project.zone,
    )
    test = rows.table.take(pa.array(split.test))
    left = labels(test, columns.target, columns.positive)
    first, second = (load_predictor(project, name)[0] for name in versions)
    p_new, p_old = _scores(first, test), _scores(second, test)
    amounts = project.settings.money.model_dump(exclude={"currency"})
    each, threshold = contact_profit(left, **amounts), profit_threshold(**amounts)
    earned = [np.where(p >= threshold, each, 0.0) for p in (p_new, p_old)]
    area_new, area_old = roc_auc(left, p_new), roc_auc(left, p_old)
    figures: dict[str, Figure] = {
        "roc_auc": lambda weights: area_new(weights) - area_old(weights),
        "brier": mean_of((p_new - left) ** 2 - (p_old - left) ** 2),
        "profit": mean_of(earned[0] - earned[1]),
    }
    groups = customer_groups(test, columns)[0]
    return Comparison(len(left), estimates(figures, groups, rounds=ROUNDS, seed=new.seed))


def _unfair(project: Project, rows: LearningRows, new: RunRecord, old: RunRecord) -> str:
    missing = sorted(set(old.model_schema.names()) - set(rows.table.column_names))
    if missing:
        return f"the older model reads columns that are no longer there ({', '.join(missing[:3])})"
    if rows.test_from is not None:
        if old.test_from is None or rows.test_from < old.test_from:
            return "the older model has learnt from dates of this test"
        return ""
    same_rows = new.data_fingerprint == old.data_fingerprint and new.seed == old.seed
    if same_rows and new.settings == old.settings and new.used_columns == old.used_columns:
        return ""
    return "the older model may have learnt from customers of this test"


def _seen_columns(columns: ColumnsTable, record: RunRecord) -> ColumnsTable:
    """The columns as the run's division saw them."""
    unseen = set(record.left_out) - {columns.id, columns.time, columns.target}
    return columns.model_copy(update={"ignore": tuple(sorted({*columns.ignore, *unseen}))})


def _scores(predictor: Predictor, table: pa.Table) -> Floats:
    return predictor.predict_encoded(predictor.encoder.encode_arrow(typed(table, predictor.schema)))
