"""docker-compose.yml: the specification's schema, and what it says of files, secrets, limits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from churnkit_stack.finding import root

from churnkit.settings.file import read_settings
from tests.stack.image import instructions

FILE = root() / "docker-compose.yml"
TEXT = FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
_VARIABLE = re.compile(r"\$\{(\w+)(:?[-?])?([^}]*)\}")


def _example() -> dict[str, str]:
    lines = (root() / ".env.example").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_it_follows_the_compose_specification(tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec",
    ]  # fmt: skip
    ran = subprocess.run([*command, str(FILE)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(TEXT.replace("read_only: true", "read_onely: true"))
    ran = subprocess.run([*command, str(wrong)], capture_output=True, text=True, check=False)
    assert ran.returncode == 1  # the check does find mistakes
    engine = ["docker", "compose"]
    if (
        shutil.which("docker")
        and subprocess.run([*engine, "version"], capture_output=True, check=False).returncode == 0
    ):
        environ = {**os.environ, **{name: value or "x" for name, value in _example().items()}}
        subprocess.run([*engine, "config", "--quiet"], cwd=root(), env=environ, check=True)


def test_the_whole_installation_is_in_it() -> None:
    assert set(SERVICES) == {
        "postgres", "service-1", "service-2", "proxy", "nats", "consumer", "prometheus",
        "grafana", "mlflow",
    }  # fmt: skip


def test_images_of_others_are_named_by_digest_and_by_no_host() -> None:
    for name, part in SERVICES.items():
        default = part["image"].partition(":-")[2].removesuffix("}")
        if "build" in part:
            continue  # our own
        assert re.fullmatch(r"(?:\w+/)?[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", default), name


@pytest.mark.parametrize("name", SERVICES)
def test_each_part_is_confined_watched_and_started_again(name: str) -> None:
    part = SERVICES[name]
    assert part["restart"] == "unless-stopped"
    assert part["read_only"] is True
    assert part["cap_drop"] == ["ALL"]
    assert part["security_opt"] == ["no-new-privileges:true"]
    limits = part["deploy"]["resources"]["limits"]
    assert {"cpus", "memory"} <= set(limits)
    own = "healthcheck" in part
    ours = part.get("build", {}).get("dockerfile") == "packaging/docker/Dockerfile"
    assert own or (ours and any(one.word == "HEALTHCHECK" for one in instructions()))
    for waited in part.get("depends_on", {}):
        assert waited in SERVICES


def test_secrets_come_from_the_environment_and_the_example_has_none() -> None:
    example = _example()
    used = {name: (how, rest) for name, how, rest in _VARIABLE.findall(TEXT)}
    assert set(example) == set(used)
    for name, (how, rest) in used.items():
        if how == ":?":
            assert example[name] == "", f"{name} is a secret"
        else:
            assert (how, example[name]) == (":-", rest), name
    secret = re.compile(r"PASSWORD|KEY|SECRET|TOKEN", re.IGNORECASE)
    for part in SERVICES.values():
        for name, value in part.get("environment", {}).items():
            if secret.search(name):
                assert value.startswith("${") and ":?" in value
    assert "/.env" in (root() / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_files_that_are_mounted_are_there_and_read_only() -> None:
    for name, part in SERVICES.items():
        for volume in part.get("volumes", []):
            if isinstance(volume, dict):
                assert volume["read_only"] is True, name
                continue
            source, _, rest = volume.partition(":")
            if source.startswith("."):
                assert (root() / source).exists(), source
                assert rest.endswith(":ro"), volume
            else:
                assert source in COMPOSE["volumes"]


def test_ports_and_names_fit_each_other() -> None:
    folder = root() / "packaging/prometheus/targets"
    targets = {
        path.stem: yaml.safe_load(path.read_text())[0]["targets"] for path in folder.glob("*.json")
    }
    proxy = SERVICES["proxy"]["environment"]
    assert targets["churnkit"] == [proxy["CHURNKIT_REPLICA_1"], proxy["CHURNKIT_REPLICA_2"]]
    assert targets["proxy"] == ["proxy" + proxy["CHURNKIT_PROXY_FIGURES"]]
    port = SERVICES["consumer"]["environment"]["CHURNKIT_BROKER_METRICS_PORT"]
    assert targets["consumer"] == [f"consumer:{port}"]
    source = root() / "packaging/grafana/provisioning/datasources/prometheus.yml"
    assert "http://prometheus:9090" in source.read_text(encoding="utf-8")
    for address in (*targets["churnkit"], *targets["proxy"], *targets["consumer"]):
        assert address.partition(":")[0] in SERVICES


def test_settings_of_the_parts_are_settings(
    served_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SERVICES["consumer"]["environment"].items():
        if name.startswith("CHURNKIT_") and "${" not in value:
            monkeypatch.setenv(name, value)
    settings = read_settings(served_folder)
    assert settings.broker is not None
    assert settings.broker.url == "nats://nats:4222"
    assert settings.broker.metrics_port == 8011
    assert settings.service.host == "0.0.0.0"
    # A replica has time to finish before the engine kills it.
    grace = int(SERVICES["service-1"]["stop_grace_period"].removesuffix("s"))
    assert grace > settings.service.drain_seconds + settings.service.lame_duck_seconds
