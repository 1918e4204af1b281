"""Where the parts of an installation listen on this machine."""

from __future__ import annotations

from dataclasses import dataclass

from churnkit_stack.finding import Ports

REPLICAS = 2
_HERE = "127.0.0.1"


@dataclass(frozen=True)
class Addresses:
    """A port for each part."""

    proxy: int
    replicas: tuple[int, ...]
    figures: int
    """The proxy's own figures."""
    consumer: int
    nats: int
    prometheus: int
    mlflow: int
    database: int

    @property
    def url(self) -> str:
        """Where clients ask: the proxy."""
        return f"http://{_HERE}:{self.proxy}"

    @property
    def replica_urls(self) -> list[str]:
        """The replicas themselves."""
        return [f"http://{_HERE}:{port}" for port in self.replicas]

    @property
    def figures_url(self) -> str:
        """The proxy's figures and health."""
        return f"http://{_HERE}:{self.figures}"

    @property
    def consumer_url(self) -> str:
        """The consumer's figures and health."""
        return f"http://{_HERE}:{self.consumer}"

    @property
    def nats_url(self) -> str:
        """The broker."""
        return f"nats://{_HERE}:{self.nats}"

    @property
    def prometheus_url(self) -> str:
        """Prometheus."""
        return f"http://{_HERE}:{self.prometheus}"

    @property
    def mlflow_url(self) -> str:
        """MLflow's pages."""
        return f"http://{_HERE}:{self.mlflow}"


def take_addresses(proxy: int, *, fixed: bool) -> Addresses:
    """Ports that are free now.

    Parameters
    ----------
    proxy : the port that clients ask
    fixed : the usual ports, where these are free; else any
    """
    ports = Ports()

    def take(wanted: int) -> int:
        return ports.take(wanted if fixed else 0)

    return Addresses(
        proxy=take(proxy),
        replicas=tuple(take(8001 + i) for i in range(REPLICAS)),
        figures=take(8405),
        consumer=take(8011),
        nats=take(4222),
        prometheus=take(9090),
        mlflow=take(5000),
        database=ports.take(),
    )
