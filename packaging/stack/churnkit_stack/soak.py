"""``make soak``: mixed load on a whole installation in which things go wrong at random.

It ends with 1 if a prediction was lost or doubled, if memory grew, if the rollout stood still, or
if a client was answered wrongly. Ctrl-C ends the load early and counts what there is; once more
ends it at once.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import churnkit as ck
from churnkit.client.blocking import Client
from churnkit.usecases.operating.online import open_for_service
from churnkit_stack.acknowledged import Acknowledged
from churnkit_stack.asking import Asking
from churnkit_stack.faults import Faults
from churnkit_stack.finding import ProgramMissing
from churnkit_stack.load import Load
from churnkit_stack.load_messages import MESSAGE_ROWS, MessageLoad, answers
from churnkit_stack.memory import LONG_SECONDS, Curve, Watching
from churnkit_stack.part import NotStarted
from churnkit_stack.processes import children
from churnkit_stack.reconcile import reconcile
from churnkit_stack.rollout_watch import RolloutWatch
from churnkit_stack.soak_project import asking, make_project
from churnkit_stack.soaked import Soaked
from churnkit_stack.stack import Stack

Tell = Callable[[str], None]
_SPARE_SHARE = 0.3
"""After this part of a long run one replica and the consumer live on, for their memory."""
_LOOK_SECONDS, _TELL_SECONDS = 2.0, 60.0
_SHARES = {"shadow": 0.0, "1 %": 0.01, "5 %": 0.05, "25 %": 0.25}
_FEWEST = 3
"""Customers of the challenger in a stage: one in a hundred of 1,500 are some fifteen, by chance."""
_PLAN = {
    "stages": [
        {"name": name, "share": share, "minimum_customers": _FEWEST, "minimum_days": 5 / 86_400}
        for name, share in _SHARES.items()
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


def soak(
    folder: Path,
    home: Path,
    *,
    seconds: float,
    seed: int,
    pause: tuple[float, float] = (6.0, 20.0),
    asked: Asking | None = None,
    early: threading.Event | None = None,
    tell: Tell,
) -> Soaked:
    """Run a whole installation on a project of events, and look at what is left.

    Parameters
    ----------
    folder : a project of events with a champion and ``v2``
    seconds : of load; up to twice as many until each kind of fault has happened
    pause : shortest and longest rest between two faults, in seconds
    early : set: the load ends now
    """
    asked, early = asked or asking(), early or threading.Event()
    stack = Stack(folder, home, mlflow=False, fixed=False, settings=SETTINGS, tell=tell)
    stack.forget()
    try:
        stack.start()
        with open_for_service(folder, stack.database.url) as project:
            ck.rebuild_online(project)
        key = stack.key("soak", ("score", "read", "operate"))
        with Client(stack.at.url, key=key) as client:
            client.start_rollout("v2", plan=_PLAN, why="the long run")
        tell(f"Load for {seconds:,.0f} s; seed {seed}.")
        spare_after = _SPARE_SHARE * seconds if seconds >= LONG_SECONDS else None
        faults = Faults(stack, key, seed=seed, pause=pause, spare_after=spare_after, tell=tell)
        try:
            return _run(stack, key, asked, faults, seconds, seed, early, tell)
        finally:
            faults.stop()
    finally:
        tell("Ending …")
        stack.stop()
        stack.forget_data()


def _run(
    stack: Stack,
    key: str,
    asked: Asking,
    faults: Faults,
    seconds: float,
    seed: int,
    early: threading.Event,
    tell: Tell,
) -> Soaked:
    done, began = Acknowledged(), time.monotonic()
    watching = Watching(lambda: _processes(stack))
    messages = MessageLoad(stack.at.url, key, stack.at.nats_url, asked, done, seed=seed)
    rollout = RolloutWatch(stack.at.url, key, list(_SHARES))
    watching.start()
    with _load(stack, key, asked, done, seed):
        messages.start()
        faults.start()
        _wait(began, seconds, faults, rollout, done, early, tell)
        faults.stop()
        messages.stop()
    watching.stop()
    loaded = time.monotonic() - began
    tell("The load has ended; counting …")
    early.wait(2 * _LOOK_SECONDS)  # the service looks at the rollout once more
    rollout.look()
    wrong = [*done.failures_told(), *([faults.trouble] if faults.trouble else [])]
    wrong += _take_answers(stack, messages.published, done)
    wrong += rollout.wrong(long=loaded >= LONG_SECONDS)
    found = reconcile(stack.database.url, asked, done)
    curves = list(watching.curves.values())
    return Soaked(
        seconds=loaded,
        reconciliation=found,
        done=done,
        faults=dict(faults.done),
        rollout=str(rollout),
        curves=curves,
        wrong=wrong + found.wrong + _memory(curves, loaded),
    )


def _wait(
    began: float,
    seconds: float,
    faults: Faults,
    rollout: RolloutWatch,
    done: Acknowledged,
    early: threading.Event,
    tell: Tell,
) -> None:
    """Until the time is over, each fault has happened, and a rollout that paused goes on."""
    told = began
    while not early.wait(_LOOK_SECONDS) and not faults.trouble:
        now = time.monotonic()
        rollout.look()
        if now - told >= _TELL_SECONDS:
            told = now
            tell(f"  {now - began:6.0f} s  {done.total:,} acknowledged; rollout: {rollout}")
        over = now - began >= seconds
        if over and (faults.complete or now - began >= 2 * seconds):
            return


def _load(stack: Stack, key: str, asked: Asking, done: Acknowledged, seed: int) -> Load:
    load = Load(stack.at.url, key, asked, done, seed=seed)
    load.add(load.single, 3)
    for work in (load.unkeyed, load.bulk, load.outcomes, load.events, load.batch):
        load.add(work)
    return load


def _processes(stack: Stack) -> dict[str, int]:
    """Those whose memory is watched: of the proxy the worker, which its first process starts."""
    found = {
        part.name: pid
        for part in (*stack.replicas, stack.consumer)
        if (pid := part.pid) is not None
    }
    workers = children(stack.proxy.pid) if stack.proxy.pid is not None else []
    return {**found, **({"the proxy": workers[0]} if workers else {})}


def _memory(curves: list[Curve], seconds: float) -> list[str]:
    """What grew, and who was not seen for long enough though there was time."""
    wrong = [f"memory grows: {curve}" for curve in curves if curve.grows]
    if LONG_SECONDS / seconds > 1.0 - _SPARE_SHARE:
        return wrong  # nobody can have lived for so long
    judged = {curve.name for curve in curves if curve.judged}
    unseen = [
        name
        for name in ("replica", "the consumer", "the proxy")
        if not any(one.startswith(name) for one in judged)
    ]
    return wrong + [f"no memory of {name} was seen for {LONG_SECONDS:.0f} s" for name in unseen]


def _take_answers(stack: Stack, published: list[str], done: Acknowledged) -> list[str]:
    """Each message that the broker took is answered, and answered the same."""
    found = asyncio.run(answers(stack.at.nats_url, len(set(published)), 90.0))
    by_message: dict[object, set[str]] = {}
    for one in found:
        ids = [each["prediction_id"] for each in one["predictions"]]  # type: ignore[attr-defined]
        by_message.setdefault(one["message_id"], set()).update(ids)
    for answered in by_message.values():
        done.predicted("broker", sorted(answered))
    missing = set(published) - set(by_message)
    wrong = [f"{len(missing)} messages of the broker were not answered"] if missing else []
    twice = sum(len(ids) != MESSAGE_ROWS for ids in by_message.values())
    return [*wrong, *([f"{twice} messages of the broker have another answer"] if twice else [])]


def main() -> int:
    """Run it from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--home", type=Path, default=Path("build/soak"))
    given = parser.parse_args()
    early, signals = threading.Event(), 0

    def end(*_: object) -> None:
        nonlocal signals
        signals += 1
        early.set()
        if signals == 1:
            _say("The load ends early …")
        elif signals == 2:  # later ones shall not disturb the end of the parts
            raise KeyboardInterrupt

    try:
        _say("Making a project of events with two models …")
        folder = make_project(given.home / "project")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, end)
        found = soak(
            folder, given.home / "stack", seconds=60 * given.minutes, seed=given.seed,
            early=early, tell=_say,
        )  # fmt: skip
    except (NotStarted, ProgramMissing) as error:
        _say(str(error))
        return 2
    except KeyboardInterrupt:
        _say("Ended at once; nothing was counted.")
        return 130
    _say(str(found))
    return 0 if found.right else 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
