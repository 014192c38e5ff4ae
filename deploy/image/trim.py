"""Remove from an image's packages what no run of gounmal uses, and print what each rule saved.

Only parts of packages: what is imported stays, so that `make image-test` can prove it.
"""
# ruff: noqa: INP001  (a script, not part of a package)

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

RULES = {
    "bytecode, of which exercise.py makes what is used": ("**/__pycache__",),
    "tests": (
        "**/tests",
        "**/test",
        "sqlalchemy/testing",
        "pyarrow/_pyarrow_cpp_tests*",
        "numpy/typing/tests",
        "numpy/_core/*_tests.*.so",
        "numpy/_core/_simd.*.so",  # for numpy's own tests only
    ),
    "headers and sources for compiling against": (
        "pyarrow/include",
        "pyarrow/includes",
        "pyarrow/src",
        "numpy/_core/include",
        "numpy/_core/lib",
        "numpy/random/lib",
        "numpy/f2py",
        "numpy/distutils",
        "**/*.pyx",
        "**/*.pxi",
        "**/*.pxd",
        "**/*.a",
        "**/*.[ch]",
        "**/*.[ch]pp",
    ),
    "types for mypy": ("**/*.pyi",),
    # Files come through fsspec; nothing speaks Flight, or to a cloud through Arrow.
    "Arrow's network": (
        "pyarrow/libarrow_flight*",
        "pyarrow/libarrow_python_flight*",
        "pyarrow/_flight*",
        "pyarrow/libarrow_s3*",
        "pyarrow/_s3fs*",
        "pyarrow/_gcsfs*",
        "pyarrow/_azurefs*",
        "pyarrow/_hdfs*",
    ),
    # SQLite and PostgreSQL are what jobs are kept in.
    "other databases": tuple(
        f"sqlalchemy/dialects/{name}" for name in ("mssql", "mysql", "oracle")
    ),
    # The extension for Python has all of it linked in.
    "ONNX Runtime as a library for C": ("onnxruntime/capi/libonnxruntime.so*",),
    "tools of ONNX Runtime for making models": (
        "onnxruntime/transformers",
        "onnxruntime/quantization",
        "onnxruntime/tools",
        "onnxruntime/datasets",
    ),
}
STRIPPED_FROM = 200_000
"""Bytes from which on a library is worth stripping of symbols."""


def main(packages: Path) -> None:
    """Apply every rule, then strip what is left."""
    for name, patterns in RULES.items():
        _say(name, sum(_remove(path) for pattern in patterns for path in packages.glob(pattern)))
    _say("a library once, not thrice", _link(packages / "pyarrow"))
    _say("symbols", sum(_strip(path) for path in sorted(packages.rglob("*.so*"))))


def _remove(path: Path) -> int:
    """Bytes that were there; 0 where a wider pattern has taken it already."""
    if path.is_dir() and not path.is_symlink():
        size = sum(file.lstat().st_size for file in path.rglob("*") if file.is_file())
        shutil.rmtree(path)
        return size
    if path.exists():
        size = path.lstat().st_size
        path.unlink()
        return size
    return 0


def _link(folder: Path) -> int:
    """Wheels hold no links, so a library with three names is in them three times."""
    saved = 0
    for longest in sorted(folder.glob("lib*.so.*.*.*")):
        stem, so, _ = longest.name.partition(".so")
        for other in folder.glob(f"{stem}{so}*"):
            if other != longest and other.read_bytes() == longest.read_bytes():
                saved += _remove(other)
                other.symlink_to(longest.name)
    return saved


def _strip(path: Path) -> int:
    """Not those of numpy.libs: auditwheel has moved their headers, and strip would break them."""
    if path.is_symlink() or "numpy.libs" in path.parts or path.stat().st_size < STRIPPED_FROM:
        return 0
    before = path.stat().st_size
    subprocess.run(["/usr/bin/strip", "--strip-unneeded", str(path)], check=True)
    return before - path.stat().st_size


def _say(what: str, saved: int) -> None:
    sys.stdout.write(f"{saved / 1e6:7.1f} MB  {what}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
