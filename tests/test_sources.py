"The public training sets have the counts that their publishers state."
import re
from collections import Counter
import pytest
from hybrid_lit.atlas import LANGUAGES
from hybrid_lit.sources import documents, load_corpus, ntrex, squadshifts


def test_ntrex(data):
    c = ntrex(data)
    assert len(c) == 1997 and len(c.languages) == 11
    assert all(len(r["query"]) == len(r["positive"]) == 11 and all(q in r["positive"][l] for l, q in r["query"].items()) for r in c)
    assert len({r["id"].rsplit(".", 1)[0] for r in c}) == 123


def test_squadshifts(data):
    assert len(squadshifts(data)) == 7938


# rows per language: the counts of the publishers' files; of Tatoeba 500 lines per pair, but where it has fewer
COUNTS = {
    "flores": {l: 1012 for l in LANGUAGES}, "tico19": dict(ar=2100, en=2100, hi=2100, ru=2100, zh=2100), "tatoeba": {l: 5000 if l == "en" else 500 for l in LANGUAGES},
    "tydiqa": dict(ar=921, en=440 + 3696, ru=812), "thai-qa": dict(th=5761 + 742 + 739), "arcd": dict(ar=693 + 702), "jaquad": dict(ja=31748 + 3939), "squad": dict(en=87599)}


@pytest.mark.parametrize("name", COUNTS)
def test_counts(data, name):
    c = load_corpus(name, data)
    assert {l: int((c.queries.index[b][c.rows[:, 0]] >= 0).sum()) for b, l in enumerate(c.languages)} == COUNTS[name]


@pytest.mark.parametrize("name", ["flores", "tico19", "tatoeba"])
def test_a_sentence_stands_in_its_passage(data, name):
    for r in load_corpus(name, data): assert r["query"].keys() == r["positive"].keys() and all(q in r["positive"][l] for l, q in r["query"].items()), r["id"]


def test_languages_do_not_change_the_rows(data):
    "What is read of some languages is what all languages have of them"
    for name in ("flores", "tico19", "tatoeba"):
        whole = {r["id"]: r for r in load_corpus(name, data)}
        for r in load_corpus(name, data, ["ru", "ar"]):
            assert all(r[k] == {l: t for l, t in whole[r["id"]][k].items() if l in ("ru", "ar")} for k in ("query", "positive"))


@pytest.mark.filterwarnings("ignore:.*translated files have other headings")
def test_documents_hold_no_markup(data):
    c = documents(data)
    count = Counter(l for r in c for l in r["query"])
    assert {l: n for l, n in count.items() if l in ("el", "th", "vi")} == dict(el=292, th=137, vi=137) and count["en"] == len(c)
    for r in c:
        assert r["query"].keys() == r["positive"].keys() and len(r["positive"]["en"]) >= 40
        links = {l for l, t in r["positive"].items() if "](" in t}
        assert not links or (r["id"], links) == ("opensource-guide/getting-paid.0", {"tr"})  # its brackets do not match in the file
        for t in (*r["query"].values(), *r["positive"].values()): assert not re.search(r"<[a-z/!]|\*\*|`|\{#|Co-op Translator|!\[|\n", t), r["id"]
