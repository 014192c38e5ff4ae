"""MLflow's scoring server: a model from code, saved on first use, served as its CLI does."""

# mypy: disable-error-code=misc

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import mlflow

from benchmarks.online.contenders.core import judge, load


class Model(mlflow.pyfunc.PythonModel):
    """A list of Messages in, a list of Decisions out."""

    def load_context(self, context: Any) -> None:  # noqa: ARG002  (the artifact is named elsewhere)
        """Of the server."""
        self.moderator = load()

    def predict(self, context: Any, model_input: Any, params: Any = None) -> Any:  # noqa: ARG002
        """One Decision each."""
        # What was a string in JSON comes as an array without dimensions.
        bodies = [{key: str(value) for key, value in row.items()} for row in model_input]
        return judge(self.moderator, bodies)


mlflow.models.set_model(Model())

if __name__ == "__main__":
    place, port = Path(sys.argv[1]), sys.argv[2]
    shutil.rmtree(place, ignore_errors=True)
    mlflow.pyfunc.save_model(place, python_model=__file__, pip_requirements=[])
    from mlflow.cli import cli

    sys.argv = [
        *("mlflow", "models", "serve", "--model-uri", str(place)),
        *("--host", "127.0.0.1", "--port", port, "--env-manager", "local", "--workers", "1"),
    ]
    cli()
