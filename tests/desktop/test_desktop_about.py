"""The version and the licences of all parts are shown, and written as one page."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

from churnkit_desktop.__main__ import project_folder
from churnkit_desktop.about import AboutDialog
from churnkit_desktop.licences import Part, page, parts

from tests.desktop.conftest import WAIT_MS, Open


def test_every_part_names_its_terms_and_qt_brings_the_lgpl() -> None:
    found = {part.name: part for part in parts()}
    assert next(iter(found)) == "churnkit"
    assert {"Python", "PySide6_Essentials", "scikit-learn", "duckdb", "pyarrow"} <= set(found)
    assert all(part.terms and part.version for part in found.values())
    qt = "".join(found["PySide6_Essentials"].texts)
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in qt
    assert "GNU GENERAL PUBLIC LICENSE" in qt, "the LGPL is a supplement to it"
    for name in ("scikit-learn", "duckdb", "numpy", "treelite", "Python"):
        assert found[name].texts, name


def test_metadata_may_be_read_by_the_package_that_replaces_the_standard_one() -> None:
    """Some libraries import it, and then a field that is missing raises."""
    code = (
        "import importlib_metadata; from churnkit_desktop.licences import parts;"
        "print(sum(bool(part.terms) for part in parts()))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(ran.stdout) > 10


def test_the_page_is_complete_and_escapes_what_others_wrote() -> None:
    text = page([Part("churnkit", "1", "Apache-2.0"), Part("<b>", "2", "MIT", texts=("a < b",))])
    assert "<b>" not in text
    assert "a &lt; b" in text
    assert "src=" not in text and "@import" not in text


def test_the_dialog_lists_them_and_shows_the_chosen_text(
    qtbot: Any, console: Open, folder: Path
) -> None:
    window = console()
    window.show_about()
    (dialog,) = window.findChildren(AboutDialog)
    qtbot.waitUntil(lambda: dialog.table.model().rowCount() > 10, timeout=WAIT_MS)
    names = [part.name for part in dialog.parts]
    dialog.table.selectRow(names.index("PySide6_Essentials"))
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in dialog.text.toPlainText()
    dialog.close()
    window.show_about()
    window.findChildren(AboutDialog)[-1].close()  # before the licences are read


def test_a_project_may_be_named_by_its_file(tmp_path: Path) -> None:
    """A file manager gives the file that was double-clicked."""
    assert project_folder(str(tmp_path / "churnkit.toml")) == str(tmp_path)
    assert project_folder(str(tmp_path)) == str(tmp_path)
    assert project_folder("") == ""


def test_the_program_tells_its_version() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "churnkit_desktop", "--version"], capture_output=True, text=True
    )
    assert ran.stdout.strip() == f"churnkit {version('churnkit')}"


def test_the_window_is_there_before_what_is_heavy() -> None:
    code = (
        "import sys; import churnkit_desktop.app;"
        "print([n for n in ('duckdb', 'pyarrow', 'sqlalchemy', 'sklearn', 'pandas', 'scipy')"
        " if n in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_the_window_opens_within_two_seconds(tmp_path: Path) -> None:
    """In seconds of one processor: how busy the others keep the machine says nothing of it."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run(
        [sys.executable, "-m", "churnkit_desktop", "--only-window"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert "window: " in ran.stdout
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert taken <= 2.0, f"{taken:.2f} s of a processor"
