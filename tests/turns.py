"""Several replicas behind one address, as a load balancer shows them: asked in turns."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def in_turns(urls: Sequence[str]) -> Iterator[str]:
    """An address that hands each request to the next of the replicas."""
    places = itertools.cycle([(urlsplit(url).hostname, urlsplit(url).port) for url in urls])
    up = threading.Event()
    told: list[str] = []
    stop: list[Callable[[], object]] = []
    held: set[object] = set()
    """The event loop alone would let go of a task that waits."""

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.add(asyncio.current_task())
        host, port = next(places)
        try:
            there, back = await asyncio.open_connection(host, port)
        except OSError:
            writer.transport.abort()
            return
        with closing(back), closing(writer), suppress(OSError):
            back.write(_only_one(await reader.read(1 << 16)))
            await asyncio.gather(_pump(reader, back), _pump(there, writer))

    async def main() -> None:
        server = await asyncio.start_server(hand_on, "127.0.0.1", 0)
        told.append(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        over = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop.append(lambda: loop.call_soon_threadsafe(over.set))
        up.set()
        await over.wait()
        server.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0)  # what was closed lets go of its socket in the next round

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    assert up.wait(30)
    try:
        yield told[0]
    finally:
        stop[0]()
        thread.join(30)


def _only_one(head: bytes) -> bytes:
    """A request that asks to be the only one of its connection: the next one goes elsewhere."""
    line, end, rest = head.partition(b"\r\n")
    if b"upgrade" in rest.lower():
        return head
    return line + end + (b"Connection: close\r\n" if end else b"") + rest


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the source ends; a connection that breaks is broken for the other side too."""
    try:
        while some := await source.read(1 << 16):
            sink.write(some)
            await sink.drain()
        if sink.can_write_eof():
            with suppress(OSError):
                sink.write_eof()
    except OSError:
        sink.transport.abort()
    except asyncio.CancelledError:
        sink.transport.abort()
        raise
