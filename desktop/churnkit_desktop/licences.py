"""The licences of all parts: read from what is installed, or from what is in the bundle."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path

FILE_NAME = "third-party-licences.html"
_LICENCE_FILE = re.compile(r"(?i)(licen[cs]e|copying|notice|authors)[^/\\]*$")
_OWN = "churnkit"
_TEXTS = Path(__file__).parent / "licence_texts"
_KNOWN = {
    "LGPL-3.0": ("LGPL-3.0",),
    "GPL-3.0": ("LGPL-3.0",),  # the LGPL is a supplement to it
    "Apache-2.0": ("Apache",),
}


@dataclass(frozen=True)
class Part:
    """One package or library.

    Parameters
    ----------
    terms : the licence in a few words, as its authors state it
    texts : its licence files, whole
    """

    name: str
    version: str
    terms: str
    home: str = ""
    texts: tuple[str, ...] = ()


def parts() -> tuple[Part, ...]:
    """What this console is made of, by name; churnkit itself comes first."""
    found = {part.name.lower(): part for part in (_part(one) for one in _present())}
    others = [found[name] for name in sorted(found) if name != _OWN]
    own = [found[_OWN]] if _OWN in found else []
    return (*own, _python(), *others)


def page(listed: Iterable[Part]) -> str:
    """One HTML file, complete in itself."""
    listed = tuple(listed)
    rows = "".join(
        f'<tr><td><a href="#p{number}">{escape(part.name)}</a></td><td>{escape(part.version)}</td>'
        f"<td>{escape(part.terms)}</td></tr>"
        for number, part in enumerate(listed)
    )
    texts = "".join(
        f'<h2 id="p{number}">{escape(part.name)} {escape(part.version)}</h2>'
        f"<p>{escape(part.terms)}{_home(part.home)}</p>"
        + "".join(f"<pre>{escape(text)}</pre>" for text in part.texts)
        for number, part in enumerate(listed)
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Third-party licences</title>'
        "<style>body{font-family:sans-serif;max-width:60em;margin:2em auto;padding:0 1em}"
        "td{padding:.1em 1em .1em 0}pre{white-space:pre-wrap;background:#f4f5f7;padding:1em}"
        "</style><h1>Third-party licences</h1>"
        f"<p>churnkit is under Apache-2.0. It is delivered with {len(listed) - 1} other parts. "
        "Qt and PySide6 are used under the LGPL, version 3: they are separate files beside the "
        "program, which you may replace by your own builds.</p>"
        f"<table>{rows}</table>{texts}</html>\n"
    )


def _home(address: str) -> str:
    return f' · <a href="{escape(address)}">{escape(address)}</a>' if address else ""


def _present() -> Iterator[Distribution]:
    if getattr(sys, "frozen", False):
        yield from distributions()
        return
    seen: set[str] = set()
    waiting = [_OWN]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in seen:
            continue
        seen.add(name)
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue  # of an extra that is not installed, or of another system
        yield found
        waiting += [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in found.requires or ()]


def _part(found: Distribution) -> Part:
    terms = _field(found, "License-Expression")
    if not terms:
        named = found.metadata.get_all("Classifier") or ()
        classes = [one.split(" :: ")[-1] for one in named if "License" in one]
        terms = "; ".join(classes) or _field(found, "License").strip().split("\n")[0][:120]
    return Part(
        name=_field(found, "Name"),
        version=_field(found, "Version"),
        terms=terms or "see the text",
        home=_home_page(found),
        texts=_texts(found) or _known_texts(terms),
    )


def _home_page(found: Distribution) -> str:
    for line in found.metadata.get_all("Project-URL") or ():
        label, _, address = line.partition(",")
        if label.strip().lower() in ("homepage", "home", "source", "repository"):
            return str(address).strip()
    return _field(found, "Home-page")


def _field(found: Distribution, name: str) -> str:
    # The metadata of Python's own importlib answer a missing field with None; those of the
    # importlib_metadata package, which takes over once any library imports it, with a KeyError.
    return str((found.metadata.get_all(name) or ("",))[0])


def _texts(found: Distribution) -> tuple[str, ...]:
    folder = getattr(found, "_path", None)  # a bundle has no RECORD that would list the files
    if not isinstance(folder, Path):
        return ()
    files = [p for p in folder.rglob("*") if p.is_file() and _LICENCE_FILE.search(p.name)]
    return tuple(path.read_text(encoding="utf-8", errors="replace") for path in sorted(files))


def _known_texts(terms: str) -> tuple[str, ...]:
    """Texts of common licences, for parts that name theirs and do not bring it."""
    names = [name for name, words in _KNOWN.items() if any(word in terms for word in words)]
    return tuple((_TEXTS / f"{name}.txt").read_text(encoding="utf-8") for name in names)


def _python() -> Part:
    version = ".".join(map(str, sys.version_info[:3]))
    text = Path(sys.base_prefix) / "lib" / f"python3.{sys.version_info.minor}" / "LICENSE.txt"
    texts = (text.read_text(encoding="utf-8"),) if text.is_file() else (sys.copyright,)
    return Part("Python", version, "PSF-2.0", "https://www.python.org", texts)
