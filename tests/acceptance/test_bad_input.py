"""Each mistake gets a clear error with a way out, and what was there before still works."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

import churnkit as ck
from churnkit import errors
from churnkit.domain.progress import Cancel, Step

Cli = Callable[..., tuple[int, str, str]]


def _table(customers: Path, n: int = 400) -> pa.Table:
    return csv.read_csv(customers).slice(0, n)


def _write(path: Path, table: pa.Table) -> Path:
    csv.write_csv(table, path)
    return path


# --- files that no project can be made of --------------------------------------------------


def _broken_files(folder: Path, customers: Path) -> dict[str, tuple[Path, type[Exception]]]:
    table = _table(customers)
    n = table.num_rows

    def target(values: list[str | None]) -> pa.Table:
        position = table.column_names.index("Churn")
        return table.set_column(position, "Churn", pa.array(values, pa.string()))

    whole = folder / "whole.parquet"
    parquet.write_table(table, whole)
    truncated = folder / "truncated.parquet"
    truncated.write_bytes(whole.read_bytes()[:-200])
    (folder / "empty.csv").write_bytes(b"")
    (folder / "header.csv").write_text("customerID,tenure,Churn\n", encoding="utf-8")
    (folder / "image.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    return {
        "empty": (folder / "empty.csv", errors.DataEmpty),
        "header only": (folder / "header.csv", errors.DataEmpty),
        "truncated": (truncated, errors.DataUnreadable),
        "not there": (folder / "nowhere.csv", errors.DataUnreadable),
        "an image": (folder / "image.png", errors.DataUnreadable),
        "no target": (
            _write(folder / "no.csv", table.drop_columns(["Churn"])),
            errors.AmbiguousTarget,
        ),
        "one class": (_write(folder / "one.csv", target(["No"] * n)), errors.TargetInvalid),
        "three values": (
            _write(folder / "three.csv", target((["Yes", "No", "Maybe"] * n)[:n])),
            errors.TargetInvalid,
        ),
        "blanks": (
            _write(folder / "blank.csv", target((["Yes", "No", None] * n)[:n])),
            errors.TargetInvalid,
        ),
    }


@pytest.mark.parametrize(
    "case",
    [
        "empty", "header only", "truncated", "not there", "an image",
        "no target", "one class", "three values", "blanks",
    ],
)  # fmt: skip
def test_init_refuses_and_leaves_nothing(
    case: str, cli: Cli, customers: Path, tmp_path: Path
) -> None:
    path, expected = _broken_files(tmp_path, customers)[case]
    code, out, err = cli("init", tmp_path / "p", "--data", path, "--json")
    assert code == 2
    error = json.loads(out)["error"]
    assert error["code"] == expected.code  # type: ignore[attr-defined]  # a ChurnkitError class
    assert error["fix"]
    assert "Traceback" not in err
    assert not (tmp_path / "p").exists()


def test_target_that_is_not_there_is_named(cli: Cli, customers: Path, tmp_path: Path) -> None:
    code, _, err = cli("init", tmp_path / "p", "--data", customers, "--target", "Chrn")
    assert code == 2
    assert "Did you mean 'Churn'?" in err


def test_duplicate_ids_are_reported_and_explained(customers: Path, tmp_path: Path) -> None:
    table = _table(customers, 1_000)
    data = _write(tmp_path / "twice.csv", pa.concat_tables([table, table.slice(0, 30)]))
    with ck.create_project(tmp_path / "p", data).project as project:
        assert ck.profile(project).profile.duplicate_ids == 30
        trained = ck.train(project, budget_seconds=2)
        assert "group" in trained.record.split
        twice = table["customerID"][0].as_py()
        with pytest.raises(errors.DuplicateIds, match=twice):
            ck.explain(project, twice)


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_other_encodings_are_read(encoding: str, customers: Path, tmp_path: Path) -> None:
    text = customers.read_text(encoding="utf-8").replace("Mailed check", "Chèque posté")
    path = tmp_path / "customers.csv"
    path.write_bytes("".join(text.splitlines(True)[:300]).encode(encoding))
    made = ck.create_project(tmp_path / "p", path)
    column = made.table.column("PaymentMethod")
    assert column is not None
    assert "Chèque posté" in (column.categories or ())
    made.project.close()


@pytest.mark.long
def test_five_thousand_columns(tmp_path: Path, customers: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(5)
    noise = {f"n{i}": rng.normal(size=200).round(3) for i in range(5_000)}
    left = rng.random(200) < 0.5
    table = pa.table({**noise, "churn": np.where(left, "Yes", "No")})
    path = _write(tmp_path / "wide.csv", table)
    with ck.create_project(tmp_path / "p", path).project as project:
        seen = ck.profile(project).profile
    assert len(seen.columns) == 5_001
    assert not seen.blocked


# --- scoring ---------------------------------------------------------------------------------


@pytest.fixture
def scoring(project: ck.Project, tmp_path: Path) -> Callable[[pa.Table], Path]:
    """Score a table into a file that held something before."""
    output = tmp_path / "scores.csv"
    output.write_text("before\n", encoding="utf-8")

    def call(table: pa.Table) -> Path:
        ck.score(project, _write(tmp_path / "in.csv", table), output)
        return output

    return call


def test_missing_columns_are_all_named(
    scoring: Callable[[pa.Table], Path], customers: Path, tmp_path: Path
) -> None:
    with pytest.raises(errors.ColumnMissing, match=r"tenure.*|Contract.*") as caught:
        scoring(_table(customers).drop_columns(["tenure", "Contract"]))
    assert "tenure" in str(caught.value)
    assert "Contract" in str(caught.value)
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == "before\n"


def test_wrong_type_is_placed(
    scoring: Callable[[pa.Table], Path], customers: Path, tmp_path: Path
) -> None:
    table = _table(customers)
    months = [str(value) for value in table["tenure"].to_pylist()]
    months[7] = "a year"
    position = table.column_names.index("tenure")
    with pytest.raises(errors.BadValue) as caught:
        scoring(table.set_column(position, "tenure", pa.array(months)))
    assert caught.value.where["column"] == "tenure"
    assert caught.value.where["row"] == 9  # the header is line 1
    assert "a year" in str(caught.value)
    assert (tmp_path / "scores.csv").read_text(encoding="utf-8") == "before\n"


@pytest.mark.parametrize("bad", [float("inf"), float("-inf")])
def test_infinity_is_refused_nan_is_missing(
    bad: float, project: ck.Project, customers: Path
) -> None:
    rows = _table(customers, 5).to_pylist()
    rows[2]["TotalCharges"] = float("nan")
    for row in rows:
        row["TotalCharges"] = float(row["TotalCharges"])
    assert ck.score(project, rows).n_rows == 5
    rows[3]["MonthlyCharges"] = bad
    with pytest.raises(errors.BadValue, match="MonthlyCharges"):
        ck.score(project, rows)


def test_new_categories_are_scored_and_reported(
    scoring: Callable[[pa.Table], Path], project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    table = _table(customers, 50)
    position = table.column_names.index("Contract")
    table = table.set_column(position, "Contract", pa.array(["Weekly"] * 50))
    table = table.append_column("shoe_size", pa.array([42] * 50))
    scored = ck.score(project, table)
    assert scored.n_rows == 50
    assert scored.unseen == {"Contract": {"Weekly": 50}}
    assert scored.extra_columns == ("shoe_size",)
    assert "Weekly" in str(scored)
    scoring(table)
    assert len((tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()) == 51


def test_cancelled_scoring_leaves_the_old_file(
    project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    output = tmp_path / "scores.parquet"
    ck.score(project, customers, output)
    before = output.read_bytes()
    n_before = len(ck.history(project, "7590-VHVEG").rows)

    def interrupt(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ck.score(project, customers, output, record=True, progress=interrupt)
    asked = Cancel()
    with pytest.raises(errors.Cancelled):
        ck.score(
            project, customers, output, record=True, cancel=asked, progress=lambda _: asked.cancel()
        )
    assert output.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if "scores" in path.name] == [output.name]
    assert len(ck.history(project, "7590-VHVEG").rows) == n_before


# --- Ctrl-C --------------------------------------------------------------------------------


def _interrupt_at(stage: str) -> Callable[[Step], None]:
    def progress(step: Step) -> None:
        if stage in step.stage:
            raise KeyboardInterrupt

    return progress


def test_ctrl_c_in_init_leaves_nothing_at_any_stage(customers: Path, tmp_path: Path) -> None:
    stages: list[str] = []
    made = ck.create_project(
        tmp_path / "whole", customers, progress=lambda step: stages.append(step.stage)
    )
    made.project.close()
    assert stages
    for number, stage in enumerate(dict.fromkeys(stages)):
        with pytest.raises(KeyboardInterrupt):
            ck.create_project(tmp_path / f"p{number}", customers, progress=_interrupt_at(stage))
        assert not (tmp_path / f"p{number}").exists()


@pytest.mark.parametrize("stage", ["reading", "compiling", "admitting"])
def test_ctrl_c_in_training_changes_nothing(stage: str, project: ck.Project) -> None:
    before = ck.list_models(project).to_json()
    with pytest.raises(KeyboardInterrupt):
        ck.train(project, budget_seconds=1, progress=_interrupt_at(stage))
    assert ck.list_models(project).to_json() == before
    assert ck.verify_models(project).ok
    assert ck.score(project).n_rows == 2_000


def test_sigint_stops_a_training_process(project: ck.Project) -> None:
    command = [sys.executable, "-m", "churnkit", "-C", str(project.folder), "train"]
    process = subprocess.Popen(
        [*command, "--budget", "60s"],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # Tests that run in the background inherit that Ctrl-C is ignored; a person does not.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "search" in line:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "nothing is half-written" in err
    assert [version.version for version in ck.list_models(project).versions] == ["v1"]
    with project.lease("a test"):  # the lock went with the process
        pass


# --- one writer ------------------------------------------------------------------------------


def test_the_second_trainer_hears_who_is_first(project: ck.Project, cli: Cli) -> None:
    hold = (
        "import sys, churnkit as ck\n"
        "with ck.open_project(sys.argv[1]).lease('training'):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold, str(project.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        code, out, _ = cli("-C", project.folder, "--json", "train")
        assert code == 2
        error = json.loads(out)["error"]
        assert error["code"] == "project_busy"
        assert error["where"]["pid"] == first.pid
        assert ck.score(project).n_rows == 2_000  # readers are not disturbed
        first.communicate("\n")


# --- storage ------------------------------------------------------------------------------------


def _run(*arguments: object, prepare: Callable[[], None]) -> tuple[int, str, str]:
    """Call the command line in a process of its own, which ``prepare`` has put in chains."""
    ran = subprocess.run(
        [sys.executable, "-m", "churnkit", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=prepare,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.returncode, ran.stdout, ran.stderr


def _without_roots_rights() -> None:
    """Root may write anywhere, unless it lays down that right (CAP_DAC_OVERRIDE) for good."""
    pr_capbset_drop, cap_dac_override = 24, 1
    ctypes.CDLL(None).prctl(pr_capbset_drop, cap_dac_override, 0, 0, 0)


@pytest.fixture
def read_only(project: ck.Project) -> Iterator[Path]:
    """A trained project in which nothing may be written."""
    project.close()
    everything = [project.folder, *project.folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in everything}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    yield project.folder
    for path, mode in modes.items():
        path.chmod(mode)


@pytest.mark.parametrize(
    "command",
    [
        ("train", "--budget", "1s"),
        ("import",),
        ("report",),
        ("models", "promote", "v1"),
        ("score", "{customers}", "-o", "{folder}/scores.csv"),
        ("score", "{customers}", "-o", "{elsewhere}/scores.csv", "--record"),
    ],
    ids=" ".join,
)
def test_a_read_only_folder_refuses_what_writes(
    command: tuple[str, ...], read_only: Path, customers: Path, tmp_path: Path
) -> None:
    words = [
        word.format(customers=customers, folder=read_only, elsewhere=tmp_path) for word in command
    ]
    before = {path: path.stat().st_mtime_ns for path in read_only.rglob("*")}
    code, out, _ = _run("-C", read_only, "--json", *words, prepare=_without_roots_rights)
    assert code == 2
    assert json.loads(out)["error"]["code"] == "folder_read_only"
    assert {path: path.stat().st_mtime_ns for path in read_only.rglob("*")} == before
    assert not (tmp_path / "scores.csv").exists()


def test_a_read_only_folder_still_serves(read_only: Path, customers: Path, tmp_path: Path) -> None:
    output = tmp_path / "scores.csv"
    for command in (("score", customers, "-o", output), ("models", "verify"), ("evaluate",)):
        code, out, err = _run("-C", read_only, "--json", *command, prepare=_without_roots_rights)
        assert code == 0, err
        json.loads(out)
    assert output.read_bytes() == (read_only / "scores.csv").read_bytes()


def test_init_in_a_read_only_folder(customers: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    code, out, _ = _run(
        "init", tmp_path / "p", "--data", customers, "--json", prepare=_without_roots_rights
    )
    tmp_path.chmod(0o755)
    assert code == 2
    assert json.loads(out)["error"]["code"] == "folder_read_only"
    assert not list(tmp_path.iterdir())


def _no_large_files() -> None:
    """The system itself refuses to write more than so much: as on a disk that fills up."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet"])
def test_a_disk_that_fills_while_scores_are_written(
    name: str, project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    output = tmp_path / name
    output.write_text("before", encoding="utf-8")
    here = set(tmp_path.iterdir())
    code, out, _ = _run(
        "-C", project.folder, "--json", "score", customers, "-o", output, prepare=_no_large_files
    )
    assert code == 2
    assert json.loads(out)["error"]["code"] == "disk_full"
    assert output.read_text(encoding="utf-8") == "before"
    assert set(tmp_path.iterdir()) == here
    assert ck.score(project, customers, output).n_rows == 2_000  # with room again


def test_a_disk_that_fills_during_init(customers: Path, tmp_path: Path) -> None:
    code, out, _ = _run(
        "init", tmp_path / "p", "--data", customers, "--json", prepare=_no_large_files
    )
    assert code == 2
    assert json.loads(out)["error"]["code"] == "disk_full"
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("where", ["a folder", "below a file"])
def test_an_output_that_cannot_be_a_file(
    where: str, cli: Cli, project: ck.Project, customers: Path, tmp_path: Path
) -> None:
    place = tmp_path / "there.csv"
    if where == "a folder":
        place.mkdir()
    else:
        place.write_text("x", encoding="utf-8")
        place /= "scores.csv"
    for command in (("score", customers), ("report",), ("models", "head")):
        code, out, err = cli("-C", project.folder, "--json", *command, "-o", place)
        assert code == 2, err
        assert json.loads(out)["error"]["code"] == "storage_error"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_full_disk(
    project: ck.Project, customers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    output = tmp_path / "scores.csv"
    ck.score(project, customers, output)
    before = output.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(errors.DiskFull):
        ck.score(project, customers, output)
    with pytest.raises(errors.DiskFull):
        ck.write_report(project)
    with pytest.raises(errors.DiskFull):
        ck.train(project, budget_seconds=1)
    monkeypatch.undo()
    assert output.read_bytes() == before
    assert [version.version for version in ck.list_models(project).versions] == ["v1"]
    assert ck.verify_models(project).ok
