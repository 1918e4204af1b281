"""The services that this console knows; their keys are elsewhere (``session.keys``)."""

from __future__ import annotations

from churnkit_desktop.session.memory import Memory

_NAME = "connections"


def known(memory: Memory) -> tuple[str, ...]:
    """Their addresses, in the order of their coming."""
    listed = memory.general().get(_NAME, [])
    return tuple(url for url in listed if isinstance(url, str))


def add(memory: Memory, url: str) -> None:
    """Know a service."""
    url = url.rstrip("/")
    if url not in known(memory):
        memory.remember(**{_NAME: [*known(memory), url]})


def remove(memory: Memory, url: str) -> None:
    """Know it no more; what was drafted for it stays."""
    memory.remember(**{_NAME: [other for other in known(memory) if other != url]})
    memory.forget(url)


def normal(text: str) -> str:
    """An address as a person typed it: with a scheme, without a slash at its end."""
    url = text.strip().rstrip("/")
    if url and "://" not in url:
        local = url.split(":")[0] in ("localhost", "127.0.0.1", "[::1]")
        url = f"{'http' if local else 'https'}://{url}"
    return url
