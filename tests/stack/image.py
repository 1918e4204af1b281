"""The Dockerfile's instructions, and what they do, done in a folder instead of an image."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from churnkit_stack.finding import root

DOCKERFILE = root() / "packaging/docker/Dockerfile"
SYSTEM = ("apt-get ", "groupadd ")
"""How commands begin that change the system: they are not done outside an image."""

_PATHS = re.compile(r"(?<![\w/.-])/(?:build|opt/churnkit|project|tmp)(?![\w.-])")
"""Where the image's own folders are named."""


@dataclass(frozen=True)
class Instruction:
    """One line of the Dockerfile, in its stage."""

    stage: int
    word: str
    rest: str


def instructions() -> list[Instruction]:
    """All of them, in order."""
    found: list[Instruction] = []
    stage = -1
    for line in DOCKERFILE.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        word, _, rest = line.partition(" ")
        stage += word == "FROM"
        found.append(Instruction(stage, word, rest.strip()))
    return found


def excluded(path: str) -> bool:
    """Whether .dockerignore keeps a path from the engine; the last rule that fits decides."""
    out = False
    for line in (root() / ".dockerignore").read_text(encoding="utf-8").splitlines():
        rule = line.strip()
        if not rule or rule.startswith("#"):
            continue
        keep = rule.startswith("!")
        pattern = rule.removeprefix("!")
        parts = Path(path).parts
        ancestors = ["/".join(parts[: i + 1]) for i in range(len(parts))]
        if any(fnmatch(one, pattern) for one in ancestors) or (
            pattern.startswith("**/") and any(fnmatch(one, pattern[3:]) for one in parts)
        ):
            out = not keep
    return out


@dataclass
class Built:
    """An image as a folder: each absolute path of the image is below ``base``."""

    base: Path
    environ: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)
    user: str = ""
    folder: str = "/"
    left_out: list[str] = field(default_factory=list)
    """Commands that only an image may run."""

    def inside(self, text: str) -> str:
        """A text whose paths are those of the folder."""
        return _PATHS.sub(lambda found: f"{self.base}{found[0]}", text)


def build(base: Path) -> Built:
    """Do what the Dockerfile says."""
    built = Built(base)
    (base / "tmp").mkdir(parents=True)
    (base / "opt").mkdir()
    for one in instructions():
        _do(built, one)
    return built


def _do(built: Built, one: Instruction) -> None:
    match one.word:
        case "COPY":
            _copy(built, shlex.split(one.rest))
        case "RUN":
            if one.rest.startswith(SYSTEM):
                built.left_out.append(one.rest)
                return
            kept = {
                "PATH": os.environ["PATH"],
                "HOME": os.environ.get("HOME", "/"),
                **{  # how this machine reaches its packages
                    name: value
                    for name, value in os.environ.items()
                    if name.startswith(("PIP_", "SSL_", "HTTP", "http", "REQUESTS_"))
                },
            }
            kept["PYTHON"] = everybodys_python()
            subprocess.run(["sh", "-c", built.inside(one.rest)], check=True, env=kept, cwd="/")
        case "ENV":
            name, _, value = one.rest.partition("=")
            built.environ[name] = built.inside(value)
        case "CMD":
            built.command = [built.inside(word) for word in json.loads(one.rest)]
        case "HEALTHCHECK":
            words = json.loads(one.rest.partition(" CMD ")[2])
            built.health = [built.inside(word) for word in words]
        case "USER":
            built.user = one.rest
        case "WORKDIR":
            built.folder = one.rest
        case "ARG" | "FROM" | "EXPOSE" | "STOPSIGNAL":
            pass
        case _:
            raise AssertionError(f"{one.word} is not known here")


def everybodys_python() -> str:
    """A Python that a user without rights may run; root's own in its home is none."""
    asked = "import ensurepip, sys; assert sys.version_info >= (3, 11)"
    as_user = ["runuser", "-u", "nobody", "--"] if os.geteuid() == 0 else []
    for found in (
        str(Path(sys.executable).resolve()),
        "/usr/local/bin/python3",
        "/usr/bin/python3",
    ):
        ran = subprocess.run([*as_user, found, "-c", asked], capture_output=True, check=False)
        if ran.returncode == 0:
            return found
    raise AssertionError("no Python 3.11 that everybody may run: apt-get install python3-venv")


def _copy(built: Built, words: list[str]) -> None:
    if words[0].startswith("--from="):
        # Both stages are one folder: what is copied between them stays where it is.
        assert words[1] == words[2].rstrip("/")
        return
    *sources, target = words
    goal = Path(built.inside(target))
    for source in sources:
        assert not excluded(source), f".dockerignore keeps {source} from the engine"
        path = root() / source
        if path.is_dir():
            shutil.copytree(
                path, goal, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        elif target.endswith("/"):
            goal.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, goal)
        else:
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, goal)
