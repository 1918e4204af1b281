"""The ledger: predictions, model versions, metrics and the journal, on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType

import sqlalchemy as sa

from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.domain.predictions import PredictionRow
from churnkit.domain.recording import IdempotentAnswer
from churnkit.errors import UnknownModelVersion, did_you_mean
from churnkit.ledger import tables
from churnkit.ledger.engine import Pool, make_engine, migrate
from churnkit.ledger.idempotent import keep_answer
from churnkit.ledger.journal_rows import JOURNAL_LOCK, JournalTurn, add_entries, read_journal
from churnkit.ledger.model_rows import insert_version, read_versions, version_names
from churnkit.ledger.part_files import FOLDER
from churnkit.ledger.prediction_rows import Recording, read_prediction
from churnkit.ledger.transactions import reading, writing


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
        with self.writing(lock=JOURNAL_LOCK) as connection:
            known = read_journal(connection)
            new = tuple(entries(known))
            insert_version(connection, version, at)
            add_entries(connection, new)
        return known + new

    def model_versions(self) -> tuple[ModelVersion, ...]:
        """All of them, in the order of their creation."""
        with self.reading() as connection:
            return read_versions(connection)

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
        with self.reading() as connection:
            return version_names(connection)

    def next_version(self) -> str:
        """``v1``, ``v2``, …: one above the highest."""
        with self.reading() as connection:
            highest = connection.execute(sa.select(sa.func.max(tables.model_versions.c.number)))
            return f"v{(highest.scalar() or 0) + 1}"

    # --- journal -----------------------------------------------------------------------------

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
        with self.writing(lock=JOURNAL_LOCK) as connection:
            known = read_journal(connection)
            new = tuple(decide(known))
            add_entries(connection, new)
            answer = keep(known + new)
            if answer is not None:
                keep_answer(connection, answer)
        return known + new

    @contextmanager
    def journal_turn(self) -> Iterator[JournalTurn]:
        """Change other tables and the journal in one transaction; such turns come one by one."""
        with self.writing(lock=JOURNAL_LOCK) as connection:
            yield JournalTurn(connection)

    def journal(self) -> tuple[JournalEntry, ...]:
        """All entries, the oldest first."""
        with self.reading() as connection:
            return read_journal(connection)

    def adopt(
        self, versions: Sequence[ModelVersion], journal: Sequence[JournalEntry]
    ) -> int | None:
        """Take another ledger's model versions and journal over, as far as they are new here.

        Returns
        -------
        added : how many versions were new; None: the journals went different ways, and nothing
            was changed
        """
        with self.writing(lock=JOURNAL_LOCK) as connection:
            ours = [entry.hash for entry in read_journal(connection)]
            theirs = [entry.hash for entry in journal]
            common = min(len(ours), len(theirs))
            if ours[:common] != theirs[:common]:
                return None
            known = set(version_names(connection))
            if len(ours) > len(theirs) and {v.version for v in versions} - known:
                return None
            new = [version for version in versions if version.version not in known]
            for version in new:
                insert_version(connection, version, version.created_at)
            add_entries(connection, journal[len(ours) :])
        return len(new)

    def journal_after(self, sequence: int, limit: int) -> tuple[JournalEntry, ...]:
        """At most so many entries after this one, the oldest first."""
        with self.reading() as connection:
            return read_journal(connection, after=sequence, limit=limit)

    def journal_length(self) -> int:
        """The last entry's number."""
        with self.reading() as connection:
            found = connection.execute(sa.select(sa.func.max(tables.journal.c.sequence)))
            return int(found.scalar() or 0)
