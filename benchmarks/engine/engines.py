"""ONNX Runtime and OpenVINO behind one narrow interface: padded arrays in, arrays out, one thread.

Each either takes any shape, or has a network of its own for each of a few shapes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import onnxruntime as ort
import openvino as ov

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTHS = (8, 16, 32, 64)
"""Tokens of the fixed shapes; a longer message goes to the network that takes any shape."""

SIZES = (1, 2, 4, 8, 16, 32)
"""Messages of the fixed shapes."""

Outputs = tuple["NDArray[np.float32]", "NDArray[np.float32]"]


class Engine(Protocol):
    """Runs the network of an artifact."""

    name: str

    def run(self, ids: NDArray[np.int32], mask: NDArray[np.float32]) -> Outputs:
        """int32[n, t, …] ids and float32[n, t, 1] mask → logits, evidence; arrays of its own."""


class OnnxRuntime:
    """ONNX Runtime as it serves: any shape, no memory plan."""

    name = "ONNX Runtime"

    def __init__(self, folder: Path, *, shape: tuple[int, int] | None = None) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = shape is not None
        if shape is not None:
            options.add_free_dimension_override_by_name("n", shape[0])
            options.add_free_dimension_override_by_name("t", shape[1])
        self.session = ort.InferenceSession(
            folder / "model.onnx", options, providers=["CPUExecutionProvider"]
        )

    def run(self, ids: NDArray[np.int32], mask: NDArray[np.float32]) -> Outputs:
        """See `Engine.run`."""
        logits, evidence = self.session.run(None, {"ids": ids, "mask": mask})
        return logits, evidence


class OpenVino:
    """OpenVINO, tuned for latency, in float32 where the network is not int8."""

    name = "OpenVINO"

    def __init__(self, folder: Path, *, shape: tuple[int, int] | None = None) -> None:
        core = _core()
        model = core.read_model(folder / "model.onnx")
        if shape is not None:
            own = [dimension.get_length() for dimension in model.input("ids").partial_shape[2:]]
            model.reshape({"ids": [*shape, *own], "mask": [*shape, 1]})
        self.compiled = core.compile_model(
            model,
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": 1,
                "NUM_STREAMS": 1,
                "INFERENCE_PRECISION_HINT": "f32",
            },
        )
        self.outputs = [self.compiled.output(name) for name in ("logits", "evidence")]

    def run(self, ids: NDArray[np.int32], mask: NDArray[np.float32]) -> Outputs:
        """See `Engine.run`."""
        found = self.compiled({"ids": ids, "mask": mask}, share_inputs=True, share_outputs=True)
        # What is shared is overwritten by the next call.
        logits, evidence = (np.array(found[output]) for output in self.outputs)
        return logits, evidence


class FixedShapes:
    """Pads what it gets to the nearest of a few shapes, each with a network of its own."""

    def __init__(self, make: type[OnnxRuntime | OpenVino], folder: Path, *, most: int) -> None:
        self.name = make.name
        self.sizes = [size for size in SIZES if size <= most]
        self.dynamic = make(folder)
        self.fixed = {(n, t): make(folder, shape=(n, t)) for n in self.sizes for t in WIDTHS}

    def run(self, ids: NDArray[np.int32], mask: NDArray[np.float32]) -> Outputs:
        """See `Engine.run`."""
        n, t = ids.shape[:2]
        if t > WIDTHS[-1] or n > self.sizes[-1]:
            return self.dynamic.run(ids, mask)
        shape = (nearest(self.sizes, n), nearest(WIDTHS, t))
        if shape != (n, t):
            ids, mask = _grown(ids, shape), _grown(mask, shape)
        logits, evidence = self.fixed[shape].run(ids, mask)
        return logits[:n], evidence[:n, :t]


def nearest(steps: Any, length: int) -> int:
    """The lowest step that is not under `length`."""
    return next(step for step in steps if step >= length)


def _grown(array: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    out = np.zeros((*shape, *array.shape[2:]), array.dtype)
    out[: array.shape[0], : array.shape[1]] = array
    return out


@cache
def _core() -> ov.Core:
    return ov.Core()
