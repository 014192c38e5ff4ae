"""The small network as an ONNX graph in int8, written operator by operator.

What torch's exporter and ONNX Runtime's quantiser make of it says the same in 1.1 to 1.35 times the
time (benchmarks/engine/graphs.md). What is done otherwise here:

- the rows of a token's n-grams are summed by an integer product with ones, which spares turning
  each of them into floats;
- activations are quantised before a token's neighbours are looked up, and these by number: nothing
  is shifted, padded or masked in floats, and what lies beyond a message is a row that says zero;
- a product gives floats, with the bias added: nothing is quantised only to be taken apart again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from gounmal.model.encoder import N_FEATURES
from gounmal.schema import LABELS
from train.batches import batches
from train.model import Form

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import nn

    from train.batches import Encodings
    from train.model import GounmalModel

OPSET = 17
IR_VERSION = 8
RUNTIME = "com.microsoft"
"""Domain of ONNX Runtime's own operators."""

N_LABELS = len(LABELS)
OUTSIDE = ("enter.1", "head.token", "head.whole")
"""Layers in int8 before and after the blocks; `head.out` is small, and stays in floats."""

NEVER = -1e4
"""Added to what stands for padding: no softmax or maximum picks it."""

Range = tuple[float, float]
"""The lowest and the highest value of an activation, on typical texts."""


class _Quantized(NamedTuple):
    """An activation in uint8: value = scale × (stored - zero)."""

    values: str
    scale: str
    zero: str


def products(model: GounmalModel) -> dict[str, nn.Module]:
    """The layers whose inputs are quantised, by their names in the network."""
    blocks = [f"blocks.{i}.mix" for i in range(len(model.blocks))]
    return {name: model.get_submodule(name) for name in (*OUTSIDE, *blocks)}


def input_ranges(model: GounmalModel, sample: Encodings) -> dict[str, Range]:
    """What goes into each of `products` on these texts, from the lowest to the highest."""
    found = dict.fromkeys(products(model), (0.0, 0.0))  # zero has to be among what can be told

    def watch(name: str, values: torch.Tensor) -> None:
        low, high = found[name]
        found[name] = min(low, float(values.min())), max(high, float(values.max()))

    hooks = [
        layer.register_forward_pre_hook(lambda _, inputs, name=name: watch(name, inputs[0]))
        for name, layer in products(model).items()
    ]
    with torch.inference_mode():
        for rows in batches(sample.lengths, max_tokens=2_048):
            model(*sample.padded(rows))
    for hook in hooks:
        hook.remove()
    return found


def write(model: GounmalModel, ranges: dict[str, Range], path: Path) -> None:
    """Write the network: `ids` and `mask` in, `logits` and `evidence` (0 to 1) out.

    Args:
        model: in float, in evaluation mode.
        ranges: from `input_ranges`.
        path: of the ONNX file.

    Raises:
        OSError: it cannot be written.
    """
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    graph = _Network(weights, ranges, model.config.dilations)
    graph.build()
    shapes = helper.make_tensor_value_info
    made = helper.make_graph(
        graph.nodes,
        "gounmal",
        [
            shapes("ids", TensorProto.INT32, ["n", "t", N_FEATURES]),
            shapes("mask", TensorProto.FLOAT, ["n", "t", 1]),
        ],
        [
            shapes("logits", TensorProto.FLOAT, ["n", N_LABELS]),
            shapes("evidence", TensorProto.FLOAT, ["n", "t", N_LABELS]),
        ],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIME, 1)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION), path)


class _Graph:
    """Operators under construction; a value is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        """A value that is known."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def several(self, number: int, kind: str, *inputs: str, **how: Any) -> list[str]:
        """An operator with so many outputs: their names."""
        name = f"{kind}_{len(self.nodes)}"
        outputs = [f"{name}_{i}" for i in range(number)]
        self.nodes.append(helper.make_node(kind, inputs, outputs, name=name, **how))
        return outputs

    def one(self, kind: str, *inputs: str, **how: Any) -> str:
        """An operator with one output: its name."""
        return self.several(1, kind, *inputs, **how)[0]

    def integers(self, *values: int) -> str:
        """Axes, sizes, borders."""
        return self.constant(values, np.int64)

    def integer(self, value: int) -> str:
        """A single one."""
        return self.constant(value, np.int64)

    def split(self, value: str, *sizes: int) -> list[str]:
        """Columns → so many, then so many."""
        return self.several(len(sizes), "Split", value, self.integers(*sizes), axis=-1)

    def summed(self, value: str) -> str:
        """The sum over a message: float[n, t, …] → float[n, …]."""
        return self.one("ReduceSum", value, self.integers(1), keepdims=0)


class _Network(_Graph):
    """The operators of the small network, part by part."""

    def __init__(
        self,
        weights: dict[str, NDArray[np.float32]],
        ranges: dict[str, Range],
        dilations: list[int],
    ) -> None:
        super().__init__()
        self._weights = weights
        self._ranges = ranges
        self._dilations = dilations
        self._hidden = len(weights["norm.weight"])

    def build(self) -> None:
        """All of it."""
        table, wide, known = self._table()
        x = self._linear("enter.1", self._quantized("enter.1", self._normed("enter.0", table)))
        for i, places in enumerate(self._neighbours()):
            x = self.one("Add", x, self._mixed(f"blocks.{i}", x, places))
        self._head(self._normed("norm", x), wide, known)

    def _table(self) -> tuple[str, str, str]:
        """Ids → the network's columns and those of the wide path, summed over the n-grams.

        And how many of the n-grams are known: one more column, 0 only in the row of the unknown.
        """
        known = np.ones((len(self._weights["table.weight"]), 1), np.float32)
        known[0] = 0
        rows, scale = quantized_columns(np.hstack((self._weights["table.weight"], known)))
        found = self.one("Gather", self.constant(rows, np.int8), "ids", axis=0)
        ones = self.constant(np.ones((1, N_FEATURES)), np.uint8)
        summed = self._product(ones, found, (self.constant(1), self.constant(0, np.uint8)), scale)
        summed = self.one("Squeeze", summed, self.integers(2))
        network, wide, count = self.split(summed, len(scale) - N_LABELS - 1, N_LABELS, 1)
        return network, wide, count

    def _product(
        self,
        left: str,
        right: str,
        of_left: tuple[str, str],
        right_scale: NDArray[np.float32],
        *bias: str,
    ) -> str:
        """uint8 × int8 → float, with the scale and the zero of `left` and the scales of `right`."""
        scale, zero = of_left
        others = self.constant(right_scale), zero, self.constant(0, np.int8), *bias
        return self.one("MatMulIntegerToFloat", left, right, scale, *others, domain=RUNTIME)

    def _linear(self, name: str, x: _Quantized, outputs: slice = slice(None)) -> str:
        """A layer in int8, or some of its outputs."""
        rows, scale = quantized_columns(self._weights[f"{name}.weight"][outputs].T)
        bias = self.constant(self._weights[f"{name}.bias"][outputs])
        right = self.constant(rows, np.int8)
        return self._product(x.values, right, (x.scale, x.zero), scale, bias)

    def _normed(self, name: str, x: str) -> str:
        weight, bias = (
            self.constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        return self.one("LayerNormalization", x, weight, bias, axis=-1, epsilon=1e-5)

    def _quantized(self, name: str, x: str) -> _Quantized:
        """What goes into a product."""
        scale, zero = quantization(self._ranges[name])
        names = self.constant(scale), self.constant(zero, np.uint8)
        return _Quantized(self.one("QuantizeLinear", x, *names), *names)

    def _neighbours(self) -> list[str]:
        """For each block, where its three tokens stand among all of the batch: int64[n, t, 3].

        One more than there are, for a token beyond its message.
        """
        shape, size = self.one("Shape", "mask"), self.one("Size", "mask")
        width = self.one("Gather", shape, self.integers(1), axis=0)
        number = self.one("Range", self.integer(0), size, self.integer(1))
        number = self.one("Reshape", number, shape)
        length = self.one("ReduceSum", "mask", self.integers(1), keepdims=1)
        length = self.one("Cast", length, to=TensorProto.INT64)
        steps = self.integers(*(step for d in self._dilations for step in (-d, 0, d)))
        place = self.one("Add", self.one("Mod", number, width), steps)
        after, before = (
            self.one("GreaterOrEqual", place, self.integer(0)),
            self.one("Less", place, length),
        )
        inside = self.one("And", after, before)
        places = self.one("Where", inside, self.one("Add", number, steps), size)
        return self.split(places, *[3] * len(self._dilations))

    def _mixed(self, name: str, x: str, places: str) -> str:
        """A gated convolution, without its residual."""
        quantized = self._quantized(f"{name}.mix", self._normed(f"{name}.norm", x))
        rows = self.one("Reshape", quantized.values, self.integers(-1, self._hidden))
        beyond = self.one("Expand", quantized.zero, self.integers(1, self._hidden))
        rows = self.one("Concat", rows, beyond, axis=0)
        three = self.one("Gather", rows, places, axis=0)
        three = self.one("Reshape", three, self.integers(0, 0, 3 * self._hidden))
        window = quantized._replace(values=three)
        # Two products take less time than one that has to be taken apart.
        value = self._linear(f"{name}.mix", window, slice(self._hidden))
        gate = self._linear(f"{name}.mix", window, slice(self._hidden, None))
        return self.one("Mul", value, self.one("Sigmoid", gate))

    def _head(self, x: str, wide: str, known: str) -> None:
        """Evidence, and what it comes to: see `train.model.EvidenceHead` and `Form`."""
        token = self._linear("head.token", self._quantized("head.token", x))
        evidence, attention = self.split(token, N_LABELS, N_LABELS)
        evidence = self.one("Add", evidence, wide)
        padding = self.one("Mul", self.one("Sub", self.constant(1), "mask"), self.constant(NEVER))
        share = self.one("Softmax", self.one("Add", attention, padding), axis=1)
        pooled = self.summed(self.one("Mul", share, evidence))
        length = self.one("Clip", self.summed("mask"), self.constant(1))
        mean = self.one("Div", self.summed(self.one("Mul", x, "mask")), length)
        peak = self.one("ReduceMax", self.one("Add", x, padding), axes=[1], keepdims=0)
        # One row a message, told as one token: OpenVINO misreads a product without that axis.
        message = self.one("Concat", mean, peak, axis=-1)
        both = self.one("Unsqueeze", message, self.integers(1))
        whole = self._linear("head.whole", self._quantized("head.whole", both))
        whole = self.one("Gelu", self.one("Squeeze", whole, self.integers(1)), domain=RUNTIME)
        whole = self._dense("head.out", whole)
        linear = self.summed(self.one("Mul", wide, "mask"))
        linear = self.one("Div", linear, self.one("Sqrt", length))
        logits = self.one("Add", self.one("Add", pooled, whole), linear)
        logits = self.one("Add", logits, self._form(length, known))
        logits = self._domain(logits, message)
        shown = self.one("Sigmoid", self.one("Add", evidence, padding))
        for name, value in (("logits", logits), ("evidence", shown)):
            self.nodes.append(helper.make_node("Identity", [value], [name]))

    def _domain(self, logits: str, message: str) -> str:
        """Logits, and what a message's kind adds to them: see `train.model.Domain`."""
        shift = self._weights["head.domain.shift"]
        if not shift.any():
            return logits
        share = self.one("Softmax", self._dense("head.domain", message), axis=-1)
        # One layer in floats more, with the logits so far in place of a bias.
        return self.one("Gemm", share, self.constant(shift), logits, transB=1)

    def _form(self, length: str, known: str) -> str:
        """What a message's form adds; of length by a table: past so many tokens it is the same."""
        weight = self._weights["form.weight"]
        tokens = np.arange(1 + int(Form.HINGE * 2**Form.LONGEST) + 1)
        doublings = np.log2(np.maximum(tokens, 1) / Form.HINGE)
        lengths = np.stack((doublings.clip(Form.SHORTEST, 0), doublings.clip(0, Form.LONGEST)))
        place = self.one("Min", length, self.constant(tokens[-1]))
        place = self.one("Squeeze", self.one("Cast", place, to=TensorProto.INT64), self.integers(1))
        of_length = self.one("Gather", self.constant(lengths.T @ weight[:, :2].T), place, axis=0)
        share = self.one(
            "Div", self.summed(known), self.one("Mul", length, self.constant(N_FEATURES))
        )
        unknown = self.one("Sub", self.constant(1 - Form.UNKNOWN), share)
        ends = (self.constant(v) for v in (Form.CLEAREST, Form.STRANGEST))
        of_unknown = self.one("Mul", self.one("Clip", unknown, *ends), self.constant(weight[:, 2]))
        return self.one("Add", of_length, of_unknown)

    def _dense(self, name: str, x: str) -> str:
        """A layer in float: one row a message."""
        weight, bias = (
            self.constant(self._weights[f"{name}.{part}"]) for part in ("weight", "bias")
        )
        return self.one("Gemm", x, weight, bias, transB=1)


def quantized_columns(weight: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """float[rows, columns] → int8[rows, columns] and float[columns], the scale of each column."""
    scale = np.maximum(np.abs(weight).max(axis=0), 1e-8) / 127
    return np.round(weight / scale).astype(np.int8), scale.astype(np.float32)


def quantization(ends: Range) -> tuple[float, int]:
    """Scale and zero of uint8 for values from the lowest to the highest, zero among them."""
    low, high = ends
    scale = max(high - low, 1e-8) / 255
    return scale, round(-low / scale)
