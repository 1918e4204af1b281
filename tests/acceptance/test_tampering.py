"""Whoever changes a model's files or the journal is found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pytest

import churnkit as ck
from churnkit import errors

Cli = Callable[..., tuple[int, str, str]]


def test_a_flipped_byte_is_found_in_any_file(project: ck.Project) -> None:
    folder = project.bundle("v1")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(files) >= 4
    for path in files:
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        path.write_bytes(bytes(bad))
        checks = ck.verify_models(project)
        assert not checks.ok
        assert any(
            check.state == "failed" and path.name in check.subject for check in checks.checks
        ), path
        with pytest.raises(errors.BundleError):
            ck.score(project)
        path.write_bytes(good)
    assert ck.verify_models(project).ok


def test_a_lost_bundle_is_named(project: ck.Project, cli: Cli) -> None:
    shutil.rmtree(project.bundle("v1"))
    code, _, err = cli("-C", project.folder, "explain", "--customer", "7590-VHVEG")
    assert code == 2
    assert "Traceback" not in err
    code, out, _ = cli("-C", project.folder, "--json", "models", "verify")
    assert code == 2
    assert not json.loads(out)["ok"]


def _as_owner(project: ck.Project, statement: str) -> None:
    """Whoever owns the database can remove the triggers that refuse this."""
    import sqlalchemy as sa

    engine = sa.create_engine(project.ledger_url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        found = sa.text("select name from sqlite_master where type = 'trigger'")
        for name in connection.execute(found).scalars().all():
            connection.execute(sa.text(f'drop trigger "{name}"'))
        connection.execute(sa.text(statement))
    engine.dispose()


def test_an_edited_journal_is_found(project: ck.Project) -> None:
    _as_owner(project, "update journal set who = 'somebody else'")
    checks = ck.verify_models(project)
    assert not checks.ok
    assert any(check.state == "failed" and "journal" in check.subject for check in checks.checks)


def test_a_cut_off_journal_is_found_with_the_head(project: ck.Project) -> None:
    _as_owner(project, "delete from journal")
    assert not ck.verify_models(project).ok


def test_an_exported_head_outlives_the_folders_own(project: ck.Project, cli: Cli) -> None:
    elsewhere = project.folder.parent / "head.json"
    code, _, err = cli("-C", project.folder, "models", "head", "-o", elsewhere)
    assert code == 0, err
    project.journal_head.unlink()
    _as_owner(project, "delete from journal")
    code, out, _ = cli("-C", project.folder, "--json", "models", "verify", "--head", elsewhere)
    assert code == 2
    assert "rows are missing" in out
