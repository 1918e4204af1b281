"""Customers: a million scored rows, one of them in detail, and whom it pays to contact."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from churnkit.domain.predictions import Explanation
from churnkit.errors import ChurnkitError
from churnkit_desktop.actions import Action, Argument
from churnkit_desktop.backend.facts import (
    CustomerDetail,
    CustomerQuery,
    CustomerView,
    FormField,
    Money,
)
from churnkit_desktop.desk import Desk
from churnkit_desktop.language import tr
from churnkit_desktop.notice import Notice
from churnkit_desktop.screens.customers.state import PAGE, Campaign, Pages, Scores
from churnkit_desktop.screens.customers.table_export import (
    ExportCancelled,
    TableExport,
    same_customers,
    write_csv,
)
from churnkit_desktop.screens.presenter import Presenter
from churnkit_desktop.session.undo import History
from churnkit_desktop.words import whole
from churnkit_desktop.work.bench import Job

_MONEY = ("customer_value", "contact_cost", "offer_cost", "success_rate")


class CustomersPresenter(Presenter):
    """The table, the detail, the campaign."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk, "customers")
        kept = dict(self.draft("query", {}))
        kept["bands"] = tuple(kept.get("bands", ()))
        self.query = CustomerQuery(**kept)
        self.view: CustomerView | None = None
        self.pages = Pages()
        self.page_arrived = Notice()
        self.last_page = 0
        self.selected = str(self.draft("selected", ""))
        self.detail: CustomerDetail | None = None
        self.detail_changed = Notice()
        self.fields: tuple[FormField, ...] = ()
        self.changes: dict[str, Any] = {}
        self.what_if: Explanation | None = None
        self.terms: History[Money | None] = History(None)
        """The campaign's terms, as they are edited."""
        self.terms.changed.connect(self._terms_changed)
        self.campaign: Campaign | None = None
        self.campaign_changed = Notice()
        self._scores: Scores | None = None
        self.exporting: TableExport | None = None
        self.said = ""
        """What came of the last export; empty: nothing."""

    # --- the table ---------------------------------------------------------------------

    def choose(self, subject: str) -> None:
        """Show this customer beside the table."""
        self.select(subject)

    def load(self) -> None:
        """Sort and filter, off the event loop."""
        query = self.query
        self.read(lambda: self.desk.backend.customers(query), self._viewed, "view")
        if self.selected and self.detail is None:
            self.select(self.selected)

    def ask(self, **changes: Any) -> None:
        """Sort or filter differently."""
        query = replace(self.query, **changes)
        if query != self.query:
            self.query, self.said = query, ""
            self.keep("query", {**asdict(query), "bands": list(query.bands)})
            self.load()

    def row(self, position: int) -> tuple[object, ...] | None:
        """A row of the table; None: it comes later."""
        found = self.pages.row(position)
        if found is None:
            page = self.pages.wants(position)
            if page is not None:
                self._read_page(page)
        return found

    def _read_page(self, page: int) -> None:
        view = self.pages.view
        backend = self.desk.backend

        def arrived(rows: tuple[tuple[object, ...], ...]) -> None:
            if view == self.pages.view and rows:
                self.pages.arrived(page, rows)
                self.last_page = page
                self.page_arrived()

        def failed(error: ChurnkitError) -> None:
            self.pages.failed(page)
            self.fail(error)

        self.desk.runner.run(
            f"customers page {view} {page}",
            lambda: backend.page(view, page * PAGE, PAGE),
            arrived,
            failed,
        )

    def _viewed(self, view: CustomerView) -> None:
        self.view = view
        self.pages = Pages(view.name, view.n_rows)
        self._scores = None
        self.campaign = None
        if view.n_all:
            self.desk.runner.run(
                "customers campaign", self._read_campaign, self._campaign_read, self.fail
            )

    # --- the table as a file -----------------------------------------------------------

    def export_table(self, path: str) -> None:
        """Write the table as it is shown."""
        query = self.query
        export = self.exporting = TableExport(self.desk.backend, query, self.draft("hidden", []))
        self.said = ""

        def written(n: int) -> None:
            self.exporting = None
            self.said = tr("{n} customers are in {path}").format(n=whole(n), path=path)
            self.desk.script.record(same_customers(query, path))
            self.changed()

        def failed(error: ChurnkitError) -> None:
            self.exporting = None
            if isinstance(error, ExportCancelled):
                self.said = error.what
                self.changed()
            else:
                self.fail(error)

        self.desk.runner.run("customers export", lambda: export.write(Path(path)), written, failed)
        self.changed()

    def cancel_export(self) -> None:
        """Stop writing the table."""
        if self.exporting is not None:
            self.exporting.cancel()

    # --- scoring -----------------------------------------------------------------------

    @property
    def job(self) -> Job | None:
        """The scoring of all customers."""
        return self.desk.bench.job("score")

    @property
    def scores_a_file(self) -> bool:
        """Whether a person must say which customers: a service has no table of all of them."""
        return self.desk.backend.scores_a_file

    def score_file(self, name: str) -> None:
        """Score the customers of a file."""
        self.start(Action("score", {"data": name}, tr("Scoring a file")))

    def score_all(self) -> None:
        """Score every customer of the project, with three reasons each where there are few."""
        scores = getattr(self.desk.backend, "scores_file", None)
        output = str(scores) if scores is not None else ""
        arguments: dict[str, Argument] = {"output": output}
        self.start(Action("score", arguments, tr("Scoring all customers")))

    def cancel(self) -> None:
        """Stop scoring; the scores are those from before."""
        self.desk.bench.cancel("score")

    # --- one customer ------------------------------------------------------------------

    def select(self, customer_id: str) -> None:
        """Show one customer."""
        self.selected = customer_id
        self.keep("selected", customer_id)
        self.changes, self.what_if = {}, None
        backend = self.desk.backend

        def both() -> tuple[CustomerDetail, tuple[FormField, ...]]:
            return backend.customer(customer_id), self.fields or backend.form()

        self.desk.runner.run("customers detail", both, self._detailed, self._no_detail)

    def close_detail(self) -> None:
        """Show no customer."""
        self.selected, self.detail = "", None
        self.keep("selected", "")
        self.detail_changed()

    def change(self, column: str, value: object) -> None:
        """What if this value were another one? The answer comes at once."""
        if self.detail is None:
            return
        self.changes[column] = value
        row = {**self.detail.row, **self.changes}
        backend = self.desk.backend
        self.desk.runner.run(
            "customers what-if", lambda: backend.what_if(row), self._rescored, self.fail
        )

    def undo_changes(self) -> None:
        """Back to the customer as recorded."""
        self.changes, self.what_if = {}, None
        self.detail_changed()

    def _detailed(self, both: tuple[CustomerDetail, tuple[FormField, ...]]) -> None:
        self.detail, self.fields = both
        self.error = None
        self.detail_changed()

    def _no_detail(self, error: ChurnkitError) -> None:
        self.selected, self.detail = "", None
        self.keep("selected", "")
        self.detail_changed()
        self.fail(error)

    def _rescored(self, explanation: Explanation) -> None:
        self.what_if = explanation
        self.detail_changed()

    # --- the campaign ------------------------------------------------------------------

    def set_money(self, **changes: float) -> None:
        """Other terms; the curve follows at once."""
        if self.money is None or self._scores is None:
            return
        money = self.money.changed(**changes)
        if money.offer_cost >= money.customer_value:
            return  # no offer would ever pay; the field shows its limits
        (name,) = changes if len(changes) == 1 else ("terms",)
        self.terms.edit(name.replace("_", " "), money)

    @property
    def money(self) -> Money | None:
        """The campaign's terms."""
        return self.terms.value

    def undo(self) -> None:
        """The campaign's terms as they were before the last edit."""
        self.terms.undo()

    def redo(self) -> None:
        """Do again what was taken back."""
        self.terms.redo()

    @property
    def undoable(self) -> str:
        """What undo would take back."""
        return self.terms.undoable

    @property
    def redoable(self) -> str:
        """What redo would do again."""
        return self.terms.redoable

    def _terms_changed(self) -> None:
        money = self.money
        if money is None or self._scores is None:
            return
        if self.terms.undoable or self.terms.redoable:
            # Terms that nobody edited follow the settings.
            self.keep("money", {name: getattr(money, name) for name in _MONEY})
        self.campaign = Campaign.of(self._scores, money)
        self.campaign_changed()

    def export_top(self, path: str, n: int) -> None:
        """Write the riskiest n customers to a file."""
        backend = self.desk.backend
        action = Action("contact_list", {"output": path, "customers": n}, tr("Export the list"))
        if getattr(backend, "scores_file", None) is not None:
            self.read(
                lambda: backend.apply(action),
                lambda _answer: self.desk.script.record(action),
                "export",
            )
            return

        def write() -> int:
            view = backend.customers(CustomerQuery())
            rows = backend.page(view.name, 0, n)
            write_csv(Path(path), [view.columns, *rows])
            return len(rows)

        self.read(write, lambda _n: self.desk.script.record(action), "export")

    def _read_campaign(self) -> tuple[Scores, Money]:
        return Scores.of(self.desk.backend.probabilities()), self.desk.backend.money()

    def _campaign_read(self, answer: tuple[Scores, Money]) -> None:
        self._scores, money = answer
        kept = {name: float(value) for name, value in self.draft("money", {}).items()}
        terms = money.changed(**kept)
        if self.terms.value != terms:
            self.terms.reset(terms)
        else:
            self._terms_changed()
