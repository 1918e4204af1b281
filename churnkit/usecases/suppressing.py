"""Erased customers are not taken in again: a keyed pseudonym of each is all that is left."""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from churnkit.data.suppressed import Suppressed
from churnkit.errors import SettingsInvalid
from churnkit.ledger.suppressions import (
    all_pseudonyms,
    any_suppressed,
    known_pseudonyms,
    project_key,
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
