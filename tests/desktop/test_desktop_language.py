"""Texts go through one door, in both directions: none beside it, and none in a catalogue too much.

The long test speaks a language in which every text stands in brackets, and looks at each screen:
what has no brackets did not come through the door.
"""

from __future__ import annotations

import ast
import json
import re
import string
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from churnkit_desktop import language
from churnkit_desktop.texts import modules, texts

SHOWS = frozenset(
    "QLabel QPushButton QCheckBox QRadioButton QGroupBox QAction QListWidgetItem label Card Tile "
    "Empty Column Command Entry Need setText setToolTip setPlaceholderText setAccessibleName "
    "setAccessibleDescription addTab addRow addItem addAction addMenu setWindowTitle setTitle "
    "setPrefix setSuffix setLabel show_notice showMessage offer warning ScreenFrame".split()
)
"""Calls whose texts a person reads."""
DOORS = frozenset(("tr", "plural", "QKeySequence"))
NOT_TRANSLATED = frozenset(("churnkit", "problemTitle"))
KEYS = re.compile("(Ctrl|Shift|Alt)[+]")
LANGUAGES = [name for name in language.LANGUAGES if name != "en"]


def _beside_the_door(tree: ast.AST) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []

    def visit(node: ast.AST, shown: bool) -> None:
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in DOORS:
                return
            inner = name in SHOWS
            for part in (*node.args, *(word.value for word in node.keywords)):
                visit(part, inner)
            visit(node.func, False)
            return
        if isinstance(node, ast.Constant | ast.JoinedStr) and shown:
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            said = " ".join(
                part.value
                for part in parts
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
            words = re.search("[A-Z][a-z]{2}|[a-z]{2} +[a-z]", said)
            if words and not KEYS.match(said) and said.strip() not in NOT_TRANSLATED:
                found.append((node.lineno, said))
            return
        for child in ast.iter_child_nodes(node):
            visit(child, shown and not isinstance(node, ast.Lambda | ast.Compare))

    visit(tree, False)
    return found


def test_what_is_shown_goes_through_the_door() -> None:
    """Self-test and screenshots speak to the makers of the console."""
    beside = {
        module.name: found
        for module in modules(files("churnkit_desktop"))
        if module.name not in ("self_test.py", "screenshots.py")
        and (found := _beside_the_door(ast.parse(module.read_text(encoding="utf-8"))))
    }
    assert not beside


def test_the_guard_finds_a_text_beside_the_door() -> None:
    tree = ast.parse('box.setText(f"{n} customers left")\nbox.setText(tr("Open"))')
    assert _beside_the_door(tree) == [(1, " customers left")]


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_catalogue_translates_what_there_is_with_the_same_values(name: str) -> None:
    known = language.catalogue(name)
    assert not set(known) - set(texts()), "the console has no such text"
    for english, other in known.items():
        values = [{field for _, field, _, _ in string.Formatter().parse(text) if field}
                  for text in (english, other)]  # fmt: skip
        assert values[0] == values[1], english


def test_a_language_that_is_not_there_is_english() -> None:
    try:
        language.use("de")
        assert language.tr("Open a project …") == "Projekt öffnen …"
        language.use("xx")
        assert language.tr("Open a project …") == "Open a project …"
    finally:
        language.use("en")


PSEUDO = """
import json, sys
from pathlib import Path
from churnkit_desktop import language

class Brackets(dict):
    def get(self, text, other=None):
        return "⟦" + text + "⟧"

language._texts = Brackets()
from PySide6.QtWidgets import (QAbstractButton, QCheckBox, QGroupBox, QLabel, QLineEdit, QMenu,
    QTabWidget, QTableView)
from PySide6.QtCore import QEventLoop, Qt, QTimer
from churnkit_desktop.app import make_application
from churnkit_desktop.main_window import MainWindow
from churnkit_desktop.screens.catalog import SCREENS
from churnkit_desktop.session.keys import Keys
from churnkit_desktop.session.memory import Memory
from churnkit_desktop.theme.style import Theme

def spin(ms):
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()

application = make_application()
memory = Memory(Path(sys.argv[2]))
window = MainWindow(Theme(application, "light"), memory, Keys(uses_keyring=False))
window.show()
spin(50)
said = {}

def note(where, *texts):
    for text in texts:
        said.setdefault(text or "", where)

def look(where):
    for widget in window.findChildren(QLabel) + window.findChildren(QAbstractButton):
        note(where, widget.text(), widget.toolTip())
    for widget in window.findChildren(QGroupBox) + window.findChildren(QMenu):
        note(where, widget.title())
    for menu in window.findChildren(QMenu):
        note(where, *(action.text() for action in menu.actions()))
    for line in window.findChildren(QLineEdit):
        note(where, line.placeholderText())
    for tabs in window.findChildren(QTabWidget):
        note(where, *(tabs.tabText(i) for i in range(tabs.count())))
    for table in window.findChildren(QTableView):
        model = table.model()
        for i in range(model.columnCount() if model else 0):
            note(where, str(model.headerData(i, Qt.Orientation.Horizontal) or ""))

look("welcome")
window.begin(sys.argv[1])
for _ in range(4000):
    spin(10)
    if window.desk is not None:
        break
for entry in SCREENS:
    window.go(entry.key)
    presenter = getattr(window._views[entry.key], "presenter", None)
    for _ in range(4000):
        spin(10)
        if presenter is None or not presenter.busy:
            break
    look(entry.key)
for command in window.commands():
    note("commands", command.title, command.hint)
window.close()
print("SAID" + json.dumps(said), flush=True)
"""
DATA = re.compile(
    r"^[\w/.:\-]*$|customer_id|telco|tmp/|\.toml|served|v\d|\d{4}-\d\d-\d\d|^[A-Z][A-Za-z ()]+_"
)
"""What is not the console's: data, names of files, columns and models."""


@pytest.mark.long
def test_every_screen_speaks_another_language(served_folder: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PSEUDO, str(served_folder), str(tmp_path / "memory")],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.partition("SAID")[2])
    beside = {
        text: where
        for text, where in said.items()
        if re.search("[A-Za-z]{3}", re.sub("⟦.*?⟧", "", text, flags=re.DOTALL))
        and "⟦" not in text
        and not DATA.search(text)
    }
    assert len(said) > 300
    assert not beside
