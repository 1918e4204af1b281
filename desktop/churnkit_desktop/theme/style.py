"""One style sheet from the tokens, and the theme that is in use."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QFont, QPalette
from PySide6.QtWidgets import QApplication

from churnkit_desktop.notice import Notice
from churnkit_desktop.theme.choices import THEMES
from churnkit_desktop.theme.tokens import DARK, LIGHT, Tokens


class Theme:
    """Which tokens are in use; follows the system unless a person chose.

    Parameters
    ----------
    application : gets palette and style sheet
    choice : system, light or dark
    """

    def __init__(self, application: QApplication, choice: str = "system") -> None:
        self._application = application
        self.changed = Notice()
        self.choice = choice if choice in THEMES else "system"
        self.tokens = LIGHT
        application.styleHints().colorSchemeChanged.connect(self._system_changed)
        self._use()

    def choose(self, choice: str) -> None:
        """Use a theme from now on."""
        self.choice = choice
        self._use()

    def _system_changed(self, _scheme: Any) -> None:
        if self.choice == "system":
            self._use()

    def _use(self) -> None:
        dark = self.choice == "dark" or (
            self.choice == "system"
            and self._application.styleHints().colorScheme() == Qt.ColorScheme.Dark
        )
        self.tokens = DARK if dark else LIGHT
        sheet = style_sheet(self.tokens)
        # Setting them goes through every widget there is: not for a window more of the same look.
        if self._application.styleSheet() != sheet:
            self._application.setPalette(_palette(self.tokens))
            self._application.setStyleSheet(sheet)
        self.changed()


def numbers_font(base: QFont) -> QFont:
    """The same letters with figures of equal width, so that numbers stand below each other."""
    font = QFont(base)
    if hasattr(QFont, "Tag"):  # Qt 6.7 and later
        font.setFeature(QFont.Tag("tnum"), 1)
    return font


def _palette(t: Tokens) -> QPalette:
    palette = QPalette()
    role = QPalette.ColorRole
    for which, colour in (
        (role.Window, t.window),
        (role.WindowText, t.text),
        (role.Base, t.surface),
        (role.AlternateBase, t.window),
        (role.Text, t.text),
        (role.Button, t.raised),
        (role.ButtonText, t.text),
        (role.ToolTipBase, t.raised),
        (role.ToolTipText, t.text),
        (role.Highlight, t.accent),
        (role.HighlightedText, t.on_accent),
        (role.PlaceholderText, t.faint),
        (role.Link, t.accent),
    ):
        palette.setColor(which, QColor(colour))
    for which in (role.Text, role.ButtonText, role.WindowText):
        palette.setColor(QPalette.ColorGroup.Disabled, which, QColor(t.faint))
    return palette


def style_sheet(t: Tokens) -> str:
    """The style sheet of the whole application."""
    return f"""
    QWidget {{ color: {t.text}; }}
    QMainWindow, QDialog, QWidget#screen, QScrollArea, QScrollArea > QWidget > QWidget
        {{ background: {t.window}; }}
    QScrollArea {{ border: none; }}
    QToolTip {{ background: {t.raised}; color: {t.text}; border: 1px solid {t.line};
        padding: 4px; }}
    QFrame#card {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: 8px; }}
    QFrame#problem {{ background: {t.bad_soft}; border: 1px solid {t.bad}; border-radius: 8px; }}
    QFrame#notice {{ background: {t.warn_soft}; border: 1px solid {t.warn};
        border-radius: 8px; }}
    QFrame#dropHint {{ background: {t.accent_soft}; border: 3px dashed {t.accent};
        border-radius: 12px; }}
    QLabel {{ background: transparent; }}
    QLabel#title {{ font-size: 18pt; font-weight: 600; }}
    QLabel#heading {{ font-size: 12.5pt; font-weight: 600; }}
    QLabel#faint {{ color: {t.faint}; }}
    QLabel#figure {{ font-size: 20pt; font-weight: 600; }}
    QLabel#problemTitle {{ color: {t.bad}; font-weight: 600; }}
    QListWidget#navigation {{ background: {t.surface}; border: none;
        border-right: 1px solid {t.line}; padding: 8px 6px; outline: 0; }}
    QListWidget#navigation::item {{ padding: 9px 10px; border-radius: 6px; margin: 1px 0; }}
    QListWidget#navigation::item:hover {{ background: {t.raised}; }}
    QListWidget#navigation::item:selected {{ background: {t.accent_soft}; color: {t.text};
        font-weight: 600; }}
    QPushButton {{ background: {t.surface}; border: 1px solid {t.line}; border-radius: 6px;
        padding: 6px 14px; min-height: 20px; }}
    QPushButton:hover {{ background: {t.raised}; }}
    QPushButton:focus, QLineEdit:focus, QPlainTextEdit:focus, QTableView:focus
        {{ border: 2px solid {t.accent}; }}
    QPushButton:disabled {{ color: {t.faint}; background: {t.window}; }}
    QPushButton#primary {{ background: {t.accent}; color: {t.on_accent};
        border: 1px solid {t.accent}; font-weight: 600; }}
    QPushButton#primary:hover {{ border-color: {t.text}; }}
    QPushButton#primary:focus {{ border: 2px solid {t.text}; }}
    QPushButton#primary:disabled {{ background: {t.raised}; color: {t.faint};
        border-color: {t.line}; }}
    QPushButton#link {{ border: none; background: transparent; color: {t.accent}; padding: 2px 4px;
        text-align: left; }}
    QPushButton#link:focus {{ border: 2px solid {t.accent}; }}
    QLineEdit, QPlainTextEdit {{ background: {t.surface}; border: 1px solid {t.line};
        border-radius: 6px; padding: 5px 8px; min-height: 20px;
        selection-background-color: {t.accent};
        selection-color: {t.on_accent}; }}
    QComboBox QAbstractItemView {{ background: {t.surface}; border: 1px solid {t.line};
        selection-background-color: {t.accent_soft}; selection-color: {t.text}; }}
    QTableView, QTreeView {{ background: {t.surface}; alternate-background-color: {t.window};
        border: 1px solid {t.line}; border-radius: 6px; gridline-color: {t.line};
        selection-background-color: {t.accent_soft}; selection-color: {t.text}; }}
    QTableView::item {{ padding: 0 6px; }}
    QHeaderView {{ background: {t.surface}; }}
    QAbstractSpinBox QLineEdit {{ border: none; padding: 0; background: transparent; }}
    QHeaderView::section {{ background: {t.raised}; color: {t.text}; border: none;
        border-right: 1px solid {t.line}; border-bottom: 1px solid {t.line};
        padding: 6px 8px; font-weight: 600; }}
    QTableCornerButton::section {{ background: {t.raised}; border: none; }}
    QProgressBar {{ background: {t.raised}; border: none; border-radius: 4px; min-height: 8px;
        max-height: 8px; }}
    QProgressBar::chunk {{ background: {t.accent}; border-radius: 4px; }}
    QTabWidget::pane {{ border: 1px solid {t.line}; border-radius: 6px; background: {t.surface}; }}
    QTabBar::tab {{ padding: 7px 14px; color: {t.faint}; border-bottom: 2px solid transparent; }}
    QTabBar::tab:selected {{ color: {t.text}; border-bottom: 2px solid {t.accent}; }}
    QTabBar::tab:focus {{ color: {t.accent}; }}
    QStatusBar {{ background: {t.surface}; border-top: 1px solid {t.line}; color: {t.faint}; }}
    QMenuBar, QMenu {{ background: {t.surface}; color: {t.text}; }}
    QMenu {{ border: 1px solid {t.line}; padding: 4px; }}
    QMenu::item {{ padding: 5px 22px; border-radius: 4px; }}
    QMenuBar::item:selected, QMenu::item:selected {{ background: {t.accent_soft}; }}
    QMenu::item:disabled {{ color: {t.faint}; }}
    QSplitter::handle {{ background: transparent; }}
    QComboBox, QAbstractSpinBox {{ min-height: 26px; }}
    QScrollBar:vertical {{ background: transparent; width: 12px; }}
    QScrollBar:horizontal {{ background: transparent; height: 12px; }}
    QScrollBar::handle {{ background: {t.line}; border-radius: 5px; min-height: 28px;
        min-width: 28px; margin: 1px; }}
    QScrollBar::handle:hover {{ background: {t.faint}; }}
    QScrollBar::add-line, QScrollBar::sub-line {{ width: 0; height: 0; }}
    QCheckBox, QRadioButton {{ spacing: 8px; }}
    """
