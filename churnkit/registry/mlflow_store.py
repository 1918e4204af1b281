"""MLflow as a mirror of the registry: runs, figures, and the bundle as a python function."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from churnkit.errors import MissingDependency, StorageError
from churnkit.files import storage_errors

MODEL_NAME = "churn"
VERSION_TAG = "churnkit_version"
LOADER = "churnkit.usecases.mlflow_flavour"
_QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}


class MlflowStore:
    """The MLflow store of a project: SQLite and files in its store folder.

    MLflow is imported when a run is recorded or an alias moves, and not before: it takes
    seconds.

    Parameters
    ----------
    folder : the project's store folder
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def uri(self) -> str:
        """The tracking and registry URI."""
        return f"sqlite:///{(self.folder / 'mlflow.db').resolve()}"

    @property
    def available(self) -> bool:
        """Whether MLflow is installed; the packaged console comes without it."""
        return importlib.util.find_spec("mlflow") is not None

    def record_run(
        self,
        *,
        run_name: str,
        experiment: str,
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        figures: Mapping[str, bytes],
        tags: Mapping[str, str],
        bundle_folder: Path,
        version: str,
        loader_module: str = LOADER,
    ) -> str:
        """Record a run and register its bundle; gives MLflow's id of the run.

        Parameters
        ----------
        figures : PNG bytes by file name
        loader_module : loads the bundle as a python function; no pickle is written
        """
        with self._client() as (mlflow, client):
            run = client.create_run(
                self._experiment(client, experiment), run_name=run_name, tags=dict(tags)
            )
            run_id = str(run.info.run_id)
            with mlflow.start_run(run_id=run_id):
                mlflow.log_params(dict(params))
                mlflow.log_metrics(dict(metrics))
                with tempfile.TemporaryDirectory() as work:
                    for name, content in figures.items():
                        path = Path(work) / name
                        path.write_bytes(content)
                        mlflow.log_artifact(str(path), "figures")
                logged = mlflow.pyfunc.log_model(
                    name="model",
                    loader_module=loader_module,
                    data_path=str(bundle_folder),
                    pip_requirements=["churnkit"],
                )
            self._register(client, logged.model_uri, run_id, version)
            return run_id

    def set_aliases(self, holders: Mapping[str, str | None]) -> None:
        """Make MLflow's aliases what the journal says.

        Does nothing where no run was recorded or MLflow is not installed; they are made equal
        when its pages are opened.
        """
        if not self.exists or not self.available:
            return
        with self._client() as (_, client):
            known = {
                found.tags.get(VERSION_TAG): found.version
                for found in client.search_model_versions(f"name = '{MODEL_NAME}'")
            }
            if not known:
                return
            present = dict(client.get_registered_model(MODEL_NAME).aliases)
            for alias, version in holders.items():
                wanted = known.get(version)
                if wanted is None:
                    if alias in present:
                        client.delete_registered_model_alias(MODEL_NAME, alias)
                elif str(present.get(alias)) != str(wanted):
                    client.set_registered_model_alias(MODEL_NAME, alias, wanted)

    @property
    def exists(self) -> bool:
        """Whether a run was recorded."""
        return (self.folder / "mlflow.db").exists()

    def ui_command(self, host: str, port: int) -> list[str]:
        """The command that serves MLflow's pages on this store.

        Raises
        ------
        MissingDependency : what records runs is here, MLflow's server and pages are not
        """
        try:
            importlib.metadata.version("mlflow")
        except importlib.metadata.PackageNotFoundError as error:
            raise MissingDependency(
                "MLflow's pages are not installed; runs are recorded without them.",
                fix="Install 'churnkit[mlflow]'.",
            ) from error
        return [
            sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", self.uri,
            "--default-artifact-root", self._artifacts, "--host", host, "--port", str(port),
            "--workers", "1",
        ]  # fmt: skip

    def ui_environment(self) -> dict[str, str]:
        """What that command's environment needs: no telemetry, no processes for jobs."""
        return {**_QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}

    @property
    def _artifacts(self) -> str:
        return (self.folder / "artifacts").resolve().as_uri()

    def _experiment(self, client: Any, name: str) -> str:
        """The experiment whose files are in this folder; a copied project gets its own."""
        found = client.get_experiment_by_name(name)
        if found is not None and found.artifact_location != self._artifacts:
            name = f"{name} {hashlib.sha256(self._artifacts.encode()).hexdigest()[:8]}"
            found = client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        return str(client.create_experiment(name, artifact_location=self._artifacts))

    def _register(self, client: Any, model_uri: str, run_id: str, version: str) -> None:
        if not client.search_registered_models(f"name = '{MODEL_NAME}'"):
            client.create_registered_model(MODEL_NAME)
        client.create_model_version(
            MODEL_NAME, source=model_uri, run_id=run_id, tags={VERSION_TAG: version}
        )

    @contextmanager
    def _client(self) -> Iterator[tuple[Any, Any]]:
        with storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        for variable, value in _QUIET.items():
            os.environ.setdefault(variable, value)
        with _quiet():
            import mlflow
            from mlflow.exceptions import MlflowException

            before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
            mlflow.set_tracking_uri(self.uri)
            mlflow.set_registry_uri(self.uri)
            try:
                yield mlflow, mlflow.MlflowClient(self.uri, self.uri)
            except (MlflowException, SQLAlchemyError, OSError) as error:
                raise StorageError(
                    f"MLflow refuses: {str(error).splitlines()[0]}",
                    fix="Models and journal are safe; move store/mlflow.db away to start anew.",
                    folder=self.folder,
                ) from error
            finally:
                mlflow.set_tracking_uri(before[0])
                mlflow.set_registry_uri(before[1])


@contextmanager
def _quiet() -> Iterator[None]:
    """MLflow and Alembic tell the story of their tables on stderr; nobody asked."""
    names = ("mlflow", "alembic", "alembic.runtime.migration", "mlflow.store.db.utils")
    levels = {name: logging.getLogger(name).level for name in names}
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
