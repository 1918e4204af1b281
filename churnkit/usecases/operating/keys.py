"""API keys of the service: create, list, revoke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from churnkit.domain.keys import SCOPES, ApiKey, Scope, new_key
from churnkit.errors import SettingsInvalid, UnknownKey, did_you_mean
from churnkit.ledger.keys import add_key, read_keys, revoke_key
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.result import Result


@dataclass(frozen=True, repr=False)
class CreatedKey(Result):
    """A new key; its token is shown this once."""

    key: ApiKey
    token: str

    def __rich__(self) -> RenderableType:
        return Group(
            Text(self.token),
            escape_text(
                f"Key {self.key.key_id} ('{self.key.name}') may: {', '.join(self.key.scopes)}. "
                "Keep it safe: only its hash is stored, it cannot be shown again."
            ),
        )

    def to_json(self) -> dict[str, object]:
        return {"token": self.token, **_public(self.key)}


@dataclass(frozen=True, repr=False)
class Keys(Result):
    """All keys, without their secrets."""

    keys: tuple[ApiKey, ...]
    now: datetime

    def __rich__(self) -> RenderableType:
        if not self.keys:
            return "There is no API key. 'churnkit keys create' makes one."
        view = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("key", "name", "scopes", "created", "state"):
            view.add_column(name)
        for key in self.keys:
            state = "valid" if key.valid_at(self.now) else "expired"
            view.add_row(
                key.key_id,
                escape_text(key.name),
                ", ".join(key.scopes),
                f"{key.created_at:%Y-%m-%d %H:%M}",
                "revoked" if key.revoked_at else state,
            )
        return view

    def to_json(self) -> dict[str, object]:
        return {"keys": [_public(key) for key in self.keys]}


def create_key(
    project: Project,
    name: str,
    scopes: tuple[Scope, ...] = ("score", "read"),
    *,
    valid_days: float | None = None,
) -> CreatedKey:
    """Create an API key.

    Parameters
    ----------
    name : who uses it
    scopes : what it allows
    valid_days : when it expires; None: never
    """
    now = datetime.now(UTC)
    expires = None if valid_days is None else now + timedelta(days=valid_days)
    key, token = new_key(name, scopes, now=now, expires_at=expires)
    add_key(project.ledger.engine, key)
    return CreatedKey(key, token)


def scopes_of(words: Sequence[str]) -> tuple[Scope, ...]:
    """Scopes that a person named.

    Raises
    ------
    SettingsInvalid : one of them is unknown
    """
    for word in words:
        if word not in SCOPES:
            raise SettingsInvalid(f"'{word}' is no scope.", fix=did_you_mean(word, SCOPES))
    return tuple(scope for scope in SCOPES if scope in words)


def list_keys(project: Project) -> Keys:
    """All API keys, revoked ones, too."""
    return Keys(read_keys(project.ledger.engine), datetime.now(UTC))


def revoke(project: Project, key_id: str) -> None:
    """Let a key open nothing any more; services notice within ``service.keys_seconds``.

    Parameters
    ----------
    key_id : its id, or the whole token

    Raises
    ------
    UnknownKey : there is no such key, or it was revoked before
    """
    wanted = key_id.removeprefix("ck_").split("_")[0]
    if not revoke_key(project.ledger.engine, wanted, datetime.now(UTC)):
        known = [key.key_id for key in list_keys(project).keys if key.revoked_at is None]
        raise UnknownKey(
            "there is no valid API key with this id.", fix=did_you_mean(wanted, known), key=wanted
        )


def _public(key: ApiKey) -> dict[str, object]:
    return key.model_dump(mode="json", exclude={"secret_hash"})
