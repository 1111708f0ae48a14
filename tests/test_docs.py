"""The documents: their blocks of Python run, and their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from hebbian_gym.rules import ALIASES

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_page_on_plasticity_runs_from_top_to_bottom(registry, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    page = (ROOT / "docs" / "plasticity.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) >= 7
    names = {}
    for block in blocks:
        exec(block, names)
    printed = capsys.readouterr().out.splitlines()
    assert printed[:2] == ["(240,)", "[(4, 8), (8, 2)]"]
    assert printed[2] == "10"
    assert printed[4].startswith("whole ")
    whole = names["hg"].evaluate(names["policy"], "CartPole-v1", 10, seed=0).score.mean()
    assert float(printed[4].split()[-1]) == pytest.approx(whole)
    assert printed[-1] == f"torch.Size([{names['policy'].genome.size}])"
    assert np.isfinite(names["policy"].genes.grad.numpy()).all()
    assert (tmp_path / "lifetime.png").exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_rule_is_in_the_table():
    page = (ROOT / "docs" / "plasticity.md").read_text(encoding="utf-8")
    known = {"A", "AD", "AD_eta", "ABC", "ABC_eta", "ABCD_without_eta", "ABCD", "ABCD_D_out", "ABCD_D_in_and_out"}
    for name in (*known, "reward_modulated", "static", *ALIASES):
        if name != "ABCD_eta":  # our own second name
            assert f"`{name}`" in page
