"""Text columns of which different words are counted: as bits where the words are few."""

from __future__ import annotations

from collections.abc import Sequence

from churnkit.data.event_tables import category_column
from churnkit.features.conditions import text
from churnkit.features.definitions import EVENT_TYPE

MOST_WORDS = 62
"""So many words fit into a bit set; a signed BIGINT does not take a shift by 63."""


def word_column(column: str) -> str:
    """The SQL name of an event's text column, or of its type."""
    return f"e.{EVENT_TYPE if column == EVENT_TYPE else category_column(column)}"


def word_bits_sql(column: str, words: Sequence[str]) -> str:
    """A bit for the event's word (BIGINT); NULL where it has none.

    Parameters
    ----------
    words : at most ``MOST_WORDS``, all that the log holds in the column
    """
    cases = "".join(f" WHEN {text(word)} THEN {1 << at}" for at, word in enumerate(words))
    return f"CAST(CASE {word_column(column)}{cases} END AS BIGINT)"


def word_number_sql(column: str, words: Sequence[str]) -> str:
    """The place of the event's word among these, from 1 (UTINYINT); 0 where it has none."""
    cases = "".join(f" WHEN {text(word)} THEN {at}" for at, word in enumerate(words, 1))
    return f"CAST(CASE {word_column(column)}{cases} ELSE 0 END AS UTINYINT)"
