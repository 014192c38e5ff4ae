"""Who judges, known before anything is loaded: what is said of them is what is loaded later."""

import subprocess
import sys

import pytest

from gounmal.errors import InvalidArtifact, ModelNotFound
from gounmal.model.store import SHIPPED
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


def test_where_a_model_is_stays_known(tmp_path):
    located = Recipe(str(SHIPPED)).located()
    assert located.folder == SHIPPED
    assert located.located() is located
    with pytest.raises(ModelNotFound, match="no model"):
        Recipe(str(tmp_path / "nowhere")).located()
    with pytest.raises(InvalidArtifact, match=r"no config\.json"):
        Recipe(str(tmp_path)).tag()


def test_a_folder_is_loaded_without_bentoml():
    program = (
        "import sys; from gounmal.scan.recipe import Recipe; "
        "recipe = Recipe(sys.argv[1]); recipe.tag(); recipe.rules(); recipe.load(); "
        "sys.exit('bentoml' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program, str(SHIPPED)], check=True, timeout=60)
