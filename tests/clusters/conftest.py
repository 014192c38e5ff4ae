"""Chat as Parquet, and what `gounmal scan` makes of it: what Spark and Ray must make of it too."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gounmal import Policy, demo

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "models" / "gounmal-ko"
SCAN_BIN = Path(os.environ.get("GOUNMAL_SERVE_BIN") or Path(sys.executable).parent)
FILES, ROWS = 2, 9_000
POLICY = """
blocklist: [짝퉁]
allowlist: [시발역]
channels:
  outlet: {mode: strict, blocklist: [재고]}
"""


@pytest.fixture(scope="session")
def chat(tmp_path_factory):
    """A folder of Parquet, with rows that cannot be judged and a column called like ours."""
    folder = tmp_path_factory.mktemp("chat")
    random = Random(0)  # noqa: S311  (no secret)
    lines = (*demo.HARMLESS, *demo.ABUSE, *demo.QUESTIONS, "짝퉁 아니죠", "", None, "가" * 4_001)
    for number in range(FILES):
        texts = [random.choice(lines) for _ in range(ROWS)]
        some = [text and f"{text} {random.randrange(900)}"[:4_001] for text in texts]
        table = pa.table(
            {
                "id": pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64()),
                "message": some,
                "channel": [random.choice(["outlet", "main", None]) for _ in range(ROWS)],
                "reason": ["theirs"] * ROWS,
            }
        )
        pq.write_table(table, folder / f"{number}.parquet", row_group_size=4_000)
    return folder


@pytest.fixture(scope="session")
def policy_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def policy(policy_file):
    return Policy.load(policy_file)


@pytest.fixture(scope="session")
def artifact():
    return str(ARTIFACT)


@pytest.fixture(scope="session")
def scanned(chat, policy_file, tmp_path_factory):
    """The rows of `gounmal scan`, by id."""
    if not (SCAN_BIN / "gounmal").exists():
        pytest.skip(f"no gounmal in {SCAN_BIN}: `make clusters-test` names where it is")
    output = tmp_path_factory.mktemp("scanned")
    own = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    command = [SCAN_BIN / "gounmal", "scan", chat, "--output", output, "--policy", policy_file]
    done = subprocess.run(
        [*command, "--model", ARTIFACT], check=False, capture_output=True, text=True, env=own
    )
    assert done.returncode == 0, done.stderr
    return pa.concat_tables(pq.read_table(path) for path in (output / "decisions").iterdir())


@pytest.fixture(scope="session")
def same(scanned):
    """Asserts that these rows are those of the scan, whatever their order."""

    def check(table):
        found, expected = (each.sort_by("id") for each in (table, scanned))
        assert found.column_names == expected.column_names
        for name in expected.column_names:
            values, wanted = found[name].to_pylist(), expected[name].to_pylist()
            if name.startswith("gounmal_score"):
                # Rounded to four digits; what else is in a batch may move the last one.
                assert values == pytest.approx(wanted, abs=1.5e-4, nan_ok=False), name
            else:
                assert values == wanted, name

    return check
