"""Pages in the system's own Chromium, headless, through Playwright, with the network cut. Its fixtures stand in conftest.py.

    def test_something(visit, tmp_path):
        page, seen = visit(tmp_path/"page.html")          # a Playwright page; what went wrong on it so far
        page.get_by_label("language").select_option("de")
        picture(page, "something")                        # tests/artefacts/something.png, or in the folder that HYBRID_LIT_ARTEFACTS names

When the test ends, an error on the page or its console, or a request for anything but the page itself, fails it. A test that wants
one looks into `seen.errors` or `seen.requests`, closes `page.context`, and clears them. Playwright downloads no browser here; where there is none, tests are skipped.
"""
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

PLACES = ["chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"]
# No name is resolved and no proxy is asked, whatever a page or the browser itself may want; a server of the test's own is on 127.0.0.1.
FLAGS = ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--no-proxy-server", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-quic",
         "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


def find():
    "The browser's program: the one that CHROMIUM names, or the first that is there; None where there is none"
    named = os.environ.get("CHROMIUM")
    if named and not shutil.which(named): raise RuntimeError(f"CHROMIUM={named}: no such program")
    return next(filter(None, map(shutil.which, [named] if named else PLACES)), None)


@pytest.fixture(scope="module")  # for a module only: as long as it lives, no other code in this thread can start an event loop
def chromium():
    "A browser"
    play = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install -r tests/requirements.txt")
    program = find()
    if not program: pytest.skip("no Chromium or Chrome here, and CHROMIUM names none")
    with play.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


def open_page(browser, url, allow=(), width=1200, height=900, **context):
    """A page in a context of its own. -> page, seen: `errors` and `requests`, lists that grow.

    Only the page itself and addresses that begin with one of `allow` are fetched; any other request is stopped and noted.
    """
    local = not any(a.startswith("http") for a in allow)
    context = browser.new_context(viewport=dict(width=width, height=height), locale="en-US", timezone_id="UTC", reduced_motion="reduce", service_workers="block", offline=local, **context)
    context.set_default_timeout(15_000)
    seen = SimpleNamespace(errors=[], requests=[])
    ours = lambda u: u.split("#")[0] == url.split("#")[0] or u.startswith(("data:", "blob:", "about:", *allow))

    context.route("**/*", lambda r: r.continue_() if ours(r.request.url) else r.abort())
    context.on("request", lambda r: ours(r.url) or seen.requests.append(r.url))
    context.on("weberror", lambda e: seen.errors.append(str(e.error)))
    context.on("console", lambda m: m.type == "error" and seen.errors.append(f"{m.text} ({m.location['url']})"))
    page = context.new_page()
    page.on("websocket", lambda w: ours(w.url) or seen.requests.append(w.url))
    page.goto(url)
    return page, seen


@pytest.fixture
def visit(chromium):
    "visit(path or address, allow=(), width=1200, height=900, **context) -> page, seen; several in one test if need be"
    opened = []
    def visit(where, **kw):
        opened.append(open_page(chromium, where.resolve().as_uri() if isinstance(where, Path) else where, **kw))
        return opened[-1]
    yield visit
    for page, _ in opened: page.context.close()
    wrong = [f"{kind}: {w}" for _, seen in opened for kind in ("errors", "requests") for w in getattr(seen, kind)]
    assert not wrong, "\n".join(wrong)


def picture(of, name, **options):
    "A picture of a page, or of a part of it, as NAME.png in the folder of artefacts; -> its path"
    folder = Path(os.environ.get("HYBRID_LIT_ARTEFACTS") or Path(__file__).parent/"artefacts")
    folder.mkdir(parents=True, exist_ok=True)
    of.screenshot(path=folder/f"{name}.png", **options)
    return folder/f"{name}.png"
