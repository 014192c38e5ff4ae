"""A virtual environment for each kind of server, made on first use from its own requirements."""

from __future__ import annotations

import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
REQUIREMENTS = HERE / "contenders" / "requirements"
SERVED = ROOT / "requirements" / "serve.txt"
STAMP = ".made-from"

OURS = "bentoml"
"""The environment in which gounmal is served, and what else is served with BentoML."""

CORE = ("numpy", "onnxruntime", "openvino", "orjson", "pydantic", "pyyaml", "tokenizers")
"""What `from gounmal import Moderator` needs; with either engine."""


class NotInstallable(Exception):  # noqa: N818  (named by what is wrong, like those in `errors`)
    """pip failed; the message is its last line."""


def environment(name: str, folder: Path) -> Path:
    """The folder with the programs of an environment.

    Args:
        name: of its requirements.
        folder: where environments are kept.

    Raises:
        NotInstallable: it cannot be made.
    """
    arguments, digest = _requirements(name)
    place = folder / name
    stamp = place / STAMP
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == digest):
        shutil.rmtree(place, ignore_errors=True)
        _run([sys.executable, "-m", "venv", str(place)])
        _run([str(place / "bin" / "pip"), "install", "--quiet", *arguments])
        stamp.write_text(digest, encoding="utf-8")
    return place / "bin"


def versions(programs: Path) -> dict[str, str]:
    """What is installed in an environment."""
    listed = subprocess.run(
        [programs / "pip", "freeze"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return dict(line.split("==", 1) for line in listed if "==" in line)


def _requirements(name: str) -> tuple[list[str], str]:
    """Arguments for pip, and a digest of all that they say."""
    if name == OURS:
        return ["--require-hashes", "-r", str(SERVED)], sha256(SERVED.read_bytes()).hexdigest()
    own = REQUIREMENTS / f"{name}.txt"
    arguments = [*core(), "-r", str(own)]
    return arguments, sha256(
        "\n".join([*core(), own.read_text(encoding="utf-8")]).encode()
    ).hexdigest()


def core() -> list[str]:
    """What the artifact needs in every environment, in the versions in which gounmal is served."""
    pins = dict(
        line.split("==", 1)
        for line in SERVED.read_text(encoding="utf-8").replace("\\", "").splitlines()
        if "==" in line and not line[0].isspace()
    )
    return [f"{package}=={pins[package].strip()}" for package in CORE if package in pins]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstallable((said or done.stderr.splitlines() or ["pip failed"])[0][:200])
