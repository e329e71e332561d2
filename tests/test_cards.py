"From training to the card and back: the chain on disk, and texts that would break Markdown or YAML."
import json, random, re, warnings
import numpy as np, pytest
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from sentence_transformers import SentenceTransformer
from hybrid_lit.atlas import atlas
from hybrid_lit.benchmarks import Benchmark
from hybrid_lit.cards import model_card, model_sha256, share
from hybrid_lit.files import DataError, read_json, sha256
from hybrid_lit.study import evaluate_model, train_encoder


def test_train_evaluate_share_and_again(tmp_path):
    languages = ["de", "en"]
    corpus, benchmark = atlas("train", languages), Benchmark.from_corpus(atlas("test", languages))
    model, prompts = tmp_path/"model", dict(query_prompt="Query: ", passage_prompt="Passage | ")
    train_encoder(model, corpus, "hybrid", steps=3, batch_size=32, progress=False, **prompts)
    evaluate_model(tmp_path/"run", str(model), benchmark, progress=False, **prompts)
    before = SentenceTransformer(str(model), device="cpu").encode(["a text"], prompt="Query: ")
    share(model, [tmp_path/"run"])
    assert sha256(model) != model_sha256(model) == read_json(tmp_path/"run"/"run.json")["model_sha256"]
    card = ModelCard((model/"README.md").read_text())
    macro = [m for m in read_json(tmp_path/"run"/"metrics.json") if m["query_language"] is None and m["answer_language"] is None and m["value"] is not None]
    assert {(r.dataset_config, r.metric_type): r.metric_value for r in card.data.eval_results} == {(m["setting"], m["metric"]): m["value"] for m in macro} and len(macro) > 10
    assert card.data.language == languages and "base_model" not in card.data.to_dict()
    assert np.array_equal(SentenceTransformer(str(model), device="cpu").encode(["a text"], prompt="Query: "), before)

    evaluate_model(tmp_path/"again", str(model), benchmark, progress=False)            # the folder has a README.md now; and no prompts this time
    share(model, [tmp_path/"run", tmp_path/"again"])
    text = (model/"README.md").read_text()
    assert text.count("### atlas-test") == 2 and text.count("With other prompts than in training") == 1
    train_encoder(tmp_path/"next", corpus, "x-y", start=str(model), steps=1, batch_size=32, progress=False)
    about = read_json(tmp_path/"next"/"run.json")
    assert about["start_sha256"] == model_sha256(model) and str(tmp_path) not in model_card(about) and "trained from model on" in model_card(about)
    text = (tmp_path/"next"/"README.md").read_text()                                    # training wrote one, without scores
    assert "\n### " not in text and "modules.json" not in text
    with pytest.raises(DataError, match="has the scores of another model"): share(tmp_path/"next", [tmp_path/"run"])
    assert (tmp_path/"next"/"README.md").read_text() == text
    (model/"config_sentence_transformers.json").write_text("{}")                       # another model, under the same name
    with pytest.raises(DataError, match="or of this one before it changed"): share(model, [tmp_path/"run"])


def test_a_readme_of_another_hand_is_kept(tmp_path):
    train_encoder(tmp_path/"model", atlas("test", ["en"]), "en-en", steps=1, batch_size=32, progress=False)
    for text in ("# Mine\n", "", "\xe9"):
        (tmp_path/"model"/"README.md").write_bytes(text.encode("latin-1"))
        with pytest.warns(UserWarning, match="README.md: kept"): share(tmp_path/"model")
        assert (tmp_path/"model"/"README.md").read_bytes() == text.encode("latin-1")
    (tmp_path/"model"/"README.md").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        share(tmp_path/"model"); share(tmp_path/"model")


def test_any_text_in_any_place():
    "What a reader of the table sees is what was recorded; the YAML and the headings stand whatever the texts are"
    rng, md = random.Random(0), MarkdownIt("commonmark").enable(["table", "strikethrough"])
    signs = ["|", "\\", "`", "```", "*", "_", "---", "\n", " ", ":", "{", "}", "[", "](x)", "<b>", "<!--", "-->", "&", "&amp;", "#", "'", '"', "%", "@", "!", "~", "$", "no", "é", "語", "a", "1.", "- ", "\u2028", "\t", "  ", "\u3000", "\u00a0", "http://x.y", "www.x.y", "@joe"]
    for _ in range(300):
        name, prompt, corpus = ("".join(rng.choice(signs) for _ in range(rng.randint(1, 9))) + "x" for _ in range(3))
        about = dict(kind="training", start="static", start_sha256=None, languages=["no", "en"], training=dict(policy=name, query_prompt=prompt, passage_prompt="", corpora=[corpus]))
        run, metrics = dict(benchmark=corpus, query_prompt=prompt), [dict(benchmark=corpus, setting="multi", metric="map", query_language=None, answer_language=None, value=.5)]
        card = ModelCard(model_card(about, [(run, metrics)], name))
        assert card.data.language == ["no", "en"] and card.data.eval_results[0].dataset_name == corpus and card.data.model_name == name
        tokens = md.parse(card.text)
        cells = ["".join("" if c.type == "html_inline" else c.content for c in t.children) for t in tokens if t.type == "inline" and t.level == 4]
        table = dict(zip(cells[2::2], cells[3::2]))
        plain = lambda t: " ".join(t.split())
        assert table["batch policy"] == plain(name) and table["corpora"] == plain(corpus), (name, corpus, table)
        assert json.loads(plain(table["put before each query"])) == prompt                # exactly, though a page draws a run of blanks as one
        assert not [c.content for t in tokens for c in t.children or () if c.type == "text" and re.search(r"://|www\.|@", c.content)]   # of these, GitHub would make links
        heads = [tokens[i + 1].children for i, t in enumerate(tokens) if t.type == "heading_open"]
        assert ["".join(c.content for c in h) for h in heads] == [plain(name), "Use", "Training", "Scores", plain(corpus), "Limits"]
        block, = [t.content for t in tokens if t.type == "fence"]
        found = {}
        exec(block.replace("from sentence_transformers import SentenceTransformer", "").replace("print(model.similarity(queries, passages))", ""),
             dict(SentenceTransformer=lambda n: found.update(name=n) or type("M", (), dict(encode=lambda self, t, prompt: found.setdefault("prompts", []).append(prompt)))()))
        assert found == dict(name=name, prompts=[prompt, ""])
