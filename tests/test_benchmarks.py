"The public evaluation sets have the counts that their publishers and the papers state; breaks and right answers against other ways to find them."
import gzip, json, random
import pytest
from hybrid_lit.benchmarks import Benchmark, beir, load_benchmark, mlqa_r, sentences, xquad_r
from hybrid_lit.files import DataError

# sentences per language: Table 10 of Elmahdy, Lin and Ahmad (2024), arXiv 2408.10536
XQUAD_R = dict(ar=1222, de=1276, el=1234, en=1180, es=1215, hi=1244, ru=1219, th=852, tr=1167, vi=1209, zh=1196)
# questions per language (the same table), and in how many languages the 1,148 questions are asked
MLQA_R, PARALLEL = dict(ar=517, de=512, en=1148, es=500, hi=507, vi=511, zh=504), {2: 65, 3: 263, 4: 820}


def test_xquad_r(data):
    b = xquad_r(data)
    assert b.candidates.groupby("language").size().to_dict() == XQUAD_R
    assert b.queries.groupby("language").query_id.nunique().eq(1190).all() and b.queries.query_id.nunique() == 1190
    assert b.qrels.groupby("query_id").answer_language.nunique().eq(11).all() and len(b.qrels) == 11*1190
    assert b.candidates.text.str.strip().ne("").all()


@pytest.mark.parametrize("task", [xquad_r, mlqa_r])
def test_the_paragraph_variant_changes_only_the_texts(data, task):
    alone, both = task(data), task(data, paragraph=True)
    assert both.name == alone.name + "+paragraph" and both.fingerprint() != alone.fingerprint()
    assert both.queries.equals(alone.queries) and both.qrels.equals(alone.qrels) and both.candidates.drop(columns="text").equals(alone.candidates.drop(columns="text"))
    pairs = list(zip(alone.candidates.text, both.candidates.text))
    assert all(long.startswith(short + "\n") for short, long in pairs)
    assert sum(short not in long[len(short) + 1:] for short, long in pairs) <= 1  # one Turkish sentence of XQuAD-R differs from its paragraph in a sign


def test_mlqa_r(data):
    b = mlqa_r(data)
    assert b.queries.groupby("language").size().to_dict() == MLQA_R
    assert b.queries.groupby("query_id").language.nunique().value_counts().to_dict() == PARALLEL
    assert b.qrels.groupby(["query_id", "answer_language"]).size().eq(1).all() and len(b.qrels) == len(b.queries)
    published = dict(ar=2545, de=2362, en=6264, es=1787, hi=2426, vi=2828, zh=2322)
    assert all(abs(n/published[l] - 1) < .1 for l, n in b.candidates.groupby("language").size().items())
    texts = b.candidates.set_index(["language", "answer_id"]).text
    right = b.qrels.set_index(["answer_language", "query_id"]).answer_id
    for l in MLQA_R:  # the answer is in the right sentence, or begins at its end
        spread, seen = 0, {}
        with gzip.open(data/"mlqa"/"dev"/f"dev-context-{l}-question-{l}.json.gz", "rt", encoding="utf-8") as f:
            for p in (p for a in json.load(f)["data"] for p in a["paragraphs"]):
                n = seen.setdefault(p["context"], len(seen))
                for q in p["qas"]:
                    answer = right[l, q["id"]]
                    assert answer.split(".")[0] == str(n)
                    whole = q["answers"][0]["text"] in texts[l, answer]
                    spread += not whole
                    assert whole or any(texts[l, answer].endswith(q["answers"][0]["text"][:k].rstrip()) for k in range(1, len(q["answers"][0]["text"])))
        assert spread < 20


def test_scifact(data):
    b = beir(data)
    assert (len(b.queries), len(b.candidates), len(b.qrels)) == (300, 5183, 339)
    assert load_benchmark(data/"beir"/"scifact").fingerprint() == b.fingerprint()


def test_squadshifts(data):
    "19,688 questions; of the 4,085 paragraphs two repeat the text of another, and one text is one candidate"
    b = load_benchmark("squadshifts", data)
    assert (len(b.queries), len(b.candidates), len(b.qrels)) == (19688, 4083, 19688) and not b.candidates.text.duplicated().any()
    right = dict(zip(b.qrels.query_id, b.qrels.answer_id))
    text = dict(zip(b.candidates.answer_id, b.candidates.text))
    for part in ("reddit", "amazon_reviews"):
        with gzip.open(data/"squadshifts"/f"{part}_v1.0.json.gz", "rt", encoding="utf-8") as f:
            for p in (p for a in json.load(f)["data"] for p in a["paragraphs"]):
                assert {text[right[f"{part}.{q['id']}"]] for q in p["qas"]} <= {p["context"]}


def test_sentences_lose_nothing():
    rng = random.Random(0)
    letters = "aB. !?\n\r\t\u2028\u0085\u200b。।،؟\"'()[]1é\U0001f600\u0301\ufeff\x00\x1c “”»\u00a0\u3000\u2003"
    for trial in range(20_000):
        text, l = "".join(rng.choice(letters) for _ in range(rng.randint(1, 30))), rng.choice("ar de en es hi vi zh th xx".split())
        found = sentences(text, l)
        ends = [a for a, _ in found[1:]] + [len(text)]
        assert found[0][0] == 0 and all(a < e and text[a:e].strip() == s for (a, s), e in zip(found, ends)), (l, text)


def write(path, lines, gz):
    with (gzip.open(f"{path}.gz", "wt", encoding="utf-8") if gz else open(path, "w", encoding="utf-8")) as f: f.write("".join(l + "\n" for l in lines))


def test_folders_of_ones_own_against_the_plain_way(tmp_path):
    "Random folders with texts in some languages, and what they must give, found by looking at each pair"
    rng = random.Random(1)
    for trial in range(60):
        folder, gz, ls = tmp_path/str(trial), rng.random() < .5, ["en", "de", "zh-TW"]
        folder.mkdir()
        some = lambda: rng.sample(ls, rng.randint(1, 3))
        docs = [dict(id=f"d{i}", text={l: f"text {i} {l}" for l in some()}) for i in range(rng.randint(1, 12))]
        for d in docs:
            if rng.random() < .5: d["title"] = {l: f"title {l}" for l in d["text"] if rng.random() < .5}
        queries = [dict(id=f"q{i}", text={l: f"query {i}" for l in some()}) for i in range(rng.randint(1, 6))]
        grades = {(q["id"], d["id"]): rng.randint(0, 3) for q in queries for d in docs if rng.random() < .3}
        if not any(grades.values()): grades["q0", "d0"] = 1
        write(folder/"documents.jsonl", map(json.dumps, docs), gz); write(folder/"queries.jsonl", map(json.dumps, queries), gz)
        write(folder/"qrels.tsv", ["query-id\tdocument-id\tscore"]*rng.randint(0, 1) + [f"{q}\t{d}\t{g}" for (q, d), g in grades.items()], gz)
        judged = {q for q, _ in grades}
        lone = judged - {q for (q, _), g in grades.items() if g}
        with pytest.warns(UserWarning) if lone or len(judged) < len(queries) else pytest.MonkeyPatch.context(): b = load_benchmark(folder)
        assert set(map(tuple, b.queries.values)) == {(q["id"], l, t) for q in queries if q["id"] in judged for l, t in q["text"].items()}
        assert set(map(tuple, b.candidates.values)) == {(d["id"], l, (d.get("title", {}).get(l, "") + " " + t).strip()) for d in docs for l, t in d["text"].items()}
        assert set(map(tuple, b.qrels.values)) == {(q, d["id"], l, g) for (q, id), g in grades.items() for d in docs if d["id"] == id and g for l in d["text"]}


@pytest.mark.parametrize("name, line, says", [
    ("qrels.tsv", "q1\td1", "qrels.tsv:1: not 'query-id, corpus-id, score' with tabs"), ("qrels.tsv", "q1\td1\t1.5", "qrels.tsv:1: not"), ("documents.jsonl", '{"id": "d1", "text": {}}', "documents.jsonl:1: text is not a text per language"),
    ("documents.jsonl", '{"id": "d1", "text": {"en": 1}}', "documents.jsonl:1: text is not a text per language"), ("documents.jsonl", '{"id": "d1", "text": {"en": "a", "EN": "b"}}', "differ only in case or blanks"),
    ("queries.jsonl", '{"id": "q1", "text": {"en": " "}}', "query q1 in en is empty"), ("queries.jsonl", '{"id": 1, "text": {"en": "a"}}', "queries.jsonl:1: has no text 'id'"), ("qrels.tsv", "q1\td1\t0", "there is no judgement")])
def test_bad_folders_are_refused_in_one_line(tmp_path, name, line, says):
    whole = {"queries.jsonl": '{"id": "q1", "text": {"en": "?"}}', "documents.jsonl": '{"id": "d1", "text": {"en": "!"}}', "qrels.tsv": "q1\td1\t1"}
    for n, l in {**whole, name: line}.items(): write(tmp_path/n, [l], False)
    with pytest.raises(DataError) as e: Benchmark.from_folder(tmp_path)
    assert says in str(e.value) and "\n" not in str(e.value)
