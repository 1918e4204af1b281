"""The report for management: seven answers, the same in HTML and PDF, whatever the data says."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

import churnkit as ck
from churnkit.files import write_whole
from churnkit.reporting.brief import brief
from churnkit.reporting.pdf import render_pdf
from churnkit.settings.money import Money

HOSTILE = "<b>&<para>]]> “ü”"


def test_one_call_writes_both_and_both_answer_the_seven_questions(
    served_folder: Path, tmp_path: Path
) -> None:
    with ck.open_project(served_folder) as project:
        report = ck.write_report(project, tmp_path / "report.html", pdf=True)
        record = ck.show_model(project).record
        answers = brief(ck.profile(project).profile, record, Money())
    assert [a.key for a in answers] == [
        "question", "data", "quality", "who", "why", "money", "risks",
    ]  # fmt: skip
    html = report.path.read_text(encoding="utf-8")
    assert all(answer.question in html for answer in answers)
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", html), "it needs nothing else"
    assert report.pdf == tmp_path / "report.pdf"
    content = report.pdf.read_bytes()
    assert content.startswith(b"%PDF") and content.rstrip().endswith(b"%%EOF")
    pages = len(re.findall(rb"/Type\s*/Page\b", content))
    assert 2 <= pages <= 5
    assert len(re.findall(rb"/Subtype\s*/Image", content)) >= 4, "the charts are in it"


def test_money_is_counted_for_the_whole_base_and_assumptions_are_said(
    served_folder: Path,
) -> None:
    with ck.open_project(served_folder) as project:
        seen, record = ck.profile(project).profile, ck.show_model(project).record
    money = Money(customer_value=321.0)
    (told,) = (a for a in brief(seen, record, money) if a.key == "money")
    total = record.evaluation.metrics["profit"].value * seen.n_rows
    assert f"{total:,.0f} {money.currency}" in told.sentences[1]
    assert "321" in told.sentences[2]


def test_names_of_customers_data_are_text_and_the_same_report_has_the_same_bytes(
    served_folder: Path,
) -> None:
    with ck.open_project(served_folder) as project:
        seen, record = ck.profile(project).profile, ck.show_model(project).record
    hostile = record.model_copy(
        update={"importance": {HOSTILE: next(iter(record.importance.values()))}}
    )
    made = [
        render_pdf(
            project=HOSTILE,
            profile=seen.model_copy(update={"positive": HOSTILE}),
            record=hostile,
            version=None,
            alias=None,
            money=Money(),
            made_at=datetime(2026, 1, 2, tzinfo=UTC),
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert len(made[0]) > 20_000


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(ck.ChurnkitError) as caught:
        write_whole(blocked / "report.pdf", b"%PDF")
    assert "report.pdf" in str(caught.value.where)
