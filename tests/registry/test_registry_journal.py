"""Nobody changes the journal's past unseen."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import platformdirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from churnkit import errors
from churnkit.domain.models import JournalEntry, ModelVersion
from churnkit.registry.head import check_head, load_key, sign_head
from churnkit.registry.journal import (
    entry_hash,
    holders,
    rollback_target,
    seal,
    verify_chain,
    verify_versions,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY, OTHER = b"k" * 32, b"o" * 32
names = st.sampled_from(["v1", "v2", "v3"])


def _chain(versions: list[str | None]) -> list[JournalEntry]:
    entries: list[JournalEntry] = []
    for number, version in enumerate(versions):
        entries.append(
            seal(
                at=START + timedelta(hours=number),
                who="me",
                action="promote",
                alias="champion" if number % 3 else "challenger",
                version=version,
                why="because",
                evidence={"number": number, "auc": 0.1 * number},
                journal=entries,
            )
        )
    return entries


chains = st.lists(names | st.none(), min_size=2, max_size=8).map(_chain)


def _failed(entries: list[JournalEntry]) -> bool:
    return any(check.state == "failed" for check in verify_chain(entries))


@given(chains)
def test_a_chain_as_it_was_written_holds(entries: list[JournalEntry]) -> None:
    assert not _failed(entries)
    read = [JournalEntry.model_validate_json(entry.model_dump_json()) for entry in entries]
    assert not _failed(read)


@given(chains, st.data())
def test_an_edit_is_found(entries: list[JournalEntry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 1))
    change = data.draw(
        st.sampled_from(
            [
                {"who": "you"},
                {"version": "v9"},
                {"why": "no reason"},
                {"at": START - timedelta(days=1)},
                {"evidence": {"auc": 1.0}},
                {"alias": "champion", "action": "retire"},
                {"previous_version": "v8"},
            ]
        )
    )
    entries[place] = entries[place].model_copy(update=change)
    assert _failed(entries)
    # Sealing the edited row again breaks the next one's link, unless it is the last.
    entries[place] = entries[place].model_copy(update={"hash": entry_hash(entries[place])})
    assert _failed(entries) == (place < len(entries) - 1)


@given(chains, st.data())
def test_a_removed_or_moved_row_is_found(entries: list[JournalEntry], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(entries) - 2))
    assert _failed(entries[:place] + entries[place + 1 :])
    swapped = list(entries)
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    assert _failed(swapped)


@given(chains, st.data())
def test_a_cut_or_recomputed_chain_is_found_with_the_head_only(
    entries: list[JournalEntry], data: st.DataObject
) -> None:
    head = sign_head(entries, key=KEY, at=START)
    assert check_head(entries, head, key=KEY)[0].state == "ok"
    cut = entries[: data.draw(st.integers(0, len(entries) - 1))]
    assert not _failed(cut)
    assert check_head(cut, head, key=KEY)[0].state == "failed"
    recomputed = _chain(["v7", *[entry.version for entry in entries[1:]]])
    assert not _failed(recomputed)
    assert check_head(recomputed, head, key=KEY)[0].state == "failed"
    # A head from earlier is still good when rows were added.
    grown = [*entries, _chain(["v1"] * (len(entries) + 1))[-1]]
    assert check_head(grown, head, key=KEY)[0].state == "ok"


def test_a_forged_head_and_another_key() -> None:
    entries = _chain(["v1", "v2"])
    head = sign_head(entries, key=KEY, at=START)
    forged = head.model_copy(update={"count": 1, "hash": entries[0].hash})
    assert check_head(entries, forged, key=KEY)[0].state == "failed"
    assert check_head(entries, head, key=OTHER)[0].state == "unchecked"


def _promoted(*steps: str) -> list[JournalEntry]:
    """``v2`` promotes, ``back`` rolls back."""
    entries: list[JournalEntry] = []
    for number, step in enumerate(steps):
        back = step == "back"
        entries.append(
            seal(
                at=START + timedelta(days=number),
                who="me",
                action="rollback" if back else "promote",
                alias="champion",
                version=rollback_target(entries) if back else step,
                why="",
                evidence={},
                journal=entries,
            )
        )
    return entries


def test_rolling_back_goes_back_step_by_step() -> None:
    assert _promoted("v1", "v2", "back")[-1].version == "v1"
    assert _promoted("v1", "v2", "v3", "back", "back")[-1].version == "v1"
    assert _promoted("v1", "v2", "back", "v3", "back")[-1].version == "v1"
    for steps in [(), ("v1",), ("v1", "v2", "back")]:
        with pytest.raises(errors.NothingToRollBack):
            rollback_target(_promoted(*steps))


def test_who_served_at_a_moment() -> None:
    entries = _promoted("v1", "v2", "back")
    moments = [START - timedelta(hours=1), START, START + timedelta(days=1, hours=1)]
    assert [holders(entries, at)["champion"] for at in moments] == [None, "v1", "v2"]
    assert holders(entries)["champion"] == "v1"
    assert entries[1].previous_version == "v1"


def _version(name: str, digest: str) -> ModelVersion:
    return ModelVersion(
        version=name,
        run_id=f"run {name}",
        candidate="logistic_regression",
        created_at=START,
        bundle_hash=digest,
        data_fingerprint="",
        metrics={},
    )


def test_versions_are_what_the_journal_admitted() -> None:
    evidence = {"bundle_hash": "aa", "record_hash": "bb"}
    told = {"at": START, "who": "me", "action": "challenge", "alias": "challenger", "why": ""}
    first = seal(**told, version="v1", evidence=evidence, journal=[])  # type: ignore[arg-type]  # literals
    later = seal(**told, version="v1", evidence={"bundle_hash": "zz"}, journal=[first])  # type: ignore[arg-type]  # literals

    def states(digest: str, record: str | None, *, name: str = "v1") -> list[str]:
        versions, records = [_version(name, digest)], {f"run {name}": record}
        return [check.state for check in verify_versions([first, later], versions, records)]

    assert states("aa", "bb") == ["ok", "ok"]
    assert states("zz", "bb") == ["failed", "ok"]  # a later row does not admit anew
    assert states("aa", "cc") == ["ok", "failed"]
    assert states("aa", None) == ["ok", "failed"]
    assert states("aa", "bb", name="v2") == ["failed", "failed", "failed"]  # v1 is lost
    old = seal(**told, version="v1", evidence={}, journal=[])  # type: ignore[arg-type]  # literals
    checks = verify_versions([old], [_version("v1", "aa")], {"run v1": "bb"})
    assert [check.state for check in checks] == ["unchecked", "unchecked"]


def test_the_key_is_made_once_and_for_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert load_key({}, create=False) is None
    key = load_key({}, create=True)
    assert key is not None
    assert load_key({}, create=True) == key
    path = Path(platformdirs.user_config_dir("churnkit")) / "journal.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key({"CHURNKIT_JOURNAL_KEY": OTHER.hex()}, create=False) == OTHER
    with pytest.raises(errors.SettingsInvalid):
        load_key({"CHURNKIT_JOURNAL_KEY": "short"}, create=False)
