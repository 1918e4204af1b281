"""Whoever changes a model's files or the journal is found out."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import churnkit as ck
from churnkit import errors
from churnkit.domain.models import JournalEntry
from churnkit.registry.journal import seal
from churnkit.usecases.models import alias_moves
from churnkit.usecases.models.journal_head import write_head

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


def test_a_bundle_whose_hash_was_changed_too_is_found(project: ck.Project) -> None:
    """Who owns the ledger can write the new manifest's hash into it; the journal remembers."""
    path = project.bundle("v1") / "manifest.json"
    path.write_bytes(path.read_bytes() + b" ")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    _as_owner(project, f"update model_versions set bundle_hash = '{digest}'")
    failed = [check for check in ck.verify_models(project).checks if check.state == "failed"]
    assert [check.subject for check in failed] == ["v1/hash in the ledger"]


def test_changed_figures_of_a_run_are_found(project: ck.Project, cli: Cli) -> None:
    (path,) = (project.store / "runs").glob("*.json")
    good = path.read_text(encoding="utf-8")
    record = json.loads(good)
    record["evaluation"]["metrics"]["roc_auc"]["value"] = 0.99
    path.write_text(json.dumps(record), encoding="utf-8")
    code, out, _ = cli("-C", project.folder, "--json", "models", "verify")
    assert code == 2
    failed = [check["subject"] for check in json.loads(out)["checks"] if check["state"] == "failed"]
    assert failed == ["v1/record of its run"]
    path.unlink()
    assert not ck.verify_models(project).ok
    path.write_text(good, encoding="utf-8")
    assert ck.verify_models(project).ok


def test_a_damaged_record_of_a_run_is_an_error_not_a_crash(project: ck.Project, cli: Cli) -> None:
    (path,) = (project.store / "runs").glob("*.json")
    path.write_bytes(b"garbage")
    for command in (("evaluate",), ("report",), ("train", "--repeat", path.stem)):
        code, out, err = cli("-C", project.folder, "--json", *command)
        assert code == 2
        assert json.loads(out)["error"]["code"] == "run_unreadable"
        assert "Traceback" not in err


def test_a_version_that_left_the_ledger_is_missed(project: ck.Project) -> None:
    _as_owner(project, "delete from model_versions")
    failed = [check for check in ck.verify_models(project).checks if check.state == "failed"]
    assert [check.subject for check in failed] == ["v1 in the ledger"]


def _three_more_entries(project: ck.Project) -> None:
    """The challenger comes and goes; the head that the project keeps follows."""
    now = datetime.now(UTC)
    for version, action in (("v1", "challenge"), (None, "retire"), ("v1", "challenge")):
        entries = project.ledger.append_entries(
            lambda known, version=version, action=action: (
                seal(
                    at=now,
                    who="somebody",
                    action=action,
                    alias="challenger",
                    version=version,
                    why="again",
                    evidence={},
                    journal=known,
                ),
            )
        )
    write_head(project, entries, project.journal_head, now)


@pytest.mark.parametrize("statement", ["edit", "middle", "tail", "order", "recompute"])
def test_each_kind_of_edit_with_and_without_the_head(project: ck.Project, statement: str) -> None:
    """What a chain cannot show by itself, the signed head does; verify says what it could see."""
    _three_more_entries(project)
    elsewhere = ck.export_head(project, project.folder.parent / "head.json").path
    entries = list(ck.journal(project).entries)
    if statement == "recompute":
        made: list[JournalEntry] = []
        for entry in entries:
            fields = entry.model_dump(
                exclude={"sequence", "previous_version", "previous_hash", "hash"}
            )
            made.append(seal(**{**fields, "why": "as I want it"}, journal=made))
        entries = made
    elif statement == "edit":
        entries[1] = entries[1].model_copy(update={"who": "somebody else"})
    elif statement == "order":
        moved = [entries[0], entries[2], entries[1], entries[3]]
        entries = [entry.model_copy(update={"sequence": i}) for i, entry in enumerate(moved, 1)]
    else:
        del entries[-1 if statement == "tail" else 1]
    _as_owner(project, "delete from journal")
    project.ledger.append_entries(lambda known: entries)
    alone = project.store / "journal-head.json"
    by_itself = statement in ("edit", "middle", "order")
    for head in (None, elsewhere):
        assert not ck.verify_models(project, head).ok
    alone.unlink()
    states = {check.subject: check.state for check in ck.verify_models(project).checks}
    assert (states.get("journal") == "ok") is not by_itself
    assert states["journal's end"] == "failed"  # the head that the project keeps is missing


def test_without_the_key_only_consistency_is_claimed(
    project: ck.Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "nobody"))
    checks = ck.verify_models(project)
    assert checks.ok
    (end,) = [check for check in checks.checks if check.subject == "journal's end"]
    assert end.state == "unchecked"
    assert "cut off or recomputed" in end.detail


def test_a_rollback_to_damaged_files_is_refused(project: ck.Project) -> None:
    ck.train(project, budget_seconds=3, seed=2)
    ck.promote(project, "v2")
    before = ck.list_models(project).holders
    path = project.bundle("v1") / "pipeline.skops"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(errors.BundleError, match="v1 may not serve"):
        ck.rollback(project)
    assert ck.list_models(project).holders == before


def test_a_change_of_who_serves_is_one_transaction(
    project: ck.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies between the two rows leaves neither: nobody holds both aliases."""
    ck.train(project, budget_seconds=3, seed=2)

    def dies(**fields: object) -> JournalEntry:
        if fields["action"] == "retire":
            raise KeyboardInterrupt
        return seal(**fields)  # type: ignore[arg-type]  # passed on

    before = ck.journal(project).entries
    with monkeypatch.context() as patch:
        patch.setattr(alias_moves, "seal", dies)
        with pytest.raises(KeyboardInterrupt):
            ck.promote(project, "v2")
    assert ck.journal(project).entries == before
    moved = ck.promote(project, "v2").entry
    assert moved.evidence["bundle_hash"] == ck.list_models(project).versions[1].bundle_hash
    assert moved.evidence["roc_auc"].keys() == {"value", "low", "high"}
    assert set(moved.evidence["before"]) == {"v1"}
