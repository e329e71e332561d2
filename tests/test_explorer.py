"The explorer's pages in a browser, opened from disk with the network cut: every control, and every number against the ranks table"
import re
from pathlib import Path
import numpy as np, pandas as pd, pytest
from browser import picture
from explorer_tables import ARMS, LANGUAGES, arm_table, arms, texts
from hybrid_lit.bias import language_matrix, rank_distances
from hybrid_lit.explorer import RankExplorer
from hybrid_lit.arms import trade_off
from hybrid_lit.evaluation import per_query
from hybrid_lit.files import DataError
from hybrid_lit.significance import compare

NAMES = dict(ar="Arabic", de="German", en="English", hi="Hindi", zh="Chinese")
RESULTS = Path(__file__).resolve().parents[1]/"results"


@pytest.fixture(scope="module")
def tables(): return arms()


@pytest.fixture(scope="module")
def saved(tables, tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer")/"report.html"
    RankExplorer(tables, texts=texts()).save(path)
    return path


def drawn(page): return page.wait_for_selector("#forest svg, #forest .notes")


def numbers(page, view):
    "A view's table, as a person opens it: its heads, and its rows as texts"
    if not page.locator(f"#{view} details").evaluate("e => e.open"): page.locator(f"#{view} summary").click()
    page.wait_for_selector(f"#{view} .numbers table")
    rows = page.locator(f"#{view} .numbers tr").evaluate_all("rs => rs.map(r => [...r.cells].map(c => c.textContent))")
    return rows[0], rows[1:]


def number(text):
    "As the page writes it"
    return float(text.replace(",", "").replace("−", "-").split(" ")[0])


def written(x): return f"{x:,.1f}".removesuffix(".0") if x < 100 else f"{int(x + .5):,}"


def multi(table): return table[table.setting == "multi"]


def test_matrix_is_that_of_the_ranks(visit, saved, tables):
    page, _ = visit(saved)
    drawn(page)
    for arm in ARMS:
        page.get_by_label("arm", exact=True).select_option(label=arm)
        for value in ("median_rank", "first_share", "map"):
            page.get_by_label("cells show").select_option(value)
            head, rows = numbers(page, "matrix")
            want = language_matrix(tables[arm], value)
            assert head[1:] == list(want.columns) and [r[0] for r in rows] == list(want.index)
            got = np.array([[number(c) for c in r[1:]] for r in rows])
            np.testing.assert_allclose(got, want.to_numpy(), atol=.5001 if value == "median_rank" else .00051)
            buttons = page.locator("#matrix td button").evaluate_all("bs => bs.map(b => b.getAttribute('aria-label'))")
            assert len(buttons) == want.size and buttons[1].startswith(f"asked in {NAMES[want.index[0]]}, answered in {NAMES[want.columns[1]]}: ") and rows[0][2] in buttons[1]
    page.get_by_label("compared with").select_option(label="x-x-mono")
    page.get_by_label("difference").check()
    for value, change in (("map", np.subtract), ("first_share", np.subtract), ("median_rank", np.divide)):
        page.get_by_label("cells show").select_option(value)
        got = np.array([[number(c) for c in r[1:]] for r in numbers(page, "matrix")[1]])
        want = change(*(language_matrix(tables[a], value) for a in ("x-y", "x-x-mono")))
        np.testing.assert_allclose(got, want.to_numpy(), atol=.00051)


@pytest.mark.parametrize("asked", [None, "de"])
def test_distributions_are_those_of_the_ranks(visit, saved, tables, asked):
    page, _ = visit(saved)
    drawn(page)
    if asked: page.get_by_label("question asked in").select_option(label=NAMES[asked])
    head, rows = numbers(page, "ranks")
    assert [r[0] for r in rows] == [a for a in ARMS for _ in range(len(LANGUAGES) + (asked is None))]
    for arm, label, n, median, first, last, none in rows:
        m = multi(tables[arm])
        if asked: m = m[m.query_language == asked]
        r = m[m.query_language == m.answer_language] if label == "question's own" else m[m.answer_language.map(NAMES) == label] if asked else m[(m.answer_language.map(NAMES) == label) & (m.query_language != m.answer_language)]
        assert number(n) == len(r) and none == "0"
        assert abs(number(median) - r["rank"].median()) <= (.0501 if number(median) < 100 else .501)
        assert [number(first), number(last)] == np.quantile(r["rank"], [.025, .975], method="inverted_cdf").tolist()
    dots = page.locator("#ranks svg circle")
    assert dots.count() == 20*len(rows)
    assert "question's own language" in page.locator("#ranks svg").first.get_attribute("aria-label")


def test_barcode_is_sorted_by_rank_distance(visit, saved, tables):
    page, _ = visit(saved)
    drawn(page)
    page.get_by_label("arm", exact=True).select_option(label="x-x-mono")
    page.get_by_label("question asked in").select_option(label="Hindi")
    want = rank_distances(tables["x-x-mono"]).query("query_language == 'hi'").set_index("query_id").rank_distance
    seen, m = {}, multi(tables["x-x-mono"]).set_index(["query_id", "query_language", "answer_language"])["rank"]
    head, rows = numbers(page, "barcode")
    for turn in range(2):
        assert [number(r[2]) for r in rows] == sorted((number(r[2]) for r in rows), reverse=True)
        for r in rows:
            seen[r[0]] = number(r[2])
            assert [number(c) for c in r[3:]] == [m[r[0], "hi", l] for l in head[3:]]
        page.get_by_role("button", name="further questions").click()
        rows = numbers(page, "barcode")[1]
    assert seen == want.to_dict()
    page.get_by_label("first question shown").fill("3")
    assert numbers(page, "barcode")[1][0][0] == sorted(want.index, key=lambda q: (-want[q], sorted(want.index).index(q)))[3]
    page.get_by_role("button", name="earlier questions").click()
    assert "lines 1 to 25 of 40" in page.locator("#barcode .hint").first.inner_text()


def test_a_question_is_shown_with_its_answers(visit, saved, tables):
    page, _ = visit(saved)
    drawn(page)
    page.locator("#barcode .names button").nth(2).click()
    page.wait_for_selector("#detail table")
    question = page.locator("#detail b").inner_text()
    q, language = re.match(r"(q\d+), asked in (\w+)", question).groups()
    rows = page.locator("#detail tbody tr").evaluate_all("rs => rs.map(r => [...r.cells].map(c => c.textContent))")
    for arm, column in zip(ARMS, (1, 2, 3)):
        m = multi(tables[arm]).query("query_id == @q").pipe(lambda t: t[t.query_language.map(NAMES) == language])
        assert {r[0]: number(r[column]) for r in rows} == {NAMES[l]: r for l, r in zip(m.answer_language, m["rank"])}
    assert [number(r[2]) for r in rows] == sorted(number(r[2]) for r in rows)                      # by the chosen arm's rank
    arabic = page.locator("#detail tr", has=page.get_by_text("Arabic", exact=True)).locator(".text")
    assert arabic.inner_text() == f"سؤال p {q[1:]}" and arabic.get_attribute("lang") == "ar"
    assert arabic.evaluate("e => getComputedStyle(e).direction") == "rtl"
    assert page.locator("#detail tr", has=page.get_by_text("German", exact=True)).locator(".text").evaluate("e => getComputedStyle(e).direction") == "ltr"
    page.locator("#barcode .names button").nth(2).click()
    assert not page.locator("#detail").is_visible()


def test_trade_off_and_forest_are_those_of_python(visit, saved, tables):
    page, _ = visit(saved)
    drawn(page)
    got = {(r[0], r[2]): r for r in numbers(page, "tradeoff")[1]}
    for r in trade_off(tables).itertuples():
        arm, alpha, _, value, span, seeds = got[r.arm, r.metric]
        exact = .51 if r.metric == "rank distance" else .00051
        assert float(alpha) == r.alpha and seeds == "1" and abs(number(value) - r.value) < exact
        if np.isnan(r.low): assert span == ""
        else: assert all(abs(number(x) - y) < exact for x, y in zip(span.split(" to "), (r.low, r.high)))
    for base in ARMS:
        page.get_by_label("compared with").select_option(label=base)
        got = {(r[0], r[1]): r for r in numbers(page, "forest")[1]}
        assert len(got) == 6
        for setting in ("mono", "cross", "multi"):
            for r in compare({a: per_query(t) for a, t in tables.items()}, base, "map", setting).itertuples():
                row = got[r.arm, setting]
                assert row[-1] == r.verdict and abs(number(row[2]) - r.difference) < .00051 and abs(number(row[4]) - r.bound) < .00051


def test_a_cell_filters_the_rest_and_the_slider_moves_all(visit, saved):
    page, _ = visit(saved)
    drawn(page)
    page.locator("#matrix td button").nth(1).click()                                              # asked in Arabic, answered in German
    assert page.get_by_label("question asked in").input_value() == "0" and page.get_by_label("answer in").input_value() == "1"
    assert "asked in Arabic" in page.locator("#ranks .hint").first.inner_text() and "lines 1 to 25 of 40" in page.locator("#barcode .hint").first.inner_text()
    assert page.locator("#matrix [aria-pressed=true]").count() == 1
    before = {v: page.locator(f"#{v} .view").inner_html() for v in ("ranks", "matrix", "tradeoff", "barcode", "forest")}
    slider = page.get_by_role("slider", name=re.compile("alpha"))
    slider.focus(); slider.press("ArrowRight")
    assert page.get_by_label("arm", exact=True).evaluate("e => e.selectedOptions[0].textContent") == "x-x-mono"
    assert all(page.locator(f"#{v} .view").inner_html() != html for v, html in before.items())
    slider.press("Home")
    assert page.get_by_label("arm", exact=True).evaluate("e => e.selectedOptions[0].textContent") == "x-y"
    page.locator("#matrix [aria-pressed=true]").click()
    assert page.get_by_label("question asked in").input_value() == "-1"


def test_by_keyboard_alone(visit, saved):
    page, _ = visit(saved)
    drawn(page)
    focus = "() => { let e = document.activeElement; while (e.shadowRoot?.activeElement) e = e.shadowRoot.activeElement; return e.id || e.getAttribute('aria-label') || e.tagName; }"
    met = []
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focus) in met[:1]: break                                                 # once around
        met.append(page.evaluate(focus))
    for control in ("asked", "answered", "arm", "alpha", "base", "value", "difference", "previous", "line", "next"): assert control in met, (control, met)
    assert sum("answered in" in m for m in met) == 1 and sum(m.startswith("question q") for m in met) == 1           # one stop each; arrows go on
    page.locator("#matrix td button").first.focus()
    page.keyboard.press("ArrowRight"); page.keyboard.press("ArrowDown"); page.keyboard.press("Enter")
    assert page.locator("#matrix [aria-pressed=true]").get_attribute("aria-label").startswith("asked in German, answered in German")
    page.keyboard.press("ArrowDown")
    assert page.evaluate(focus).startswith("asked in English, answered in German")
    page.locator("#barcode .names button").first.focus()
    first = page.evaluate(focus)
    for _ in range(30): page.keyboard.press("ArrowDown")                                          # past the last of the 25 that are shown
    assert page.evaluate(focus) != first and "lines 7 to 31" in page.locator("#barcode .hint").first.inner_text()
    page.keyboard.press("Enter")
    page.wait_for_selector("#detail table")


def test_hostile_texts_are_only_texts(visit, tmp_path):
    bad = "</script><img src=x onerror='window.hacked = 9'>"
    tables = {bad: arm_table("x-x-mono", 1.), "b": arm_table("x-y", 0.)}
    explorer = RankExplorer(tables, texts=texts(hostile=True))
    explorer.save(tmp_path/"saved.html")
    (tmp_path/"page.html").write_text(f"<!doctype html><meta charset=utf-8><title>t</title>{explorer._repr_html_()}", encoding="utf-8")
    for host, asked in (("saved", "Arabic"), ("page", "Chinese")):
        page, _ = visit(tmp_path/f"{host}.html")
        drawn(page)
        page.get_by_label("question asked in").select_option(label=asked)
        for start in (0, 15):                                                                     # all 40 questions
            page.get_by_label("first question shown").fill(str(start))
            for i in range(25):
                page.locator("#barcode .names button").nth(i).click()
                page.wait_for_selector("#detail .text")
                if "q5," in page.locator("#detail b").inner_text(): assert "(98,000 characters more)" in page.locator("#detail .question").inner_text()
                if "q3," in page.locator("#detail b").inner_text(): assert "U+202E" in page.locator("#detail .question").inner_text() and "\u202e" not in page.locator("#detail").inner_text()
                page.locator("#detail .text").first.hover()
        for view in ("ranks", "matrix", "barcode", "forest", "tradeoff"): numbers(page, view)
        assert page.evaluate("window.hacked") is None
        assert page.evaluate("[...document.querySelector('.hybrid-lit-explorer').shadowRoot.querySelectorAll('script, img, a, iframe, [onerror], [onmouseover]')].length") == 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert bad in page.locator("#forest").inner_text() or bad[:20] in page.locator("#forest").inner_text()
        picture(page, f"explorer-hostile-{host}", full_page=True)


def test_page_with_require_js_and_two_explorers(visit, tables, tmp_path):
    "Quarto may bring require.js, which catches UMD scripts; and a page may hold several explorers"
    one, two = RankExplorer(tables), RankExplorer(tables["hybrid"])
    require = "<script>window.caught = []; window.define = (...a) => window.caught.push(a); window.define.amd = {}; window.require = () => { throw Error('no'); }; window.exports = undefined</script>"
    style = "<style>* { color: red !important; font-size: 40px !important } svg { display: none }</style>"
    (tmp_path/"site.html").write_text(f"<!doctype html><meta charset=utf-8><title>t</title>{require}{style}<body class='quarto-dark' style='background: #111; color: #eee'>{one._repr_html_()}{two._repr_html_()}{one._repr_html_()}", encoding="utf-8")
    page, _ = visit(tmp_path/"site.html")
    page.wait_for_function("[...document.querySelectorAll('.hybrid-lit-explorer')].filter(e => e.shadowRoot?.querySelector('#barcode svg')).length === 3")
    assert page.evaluate("window.caught.length") == 0


def test_dark_and_light(visit, saved):
    dark = []
    for scheme in ("light", "dark"):
        page, _ = visit(saved, color_scheme=scheme)
        drawn(page)
        dark.append(page.locator(".hybrid-lit-explorer").evaluate("e => e.hasAttribute('data-dark')"))
        picture(page, f"explorer-{scheme}", full_page=True)
    assert dark == [False, True]


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_widths(visit, saved, width):
    page, _ = visit(saved, width=width)
    drawn(page)
    page.locator("#barcode .names button").first.click()
    page.wait_for_selector("#detail .text")
    for view in ("ranks", "matrix", "tradeoff", "barcode", "forest"): numbers(page, view)
    picture(page, f"explorer-{width}", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate("[...document.querySelector('.hybrid-lit-explorer').shadowRoot.querySelectorAll('.matrix button')].map(b => b.scrollWidth - b.clientWidth)")
    assert max(small) <= 0


def test_everything_has_words(visit, saved):
    page, _ = visit(saved)
    drawn(page)
    bare = page.evaluate("""() => { const r = document.querySelector('.hybrid-lit-explorer').shadowRoot, out = [];
        for (const e of r.querySelectorAll('svg')) if (!e.closest('[role=img][aria-label]')) out.push('svg');
        for (const e of r.querySelectorAll('select, input')) if (!e.labels?.length && !e.getAttribute('aria-label')) out.push(e.id);
        for (const e of r.querySelectorAll('button')) if (!(e.getAttribute('aria-label') || e.textContent.trim())) out.push('button');
        return out; }""")
    assert bare == []
    page.get_by_label("question asked in").select_option(label="German")
    assert page.locator("[role=status]").inner_text() == "questions in German, hybrid."


def test_without_scripts_and_in_an_old_browser(visit, tables, tmp_path):
    explorer = RankExplorer(tables)
    explorer.save(tmp_path/"saved.html")
    page, _ = visit(tmp_path/"saved.html", java_script_enabled=False)
    assert page.locator("table").is_visible() and "hybrid" in page.locator("table").inner_text() and "rank distance" in page.locator("table").inner_text()
    (tmp_path/"old.html").write_text(f"<!doctype html><meta charset=utf-8><title>t</title><script>delete window.DecompressionStream</script>{explorer._repr_html_()}", encoding="utf-8")
    page, seen = visit(tmp_path/"old.html")
    page.get_by_role("alert").wait_for()
    assert "cannot be drawn here" in page.get_by_role("alert").inner_text() and page.locator("table").is_visible()
    page.context.close(); seen.errors.clear()                                                     # it says so on the console too


def test_damaged_file(visit, tables, tmp_path):
    html = f"<!doctype html><meta charset=utf-8><title>t</title>{RankExplorer(tables)._repr_html_()}"
    (tmp_path/"cut.html").write_text(re.sub(r'(data-part="ranks">.{400})[^<]*', r"\1", html), encoding="utf-8")
    page, seen = visit(tmp_path/"cut.html")
    page.get_by_role("alert").wait_for()
    assert page.locator("table").is_visible()
    page.context.close(); seen.errors.clear()


one = arm_table("x-x-mono", 1.)
BAD = {
    "one language": (one[(one.query_language == "en") & (one.answer_language == "en") & (one.setting == "mono")], ["One language", "no rank distance", "nothing to compare"]),
    "one arm": (one, ["nothing to compare"]),
    "one question": (one[one.query_id == "q0"], ["1 question"]),
    "different questions": (dict(a=one, b=arm_table("x-y", 0.)[lambda t: t.query_id != "q0"]), ["1 are left out"]),
    "unknown languages": (one.assign(**{c: one[c].replace(dict(de="xx", hi="tlh")) for c in ("query_language", "answer_language")}), ["xx"]),
    "ranks missing": (one.assign(rank=one["rank"].where(one["rank"] < 30)), ["without a rank", "have no rank"]),
    "only the pool": (one[one.setting == "multi"], ["rank distance"]),
    "several answers": (pd.concat([one, one[one.answer_language == "de"].assign(answer_id="other", rank=lambda t: (t["rank"] + 1).clip(upper=t.pool_size))]), ["German"]),
    "asked in one, answered in another": (one[(one.query_language == "de") & (one.answer_language == "en")], ["English"]),
    "many arms without alpha": ({f"arm {i}": one.drop(columns="alpha") for i in range(7)}, ["do not", "arm 6"]),
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_missing_is_said(visit, tmp_path, what):
    table, said = BAD[what]
    RankExplorer(table).save(tmp_path/"page.html")
    page, _ = visit(tmp_path/"page.html")
    page.wait_for_selector("#forest .view > *")
    words = page.locator(".all").inner_text()
    for view in ("ranks", "matrix", "tradeoff", "barcode", "forest"):
        assert page.locator(f"#{view} .view").inner_text().strip() or page.locator(f"#{view} .view svg").count(), view
        box = page.locator(f"#{view} .view").bounding_box()
        assert box["height"] > 15 and "NaN" not in page.locator(f"#{view}").inner_html() and "undefined" not in page.locator(f"#{view}").inner_html(), view
    for s in said: assert s in words, (s, words)
    page.locator("#barcode .names button").first.click()
    page.wait_for_selector("#detail table")
    assert "No texts were given" in page.locator("#detail").inner_text()
    for i in range(page.locator(".controls select").count()):
        select = page.locator(".controls select").nth(i)
        for value in select.locator("option").evaluate_all("os => os.map(o => o.value)"): select.select_option(value)
    for view in ("ranks", "matrix", "barcode", "forest", "tradeoff"):
        if page.locator(f"#{view} details").is_visible(): numbers(page, view)
    picture(page, f"explorer-{what.replace(' ', '-')}", full_page=True)


def test_saving_says_what_is_wrong(tables, tmp_path):
    e = RankExplorer(tables)
    with pytest.raises(DataError, match="let it end in .html"): e.save(tmp_path/"x.pdf")
    with pytest.raises(DataError, match="no such folder; make it first"): e.save(tmp_path/"nowhere"/"x.html")
    e.save(tmp_path/"x.html")
    before = (tmp_path/"x.html").read_bytes()
    e.save(tmp_path/"x.html")
    assert (tmp_path/"x.html").read_bytes() == before                                             # same ranks, same bytes
    (tmp_path/"folder.html").mkdir()
    with pytest.raises(DataError, match="a folder is in the way"): e.save(tmp_path/"folder.html")
    (tmp_path/"mine.html").write_text("written by hand")
    with pytest.raises(DataError, match="another page is there"): e.save(tmp_path/"mine.html")
    assert (tmp_path/"mine.html").read_text() == "written by hand"


def test_three_arms_of_xquad_r(visit, tmp_path):
    "The size of a page with all its ranks; times are measured by benchmarks/explorer.py"
    ranks = pd.read_parquet(RESULTS/"study"/"cpu"/"ranks"/"xquad-r")
    tables = {a: ranks[ranks.arm == a] for a in ("x-x-mono", "hybrid-0.5", "x-y")}
    assert all((t.setting == "multi").sum() == 143_990 for t in tables.values())
    RankExplorer(tables).save(tmp_path/"xquad-r.html")
    assert (tmp_path/"xquad-r.html").stat().st_size < 2.5e6
    page, _ = visit(tmp_path/"xquad-r.html")
    drawn(page)
    page.get_by_label("arm", exact=True).select_option(label="x-x-mono")
    got = np.array([[number(c) for c in r[1:]] for r in numbers(page, "matrix")[1]])
    np.testing.assert_allclose(got, language_matrix(tables["x-x-mono"]).to_numpy(), atol=.5001)
    picture(page, "explorer-xquad-r", full_page=True)
