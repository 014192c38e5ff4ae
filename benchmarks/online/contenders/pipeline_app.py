"""`transformers.pipeline` behind Flask: a call per request, as tutorials have it.

The network is the float one that the artifact's int8 network was made from, as a pipeline of its
own kind: normalising, encoding and the policy are gounmal's own, as everywhere.
"""

# mypy: disable-error-code=misc

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import torch
from flask import Flask, Response, request
from safetensors.torch import load_file
from transformers import Pipeline

from benchmarks.online.contenders.core import ARTIFACT, POLICY
from gounmal import Message, Moderator, Policy
from gounmal.model.classifier import Classifier
from gounmal.moderator import Scored
from train.model import GounmalConfig, GounmalModel

torch.set_num_threads(1)
NETWORK = Path(os.environ["GOUNMAL_BENCH_NETWORK"])
CLASSIFIER = Classifier.load(os.environ[ARTIFACT])
MODERATOR = Moderator(CLASSIFIER, Policy.load(POLICY))


class ModerationPipeline(Pipeline):
    """A body of `/moderate` → a Decision."""

    def _sanitize_parameters(self, **parameters: Any) -> tuple[dict[str, Any], ...]:  # noqa: ARG002
        return {}, {}, {}

    def preprocess(self, body: dict[str, Any]) -> dict[str, Any]:
        """Normalise and encode."""
        prepared = MODERATOR.prepare(Message(body["text"], id=body.get("id")))
        encoded = CLASSIFIER.encoder.encode([prepared.visible])
        ids, mask = encoded.padded(np.zeros(1, np.int64))
        tensors = {"ids": torch.from_numpy(ids), "mask": torch.from_numpy(mask)}
        return {**tensors, "prepared": prepared}

    def _forward(self, inputs: dict[str, Any]) -> dict[str, Any]:
        logits, evidence = self.model(inputs["ids"], inputs["mask"])
        return {"logits": logits, "evidence": evidence, "prepared": inputs["prepared"]}

    def postprocess(self, outputs: dict[str, Any]) -> dict[str, Any]:
        """Calibrate and decide."""
        config, prepared = CLASSIFIER.config, outputs["prepared"]
        logits = outputs["logits"][0].numpy() * np.float32(config.scale)
        scores = 1 / (1 + np.exp(-(logits + np.float32(config.shift))))
        evidence = CLASSIFIER.encoder.project(prepared.visible, outputs["evidence"][0].numpy())
        return MODERATOR.decide(prepared, Scored(scores, evidence)).to_dict()


def network() -> GounmalModel:
    """The float network, its sizes read off its weights."""
    weights = load_file(NETWORK)
    hidden, dim = weights["enter.1.weight"].shape
    size = weights["table.weight"].shape[0] - 1
    model = GounmalModel(GounmalConfig(vocab_size=size, dim=dim, hidden=hidden))
    model.load_state_dict(weights)
    return model.eval()


pipeline = ModerationPipeline(model=network(), device="cpu")
app = Flask(__name__)


@app.post("/moderate")
def moderate() -> Response:
    """One Decision."""
    return Response(orjson.dumps(pipeline(request.get_json())), mimetype="application/json")
