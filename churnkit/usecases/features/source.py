"""Customers of a project of events, as they were at a moment: rows to be scored or explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from churnkit.data.database import opened
from churnkit.data.event_tables import CUSTOMERS
from churnkit.data.zones import shown_moment
from churnkit.domain.moments import from_us
from churnkit.domain.progress import Cancel
from churnkit.errors import DataEmpty, UnknownCustomer
from churnkit.features.as_of import parse_as_of
from churnkit.features.checking import check_features
from churnkit.features.definitions import FeatureSet
from churnkit.features.labels import eligible_table
from churnkit.features.moment import Moment
from churnkit.features.offline import stream_features
from churnkit.features.panel import Calendar
from churnkit.features.requests import ask
from churnkit.project import Project
from churnkit.usecases.features.feature_set import AsOf
from churnkit.usecases.features.labels import project_calendar


class FeatureSource:
    """All eligible customers at a moment, each with the features of a model.

    Parameters
    ----------
    project : a project of events
    features : the set of the model, as its bundle has it
    as_of : None: the end of the log

    Raises
    ------
    FeatureError : the log has not what a feature needs
    AsOfInvalid : the moment cannot be understood
    """

    row_offset = 1

    def __init__(
        self, project: Project, features: Mapping[str, Any], as_of: AsOf | None = None
    ) -> None:
        self._project = project
        self._calendar: Calendar = project_calendar(project)
        self._features = FeatureSet.model_validate(features)
        log = self._calendar.log
        check_features(self._features, log)
        if isinstance(as_of, str):
            as_of = parse_as_of(as_of, log.zone)
        until = self._calendar.known_until_us
        self.as_of_us = until if as_of is None else Moment.of(as_of, log.zone).as_of_us
        self.name = f"the log as of {shown_moment(self.as_of_us, log.zone)}"

    def columns(self) -> tuple[str, ...]:
        """The customer, the moment, and the features."""
        return ("customer_id", "as_of", *(one.name for one in self._features.features))

    def batches(self, cancel: Cancel | None = None) -> Iterator[pa.RecordBatch]:
        """The eligible customers.

        Raises
        ------
        DataEmpty : nobody is eligible
        """
        calendar = self._calendar
        eligible = eligible_table(self._project.database, calendar, self.as_of_us)
        if not eligible.num_rows:
            raise DataEmpty(
                f"no customer is eligible at {shown_moment(self.as_of_us, calendar.log.zone)}.",
                fix="Choose another moment with as_of; [churn] says who is eligible.",
            )
        with opened(self._project.database) as connection:
            connection.register("eligible", eligible)
            ids = connection.sql(
                f"select customer_id from eligible join {CUSTOMERS} using (customer_no)"
            ).to_arrow_table()
            connection.unregister("eligible")
            asked = ask(
                connection,
                calendar.log.zone,
                as_of=[from_us(self.as_of_us)],
                customers=ids.column("customer_id").combine_chunks(),
            )
            yield from stream_features(
                connection, self._features, calendar.log, asked, cancel=cancel
            )

    def one(self, customer_id: str) -> dict[str, object]:
        """The features of one customer, eligible or not.

        Raises
        ------
        UnknownCustomer : the log has no such customer
        """
        calendar = self._calendar
        with opened(self._project.database) as connection:
            # All rows are fetched: DuckDB does no other work while a result is unfinished.
            known = connection.execute(
                f"select 1 from {CUSTOMERS} where customer_id = ?", [customer_id]
            ).fetchall()
            if not known:
                raise UnknownCustomer(
                    f"the log has no customer '{customer_id}'.",
                    fix="Give an id as it stands in the log.",
                    customer=customer_id,
                )
            asked = ask(
                connection,
                calendar.log.zone,
                as_of=[from_us(self.as_of_us)],
                customers=pa.array([customer_id]),
            )
            rows = [
                row
                for batch in stream_features(connection, self._features, calendar.log, asked)
                for row in batch.to_pylist()
            ]
        return dict(rows[0])
