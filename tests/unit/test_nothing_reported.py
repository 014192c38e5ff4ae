"""Nothing reports on its use to anybody: ONNX Runtime would, from its first session on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JUDGE = "from gounmal import Moderator; Moderator.load('models/gounmal-ko').moderate(['안녕'])"


@pytest.mark.parametrize(("switch", "leaves"), [(None, False), ("0", True)])
def test_the_engine_leaves_no_device_id_behind(tmp_path, switch, leaves):
    unset = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    if switch:  # so that this test would see it
        env["ORT_DISABLE_TELEMETRY"] = switch
    subprocess.run([sys.executable, "-c", JUDGE], cwd=ROOT, env=env, check=True)
    left = [path for path in tmp_path.rglob("*") if path.name in {".ses", "deviceid"}]

    assert bool(left) == leaves
