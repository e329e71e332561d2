"The public sets have the counts that their publishers and the papers state."
from hybrid_lit.sources import beir, ntrex, squadshifts, xquad_r

# sentences per language: Table 10 of Elmahdy, Lin and Ahmad (2024), arXiv 2408.10536
XQUAD_R = dict(ar=1222, de=1276, el=1234, en=1180, es=1215, hi=1244, ru=1219, th=852, tr=1167, vi=1209, zh=1196)


def test_xquad_r(data):
    b = xquad_r(data)
    assert b.candidates.groupby("language").size().to_dict() == XQUAD_R
    assert b.queries.groupby("language").query_id.nunique().eq(1190).all() and b.queries.query_id.nunique() == 1190
    assert b.qrels.groupby("query_id").answer_language.nunique().eq(11).all() and len(b.qrels) == 11*1190
    assert b.candidates.text.str.strip().ne("").all()


def test_scifact(data):
    b = beir(data)
    assert (len(b.queries), len(b.candidates), len(b.qrels)) == (300, 5183, 339)


def test_ntrex(data):
    c = ntrex(data)
    assert len(c) == 1997 and len(c.languages) == 11
    assert all(len(r["query"]) == len(r["positive"]) == 11 and all(q in r["positive"][l] for l, q in r["query"].items()) for r in c)
    assert len({r["id"].rsplit(".", 1)[0] for r in c}) == 123


def test_squadshifts(data):
    assert len(squadshifts(data)) == 7938
