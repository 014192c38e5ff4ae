"""Runs what the READMEs show and writes down what really came out.

    .venv-dev/bin/python docs/refresh.py [--port 3000]

What depends on the shipped model is in the documents by this script only:

- the output in every `console` block, whose commands begin with `$ `. A block of another language
  that begins with a comment such as `# client.py` is the file of that name for them;
- everything between the `results` markers, from the model's metrics.json, and between the `online`
  markers, from benchmarks/online/results.json;
- the pictures of the report, where Chromium is installed.

The serving environment (`.venv`) must be there; commands run against a service and a Bento store of
their own, in a folder that is thrown away.
"""
# ruff: noqa: INP001  (a script beside the documents, no package)

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.online.report import HEADS, brief  # noqa: E402  (found by the line above)
from train.readme import WORDS, release, results  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ARTIFACT = ROOT / "models" / "gounmal-ko"
ONLINE = ROOT / "benchmarks" / "online" / "results.json"
PICTURES = {"README.md": "report.png", "README.ko.md": "report.ko.png"}
WIDTH = 100
"""Columns of the terminal that commands write to."""

START_TIMEOUT_S = 60

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(?:#|//) ([\w.-]+\.\w+)\n")


def with_results(text: str, content: str, *, of: str = "results") -> str:
    """The document with other results between the markers of this name."""
    between = re.compile(rf"(<!-- {of}:begin -->\n).*?(<!-- {of}:end -->)", re.DOTALL)
    return between.sub(lambda match: match[1] + content + match[2], text)


def measured(text: str, name: str, metrics: Mapping[str, Any]) -> str:
    """A README with what was measured: the model's quality, and serving beside others."""
    text = with_results(text, results(metrics, WORDS[name]))
    online = json.loads(ONLINE.read_bytes())
    return with_results(text, brief(online, HEADS[name]) + "\n", of="online")


def commands(block: str) -> list[str]:
    """The commands of a console block, each perhaps of several lines."""
    found: list[str] = []
    going_on = False
    for line in block.splitlines():
        if going_on:
            found[-1] += "\n" + line
        elif line.startswith("$ "):
            found.append(line[2:])
        going_on = bool(found) and (going_on or line.startswith("$ ")) and line.endswith("\\")
    return found


def with_outputs(text: str, folder: Path, *, port: int, env: Mapping[str, str]) -> str:
    """The document with what its commands really print.

    Args:
        text: the document.
        folder: to run them in.
        port: of the service, in place of 3000.
        env: of the commands.
    """
    here, there = "localhost:3000", f"localhost:{port}"

    def rerun(match: re.Match[str]) -> str:
        language, content = match.groups()
        if language != "console":
            if file := FILE.match(content):
                (folder / file[1]).write_text(content.replace(here, there), encoding="utf-8")
            return match[0]
        lines = []
        for command in commands(content):
            click.echo(f"$ {command}", err=True)
            output = run(command.replace(here, there), folder, env)
            lines += [f"$ {command}", *shown(output.replace(there, here))]
        return "\n".join(["```console", *lines, "```"])

    return BLOCK.sub(rerun, text)


def run(command: str, folder: Path, env: Mapping[str, str]) -> str:
    """What a shell command prints to a terminal."""
    ours, theirs = pty.openpty()
    printed = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            ["bash", "-c", command],  # noqa: S607  (the reader's shell, wherever it is)
            cwd=folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        while True:
            try:
                part = terminal.read(4096)
            except OSError:  # how Linux says that nobody has the other end any more
                break
            if not part:
                break
            printed += part
        process.wait()
    return printed.decode()


def shown(output: str) -> list[str]:
    """Output as lines of a document: a Decision key by key, the rest as it is."""
    lines: list[str] = []
    for line in output.splitlines():
        try:
            value = json.loads(line)
        except ValueError:
            lines.append(line.rstrip())
            continue
        lines += decision(value) if isinstance(value, dict) and "scores" in value else [line]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def decision(value: Mapping[str, Any]) -> list[str]:
    """A Decision over several lines."""
    pairs = []
    for key, item in value.items():
        text = f"{json.dumps(key)}: {json.dumps(item, ensure_ascii=False)}"
        if key in {"scores", "spans"}:  # in which no string has a space
            pair_glued = text.replace(": ", ":\u00a0")
            text = textwrap.fill(pair_glued, 92, subsequent_indent=" " * 4, break_long_words=False)
            text = text.replace("\u00a0", " ")
        pairs.append(textwrap.indent(text, "  "))
    return ["{", *",\n".join(pairs).splitlines(), "}"]


@contextmanager
def serving(port: int, log: Path, env: Mapping[str, str]) -> Iterator[None]:
    """The service, ready to answer."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            ["gounmal", "serve", "--host", "127.0.0.1", "--port", str(port)],  # noqa: S607  (of `env`)
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, f"http://127.0.0.1:{port}/readyz", log)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=START_TIMEOUT_S).close()  # noqa: S310  (loopback)
        except (urllib.error.URLError, ConnectionError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise click.ClickException(log.read_text(encoding="utf-8")) from error
            time.sleep(0.1)
        else:
            return


def picture(report: Path, image: Path) -> None:
    """The top of a report as its readers see it."""
    subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *("--window-size=1040,900", f"--screenshot={image}", report.as_uri()),
        ],
        check=True,
        capture_output=True,
    )


@click.command()
@click.option("--port", default=3000, show_default=True, help="For the service, while it runs.")
def main(port: int) -> None:
    """Refresh README.md, README.ko.md, MODEL_CHANGELOG.md and the pictures."""
    metrics = json.loads((ARTIFACT / "metrics.json").read_bytes())
    changes = ROOT / "MODEL_CHANGELOG.md"
    changes.write_text(
        with_results(changes.read_text(encoding="utf-8"), release(metrics)), encoding="utf-8"
    )
    with tempfile.TemporaryDirectory() as place:
        foreign = ("BENTOML_", "GOUNMAL_", "PYTHON")
        env = {k: v for k, v in os.environ.items() if not k.startswith(foreign)}
        env |= {"BENTOML_HOME": f"{place}/store", "TERM": "dumb", "COLUMNS": str(WIDTH)}
        env["GOUNMAL_STATE"] = f"{place}/state"
        env["PATH"] = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{env['PATH']}"
        with serving(port, Path(place) / "log", env):
            for name, image in PICTURES.items():
                folder = Path(place) / name
                folder.mkdir()
                document = ROOT / name
                text = measured(document.read_text(encoding="utf-8"), name, metrics)
                text = with_outputs(text, folder, port=port, env=env)
                document.write_text(text, encoding="utf-8")
                if shutil.which("chromium"):
                    picture(folder / "out" / "report.html", ROOT / "docs" / image)


if __name__ == "__main__":
    main()
