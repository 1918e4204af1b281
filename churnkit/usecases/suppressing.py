"""Erased customers are not taken in again: a keyed pseudonym of each is all that is left."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from churnkit.data.suppressed import Suppressed
from churnkit.errors import ErasedMeanwhile, SettingsInvalid
from churnkit.ledger.suppressions import (
    ErasedWithin,
    all_pseudonyms,
    any_suppressed,
    any_within,
    hold_erasures,
    known_pseudonyms,
    mark_within,
    project_key,
    pseudonyms_within,
    suppression_keys,
    suppressions_mark,
)
from churnkit.project import Project

VARIABLE = "CHURNKIT_ERASURE_KEY"
_NAME = "erasure"


@dataclass(frozen=True)
class ErasureKey:
    """Makes pseudonyms that nobody without the key can tie to a customer.

    It is HMAC-SHA256 (RFC 2104) with a key of the project's: from CHURNKIT_ERASURE_KEY (hex),
    which keeps it out of the database, or else made once and kept in the ledger.
    """

    secret: bytes

    @property
    def key_id(self) -> str:
        """A short name of the key that does not give it away."""
        return hashlib.sha256(b"churnkit erasure key\n" + self.secret).hexdigest()[:12]

    def pseudonym(self, customer_id: str) -> str:
        """64 hexadecimal digits."""
        data = customer_id.encode("utf-8", "surrogatepass")
        return hmac.new(self.secret, data, hashlib.sha256).hexdigest()


def erasure_key(project: Project, environ: Mapping[str, str] = os.environ) -> ErasureKey:
    """The project's key.

    Raises
    ------
    SettingsInvalid : the variable holds no key
    """
    given = environ.get(VARIABLE)
    if not given:
        return ErasureKey(project_key(project.ledger.engine, _NAME, datetime.now(UTC)))
    try:
        secret = bytes.fromhex(given.strip())
    except ValueError:
        secret = b""
    if len(secret) < 16:
        raise SettingsInvalid(
            "this is no key.", fix="A key is at least 32 hexadecimal digits.", source=VARIABLE
        )
    return ErasureKey(secret)


def suppressed_in(project: Project) -> Suppressed | None:
    """Tells erased customers; None where nobody was ever erased, so that nothing is looked up.

    Raises
    ------
    SettingsInvalid : customers were erased with another key than the one here
    """
    engine = project.ledger.engine
    if not any_suppressed(engine):
        return None
    key = _right_key(project)

    def suppressed(customer_ids: Iterable[str]) -> set[str]:
        by_pseudonym = {key.pseudonym(name): name for name in set(customer_ids)}
        found = known_pseudonyms(engine, by_pseudonym)
        return {by_pseudonym[pseudonym] for pseudonym in found}

    return suppressed


def erased_within(project: Project) -> ErasedWithin:
    """Tells, within a transaction that writes rows of customers, which of them were erased.

    What it says holds until that transaction ends, so that nobody who was read before he was
    erased is written afterwards.

    Raises
    ------
    SettingsInvalid : customers were erased with another key than the one here
    """
    # Asked for before the transaction: a pool of connections must not be asked for a second one.
    keys = [_right_key(project)] if any_suppressed(project.ledger.engine) else []

    def erased(connection: sa.Connection, customer_ids: Iterable[str]) -> set[str]:
        hold_erasures(connection)
        if not any_within(connection):
            return set()
        if not keys:  # the first erasure came meanwhile
            keys.append(_right_key(project))
        by_pseudonym = {keys[0].pseudonym(name): name for name in set(customer_ids)}
        found = pseudonyms_within(connection, by_pseudonym)
        return {by_pseudonym[pseudonym] for pseudonym in found}

    return erased


class ErasureWatch:
    """Refuses what was read before somebody was erased and would be kept afterwards.

    For work that is simply done again: a file in the project's folder, a table that was scored.

    Parameters
    ----------
    project : whose customers were read; reading begins after this
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._mark = suppressions_mark(project.ledger.engine)

    def check(self, connection: sa.Connection) -> None:
        """That nobody was erased, in a transaction at whose end all is kept.

        Raises
        ------
        ErasedMeanwhile : somebody was
        """
        hold_erasures(connection)
        if mark_within(connection) != self._mark:
            raise ErasedMeanwhile(
                "a customer was erased while this was made; nothing was kept of it.",
                fix="Run it again.",
            )

    @contextmanager
    def keeping(self, *paths: Path | None) -> Iterator[None]:
        """A block at whose end these files are complete; one in the project's folder is checked.

        Raises
        ------
        ErasedMeanwhile : somebody was erased; the block was not entered
        """
        folder = self._project.folder.resolve()
        if not any(path is not None and path.resolve().is_relative_to(folder) for path in paths):
            yield  # what is exported from the project is not in the reach of its erasures
            return
        with self._project.ledger.writing() as connection:
            self.check(connection)
            yield


class KnownErasures:
    """The erased customers, in memory: for those who ask of every request.

    Where nobody was erased ``asks`` is False, and asking costs nothing; else a microsecond for
    each customer.
    """

    def __init__(self) -> None:
        self.asks = True
        """Whether to ask; True as long as the ledger was not read."""
        self._mark: tuple[int, datetime | None] | None = None
        self._secret = b""
        self._digests: frozenset[bytes] = frozenset()

    @property
    def known(self) -> bool:
        """Whether the ledger was read."""
        return self._mark is not None

    def refresh(self, project: Project) -> None:
        """Read the ledger, if somebody was erased since the last time.

        Raises
        ------
        SettingsInvalid : customers were erased with another key than the one here
        StorageUnreachable : the database does not answer
        """
        engine = project.ledger.engine
        mark = suppressions_mark(engine)
        if mark == self._mark:
            return
        # Requests are answered meanwhile: what is known is replaced at once, never empty between.
        digests: frozenset[bytes] = frozenset()
        if mark[0]:
            self._secret = _right_key(project).secret
            digests = frozenset(map(bytes.fromhex, all_pseudonyms(engine)))
        self._digests = digests
        self.asks = bool(mark[0])
        self._mark = mark

    def pseudonyms(self, customer_ids: Iterable[str]) -> list[str]:
        """What the ledger keeps of these, were they erased; nothing where nobody was."""
        if not self._digests:
            return []
        secret = self._secret
        return [
            hmac.digest(secret, name.encode("utf-8", "surrogatepass"), "sha256").hex()
            for name in customer_ids
        ]

    def places(self, customer_ids: Sequence[str]) -> list[int]:
        """Where in a list the erased ones are."""
        if not self._digests:
            return []
        secret, digests = self._secret, self._digests
        return [
            place
            for place, name in enumerate(customer_ids)
            if hmac.digest(secret, name.encode("utf-8", "surrogatepass"), "sha256") in digests
        ]

    def among(self, customer_ids: Iterable[str]) -> set[str]:
        """Which of some customers were erased."""
        names = list(customer_ids)
        return {names[place] for place in self.places(names)}


class LedgersErasures:
    """The erased customers for a connection that writes predictions all the time.

    See ``churnkit.ledger.group_commit.Erasures``.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known = KnownErasures()

    def pseudonyms(self, customer_ids: Iterable[str]) -> list[str]:
        """See ``KnownErasures.pseudonyms``."""
        return self._known.pseudonyms(customer_ids)

    def read_again(self, customer_ids: Iterable[str]) -> set[str]:
        """Which of these were erased, as the ledger says now."""
        self._known.refresh(self._project)
        return self._known.among(customer_ids)


def _right_key(project: Project) -> ErasureKey:
    key = erasure_key(project)
    foreign = suppression_keys(project.ledger.engine) - {key.key_id}
    if foreign:
        raise SettingsInvalid(
            "customers were erased with another key, so it cannot be told who they are.",
            fix=f"Set {VARIABLE} to the key that was used (its id is {min(foreign)}).",
            key=key.key_id,
        )
    return key
