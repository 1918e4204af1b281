"""A URL names its password's variable; churnkit.toml never holds the password itself."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import churnkit as ck
from churnkit.data.source_url import filled, kept_url, parsed_url
from churnkit.data.sources import open_source
from churnkit.errors import DataUnreadable


@given(st.text(min_size=1))
def test_a_value_arrives_as_it_is(secret: str) -> None:
    """No character of a password needs escaping, and a value is not searched for names again."""
    url = filled(parsed_url("postgresql://me:${PW}@db/shop?sslpassword=${PW}"), {"PW": secret})
    assert url.password == secret
    assert url.query["sslpassword"] == secret
    assert (url.username, url.host, url.database) == ("me", "db", "shop")


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    with pytest.raises(DataUnreadable, match="SHOP_PASSWORD, which is not set"):
        open_source("postgresql://me:${SHOP_PASSWORD}@127.0.0.1:9/d", query="select 1")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:s3cret@db/shop",
        "postgresql://db/shop?password=s3cret",
        "postgresql://me:${A}s3cret@db/shop",
    ],
)
def test_a_password_is_not_written_down(url: str, tmp_path: Path) -> None:
    with pytest.raises(DataUnreadable, match="environment variable") as caught:
        ck.create_project(tmp_path / "p", url, query="select 1")
    assert "s3cret" not in str(caught.value)
    with pytest.raises(DataUnreadable, match="environment variable"):
        ck.create_event_project(tmp_path / "p", url, ck.LogOptions(query="select 1"))
    assert not (tmp_path / "p").exists()


def test_a_url_without_a_secret_is_kept_as_it_is() -> None:
    for url in (
        "postgresql://me@db/shop",
        "postgresql://me:${PW}@db/shop",
        "sqlite:///${DIR}/a.db",
    ):
        assert kept_url(url) == url


def test_a_project_reads_through_a_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = sqlite3.connect(tmp_path / "crm.db")
    connection.execute("create table people (id text, visits int, churn text)")
    rows = [(f"c{i}", i % 7, "yes" if i % 3 else "no") for i in range(80)]
    connection.executemany("insert into people values (?, ?, ?)", rows)
    connection.commit()
    connection.close()
    monkeypatch.setenv("CRM_DIR", str(tmp_path))
    url = "sqlite:///${CRM_DIR}/crm.db"
    with ck.create_project(tmp_path / "p", url, query="select * from people").project as project:
        assert project.settings.data.source == url
        ck.import_data(project)
    assert str(tmp_path) not in (tmp_path / "p" / "churnkit.toml").read_text(encoding="utf-8")
