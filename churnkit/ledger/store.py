"""The ledger: predictions, model versions, metrics and the journal, on SQLite or PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from churnkit.domain.evaluation import Estimate
from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.predictions import PredictionRow, Reason
from churnkit.domain.recording import IdempotentAnswer
from churnkit.domain.rollouts import RolloutFailure
from churnkit.errors import BadValue, UnknownModelVersion, did_you_mean
from churnkit.ledger import tables
from churnkit.ledger.engine import Pool, make_engine, migrate
from churnkit.ledger.idempotent import keep_answer
from churnkit.ledger.part_files import FOLDER
from churnkit.ledger.rollouts import insert_failures
from churnkit.ledger.transactions import reading, writing

_CHUNK = 1_000
_JOURNAL_LOCK = 0x6A6F75726E616C  # "journal"

Decide = Callable[[tuple[JournalEntry, ...]], JournalEntry]
"""Makes the next entry from the journal so far."""


class Recording:
    """An open transaction that takes predictions."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def add(self, rows: Iterable[PredictionRow]) -> None:
        """Add predictions; they are there when the transaction commits.

        Raises
        ------
        BadValue : a prediction id is there already; nothing of the transaction is kept
        """
        for chunk in _chunks(rows):
            try:
                self.connection.execute(
                    sa.insert(tables.predictions), [_prediction_values(row) for row in chunk]
                )
            except sa.exc.IntegrityError as error:
                raise BadValue(
                    "a prediction with this id is in the ledger already; none was added.",
                    fix="Give each prediction an id of its own.",
                    field="prediction_id",
                ) from error

    def add_failures(self, failures: Iterable[RolloutFailure]) -> None:
        """Add that a rollout's model could not score what the other one answered."""
        insert_failures(self.connection, failures)


class JournalTurn:
    """An open transaction in which nobody else adds to the journal."""

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection

    def entries(self) -> tuple[JournalEntry, ...]:
        """The journal so far."""
        return _read_journal(self.connection)

    def append(self, entries: Iterable[JournalEntry]) -> None:
        """Add entries that follow the last one."""
        for entry in entries:
            self.connection.execute(sa.insert(tables.journal), _journal_values(entry))


class Ledger:
    """An opened ledger; safe to use from several threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str, pool: Pool | None = None, files: Path | None = None) -> Ledger:
        """Open the database, making or updating its tables.

        Parameters
        ----------
        pool : connections to PostgreSQL, where the default does not fit
        files : a folder for new files of jobs; None: the database holds them

        Raises
        ------
        StorageUnreachable : it does not answer
        FolderReadOnly, DiskFull : SQLite cannot write its file
        StorageError : it was made by a later churnkit
        """
        engine = make_engine(url, pool)
        engine.update_execution_options(**{FOLDER: files})
        try:
            migrate(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Let go of all connections."""
        self._engine.dispose()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def engine(self) -> sa.Engine:
        """The database's engine, for the ledger's other tables."""
        return self._engine

    def ping(self) -> None:
        """Ask the database for an answer.

        Raises
        ------
        StorageUnreachable : there is none
        """
        with self.reading() as connection:
            connection.execute(sa.select(1))

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """One transaction that only reads."""
        return reading(self._engine)

    def writing(self, *, lock: int | None = None) -> AbstractContextManager[sa.Connection]:
        """One transaction; with a lock, writers with the same lock come one after another."""
        return writing(self._engine, lock=lock)

    # --- predictions -----------------------------------------------------------------------

    @contextmanager
    def recording(self) -> Iterator[Recording]:
        """Take predictions in one transaction, which commits at the end of the block."""
        with self.writing() as connection:
            yield Recording(connection)

    def record_predictions(self, rows: Iterable[PredictionRow]) -> None:
        """Write predictions: all of them or none.

        Raises
        ------
        BadValue : a prediction id is there already
        """
        with self.recording() as recording:
            recording.add(rows)

    def predictions(
        self,
        *,
        customer_id: str | None = None,
        model_version: str | None = None,
        limit: int = 100,
    ) -> tuple[PredictionRow, ...]:
        """Recorded predictions, the newest first, at most ``limit``."""
        table = tables.predictions
        query = sa.select(table).order_by(table.c.made_at.desc(), table.c.prediction_id)
        if customer_id is not None:
            query = query.where(table.c.customer_id == customer_id)
        if model_version is not None:
            query = query.where(table.c.model_version == model_version)
        with self.reading() as connection:
            rows = connection.execute(query.limit(limit)).mappings().all()
        return tuple(read_prediction(row) for row in rows)

    def prediction(self, prediction_id: str) -> PredictionRow | None:
        """One prediction by its id."""
        table = tables.predictions
        with self.reading() as connection:
            query = sa.select(table).where(table.c.prediction_id == prediction_id)
            row = connection.execute(query).mappings().one_or_none()
        return None if row is None else read_prediction(row)

    # --- model versions ----------------------------------------------------------------------

    def admit(
        self,
        version: ModelVersion,
        entries: Callable[[tuple[JournalEntry, ...]], Sequence[JournalEntry]],
        at: datetime,
    ) -> tuple[JournalEntry, ...]:
        """Add a model version, its metrics and what the journal says of it: one transaction.

        Parameters
        ----------
        entries : makes the new journal entries from the journal so far

        Returns
        -------
        journal : with the new entries
        """
        with self.writing(lock=_JOURNAL_LOCK) as connection:
            known = _read_journal(connection)
            new = tuple(entries(known))
            _insert_version(connection, version)
            _insert_metrics(connection, version.version, version.metrics, at)
            for entry in new:
                connection.execute(sa.insert(tables.journal), _journal_values(entry))
        return known + new

    def add_model_version(self, version: ModelVersion) -> None:
        """Add a model version and its metrics."""
        with self.writing() as connection:
            _insert_version(connection, version)
            _insert_metrics(connection, version.version, version.metrics, version.created_at)

    def model_versions(self) -> tuple[ModelVersion, ...]:
        """All of them, in the order of their creation."""
        table = tables.model_versions
        with self.reading() as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.number)).mappings().all()
            first = _first_metrics(connection)
        return tuple(_version(row, first.get(row["version"], {})) for row in rows)

    def model_version(self, name: str) -> ModelVersion:
        """One by its name.

        Raises
        ------
        UnknownModelVersion : there is none; the message names the closest
        """
        known = {version.version: version for version in self.model_versions()}
        if name not in known:
            raise UnknownModelVersion(
                f"there is no model version '{name}'.",
                fix=did_you_mean(name, known),
                version=name,
            )
        return known[name]

    def version_names(self) -> tuple[str, ...]:
        """The versions' names, in the order of their creation."""
        table = tables.model_versions
        with self.reading() as connection:
            found = connection.execute(sa.select(table.c.version).order_by(table.c.number))
            return tuple(found.scalars())

    def next_version(self) -> str:
        """``v1``, ``v2``, …: one above the highest."""
        with self.reading() as connection:
            highest = connection.execute(sa.select(sa.func.max(tables.model_versions.c.number)))
            return f"v{(highest.scalar() or 0) + 1}"

    # --- journal -----------------------------------------------------------------------------

    def append_journal(self, decide: Decide) -> JournalEntry:
        """Add an entry that is made from the journal so far; two processes never fork it."""
        return self.append_entries(lambda known: (decide(known),))[-1]

    def append_entries(
        self,
        decide: Callable[[tuple[JournalEntry, ...]], Sequence[JournalEntry]],
        *,
        keep: Callable[[tuple[JournalEntry, ...]], IdempotentAnswer | None] = lambda _: None,
    ) -> tuple[JournalEntry, ...]:
        """Add entries that are made from the journal so far, all of them or none.

        Parameters
        ----------
        keep : makes an answer from the journal with the new entries, which is kept with them

        Returns
        -------
        journal : with the new entries

        Raises
        ------
        AnsweredAlready : there is an answer under its key; nothing was added
        """
        with self.writing(lock=_JOURNAL_LOCK) as connection:
            known = _read_journal(connection)
            new = tuple(decide(known))
            for entry in new:
                connection.execute(sa.insert(tables.journal), _journal_values(entry))
            answer = keep(known + new)
            if answer is not None:
                keep_answer(connection, answer)
        return known + new

    @contextmanager
    def journal_turn(self) -> Iterator[JournalTurn]:
        """Change other tables and the journal in one transaction; such turns come one by one."""
        with self.writing(lock=_JOURNAL_LOCK) as connection:
            yield JournalTurn(connection)

    def journal(self) -> tuple[JournalEntry, ...]:
        """All entries, the oldest first."""
        with self.reading() as connection:
            return _read_journal(connection)

    def adopt(
        self, versions: Sequence[ModelVersion], journal: Sequence[JournalEntry]
    ) -> int | None:
        """Take another ledger's model versions and journal over, as far as they are new here.

        Returns
        -------
        added : how many versions were new; None: the journals went different ways, and nothing
            was changed
        """
        with self.writing(lock=_JOURNAL_LOCK) as connection:
            ours = [entry.hash for entry in _read_journal(connection)]
            theirs = [entry.hash for entry in journal]
            common = min(len(ours), len(theirs))
            if ours[:common] != theirs[:common]:
                return None
            known = set(connection.execute(sa.select(tables.model_versions.c.version)).scalars())
            if len(ours) > len(theirs) and {v.version for v in versions} - known:
                return None
            new = [version for version in versions if version.version not in known]
            for version in new:
                _insert_version(connection, version)
                _insert_metrics(connection, version.version, version.metrics, version.created_at)
            for entry in journal[len(ours) :]:
                connection.execute(sa.insert(tables.journal), _journal_values(entry))
        return len(new)

    def journal_after(self, sequence: int, limit: int) -> tuple[JournalEntry, ...]:
        """At most so many entries after this one, the oldest first."""
        table = tables.journal
        query = (
            sa.select(table)
            .where(table.c.sequence > sequence)
            .order_by(table.c.sequence)
            .limit(limit)
        )
        with self.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(
            JournalEntry(**{**row, "evidence": json.loads(row["evidence"])}) for row in rows
        )

    def journal_length(self) -> int:
        """The last entry's number."""
        with self.reading() as connection:
            found = connection.execute(sa.select(sa.func.max(tables.journal.c.sequence)))
            return int(found.scalar() or 0)

    # --- metrics ------------------------------------------------------------------------------

    def record_metrics(
        self, model_version: str, metrics: Mapping[str, Estimate], at: datetime
    ) -> None:
        """Add figures of a model version."""
        with self.writing() as connection:
            _insert_metrics(connection, model_version, metrics, at)

    def metrics(self, model_version: str) -> dict[str, Estimate]:
        """The latest figure of each name."""
        table = tables.metrics
        query = sa.select(table).where(table.c.model_version == model_version).order_by(table.c.at)
        with self.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return {row["name"]: _estimate(row) for row in rows}


def _chunks(rows: Iterable[PredictionRow]) -> Iterator[Sequence[PredictionRow]]:
    stream = iter(rows)
    while chunk := tuple(islice(stream, _CHUNK)):
        yield chunk


def _prediction_values(row: PredictionRow) -> dict[str, Any]:
    # Field by field: dumping a model costs more than its INSERT.
    reasons = [
        {"column": one.column, "value": one.value, "points": one.points} for one in row.reasons
    ]
    return {
        "prediction_id": row.prediction_id,
        "customer_id": row.customer_id,
        "model_version": row.model_version,
        "probability": row.probability,
        "risk_band": row.risk_band,
        "variant": row.variant,
        "made_at": row.made_at,
        "reasons": json.dumps(reasons, ensure_ascii=False) if reasons else "[]",
        "as_of": row.as_of,
        "request_id": row.request_id,
        "rollout_id": row.rollout_id,
        "shadow_of": row.shadow_of,
        "unknown_categories": json.dumps(row.unknown_categories)
        if row.unknown_categories
        else None,
    }


def read_prediction(row: sa.RowMapping) -> PredictionRow:
    """A row of the table ``predictions``."""
    reasons = tuple(Reason(**reason) for reason in json.loads(row["reasons"]))
    unknown = tuple(json.loads(row["unknown_categories"] or "[]"))
    kept = {name: value for name, value in row.items() if name != "written_in"}
    return PredictionRow(**{**kept, "reasons": reasons, "unknown_categories": unknown})


def _insert_version(connection: sa.Connection, version: ModelVersion) -> None:
    number = int(version.version.removeprefix("v"))
    values = version.model_dump(exclude={"metrics"})
    connection.execute(sa.insert(tables.model_versions), {**values, "number": number})


def _insert_metrics(
    connection: sa.Connection, version: str, metrics: Mapping[str, Estimate], at: datetime
) -> None:
    rows = [
        {"model_version": version, "name": name, "at": at, **estimate.model_dump()}
        for name, estimate in metrics.items()
    ]
    if rows:
        connection.execute(sa.insert(tables.metrics), rows)


def _first_metrics(connection: sa.Connection) -> dict[str, dict[str, Estimate]]:
    """The figures with which each version was admitted."""
    table = tables.metrics
    found: dict[str, dict[str, Estimate]] = {}
    for row in connection.execute(sa.select(table).order_by(table.c.at)).mappings():
        found.setdefault(row["model_version"], {}).setdefault(row["name"], _estimate(row))
    return found


def _version(row: sa.RowMapping, metrics: dict[str, Estimate]) -> ModelVersion:
    values = {name: value for name, value in row.items() if name != "number"}
    return ModelVersion(**values, metrics=metrics)


def _estimate(row: sa.RowMapping) -> Estimate:
    return Estimate(value=row["value"], low=row["low"], high=row["high"])


def _journal_values(entry: JournalEntry) -> dict[str, Any]:
    evidence = json.dumps(entry.evidence, ensure_ascii=False, sort_keys=True)
    return {**entry.model_dump(exclude={"evidence"}), "evidence": evidence}


def _read_journal(connection: sa.Connection) -> tuple[JournalEntry, ...]:
    table = tables.journal
    rows = connection.execute(sa.select(table).order_by(table.c.sequence)).mappings()
    return tuple(JournalEntry(**{**row, "evidence": json.loads(row["evidence"])}) for row in rows)
