"""Database URLs of sources: ``${NAME}`` stands for an environment variable, above all a password.

What is written to churnkit.toml holds the names; the values are put in when the source is read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import sqlalchemy as sa

from churnkit.errors import DataUnreadable

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_KEYS = frozenset({"password", "passwd", "pwd", "passphrase", "sslpassword", "token"})


def parsed_url(url: str) -> sa.URL:
    """The parts of a URL, as they are written.

    Raises
    ------
    DataUnreadable : it is no database URL
    """
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise DataUnreadable(
            "this is no database URL.", fix="Write it as 'postgresql://user@host/database'."
        ) from error


def filled(url: sa.URL, environment: Mapping[str, str] | None = None) -> sa.URL:
    """The URL with the values of the variables that it names; a value needs no escaping.

    Raises
    ------
    DataUnreadable : a variable is not set
    """
    known = os.environ if environment is None else environment

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in known:
            raise DataUnreadable(
                f"the source names the environment variable {name}, which is not set.",
                fix=f"Set {name}, for example with 'export {name}=...'.",
                variable=name,
            )
        return known[name]

    def fill(text: str) -> str:
        return _NAMED.sub(value, text)

    def fill_all(texts: str | tuple[str, ...]) -> str | tuple[str, ...]:
        return fill(texts) if isinstance(texts, str) else tuple(map(fill, texts))

    return url.set(
        username=fill(url.username) if url.username else None,
        password=fill(url.password) if url.password else None,
        host=fill(url.host) if url.host else None,
        database=fill(url.database) if url.database else None,
        query={key: fill_all(part) for key, part in url.query.items()},
    )


def kept_url(url: str) -> str:
    """The URL as churnkit.toml may hold it; a relative path of an SQLite file is made absolute.

    Raises
    ------
    DataUnreadable : it is no database URL, or holds a password
    """
    parsed = parsed_url(url)
    secrets = [parsed.password or ""]
    for key, part in parsed.query.items():
        if key.lower() in _SECRET_KEYS:
            secrets += [part] if isinstance(part, str) else part
    if any(secret and not _NAMED.fullmatch(secret) for secret in secrets):
        raise DataUnreadable(
            "the URL holds a password, and it would stand in churnkit.toml.",
            fix="Put it into an environment variable and name that in its place, in single quotes "
            "in a shell: 'postgresql://user:${DB_PASSWORD}@host/database'.",
        )
    file = parsed.database or ""
    if parsed.get_backend_name() != "sqlite" or file in ("", ":memory:") or file[:5] == "file:":
        return url
    if _NAMED.search(file):
        return url
    return parsed.set(database=str(Path(file).resolve())).render_as_string(hide_password=False)
