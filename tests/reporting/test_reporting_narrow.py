"""Tables on a terminal of 80 columns: nothing that matters is cut off."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, RenderableType

from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import ModelVersion
from churnkit.domain.profiles import LeakFinding, RoleGuess
from churnkit.reporting.tables import leaks_table, roles_table, versions_table

LONG = "Naive_Bayes_Classifier_Attrition_Flag_Card_Category_Contacts_Count_12_mon_Dependent_mon_"
"""As in the BankChurners table, where two names differ in their last letter only."""


def _lines(table: RenderableType) -> list[str]:
    console = Console(width=80, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


def test_long_names_leave_room_for_the_grounds() -> None:
    guesses = [
        RoleGuess(column="left", role="target", ground="its name speaks of leaving", positive="1"),
        *(RoleGuess(column=LONG + n, role="input", ground=f"reason {n}") for n in "12"),
    ]
    lines = _lines(roles_table(guesses))
    assert any("its name speaks of leaving" in line for line in lines)
    assert any("mon_1 " in line and "input" in line and "reason 1" in line for line in lines)
    assert any("mon_2 " in line and "input" in line and "reason 2" in line for line in lines)


def test_a_convicted_column_is_named_whole() -> None:
    leak = LeakFinding(
        column=LONG + "1", kind="predicts", figure=1.0, evidence="AUC 1.000", blocked=True
    )
    lines = _lines(leaks_table([leak]))
    start = next(i for i, line in enumerate(lines) if "blocked " in line)
    assert "".join(line.split()[0] for line in lines[start : start + 3]) == LONG + "1"
    assert any("AUC 1.000" in line for line in lines)


def test_no_interval_is_cut_in_the_list_of_models() -> None:
    version = ModelVersion(
        version="v12",
        run_id="20261124-211408-832b",
        candidate="hist_gradient_boosting",
        bundle_hash="0" * 64,
        data_fingerprint="0" * 64,
        created_at=datetime(2026, 11, 24, tzinfo=UTC),
        metrics={
            "roc_auc": Estimate(value=0.852, low=0.833, high=0.871),
            "profit": Estimate(value=-10.04, low=-118.86, high=111.22),
        },
    )
    text = "\n".join(_lines(versions_table([version], {"champion": "v12", "challenger": None})))
    for whole in ("0.852", "[0.833, 0.871]", "-10.04", "[-118.86, 111.22]", "2026-11-24"):
        assert whole in text, text


def test_the_report_scrolls_wide_tables_on_a_phone() -> None:
    import churnkit.reporting.html as html

    (style,) = (Path(html.__file__).parent / "templates").glob("*.css")
    phone = style.read_text(encoding="utf-8").split("@media (max-width", 1)[1].split("@media")[0]
    assert "overflow-x: auto" in phone
    # With 'anywhere' the first column shrinks to one letter per line.
    assert "overflow-wrap: break-word" in phone
