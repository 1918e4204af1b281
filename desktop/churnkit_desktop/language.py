"""One door for all texts that the console itself shows: ``tr("Open a project …")``.

The English text is the key; a catalogue (``languages/de.json``) has the others, and what it lacks
stays English. Values stand in the text by name: ``tr("{n} customers").format(n=n)``, so that
another language may order them differently. ``python -m churnkit_desktop.texts`` writes what there
is to translate. Errors of the library, and data, come as they are.
"""

from __future__ import annotations

import json
from importlib.resources import files

LANGUAGES = {"en": "English", "de": "Deutsch"}
_texts: dict[str, str] = {}


def use(language: str) -> None:
    """Speak this language from now on.

    To be called before the screens are imported: some of their texts are constants. A language
    that is not there is English.
    """
    _texts.clear()
    _texts.update(catalogue(language))


def catalogue(language: str) -> dict[str, str]:
    """Texts by their English ones; empty for English itself and for what is not there."""
    if language not in LANGUAGES or language == "en":
        return {}
    file = files("churnkit_desktop") / "languages" / f"{language}.json"
    return dict(json.loads(file.read_text(encoding="utf-8")))


def tr(text: str) -> str:
    """The text in the language of the person."""
    return _texts.get(text, text)
