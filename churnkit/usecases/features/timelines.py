"""One customer's events, attributes and subscriptions along time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table

from churnkit.data.database import opened
from churnkit.data.event_reading import read_log_schema
from churnkit.data.zones import shown_moment
from churnkit.domain.moments import from_us
from churnkit.features.facts import CustomerFact, customer_facts, find_customers
from churnkit.project import Project
from churnkit.reporting.tables import escape_text
from churnkit.usecases.features.showing import known_customer
from churnkit.usecases.result import Result

MOST_EVENTS = 5_000


@dataclass(frozen=True, repr=False)
class CustomerTimeline(Result):
    """What is known of a customer, the oldest first."""

    customer_id: str
    zone: str
    facts: tuple[CustomerFact, ...]
    n_events: int
    """All of them; of very many only the newest are in ``facts``."""
    log_begins: datetime | None
    log_ends: datetime | None

    def __rich__(self) -> RenderableType:
        view = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("when", "known", "what", ""):
            view.add_column(name)
        for fact in self.facts:
            late = fact.known_us != fact.t_us
            view.add_row(
                shown_moment(fact.t_us, self.zone),
                shown_moment(fact.known_us, self.zone) if late else "",
                escape_text(fact.what),
                escape_text(fact.shown),
            )
        head = f"Customer {self.customer_id}: {self.n_events:,} events ({self.zone})."
        return Group(escape_text(head), view)

    def to_json(self) -> dict[str, object]:
        def moment(at: datetime | None) -> str | None:
            return None if at is None else at.isoformat()

        return {
            "customer_id": self.customer_id,
            "zone": self.zone,
            "n_events": self.n_events,
            "log_begins": moment(self.log_begins),
            "log_ends": moment(self.log_ends),
            "facts": [
                {
                    "table": fact.table,
                    "time": from_us(fact.t_us).isoformat(),
                    "known_at": from_us(fact.known_us).isoformat(),
                    "what": fact.what,
                    "shown": fact.shown,
                }
                for fact in self.facts
            ],
        }


def customer_timeline(
    project: Project, customer: str, *, at_most: int = MOST_EVENTS
) -> CustomerTimeline:
    """One customer's events, versions of attributes and subscription periods.

    Parameters
    ----------
    at_most : so many events, the newest ones

    Raises
    ------
    DataEmpty : no events were imported
    UnknownCustomer : the log has no such customer
    """
    schema = read_log_schema(project.database)
    with opened(project.database) as connection:
        number = known_customer(connection, customer)
        facts, n_events = customer_facts(connection, schema, number, at_most=at_most)
    return CustomerTimeline(
        customer_id=customer,
        zone=schema.zone,
        facts=facts,
        n_events=n_events,
        log_begins=None if schema.first_us is None else from_us(schema.first_us),
        log_ends=None if schema.last_us is None else from_us(schema.last_us),
    )


def log_customers(
    project: Project, search: str = "", *, limit: int = 20
) -> tuple[tuple[str, int], ...]:
    """Customers of the log whose id holds a text, with their number of events, the busiest first.

    Raises
    ------
    DataEmpty : no events were imported
    """
    with opened(project.database) as connection:
        return find_customers(connection, search, limit)
