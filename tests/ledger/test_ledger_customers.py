"""Customers as the ledger finds them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from churnkit.ledger.customers import CustomerFilter, customers_page
from churnkit.ledger.store import Ledger
from churnkit.ledger.tables import latest_scores

IDS = ("MÜLLER-1", "müller-2", "mueller-3")


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_capitals_are_found_as_the_database_knows_them(postgres_url: str, locale: str) -> None:
    """Ids are sorted by bytes in every database, what is looked for is not."""
    name = "capitals_" + locale.replace(".", "_").replace("-", "_").lower()
    server = sa.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(
            sa.text(f"create database {name} template template0 encoding 'UTF8' locale '{locale}'")
        )
    url = sa.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    try:
        with Ledger.open(url) as ledger:
            with ledger.writing() as connection:
                rows = [
                    {
                        "customer_id": one, "prediction_id": one, "probability": 0.5,
                        "risk_band": "low", "risk_rank": 0, "model_version": "v1",
                        "variant": "champion", "made_at": datetime(2026, 1, 2, tzinfo=UTC),
                    }
                    for one in IDS
                ]  # fmt: skip
                connection.execute(sa.insert(latest_scores), rows)

            def found(search: str) -> set[str]:
                page = customers_page(
                    ledger.engine, CustomerFilter(search=search), sort="customer_id",
                    descending=False, after=None, limit=10,
                )  # fmt: skip
                return {one.customer_id for one in page}

            assert "MÜLLER-1" in found("MÜLLER"), "what is written as in the id is found"
            assert found("mue") == found("MUE") == {"mueller-3"}
            if locale != "C":
                assert found("Mül") == {"MÜLLER-1", "müller-2"}
    finally:
        with server.connect() as connection:
            connection.execute(sa.text(f"drop database {name} with (force)"))
        server.dispose()
