"""Use what is installed once, then keep bytecode of just the modules that were imported by it.

Bytecode of everything would be a fifth of the image, and without any every start would compile.
That kept is checked against nothing (`unchecked-hash`), so the times of files make no difference.
It also proves, while the image is built, that each command works.
"""
# ruff: noqa: INP001  (a script, not part of a package)

from __future__ import annotations

import compileall
import json
import os
import py_compile
import signal
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PORT = 3999
ANSWER_S = 120
ALSO = (
    "import encodings.idna, psycopg, sqlalchemy.dialects.postgresql.psycopg, "
    "sqlalchemy.dialects.sqlite, dbos, tokenizers, pyarrow.dataset"
)
"""What is imported where there is a database, a client or another model."""
UPLOAD = (
    b'--part\r\ncontent-disposition: form-data; name="file"; filename="chat.csv"\r\n\r\n'
    b"text\r\nhello\r\n--part--\r\n"
)


def main(roots: list[Path], program: str) -> None:
    """Each command, then the compiling."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {"GOUNMAL_STATE": folder, "HOME": folder}
        os.chdir(folder)
        _run(sys.executable, "-c", ALSO)
        _run(program, "moderate", "안녕")
        _run(program, "demo", "--output", "demo")
        for kind in ("csv", "parquet"):
            _run(program, "scan", "demo/chat.csv", "--output", kind, "--format", kind)
        _serve(program)
    for root in roots:
        _compile(root)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _serve(program: str) -> None:
    """Until it has answered."""
    server = subprocess.Popen([program, "serve", "--port", str(PORT)])
    try:
        _ask("GET", "/readyz")
        _ask("POST", "/moderate", '{"text": "안녕"}'.encode())
        _ask("GET", "/metrics")
        # Until it is done: a worker ended any earlier has imported now more, now less.
        job = json.loads(_ask("POST", "/jobs", UPLOAD, kind="multipart/form-data; boundary=part"))
        _ask("GET", f"/jobs/{job['id']}", good=lambda answer: json.loads(answer)["state"] == "done")
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(ANSWER_S)


def _ask(
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    kind: str = "application/json",
    good: Callable[[bytes], bool] = lambda _: True,
) -> bytes:
    """Until there is a good answer, which is returned."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        connection = HTTPConnection("127.0.0.1", PORT, timeout=ANSWER_S)
        try:
            connection.request(method, path, body, {"content-type": kind})
            response = connection.getresponse()
            answer = response.read()
            if response.status < 300 and good(answer):
                return answer
        except OSError:
            pass
        if time.monotonic() > deadline:
            sys.exit(f"no answer from {path}")
        time.sleep(0.1)


def _compile(root: Path) -> None:
    """Again, and so that files' times make no difference, what the import system has compiled."""
    for cached in sorted(root.rglob("__pycache__/*.pyc")):
        source = cached.parent.parent / f"{cached.name.partition('.')[0]}.py"
        cached.unlink()
        compileall.compile_file(
            source,
            force=True,
            quiet=1,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    main([Path(path) for path in sys.argv[2:]], sys.argv[1])
