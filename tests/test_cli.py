"The command line's contract, and what it says to bad input: one line on stderr, exit status 2, nothing left behind."
import gzip, json, shutil, subprocess, sys
from itertools import islice
import pandas as pd
import pytest
from sentence_transformers import SentenceTransformer
from hybrid_lit import cli
from hybrid_lit.atlas import atlas
from hybrid_lit.evaluation import COLUMNS

LANGUAGES = ["de", "en"]


def run(monkeypatch, capsys, *args):
    "The command in this process: exit status, stdout, stderr"
    monkeypatch.setattr(sys, "argv", ["hybrid-lit", *map(str, args)])
    code = 0
    try: cli.main()
    except SystemExit as e: code = e.code or 0
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def command(monkeypatch, capsys): return lambda *args: run(monkeypatch, capsys, *args)


@pytest.fixture(scope="module")
def jsonl(tmp_path_factory):
    "A small corpus of one's own: two languages of the atlas"
    folder = tmp_path_factory.mktemp("own")
    for split in ("train", "test"):
        (folder/f"{split}.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in islice(atlas(split, LANGUAGES), 200)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(jsonl, tmp_path_factory):
    out = tmp_path_factory.mktemp("model")/"m"
    subprocess.run([sys.executable, "-c", "from hybrid_lit.cli import main; main()", "train", "--corpus", str(jsonl/"train.jsonl"), "--policy", "hybrid", "--alpha", "0.5", "--steps", "30", "--seed", "1", "--out", str(out)],
                   check=True, capture_output=True, cwd=out.parent)
    return out


def test_train_leaves_a_model(model):
    assert SentenceTransformer(str(model), device="cpu").encode(["hello"]).shape == (1, 1024)
    about = json.loads((model/"run.json").read_text())
    assert about["training"]["policy"] == "hybrid" and about["training"]["alpha"] == .5 and about["training"]["seed"] == 1 and about["training"]["steps"] == 30


def test_evaluate_writes_the_contract(command, model, tmp_path):
    out = tmp_path/"run"
    code, said, _ = command("evaluate", model, "--benchmark", "atlas", "--out", out)
    assert code == 0 and sorted(p.name for p in out.iterdir()) == ["metrics.json", "mteb.json", "ranks.parquet", "run.json", "top.parquet"]
    ranks = pd.read_parquet(out/"ranks.parquet")
    assert list(ranks) == COLUMNS == "benchmark setting query_id query_language answer_id answer_language grade rank score pool_size".split()
    assert set(ranks.setting) == {"mono", "cross", "multi"} and ranks["rank"].min() == 1 and (ranks["rank"] <= ranks.pool_size).all()
    assert ranks.groupby("setting").size().to_dict() == {"mono": 11*269, "cross": 110*269, "multi": 121*269}
    metrics = pd.DataFrame(json.loads((out/"metrics.json").read_text()))
    assert list(metrics) == "benchmark setting query_language answer_language metric value queries".split()
    macro = metrics[metrics.query_language.isna()]
    names = {"map", "recall@1", "recall@10", "recall@100", "ndcg@10"}
    bias = {"rank_distance", "rank_distance_normalised", "language_preference", "language_preference_chance", "rank_shift", "rank_shift_chance", "rank_correlation",
            "same_language_share@10", "same_language_share_pool", "rank_correlation@10", "peer@10"}
    assert {s: set(g.metric) for s, g in macro.groupby("setting")} == {"mono": names, "cross": names, "multi": names | bias}
    cross = metrics[(metrics.setting == "cross") & (metrics.metric == "map") & metrics.query_language.notna()]
    assert len(cross) == 110 and abs(cross.value.mean() - macro[(macro.setting == "cross") & (macro.metric == "map")].value.item()) < 1e-12
    about = json.loads((out/"run.json").read_text())
    assert about["query_prompt"] == about["passage_prompt"] == "" and about["model_sha256"] and about["benchmark_sha256"] and about["environment"]["versions"]["torch"]
    # a second run replaces the first; prompts change the ranks
    code, *_ = command("evaluate", model, "--benchmark", "atlas", "--query-prompt", "query: ", "--out", out)
    assert code == 0 and json.loads((out/"run.json").read_text())["query_prompt"] == "query: "
    assert (pd.read_parquet(out/"ranks.parquet").score != ranks.score).any()


def test_own_rows_in_some_languages_only(command, jsonl, tmp_path):
    "Training, validation and evaluation on a file whose rows have some of the languages, with the default batch size"
    rows = [json.loads(line) for line in (jsonl/"train.jsonl").read_text(encoding="utf-8").splitlines()]
    for r in rows[:40]: r["query"].pop("de")
    (tmp_path/"own.jsonl").write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    code, said, err = command("train", "--corpus", tmp_path/"own.jsonl", "--policy", "hybrid", "--steps", 2, "--validation", tmp_path/"own.jsonl", "--query-prompt", "query: ", "--out", tmp_path/"m", "--quiet")
    assert code == 0 and "validation loss" in said, err
    about = json.loads((tmp_path/"m"/"run.json").read_text())
    assert about["training"]["batch_size"] == 160 and about["training"]["validation"]["corpora"][0]["name"] == "own"
    assert SentenceTransformer(str(tmp_path/"m"), device="cpu").prompts["query"] == "query: "
    code, said, err = command("evaluate", tmp_path/"m", "--benchmark", tmp_path/"own.jsonl", "--out", tmp_path/"r")
    assert code == 0 and set(pd.read_parquet(tmp_path/"r"/"ranks.parquet").setting) == {"mono", "cross", "multi"}, err


def test_study_on_ones_own_data_goes_on_where_it_was(command, jsonl, tmp_path):
    code, said, err = command("study", "--out", tmp_path/"s", "--data", jsonl, "--seeds", 1)
    assert code == 0 and "rank distance" in said and "hybrid batches give" in said
    summary = pd.DataFrame(json.loads((tmp_path/"s"/"summary.json").read_text()))
    assert {"arm", "seed", "benchmark", "setting", "metric", "value"} <= set(summary) and set(summary.arm) == {"x-x-mono", "hybrid", "x-y"}
    assert (tmp_path/"s"/"summary.png").stat().st_size > 10_000
    shutil.rmtree(tmp_path/"s"/"x-y-seed0")
    code, said, _ = command("study", "--out", tmp_path/"s", "--data", jsonl, "--seeds", 1)
    assert code == 0 and said.count("complete, kept") == 2
    assert pd.DataFrame(json.loads((tmp_path/"s"/"summary.json").read_text())).equals(summary)


def bad(folder):
    "Inputs that cannot be used: arguments, and a part of what should be said"
    good = [dict(id=i, query=dict(en=f"q{i}", de=f"f{i}"), positive=dict(en=f"p{i}", de=f"a{i}")) for i in range(9)]
    def rows(name, changed, raw=None):
        text = "".join(json.dumps(r) + "\n" for r in [*good[:4], *changed, *good[5:]]) if raw is None else raw
        (folder/name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder/name
    train = lambda corpus, policy="x-y", *more: ("train", "--corpus", corpus, "--policy", policy, "--batch-size", 2, "--steps", 1, *more)
    whole = gzip.compress("".join(json.dumps(r) + "\n" for r in good).encode())
    (folder/"xquad-r").mkdir()
    (folder/"xquad-r"/"en.json").write_text('{"data": []}')
    return {
        "a missing language": (train(rows("m.jsonl", [dict(id=4, query=dict(de="f"), positive=dict(de="a"))] + [dict(id=10, query=dict(de="f"), positive=dict(de="a"))]), "en-en", "--batch-size", 9), "batch size 9, and the corpus has 8 rows in en"),
        "no english": (train(rows("d.jsonl", [], "".join(json.dumps(dict(id=i, query=dict(de="f"), positive=dict(de="a"))) + "\n" for i in range(3))), "en-en"), "policy en-en needs language en, and the corpus has de"),
        "an empty text": (train(rows("e.jsonl", [dict(id=4, query=dict(en=""), positive=dict(en="p"))])), "e.jsonl:5, id 4: the query in en is empty"),
        "a duplicate id": (train(rows("u.jsonl", [good[2]])), "u.jsonl:5: id 2 was given before, at"),
        "two spellings of a language": (train(rows("l.jsonl", [dict(id=4, query=dict(EN="q"), positive=dict(EN="p"))])), "languages EN and en differ in case alone"),
        "one language under x-y": (train(rows("o.jsonl", [dict(id=4, query=dict(en="q"), positive=dict(en="p"))])), "id 4 has texts in no two of the languages de en, which policy x-y needs"),
        "alpha": (train(rows("a.jsonl", [good[4]]), "hybrid", "--alpha", 1.01), "alpha is 1.01"),
        "no step": (train(folder/"a.jsonl", "x-x", "--steps", 0), "steps 0: give 1 or more"),
        "no row": (train(folder/"a.jsonl", "x-x", "--batch-size", 0), "batch size 0"),
        "learning rate": (train(folder/"a.jsonl", "x-x", "--learning-rate", -1), "learning rate -1.0: give a number above 0"),
        "temperature": (train(folder/"a.jsonl", "x-x", "--temperature", "nan"), "temperature nan: give a number above 0"),
        "divergence": (train(folder/"a.jsonl", "x-x", "--learning-rate", 1e38, "--steps", 20, "--quiet"), "lower the learning rate"),
        "a place that cannot be written": (train(folder/"a.jsonl", "x-x", "--out", folder/"a.jsonl"/"model"), "a.jsonl is a file; name another folder"),
        "a large batch": (train(folder/"a.jsonl", "x-x", "--batch-size", 10), "batch size 10, and the corpus has 9 rows"),
        "a truncated gzip": (train(rows("t.jsonl.gz", [], whole[:len(whole)//2])), "t.jsonl.gz: the gzip data break off"),
        "invalid utf-8": (train(rows("b.jsonl", [], b'\n{"id": "\xff"}\n')), "b.jsonl:2: not UTF-8 (byte 0xff at column 9)"),
        "half a character": (train(rows("s.jsonl", [{**good[4], "id": "\ud83d"}])), "s.jsonl:5: the id is '\\ud83d'"),
        "nested too deeply": (train(rows("r.jsonl", [], "[" * 100_000)), "r.jsonl:1: not JSON"),
        "a huge number": (train(rows("h.jsonl", [], '{"id": ' + "9" * 5000 + "}")), "h.jsonl:1: not JSON"),
        "not gzip": (train(rows("g.jsonl.gz", [], "{}\n")), "g.jsonl.gz: not a gzip file"),
        "not json": (train(rows("n.jsonl", [], "id,query\n1,2\n")), "n.jsonl:1: not JSON"),
        "no folder": (("train", "--corpus", "ntrex", "--policy", "x-y", "--data", folder/"nowhere"), "no such folder"),
        "no corpus": (train("ntrx"), "corpus 'ntrx' is unknown; choose one of atlas, ntrex, squadshifts"),
        "no file": (train(folder/"none.jsonl"), "none.jsonl: no such file"),
        "no checkpoint": (("evaluate", folder/"none", "--benchmark", "atlas"), "no such checkpoint folder"),
        "no benchmark": (("evaluate", folder, "--benchmark", "squad"), "benchmark 'squad' is unknown; choose one of atlas, xquad-r, mlqa-r"),
        "a bare name": (("evaluate", "modle", "--benchmark", "atlas"), "modle: no such checkpoint folder"),
        "an empty set": (("evaluate", folder, "--benchmark", "xquad-r", "--data", folder), "holds neither ar.json nor ar.json.gz"),
        "a bad start": (train(folder/"a.jsonl", "x-x", "--start", folder/"xquad-r"), "holds neither modules.json nor config.json"),
        "study data": (("study", "--data", folder/"xquad-r"), "needs ntrex/ and xquad-r/, or train.jsonl and test.jsonl"),
    }


def test_bad_input(command, tmp_path, monkeypatch):
    monkeypatch.delenv("HYBRID_LIT_DATA", raising=False)
    for name, (args, expected) in bad(tmp_path).items():
        code, out, err = command(*args, *([] if "--out" in args else ["--out", tmp_path/"out"]))
        assert code == 2, (name, out, err)
        assert err.startswith("error: ") and err.count("\n") == 1 and expected in err, (name, err)
        assert not (tmp_path/"out").exists() and not [p for p in tmp_path.iterdir() if p.name.startswith(".")], name
    for split in ("train", "test"): (tmp_path/f"{split}.jsonl").write_text("".join(json.dumps(dict(id=i, query=dict(en=f"q{i}"), positive=dict(en=f"p{i}"))) + "\n" for i in range(9)))
    code, _, err = command("study", "--data", tmp_path, "--out", tmp_path/"out")
    assert code == 2 and "no question has right answers in two languages" in err and not (tmp_path/"out").exists()
    code, _, err = command("evaluate", tmp_path, "--benchmark", "xquad-r", "--out", tmp_path/"out")
    assert code == 2 and "give --data DIR (in Python: data=...), or set HYBRID_LIT_DATA" in err


def test_somebody_elses_folder_is_not_replaced(command, jsonl, tmp_path):
    (tmp_path/"mine.txt").write_text("keep")
    code, _, err = command("train", "--corpus", jsonl/"train.jsonl", "--policy", "x-y", "--steps", 1, "--out", tmp_path)
    assert code == 2 and "holds other files" in err and [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_truncated_checkpoint(command, model, tmp_path):
    shutil.copytree(model, tmp_path/"m")
    weights = (tmp_path/"m"/"model.safetensors").read_bytes()
    (tmp_path/"m"/"model.safetensors").write_bytes(weights[:len(weights)//2])
    code, _, err = command("evaluate", tmp_path/"m", "--benchmark", "atlas", "--out", tmp_path/"out")
    assert code == 2 and "the checkpoint cannot be loaded" in err and err.count("\n") == 1
