"""What the documents name is there, and what they show is what comes out."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import json
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

import gounmal
from benchmarks.online.report import HEADS, brief
from gounmal import Label, Message, Moderator, Policy
from gounmal.cli import main as command_line
from gounmal.files.records import Problem
from gounmal.online.wire import DecisionBody
from gounmal.schema import Action, Mode, Reason, Source
from train.__main__ import main as training
from train.readme import WORDS, release, results

ROOT = Path(__file__).parents[2]
ARTIFACT = ROOT / "models" / "gounmal-ko"
READMES = ("README.md", "README.ko.md")
DOCUMENTS = [
    *(ROOT / name for name in (*READMES, "CONTRIBUTING.md", "CHANGELOG.md", "MODEL_CHANGELOG.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MADE = {"summary.json", "metrics.json", "tokenizer.json", "vocabulary.npy", "MODEL_CARD.md"}
"""Files that gounmal makes, by names that documents use."""

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
each_readme = pytest.mark.parametrize("name", READMES)


def _refresh():
    spec = importlib.util.spec_from_file_location("refresh", ROOT / "docs" / "refresh.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


refresh = _refresh()


def blocks(path, *languages):
    """Fenced blocks as (language, content)."""
    found = refresh.BLOCK.findall(path.read_text(encoding="utf-8"))
    return [(kind, text) for kind, text in found if not languages or kind in languages]


def inline(path):
    """What stands between backticks, outside of blocks."""
    return re.findall(r"`([^`]+)`", refresh.BLOCK.sub("", path.read_text(encoding="utf-8")))


def typed(path):
    """Commands, from blocks and from between backticks."""
    for kind, text in blocks(path, "sh", "console"):
        yield from refresh.commands(text) if kind == "console" else text.splitlines()
    yield from inline(path)


def words(command):
    command = re.split(r"[;|]| # ", command.replace("\\\n", " "))[0]
    try:
        return shlex.split(command)
    except ValueError:  # prose with an apostrophe
        return []


def options(command):
    return {option for p in command.params for option in (*p.opts, *p.secondary_opts)}


def of_benchmarks():
    """Options of the benchmarks' scripts, as their sources name them."""
    sources = [path.read_text(encoding="utf-8") for path in ROOT.glob("benchmarks/**/*.py")]
    return {option for text in sources for option in re.findall(r'"(--[a-z-]+)"', text)}


def nested(group, arguments):
    """The command that these arguments call, and its own options."""
    found, allowed = group, options(group) | {"--help", "-h"}
    for argument in arguments:
        if isinstance(found, click.Group) and argument in found.commands:
            found = found.commands[argument]
            allowed |= options(found)
    return found, allowed


@every_document
def test_make_verbs_are_in_the_makefile(path):
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for command in typed(path):
        if words(command)[:1] == ["make"]:
            named = {word for word in words(command)[1:] if "=" not in word}
            assert named <= verbs, command


@every_document
def test_commands_and_options_exist(path):
    for command in typed(path):
        match words(command):
            case ["gounmal", *arguments]:
                found, allowed = nested(command_line, arguments)
                assert found is not command_line or not arguments or arguments[0] in allowed
            case [_, "-m", "train", *arguments]:
                allowed = options(training)
            case [_, "docs/refresh.py", *arguments]:
                allowed = options(refresh.main)
            case [option] if option.startswith("--"):
                arguments = [option]
                allowed = {"--require-hashes", "--strict"}.union(
                    of_benchmarks(),
                    *(options(c) for c in (training, *command_line.commands.values())),
                )
            case _:
                continue
        given = {argument for argument in arguments if re.match("-[-a-z]", argument)}
        assert given <= allowed, command


def test_every_option_of_scan_but_the_rarest_is_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    offered = {option for option in options(command_line.commands["scan"]) if option[0] == "-"}
    unnamed = offered - set(re.findall(r"--[a-z-]+", text))
    assert unnamed == {"--model", "--report-key"}


SOURCES = [*ROOT.glob("gounmal/**/*.py"), *ROOT.glob("*.py"), ROOT / "configuration.yaml"]


def variables(*paths):
    pattern = re.compile(r"\b(?:GOUNMAL|BENTOML)_[A-Z_]+[A-Z]\b")
    return {name for path in paths for name in pattern.findall(path.read_text(encoding="utf-8"))}


def test_environment_variables_are_those_that_are_read():
    of_tests = variables(ROOT / "Makefile", *ROOT.glob("tests/e2e/*.py"))
    of_bentoml = {"BENTOML_HOME", "BENTOML_NO_UDS"}
    assert variables(*DOCUMENTS) <= variables(*SOURCES) | of_tests | of_bentoml


def test_every_variable_of_ours_is_among_the_settings():
    ours = {name for name in variables(*SOURCES) if name.startswith("GOUNMAL_")}
    assert ours <= variables(ROOT / "docs" / "settings.md")


@every_document
def test_paths_exist(path):
    folders = ("gounmal", "train", "tests", "docs", "models", "benchmarks", "deploy")
    names = {p.name for folder in folders for p in (ROOT / folder).rglob("*")}
    names |= {p.name for p in ROOT.glob("*")} | MADE
    beneath = re.compile(rf"({'|'.join((*folders, 'requirements', 'benchmarks'))})/[\w./*-]*")
    for text in inline(path):
        if re.fullmatch(r"[\w.-]+\.(py|md|ya?ml|toml|tsv|json|html|npy|onnx)", text):
            assert text in names, text
        elif beneath.fullmatch(text):
            assert list(ROOT.glob(text)), text


@every_document
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith("https://"):
            file, _, heading = target.partition("#")
            there = path.parent / file if file else path
            assert there.exists(), target
            assert not heading or heading in anchors(there), target


def anchors(path):
    """What headings are linked by."""
    titles = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@every_document
def test_python_names_what_there_is(path):
    for _, text in blocks(path, "python"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "gounmal":
                module = importlib.import_module(node.module)
                public = module.__all__ if module is gounmal else dir(module)
                assert {alias.name for alias in node.names} <= set(public)


@each_readme
def test_the_policy_example_is_a_policy_that_uses_every_key(name):
    [policy] = [yaml.safe_load(t) for _, t in blocks(ROOT / name, "yaml")]
    Policy.parse(policy)
    assert list(policy) == list(yaml.safe_load((ROOT / "policy.yaml").read_text(encoding="utf-8")))


@each_readme
def test_every_value_of_the_contract_is_explained(name):
    named = set(inline(ROOT / name))
    expected = (*Label, *Action, *Mode, *Reason, *Source, *Problem, *DecisionBody.model_fields)
    assert {str(value) for value in expected} <= named


def shown(name):
    """JSON objects in a README's console blocks, each with the command before it."""
    for _, text in blocks(ROOT / name, "console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            [command] = refresh.commands("$ " + part)
            for output in re.findall(r"^\{.*?\}$", part[len(command) :], re.MULTILINE | re.DOTALL):
                yield command, json.loads(output)


@each_readme
def test_a_decision_is_shown_and_it_is_of_the_contract(name):
    decisions = [value for _, value in shown(name) if "action" in value]
    assert decisions
    for value in decisions:
        assert DecisionBody.model_validate(value).model_dump(mode="json") == value
        assert list(value) == list(DecisionBody.model_fields)


@each_readme
def test_an_error_is_shown_and_it_is_of_the_contract(name):
    errors = [value for _, value in shown(name) if "error" in value]
    assert errors
    assert all(list(value["error"]) == ["field", "message"] for value in errors)


@pytest.fixture(scope="module")
def shipped():
    return Moderator.load(ARTIFACT)


@each_readme
def test_the_shipped_model_still_decides_as_shown(name, shipped):
    for command, value in shown(name):
        if "action" in value:
            asked = json.loads(re.search(r"-d '(.*?)'", command)[1])
            [decision] = shipped.moderate([Message(**asked)])
            got = decision.to_dict()
            assert got | {"scores": None} == value | {"scores": None}
            assert got["scores"] == pytest.approx(value["scores"], abs=2e-3)


@each_readme
def test_the_shipped_model_still_prints_as_shown(name, shipped):
    policy = Policy.parse(yaml.safe_load(blocks(ROOT / name, "yaml")[0][1]))
    moderator = Moderator(shipped.scorer, policy)
    checked = 0
    for _, text in blocks(ROOT / name, "console"):
        for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
            command, *lines = part.splitlines()
            if not command.startswith("gounmal moderate --policy my-policy.yaml"):
                continue
            arguments = words(command)[4:]
            channel = arguments[1] if arguments[0] == "--channel" else None
            texts = arguments[2:] if channel else arguments
            for line, asked in zip(lines, texts, strict=True):
                [decision] = moderator.moderate([Message(asked, channel=channel)])
                assert re.match(rf"{decision.action} +{re.escape(decision.masked)} ", line)
                checked += 1
    assert checked == 4


def test_results_are_those_that_the_model_came_with():
    metrics = json.loads((ARTIFACT / "metrics.json").read_bytes())
    expected = {name: results(metrics, WORDS[name]) for name in READMES}
    expected["MODEL_CHANGELOG.md"] = release(metrics)
    for name, content in expected.items():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert refresh.with_results(text, content) == text, f"{name}: run docs/refresh.py"


@each_readme
def test_serving_is_compared_as_it_was_measured(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    content = brief(json.loads(refresh.ONLINE.read_bytes()), HEADS[name]) + "\n"
    assert refresh.with_results(text, content, of="online") == text, f"{name}: run docs/refresh.py"


def test_both_languages_say_the_same():
    english, korean = (ROOT / name for name in READMES)
    assert [kind for kind, _ in blocks(english)] == [kind for kind, _ in blocks(korean)]
    assert variables(english) == variables(korean)
    headings = re.compile(r"^##? ", re.MULTILINE)
    sizes = {len(headings.findall(path.read_text(encoding="utf-8"))) for path in (english, korean)}
    assert len(sizes) == 1
    plain = [
        {" ".join(text.split()) for text in inline(path) if text.isascii()}
        for path in (english, korean)
    ]
    assert plain[0] == plain[1]


def test_every_room_is_in_contributing_and_no_other():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `((?:gounmal(?:/\w+)?|train)/\w+\.py)` \|", text, re.MULTILINE)
    files = [*ROOT.glob("gounmal/**/*.py"), *ROOT.glob("train/*.py")]
    rooms = [path.relative_to(ROOT).as_posix() for path in files if path.stem != "__init__"]
    assert sorted(named) == sorted(rooms)


def test_decisions_are_numbered_and_short():
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    for number, path in enumerate(records, start=1):
        first, *rest = path.read_text(encoding="utf-8").splitlines()
        assert re.fullmatch(rf"{number:04}-[a-z-]+\.md", path.name), path.name
        assert first.startswith(f"# {number:04} · ")
        assert len(rest) < 40


def test_the_changelogs_know_what_is_shipped():
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.findall(r"^## \[(\d\S*)\] - \d{4}-\d\d-\d\d$", changes, re.MULTILINE)[0] == (
        gounmal.__version__
    )


def test_outputs_are_put_where_the_commands_are(tmp_path):
    text = (
        "a\n```console\n$ echo 1\nold\n$ printf '%s\\n' \\\n    2 3\n```\n```sh\nmake serve\n```\n"
    )
    env = {"PATH": "/usr/bin:/bin"}
    expected = text.replace("old\n", "1\n").replace("2 3\n", "2 3\n2\n3\n")
    again = refresh.with_outputs(text, tmp_path, port=3000, env=env)
    assert again == expected
    assert refresh.with_outputs(again, tmp_path, port=3000, env=env) == expected


def test_a_decision_over_several_lines_is_still_the_same():
    decision = {"id": None, "scores": {str(label): 0.1234 for label in Label}, "masked": '가 " }'}
    assert json.loads("\n".join(refresh.decision(decision))) == decision
