"""A trained network → the artifact that serving loads: int8, ONNX, no torch needed."""

from __future__ import annotations

import warnings
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from torch import Tensor, nn

from gounmal.model.artifact import ArtifactConfig, write_config
from gounmal.model.encoder import Vocabulary
from train import graph
from train.batches import batches
from train.model import GounmalModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from train.batches import Encodings


class Sample(CalibrationDataReader):  # type: ignore[misc]  # it comes without types
    """Encoded texts as the quantiser asks for them, a batch at a time."""

    def __init__(self, sample: Encodings) -> None:
        self.sample = sample
        self.rows = batches(sample.lengths, max_tokens=2048)

    def get_next(self) -> dict[str, np.ndarray[Any, Any]] | None:
        """The inputs of the next batch, None at the end."""
        rows = next(self.rows, None)
        if rows is None:
            return None
        ids, mask = self.sample.padded(rows)
        return {"ids": ids.numpy(), "mask": mask.numpy()}


class Exported(nn.Module):
    """What goes into the ONNX file: evidence as a probability."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As the model's, with evidence in 0 to 1."""
        logits, evidence = self.model(ids, mask)
        return logits, torch.sigmoid(evidence)


def export(
    model: nn.Module,
    folder: Path,
    config: ArtifactConfig,
    *,
    encoder: Vocabulary | Tokenizer,
    sample: Encodings,
) -> None:
    """Write the artifact: model.onnx in int8, the encoder's file and config.json.

    Activations are quantised with ranges fixed here. Ranges taken from each batch as it comes would
    be a little better, and would make a message's score depend on its neighbours in the batch.

    Args:
        model: in float.
        folder: made if it is not there.
        config: goes into config.json.
        encoder: goes beside it.
        sample: typical texts, a few hundred, from which the ranges are taken.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    still = deepcopy(model).eval()
    if isinstance(still, GounmalModel):
        graph.write(still, graph.input_ranges(still, sample), folder / "model.onnx")
    else:
        traced(still, sample, folder / "model.onnx")
    if isinstance(encoder, Vocabulary):
        np.save(folder / "vocabulary.npy", encoder.keys, allow_pickle=False)
    else:
        encoder.save(str(folder / "tokenizer.json"))
    write_config(folder, config)


def traced(model: nn.Module, sample: Encodings, path: Path) -> None:
    """Any network, by torch's exporter and ONNX Runtime's quantiser."""
    ids, mask = sample.padded(np.arange(min(2, len(sample))))
    example = (torch.ones_like(ids), torch.ones_like(mask))
    with TemporaryDirectory() as scratch, warnings.catch_warnings():
        # torch's tracing exporter warns of its own age and of every shape that it specialises on.
        warnings.simplefilter("ignore")
        raw = Path(scratch) / "float.onnx"
        torch.onnx.export(
            Exported(model),
            example,
            raw,
            input_names=["ids", "mask"],
            output_names=["logits", "evidence"],
            dynamic_axes={
                "ids": {0: "n", 1: "t"},
                "mask": {0: "n", 1: "t"},
                "logits": {0: "n"},
                "evidence": {0: "n", 1: "t"},
            },
            opset_version=17,
            dynamo=False,
        )
        quantize_static(
            raw,
            path,
            Sample(sample),
            op_types_to_quantize=["MatMul", "Gather"] if hasattr(model, "encoder") else ["MatMul"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"MatMulConstBOnly": True},
        )
