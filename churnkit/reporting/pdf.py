"""The report as a PDF for management: seven answers with their charts, on a few pages of A4."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from churnkit.domain.models import ModelVersion
from churnkit.domain.predictions import Explanation
from churnkit.domain.profiles import TableProfile
from churnkit.domain.runs import RunRecord
from churnkit.reporting import figures
from churnkit.reporting.brief import brief
from churnkit.reporting.wording import candidate_title, headline, interval, points, shown_value
from churnkit.settings.money import Money

if TYPE_CHECKING:
    from reportlab.platypus import Flowable

_FONT, _BOLD = "DejaVuSans", "DejaVuSans-Bold"
_MARGIN = 48.0
_WIDTH = 595.3 - 2 * _MARGIN
"""Of the text on A4, in points."""


def render_pdf(
    *,
    project: str,
    profile: TableProfile,
    record: RunRecord,
    version: ModelVersion | None,
    alias: str | None,
    money: Money,
    examples: Sequence[Explanation] = (),
    made_at: datetime,
) -> bytes:
    """The report as a PDF; parameters as of ``churnkit.reporting.html.render_report``."""
    from reportlab.lib.pagesizes import A4
    from reportlab.platypus import SimpleDocTemplate

    styles = _styles()
    evaluation = record.evaluation
    drawings: dict[str, list[figures.Draw]] = {
        "quality": [figures.calibration(evaluation), figures.roc(evaluation)],
        "who": [figures.lift(evaluation)],
        "why": [figures.importance(record.importance)],
        "money": [figures.profit(evaluation, money.currency)],
    }
    tables = {
        "who": _tenths(record),
        "why": _reasons(examples),
        "risks": _segments(record),
    }
    story: list[Flowable] = []
    who = f"model {version.version}" + (f" ({alias})" if alias else "") if version else "no model"
    story.append(styles.text(f"{project} · {who} · {made_at:%Y-%m-%d %H:%M} UTC", "faint"))
    story.append(styles.text(headline(evaluation), "title"))
    for answer in brief(profile, record, money):
        lines: list[Flowable] = [styles.text(answer.question, "heading")]
        kind = "item" if answer.key == "risks" else "body"
        lines += [styles.text(sentence, kind) for sentence in answer.sentences]
        # A heading never stands alone at the foot of a page.
        story += _together([*lines, *_pictures(drawings.get(answer.key, ()))])
        if tables.get(answer.key):
            story += [styles.table(tables[answer.key])]
    story.append(
        styles.text(
            f"Model: {candidate_title(record.best.candidate)}, the best of {len(record.trials)} "
            f"tried; run {record.run_id}, seed {record.seed}, data "
            f"{record.data_fingerprint[:16]}. Made by churnkit.",
            "faint",
        )
    )
    stream = io.BytesIO()
    document = SimpleDocTemplate(
        stream,
        pagesize=A4,
        leftMargin=_MARGIN,
        rightMargin=_MARGIN,
        topMargin=_MARGIN,
        bottomMargin=_MARGIN,
        title=f"{project}: who will leave?",
        author="churnkit",
        # The same report gives the same bytes.
        invariant=True,
    )

    def foot(canvas: Any, page: Any) -> None:
        canvas.setFont(_FONT, 8)
        canvas.setFillColor(figures.MUTED)
        canvas.drawRightString(595.3 - _MARGIN, 26, str(page.page))

    document.build(story, onFirstPage=foot, onLaterPages=foot)
    return stream.getvalue()


class _Styles:
    """Paragraphs and tables in one look."""

    def __init__(self) -> None:
        from reportlab.lib.styles import ParagraphStyle

        base = ParagraphStyle("body", fontName=_FONT, fontSize=9.5, leading=13.5, spaceAfter=3)
        self._styles = {
            "body": base,
            "item": ParagraphStyle("item", base, bulletText="•", leftIndent=11),
            "faint": ParagraphStyle("faint", base, fontSize=8, textColor=figures.MUTED),
            "title": ParagraphStyle(
                "title", base, fontName=_BOLD, fontSize=17, leading=22, spaceBefore=4, spaceAfter=8
            ),
            "heading": ParagraphStyle(
                "heading", base, fontName=_BOLD, fontSize=12, leading=16, spaceBefore=11
            ),
        }

    def text(self, text: str, kind: str) -> Flowable:
        from reportlab.platypus import Paragraph

        bullet = "•" if kind == "item" else None
        return Paragraph(escape(text), self._styles[kind], bulletText=bullet)

    def table(self, rows: Sequence[Sequence[str]]) -> Flowable:
        from reportlab.platypus import Paragraph, Table, TableStyle

        small = self._styles["faint"].clone("cell", textColor=figures.INK, spaceAfter=0)
        right = small.clone("number", alignment=2)
        numbers = [
            j > 0 and all(_is_number(row[j]) for row in rows[1:]) for j in range(len(rows[0]))
        ]
        cells = []
        for i, row in enumerate(rows):
            looks = [right if number else small for number in numbers]
            if not i:
                looks = [look.clone("head", fontName=_BOLD) for look in looks]
            cells.append([Paragraph(escape(c), look) for c, look in zip(row, looks, strict=True)])
        made = Table(
            cells,
            repeatRows=1,
            spaceBefore=6,
            spaceAfter=8,
            colWidths=_widths(rows),
            hAlign="LEFT",
        )
        made.setStyle(
            TableStyle(
                [
                    ("LINEBELOW", (0, 0), (-1, 0), 0.8, figures.MUTED),
                    ("LINEBELOW", (0, 1), (-1, -1), 0.3, "#e4e7eb"),
                    ("VALIGN", (0, 0), (-1, -1), "TOP"),
                    ("TOPPADDING", (0, 0), (-1, -1), 2),
                    ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
                ]
            )
        )
        return made


def _styles() -> _Styles:
    """The styles, in a font that has all letters of customers' data."""
    import matplotlib as mpl
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    for name in (_FONT, _BOLD):
        if name not in pdfmetrics.getRegisteredFontNames():
            pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    return _Styles()


def _together(parts: list[Flowable]) -> list[Flowable]:
    from reportlab.platypus import KeepTogether

    return [KeepTogether(parts)]


def _pictures(drawings: Sequence[figures.Draw]) -> list[Flowable]:
    """One drawing at most two thirds wide; two share the width."""
    from reportlab.platypus import Image

    if not drawings:
        return []
    content = figures.sheet([drawings], "png", dpi=200)
    width = _WIDTH * (1.0 if len(drawings) > 1 else 0.62)
    height = width * 3.6 / (5.6 * len(drawings))
    return [Image(io.BytesIO(content), width=width, height=height, hAlign="LEFT")]


def _widths(rows: Sequence[Sequence[str]]) -> list[float]:
    """Columns as wide as their longest cells, within the page."""
    longest = [min(max(len(row[j]) for row in rows), 46) + 2 for j in range(len(rows[0]))]
    share = _WIDTH / sum(longest)
    return [length * min(share, 6.6) for length in longest]


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[:1] in "+-"


def _tenths(record: RunRecord) -> list[list[str]]:
    head = ["tenth", "customers", "said", "left", "lift", "caught so far"]
    return [
        head,
        *(
            [
                str(part.decile),
                f"{part.n:,}",
                f"{part.mean_probability:.1%}",
                f"{part.rate:.1%}",
                interval(part.lift, ".2f"),
                f"{part.capture.value:.0%}",
            ]
            for part in record.evaluation.deciles
        ),
    ]


def _reasons(examples: Sequence[Explanation]) -> list[list[str]]:
    if not examples:
        return []
    rows = [["customer", "probability", "risk", "strongest reasons (percentage points)"]]
    for told in examples:
        reasons = ", ".join(
            f"{reason.column} = {shown_value(reason.value)} ({points(reason.points)})"
            for reason in told.reasons[:3]
        )
        rows.append([told.customer_id or "", f"{told.probability:.0%}", told.risk_band, reasons])
    return rows


def _segments(record: RunRecord) -> list[list[str]]:
    parts = sorted(
        record.evaluation.slices, key=lambda part: -abs(part.mean_probability - part.rate)
    )[:6]
    if not parts:
        return []
    head = ["segment where it is least right", "customers", "said", "left"]
    return [
        head,
        *(
            [
                f"{part.column} = {part.value}",
                f"{part.n:,}",
                f"{part.mean_probability:.1%}",
                f"{part.rate:.1%}",
            ]
            for part in parts
        ),
    ]
