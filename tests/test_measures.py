"The pages on measures of language bias: one example, the same in all of them, and links that lead somewhere."
import json
import re
from pathlib import Path
import pytest

FOLDER = Path(__file__).resolve().parents[1]/"nbs"/"measures"
PAGES = sorted(p.name for p in FOLDER.glob("*.ipynb"))
SHARED = {"example": "# the example of all pages on measures", "picture": "# the picture of all pages on measures", "tables": "# the tables of all pages on measures", "drawing": "draw(systems)", "places": "pd.DataFrame({name: {key: \", \".join("}


def cells(page, kind):
    return ["".join(c["source"]) for c in json.loads((FOLDER/page).read_text(encoding="utf-8"))["cells"] if c["cell_type"] == kind]


@pytest.mark.parametrize("what", SHARED)
def test_all_pages_have_the_same_example(what):
    found = {page: [s for s in cells(page, "code") if any(line.startswith(SHARED[what]) for line in s.splitlines()[:2])][:1] for page in PAGES}
    assert len(PAGES) == 8 and all(found.values()), [p for p in PAGES if not found[p]]
    assert len({s for (s,) in found.values()}) == 1


def test_it_is_told_in_the_same_words():
    told = {page: [s for s in cells(page, "markdown") if s.startswith("## The example")] for page in PAGES}
    assert len({tuple(t) for t in told.values()}) == 1 and len(told["overview.ipynb"]) == 1


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = "\n\n".join(cells(page, "markdown"))
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        assert (FOLDER/target).is_file(), target
        if anchor: assert anchor in [h.lower().replace(" ", "-") for h in re.findall(r"^## (.+)$", "\n\n".join(cells(target, "markdown")), re.M)], anchor
    assert "overview.ipynb" in text or page == "overview.ipynb"


def test_the_overview_leads_to_every_page():
    text = "\n".join(cells("overview.ipynb", "markdown"))
    assert all(f"]({page})" in text for page in PAGES if page != "overview.ipynb")
