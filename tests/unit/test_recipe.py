"""Who judges, known before anything is loaded: what is said of them is what is loaded later."""

import subprocess
import sys

import pytest

from gounmal.errors import InvalidArtifact, ModelNotFound
from gounmal.model.store import SHIPPED, find
from gounmal.scan.plans import ScanOptions
from gounmal.scan.recipe import Recipe
from gounmal.schema import Mode

RULES = """
mode: lenient
blocklist: [품절]
channels: {loud: {mode: balanced, allowlist: [젠장]}}
"""


@pytest.mark.parametrize("mode", [None, "strict"])
@pytest.mark.parametrize("rules", [None, RULES])
def test_what_is_planned_for_is_what_is_loaded(tmp_path, mode, rules):
    policy = tmp_path / "policy.yaml" if rules else None
    if policy:
        policy.write_text(rules, encoding="utf-8")
    recipe = Recipe(str(SHIPPED), policy, mode)
    options = ScanOptions.named(recipe.tag(), recipe.rules(), title="a night")
    assert options == ScanOptions.of(recipe.load(), title="a night")
    if mode:
        modes = [recipe.rules().mode, *(own.mode for own in recipe.rules().channels.values())]
        assert set(modes) == {Mode.STRICT}


def test_a_folder_is_found_as_the_store_finds_it(tmp_path, monkeypatch):
    located = Recipe(str(SHIPPED)).located()
    assert located.folder == find(str(SHIPPED))
    assert located.located() is located
    monkeypatch.chdir(SHIPPED.parent)
    assert Recipe(SHIPPED.name).located().folder == find(SHIPPED.name)
    with pytest.raises(ModelNotFound, match="no model"):
        Recipe(str(tmp_path / "nowhere")).located()
    with pytest.raises(InvalidArtifact, match=r"no config\.json"):
        Recipe(str(tmp_path)).tag()


def test_a_folder_is_found_without_bentoml():
    program = (
        "import sys; from gounmal.scan.recipe import Recipe; "
        "recipe = Recipe(sys.argv[1]).located(); recipe.tag(); recipe.rules(); "
        "sys.exit('bentoml' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(SHIPPED)], check=True, timeout=60)
