"""How MLflow loads a bundle as a python function: through this module, without pickle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from churnkit.inference.predictor import Predictor
from churnkit.usecases.models.serving import read_predictor
from churnkit.usecases.tables import as_arrow, typed


class ChurnFunction:
    """What ``mlflow.pyfunc.load_model`` wraps."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def predict(
        self, model_input: Any, params: dict[str, Any] | None = None
    ) -> npt.NDArray[np.float64]:
        """Calibrated probabilities of leaving, shape (n_rows,), in [0, 1].

        Parameters
        ----------
        model_input : a frame with the raw columns
        params : not used
        """
        columns = typed(as_arrow(model_input), self._predictor.schema)
        return self._predictor.predict_encoded(self._predictor.encoder.encode_arrow(columns))


def _load_pyfunc(data_path: str) -> ChurnFunction:
    return ChurnFunction(read_predictor(Path(data_path)))
