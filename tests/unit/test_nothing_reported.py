"""Nothing reports on its use to anybody: ONNX Runtime would, from its first session on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
JUDGE = (
    "import os; from gounmal import Moderator; "
    "Moderator.load('models/gounmal-ko').moderate(['안녕']); "
    "print(os.environ['ORT_DISABLE_TELEMETRY'])"
)


def test_the_engine_is_told_to_report_nothing_and_leaves_no_device_id_behind(tmp_path):
    unset = {"ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    env = {name: value for name, value in os.environ.items() if name not in unset}
    env |= {"HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    run = [sys.executable, "-c", JUDGE]
    switch = subprocess.run(run, cwd=ROOT, env=env, check=True, capture_output=True, text=True)

    assert switch.stdout.strip() == "1"
    # Where it does report, ONNX Runtime keeps an id of the machine under these names. Not
    # everywhere, so this alone would not show that the switch was lost.
    assert not [path for path in tmp_path.rglob("*") if path.name in {".ses", "deviceid"}]
