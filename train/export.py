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

from gounmal.model.classifier import ArtifactConfig, write_config
from gounmal.model.encoder import N_FEATURES, Vocabulary
from train.batches import batches
from train.model import GounmalModel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from train.batches import Encodings


class QuantizedTable(nn.Module):
    """An embedding table in int8 with one scale a column, summed before it is scaled.

    A scale a column commutes with the sum over n-grams, so the table can stay int8 until the sum.
    """

    rows: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        scale = weight.abs().amax(dim=0).clamp(min=1e-8) / 127
        self.register_buffer("rows", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        """ids: int[n, t, features] → float[n, t, columns]."""
        return self.rows[ids.long()].float().sum(dim=2) * self.scale


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
    """What goes into the ONNX file: evidence as a probability, the table in int8."""

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
    exported = Exported(deepcopy(model)).eval()
    shape: tuple[int, ...] = (2, 5)
    if isinstance(exported.model, GounmalModel):
        exported.model.table = QuantizedTable(exported.model.get_parameter("table.weight"))
        shape = (2, 5, N_FEATURES)
    example = (torch.ones(shape, dtype=torch.int32), torch.ones(2, 5, 1))
    with TemporaryDirectory() as scratch, warnings.catch_warnings():
        # torch's tracing exporter warns of its own age and of every shape that it specialises on.
        warnings.simplefilter("ignore")
        raw = Path(scratch) / "float.onnx"
        torch.onnx.export(
            exported,
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
            folder / "model.onnx",
            Sample(sample),
            op_types_to_quantize=["MatMul", "Gather"] if hasattr(model, "encoder") else ["MatMul"],
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            extra_options={"MatMulConstBOnly": True},
        )
    if isinstance(encoder, Vocabulary):
        np.save(folder / "vocabulary.npy", encoder.keys, allow_pickle=False)
    else:
        encoder.save(str(folder / "tokenizer.json"))
    write_config(folder, config)
