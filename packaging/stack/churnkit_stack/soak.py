"""``make soak``: mixed load on a whole installation in which things go wrong at random.

It ends with 1 if a prediction was lost or doubled, if memory grew, if the rollout stood still, or
if a client was answered wrongly.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import churnkit as ck
from churnkit.client.blocking import Client
from churnkit.usecases.online import open_for_service
from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.asking import Asking
from churnkit_stack.faults import KINDS, Faults
from churnkit_stack.load import Load
from churnkit_stack.load_messages import MessageLoad, answers
from churnkit_stack.memory import Curve, Watching
from churnkit_stack.reconcile import Reconciliation, reconcile
from churnkit_stack.soak_project import asking, make_project
from churnkit_stack.stack import Stack

Tell = Callable[[str], None]
GROWTH_MEGABYTES, GROWTH_PER_MINUTE = 25.0, 1.0
"""A process may grow by so much at most: caches that fill, and by the minute."""
_LOOK_SECONDS, _STALE_SECONDS = 2.0, 60.0
_PLAN = {
    "stages": [
        {"name": name, "share": share, "minimum_customers": 20, "minimum_days": 5 / 86_400}
        for name, share in (("shadow", 0.0), ("1 %", 0.01), ("5 %", 0.05), ("25 %", 0.25))
    ]
}
SETTINGS = {
    "CHURNKIT_ROLLOUT_LOOK_SECONDS": str(_LOOK_SECONDS),
    "CHURNKIT_BROKER_ACK_WAIT_SECONDS": "5",
    "CHURNKIT_SERVICE_JOB_LEASE_SECONDS": "5",
    "CHURNKIT_SERVICE_JOB_ATTEMPTS": "50",
    "CHURNKIT_SERVICE_JOB_ROWS": "50",
}
"""Quicker looks, and jobs in more pieces, so that a fault finds them at work."""


@dataclass
class Soaked:
    """What a run showed."""

    seconds: float
    reconciliation: Reconciliation
    done: Acknowledged
    faults: dict[str, int]
    rollout: str
    grown: list[str] = field(default_factory=list)
    memory: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        """Whether nothing was wrong."""
        return not self.wrong

    def __str__(self) -> str:
        other = ", ".join(f"{n:,} {what}" for what, n in sorted(self.done.counts.items()))
        refused = ", ".join(f"{n:,} {what}" for what, n in sorted(self.done.refused.items()))
        happened = ", ".join(f"{n} × {what}" for what, n in sorted(self.faults.items()))
        lines = [
            f"{self.done.total + sum(self.done.batches.values()):,} predictions were acknowledged "
            f"in {self.seconds:,.0f} s, beside {other or 'nothing'}.",
            f"What went wrong on purpose: {happened or 'nothing'}. "
            f"Refused (503) and not done: {refused or 'none'}.",
            str(self.reconciliation),
            f"Rollout: {self.rollout}",
            "Memory:",
            *(f"  {line}" for line in self.memory),
        ]
        if self.wrong:
            lines += ["WRONG:", *(f"  {text}" for text in self.wrong)]
        else:
            lines.append(
                "Nothing was lost, nothing doubled; memory and rollout are as they should."
            )
        return "\n".join(lines)


def soak(
    folder: Path,
    home: Path,
    *,
    seconds: float,
    seed: int,
    pause: tuple[float, float] = (6.0, 20.0),
    asked: Asking | None = None,
    tell: Tell,
) -> Soaked:
    """Run a whole installation on a project of events, and look at what is left.

    Parameters
    ----------
    folder : a project of events with a champion and ``v2``
    pause : shortest and longest rest between two faults, in seconds
    """
    asked = asked or asking()
    stack = Stack(folder, home, mlflow=False, fixed=False, settings=SETTINGS, tell=tell)
    stack.forget()
    done = Acknowledged()
    began = time.monotonic()
    try:
        stack.start()
        with open_for_service(folder, stack.database.url) as project:
            ck.rebuild_online(project)
        key = stack.key("soak", ("score", "read", "operate"))
        with Client(stack.url, key=key) as client:
            client.start_rollout("v2", plan=_PLAN, why="the long run")
        tell(f"Load for {seconds:,.0f} s; seed {seed}.")
        watching = Watching(lambda: _processes(stack))
        watching.start()
        faults = Faults(stack, key, seed=seed, pause=pause, tell=tell)
        messages = MessageLoad(stack.url, key, stack.nats_url, asked, done, seed=seed)
        resumed = 0
        with _load(stack, key, asked, done, seed):
            messages.start()
            faults.start()
            end = time.monotonic() + seconds
            while time.monotonic() < end and not faults.trouble:
                time.sleep(min(5.0, max(0.0, end - time.monotonic())))
                resumed += _resume(stack, key)
            faults.stop()
            messages.stop()
        watching.stop()
        wrong = [*done.failures, *([faults.trouble] if faults.trouble else [])]
        wrong += _take_answers(stack, messages.published, done)
        standing, stuck = _rollout(stack, key, resumed)
        wrong += stuck
        found = reconcile(stack.database.url, asked, done)
        wrong += [f"{line.source}: {line}" for line in found.lines if not line.right]
        curves = list(watching.curves.values())
        grown = [text for curve in curves if (text := _grown(curve))]
        return Soaked(
            seconds=time.monotonic() - began,
            reconciliation=found,
            done=done,
            faults=dict(faults.done),
            rollout=standing,
            grown=grown,
            memory=[_told(curve) for curve in curves if len(curve.sizes) > 10],
            wrong=wrong + grown,
        )
    finally:
        stack.stop()


def _load(stack: Stack, key: str, asked: Asking, done: Acknowledged, seed: int) -> Load:
    load = Load(stack.url, key, asked, done, seed=seed)
    load.add(load.single, 3)
    for work in (load.unkeyed, load.bulk, load.outcomes, load.events, load.batch):
        load.add(work)
    return load


def _processes(stack: Stack) -> dict[str, int]:
    parts = (*stack.replicas, stack.consumer, stack.proxy)
    return {part.name: pid for part in parts if (pid := part.pid) is not None}


def _resume(stack: Stack, key: str) -> int:
    """What a person does with a rollout that paused: here the load is strange on purpose."""
    try:
        with Client(stack.url, key=key, patience_seconds=20) as client:
            (rollout,) = client.rollouts().rollouts[-1:]
            if rollout.condition != "paused":
                return 0
            client.move_rollout(rollout.rollout_id, "resume", why="the long run goes on")
    except ck.ChurnkitError:
        return 0  # it is away at this moment; there is a next one
    return 1


def _rollout(stack: Stack, key: str, resumed: int) -> tuple[str, list[str]]:
    """Where the rollout stands, and what is wrong with it."""
    time.sleep(2 * _LOOK_SECONDS)  # the service looks at it once more
    with Client(stack.url, key=key) as client:
        rollout = client.rollouts().rollouts[-1]
    text = f"{rollout.rollout_id} is {rollout.condition} in '{rollout.stage}'"
    if resumed:
        text += f", resumed {resumed} times"
    if rollout.outcome is not None:
        return text, []
    looked = rollout.looked_at
    stale = looked is None or datetime.now(UTC) - looked > timedelta(seconds=_STALE_SECONDS)
    wrong = [f"nobody looks at the rollout any more: {text}"] if stale else []
    if rollout.stage == "shadow":
        wrong.append(f"the rollout did not leave shadow: {text}")
    return text, wrong


def _take_answers(stack: Stack, published: list[str], done: Acknowledged) -> list[str]:
    """Each message that the broker took is answered, and answered the same."""
    found = asyncio.run(answers(stack.nats_url, len(set(published)), 90.0))
    by_message: dict[object, set[str]] = {}
    for one in found:
        ids = [each["prediction_id"] for each in one["predictions"]]  # type: ignore[attr-defined]
        by_message.setdefault(one["message_id"], set()).update(ids)
    for answered in by_message.values():
        done.predicted("broker", sorted(answered))
    missing = set(published) - set(by_message)
    return [f"{len(missing)} messages of the broker were not answered"] if missing else []


def _grown(curve: Curve) -> str:
    slope = curve.slope(after=max(30.0, 0.3 * curve.seconds[-1]))
    if slope is None:
        return ""
    minutes = curve.seconds[-1] / 60
    allowed = GROWTH_MEGABYTES / max(minutes, 1.0) + GROWTH_PER_MINUTE
    if slope / 1e6 <= allowed:
        return ""
    return f"{_told(curve)}: more than {allowed:.1f} MB a minute"


def _told(curve: Curve) -> str:
    first, last = curve.megabytes
    slope = curve.slope(after=max(30.0, 0.3 * curve.seconds[-1]))
    rate = "too short for a slope" if slope is None else f"{slope / 1e6:+.2f} MB a minute"
    return f"{curve.name}, {curve.seconds[-1]:,.0f} s: {first:.0f} to {last:.0f} MB, {rate}"


def main() -> int:
    """Run it from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, default=Path("build/soak"))
    given = parser.parse_args()
    print("Making a project of events with two models …", flush=True)
    folder = make_project(given.home / "project")
    found = soak(
        folder,
        given.home / "stack",
        seconds=60 * given.minutes,
        seed=given.seed,
        tell=lambda text: print(text, flush=True),
    )
    print(found)
    unseen = set(KINDS) - set(found.faults)
    if unseen:
        print(f"Too short: {', '.join(sorted(unseen))} did not happen.")
    return 0 if found.right else 1


if __name__ == "__main__":
    sys.exit(main())
