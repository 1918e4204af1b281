"""What all tables of churnkit.toml are made of: the base of a table, and kinds of values."""

from __future__ import annotations

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def _known_zone(name: str) -> str:
    if name:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"'{name}' is no IANA time zone such as Europe/Berlin") from None
    return name


def words(value: object) -> object:
    """One text is a list of one; the environment writes several with commas."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def one_source(value: object) -> object:
    """A path may hold a comma: one text is one source."""
    return (value,) if isinstance(value, str) else value


def _decimals(value: object) -> object:
    """The environment writes ``amount=2,pieces=0``."""
    if isinstance(value, str):
        pairs = (part.partition("=") for part in value.split(",") if part.strip())
        return {name.strip(): number.strip() for name, _, number in pairs}
    return value


Zone = Annotated[str, AfterValidator(_known_zone)]
Words = Annotated[tuple[str, ...], BeforeValidator(words)]
Decimals = Annotated[dict[str, Annotated[int, Field(ge=0, le=6)]], BeforeValidator(_decimals)]
Days = Annotated[int, Field(ge=0, le=36_500)]
TimeFormat = Literal[
    "", "iso", "epoch_s", "epoch_ms", "epoch_us", "yyyymmdd", "excel",
    "yyyy/mm/dd", "dd.mm.yyyy", "dd/mm/yyyy", "mm/dd/yyyy",
]  # fmt: skip
TIME_FORMAT = (
    "How times are written: iso, epoch_s, epoch_ms, epoch_us, yyyymmdd, excel, yyyy/mm/dd, "
    "dd.mm.yyyy, dd/mm/yyyy or mm/dd/yyyy; empty: iso."
)
SOURCE_ZONE = "The zone of times that name none; empty: the project's."


class Table(BaseModel):
    """A table of churnkit.toml; a key that it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
