"The live explorer in a real JupyterLab: what is chosen on the page is read by Python, and what Python sets is seen"
import re
import pytest
from browser import picture

START = """
import sys
sys.path.insert(0, {tests!r})
import numpy as np
from explorer_tables import arms, texts
from hybrid_lit.explorer import RankExplorer
class Encoder:                                       # by letters: enough to be asked
    def encode(self, texts, **kw): return np.array([[t.count(chr(c)) for c in range(32, 127)] + [1] for t in texts], np.float32)
explorer = RankExplorer(arms(), texts=texts(hostile=True), encoder=Encoder())
explorer.live()
"""


@pytest.fixture(scope="module")
def start():
    from pathlib import Path
    pytest.importorskip("anywidget", reason="anywidget is not installed: pip install 'hybrid_lit[live]'")
    return START.format(tests=str(Path(__file__).parent))


def test_live(lab, start):
    seen = "s = explorer.selection; print(s.arm.iloc[0], *(' '.join(sorted(set(s[c]))) for c in ('query_language', 'answer_language', 'query_id')), len(s), sep=' | ')"
    nb = lab([start, seen, "picture = explorer.widget; picture.state = {**picture.state, 'q': 3, 'a': 1, 'query': None}", "heard = []; explorer.widget.observe(lambda c: heard.append(c['new']['arm']), 'state')", "print(heard)", "explorer"])
    nb.run(0); nb.run(3)
    view = nb.area(0)
    view.locator("#matrix td button").nth(1).click()                                             # asked in Arabic, answered in German
    assert nb.until(1, lambda said: said.startswith("hybrid | ar | de | "))
    view.get_by_label("arm", exact=True).select_option("x-x-mono")                               # Jupyter's own control
    assert nb.until(1, lambda said: said.startswith("x-x-mono | ar | de | ") and said.endswith("| 40"))
    assert "0" in nb.until(4, lambda said: "0" in said)                                          # a callback of Python's
    view.locator("#matrix td button").nth(0).press("ArrowDown")
    nb.run(2)                                                                                     # Python chooses, the page shows
    view.locator("#matrix [aria-pressed=true]").wait_for()
    assert view.locator("#matrix [aria-pressed=true]").get_attribute("aria-label").startswith("asked in Hindi, answered in German")
    assert view.get_by_label("question asked in").evaluate("e => e.selectedOptions[0].textContent") == "Hindi"
    for i in range(25):                                                                           # every question that is shown, hostile ones among them
        view.locator("#barcode .names button").nth(i).click()
        view.locator("#detail .text").first.wait_for()
    last = view.locator("#detail b").inner_text()
    question = re.match(r"(q\d+), asked in Hindi", last).group(1)
    assert nb.until(1, lambda said: f"| {question} |" in said).endswith("| 1")
    box = view.get_by_placeholder(re.compile("type a question"))
    box.fill("<script>window.hacked = 1</script>"); box.press("Enter")
    found = view.get_by_role("region", name="what was found")
    found.wait_for()
    assert "window.hacked" in found.inner_text() and found.locator("tbody tr").count() == 10
    box.fill("   "); box.press("Enter")
    view.get_by_text("the query is empty; type one").wait_for()
    nb.run(5)                                                                                     # the page without controls by Python, in the same notebook
    nb.area(5).locator("#forest svg").first.wait_for()
    assert nb.page.evaluate("window.hacked") is None
    picture(nb.page, "explorer-live", full_page=True)
