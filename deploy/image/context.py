"""Make the folder from which an image is built: the Bento with its model, wheel and scripts.

Run it with the serving environment's Python. It uses a Bento store of its own, so that what lies in
anybody's store makes no difference, and sets every time in the files to SOURCE_DATE_EPOCH, so that
the same commit gives the same context. Prints `NAME=value` lines for the build.
"""
# ruff: noqa: INP001  (a script, not part of a package)

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "deploy" / "image"
ARTIFACT = ROOT / "models" / "gounmal-ko"
BIN = Path(sys.executable).parent
TOOLS = ("install.sh", "trim.py", "sbom.py", "exercise.py", "healthcheck.py", "gounmal.py")
_CREATED = re.compile(r"(creation_time: ').*?(')")


def main(target: Path) -> None:
    """Fill an empty folder, or one that was filled before."""
    shutil.rmtree(target, ignore_errors=True)
    work, context = target / "work", target / "context"
    context.mkdir(parents=True)
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct"))
    os.environ |= {
        "SOURCE_DATE_EPOCH": str(epoch),
        "BENTOML_HOME": str(work),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    version = _run("gounmal", "--version").split()[-1]
    model = _run("gounmal", "models", "import", str(ARTIFACT)).strip()
    _run("bentoml", "build", "--version", version)
    bento = target / f"gounmal-{version}.bento"
    _run("bentoml", "export", f"gounmal:{version}", str(bento))
    with tarfile.open(bento) as archive:
        archive.extractall(context / "bento", filter="data")
    _set_times(context / "bento", epoch)
    _build_wheel(work / "source", context / "wheel")
    (context / "tools").mkdir()
    for name in TOOLS:
        shutil.copy(HERE / name, context / "tools")
    shutil.rmtree(work)
    dirty = "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    revision = _git("rev-parse", "HEAD") + dirty
    sys.stdout.write(f"VERSION={version}\nREVISION={revision}\nMODEL={model}\nEPOCH={epoch}\n")


def _build_wheel(source: Path, target: Path) -> None:
    """From a copy, since setuptools leaves folders behind where it builds."""
    shutil.copytree(ROOT / "gounmal", source / "gounmal", ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    _run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(target), str(source))


def _set_times(bento: Path, epoch: int) -> None:
    """Those that BentoML writes into its files; the builder sets those of the files."""
    created = datetime.fromtimestamp(epoch, UTC).isoformat()
    for path in (bento / "bento.yaml", *bento.glob("models/*/*/model.yaml")):
        text = path.read_text(encoding="utf-8")
        path.write_text(_CREATED.sub(rf"\g<1>{created}\g<2>", text), encoding="utf-8")


def _run(program: str, *arguments: str) -> str:
    done = subprocess.run(
        [BIN / program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{program} {arguments[0]}: {done.stdout}{done.stderr}")
    return done.stdout


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], cwd=ROOT, text=True).strip()  # noqa: S607


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
