"The harness for pages catches what it is there to catch: whatever a page fetches is stopped and noted, and so are its errors."
import http.server
import threading
from pathlib import Path
import pytest
from browser import picture

pytest_plugins = ["pytester"]
CONFTEST = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\nimport browser\nfrom browser import chromium, visit\n"

REACH = ["<img src='ADDRESS'>", "<script src='ADDRESS'></script>", "<link rel='stylesheet' href='ADDRESS'>", "<style>@import 'ADDRESS'</style>", "<style>@font-face {font-family: f; src: url(ADDRESS)} p {font-family: f}</style><p>text</p>",
         "<iframe src='ADDRESS'></iframe>", "<script type='module'>import 'ADDRESS'</script>", "<script>import('ADDRESS').catch(() => 0)</script>", "<script>fetch('ADDRESS').catch(() => 0)</script>", "<script>navigator.sendBeacon('ADDRESS', '')</script>",
         "<script>new Worker(URL.createObjectURL(new Blob([\"fetch('ADDRESS').catch(() => 0)\"])))</script>", "<script>new WebSocket('ADDRESS'.replace('http', 'ws'))</script>", "<form action='ADDRESS'></form><script>document.forms[0].submit()</script>"]


@pytest.fixture
def listener():
    "A server on this machine that counts who comes; -> its address, and the list"
    came = []
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            came.append(self.path)
            self.send_error(404)
        do_POST = do_GET
        def log_message(self, *a): pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", came
    server.shutdown()
    server.server_close()


def test_what_a_page_reaches_for_is_noted_and_out_of_reach(visit, tmp_path, listener):
    address, came = listener
    for i, html in enumerate(REACH):
        url = f"{address}/{i}.js"
        path = tmp_path/f"{i}.html"
        path.write_text("<!doctype html><meta charset='utf-8'>" + html.replace("ADDRESS", url), encoding="utf-8")
        page, seen = visit(path)
        for _ in range(50):
            if seen.requests: break
            page.wait_for_timeout(100)
        assert {r.replace("ws:", "http:").rstrip("?") for r in seen.requests} == {url}, html
        page.context.close()  # what is still under way is noted before that returns
        seen.requests.clear(), seen.errors.clear()
    assert not came


def test_a_file_beside_the_page_is_not_part_of_it(visit, tmp_path):
    (tmp_path/"beside.js").write_text("document.title = 'loaded'")
    (tmp_path/"page.html").write_text("<!doctype html><script src='beside.js'></script>")
    page, seen = visit(tmp_path/"page.html")
    assert seen.requests == [(tmp_path/"beside.js").as_uri()] and page.title() != "loaded"
    page.context.close()
    seen.requests.clear(), seen.errors.clear()
    page, seen = visit(tmp_path/"page.html", allow=[tmp_path.as_uri()])
    assert page.title() == "loaded" and not seen.requests


@pytest.mark.parametrize("script", ["throw Error('mine')", "console.error('mine')", "Promise.reject(Error('mine'))", "setTimeout(() => { throw Error('mine') })"])
def test_errors_are_noted(visit, tmp_path, script):
    (tmp_path/"page.html").write_text(f"<!doctype html><script>{script}</script>")
    page, seen = visit(tmp_path/"page.html")
    page.wait_for_timeout(100)
    assert len(seen.errors) == 1 and "mine" in seen.errors[0]
    page.context.close()
    seen.errors.clear()


def test_an_error_that_a_test_overlooks_fails_it(pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("""
        def test_page(visit, tmp_path):
            (tmp_path/"page.html").write_text("<!doctype html><script>throw Error('mine')</script>")
            visit(tmp_path/"page.html")
    """)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*errors: mine*"])


def test_pictures(visit, tmp_path, monkeypatch):
    monkeypatch.setenv("HYBRID_LIT_ARTEFACTS", str(tmp_path/"pictures"))
    (tmp_path/"page.html").write_text("<!doctype html><p>text</p>")
    page, _ = visit(tmp_path/"page.html")
    assert picture(page, "whole") == tmp_path/"pictures"/"whole.png" and picture(page.locator("p"), "part").stat().st_size < (tmp_path/"pictures"/"whole.png").stat().st_size


def test_without_a_browser_tests_are_skipped_and_say_so(pytester, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    pytester.makeconftest(CONFTEST + "browser.PLACES = ['chromium']")
    pytester.makepyfile("def test_page(visit): assert False")
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs")
    done.assert_outcomes(skipped=1)
    done.stdout.fnmatch_lines(["*no Chromium or Chrome here*"])
