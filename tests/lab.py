"""A real JupyterLab on this machine alone, and notebooks in it, driven through a headless Chromium. Its fixtures stand in conftest.py.

    def test_something(lab):
        nb = lab(["from hybrid_lit.explorer import ...; view = ...; view", "print(view.selection)"])   # a cell each
        nb.run()                                         # all of them; fails with the traceback if one raises
        nb.area(0).get_by_label("language").select_option("de")    # the output of cell 0 on the page, a Playwright locator
        assert nb.until(1, lambda said: "de" in said)    # run cell 1 until what it prints is so; -> what it printed
        picture(nb.page, "something")

The server has folders, settings and a token of its own, listens on 127.0.0.1, fetches no news and no lists of extensions, and is ended
with its kernels when the module's tests are done. As on any page of `visit`, errors of the page and requests for other addresses fail the test.
"""
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import psutil
import pytest

# Cells out of sight are on the page too; nobody asks for news, lists of extensions or language servers.
OVERRIDES = {"@jupyterlab/apputils-extension:notification": dict(fetchNews="false", checkForUpdates=False, doNotDisturbMode=True), "@jupyterlab/notebook-extension:tracker": dict(windowingMode="none")}
PAGE = dict(disabledExtensions={"@jupyterlab/apputils-extension:announcements": True, "@jupyterlab/extensionmanager-extension": True})
CONFIG = """
c.LabApp.app_settings_dir = {settings!r}
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.expose_app_in_browser = True
c.ServerApp.jpserver_extensions = {{"jupyterlab": True, "jupyter_lsp": True}}
c.LanguageServerManager.autodetect = False
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = {port}
c.ServerApp.root_dir = {files!r}
c.ServerApp.terminals_enabled = False
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.IdentityProvider.token = {token!r}
"""


@pytest.fixture(scope="module")
def lab_server(tmp_path_factory):
    "A running JupyterLab; -> its address, its token, the folder it shows"
    pytest.importorskip("jupyterlab", reason="jupyterlab is not installed: pip install -r tests/requirements.txt")
    home, token = tmp_path_factory.mktemp("lab"), secrets.token_hex(16)
    folders = {f: str(home/f) for f in ("data", "runtime", "ipython", "user", "workspaces", "settings", "files")}
    for f in folders.values(): os.mkdir(f, 0o700)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    (home/"settings"/"overrides.json").write_text(json.dumps(OVERRIDES))
    (home/"settings"/"page_config.json").write_text(json.dumps(PAGE))
    (home/"config.py").write_text(CONFIG.format(port=port, token=token, **folders))
    env = dict(os.environ, JUPYTER_NO_CONFIG="1", JUPYTER_DATA_DIR=folders["data"], JUPYTER_RUNTIME_DIR=folders["runtime"], IPYTHONDIR=folders["ipython"], TMPDIR=str(home),
               JUPYTERLAB_SETTINGS_DIR=folders["user"], JUPYTERLAB_WORKSPACES_DIR=folders["workspaces"],
               HTTP_PROXY="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9", NO_PROXY="127.0.0.1,localhost")  # whoever asks another machine is refused by this one
    with open(home/"log", "w") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", f"--config={home/'config.py'}"], env=env, cwd=home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    try:
        info = home/"runtime"/f"jpserver-{server.pid}.json"   # says the port too: another one, if that was taken meanwhile
        wait(lambda: info.exists() and info.read_text().endswith("}") or server.poll() is not None, 60, lambda: "JupyterLab does not start:\n" + (home/"log").read_text())
        if server.poll() is not None: raise RuntimeError("JupyterLab ended:\n" + (home/"log").read_text())
        yield json.loads(info.read_text())["url"], token, home/"files"
    finally:
        family = [p for p in [*psutil.Process(server.pid).children(recursive=True), psutil.Process(server.pid)]] if server.poll() is None else []
        server.terminate()
        _, alive = psutil.wait_procs(family, timeout=10)
        for p in alive: p.kill()
        server.wait()


def wait(until, seconds, message):
    "Ask ten times a second"
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end: raise TimeoutError(message())
        time.sleep(.1)


class Notebook:
    "A notebook that is open in JupyterLab"
    def __init__(self, page, seen): self.page, self.seen = page, seen

    def run(self,
        cell=None, # number of one cell; all of them, if not given
    ): # -> what the cell, or the last one, printed and showed as text
        "Run and wait until the kernel is done; an exception in a cell is one here, with its traceback"
        count = self.page.evaluate("() => lab.content.widgets.length")
        self.page.evaluate("""async cell => {
            if (cell !== null) { lab.content.deselectAll(); lab.content.activeCellIndex = cell }
            await jupyterapp.commands.execute(cell === null ? 'notebook:run-all-cells' : 'notebook:run-cell');
        }""", cell)
        for i in range(count) if cell is None else [cell]:
            for o in self.outputs(i):
                if o["output_type"] == "error": raise AssertionError(f"cell {i}: " + "\n".join(o["traceback"]))
        return self.text(count - 1 if cell is None else cell)

    def outputs(self, cell):
        "The cell's outputs, as they stand in a notebook's file"
        return self.page.evaluate("cell => lab.content.widgets[cell].model.outputs.toJSON()", cell)

    def text(self, cell):
        "What the cell printed and showed as text, without the last line's end"
        text = lambda t: t if isinstance(t, str) else "".join(t)
        return "".join(text(o["text"] if "text" in o else o.get("data", {}).get("text/plain", "")) for o in self.outputs(cell)).rstrip("\n")

    def area(self, cell):
        "The cell's output on the page"
        return self.page.locator(".jp-Notebook .jp-Cell").nth(cell).locator(".jp-OutputArea-output")

    def until(self, cell, right, seconds=10):
        "Run the cell until what it says is right: a change on the page takes a moment to reach the kernel; -> what it said"
        wait(lambda: right(self.run(cell)), seconds, lambda: f"cell {cell} still says {self.text(cell)!r} after {seconds} s")
        return self.text(cell)


@pytest.fixture
def lab(lab_server, visit):
    "lab(cells, **what visit takes) -> Notebook, open, with its kernel ready"
    url, token, folder = lab_server
    opened = []
    def lab(cells, **kw):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells], metadata=dict(kernelspec=dict(name="python3", display_name="Python 3", language="python")))
        stem = secrets.token_hex(4)
        name = f"{stem}.ipynb"
        nbformat.write(book, folder/name)
        page, seen = visit(f"{url}lab/workspaces/{stem}/tree/{name}?token={token}", allow=(url, url.replace("http", "ws", 1)), **kw)
        opened.append(page)
        page.wait_for_function("name => window.jupyterapp?.shell?.currentWidget?.context?.path === name", arg=name, timeout=60_000)
        page.evaluate("""async () => {
            window.lab = jupyterapp.shell.currentWidget;
            await jupyterapp.restored;
            await lab.revealed; await lab.context.ready; await lab.sessionContext.ready;
            await lab.sessionContext.session.kernel.info;
        }""")
        return Notebook(page, seen)
    yield lab
    for page in opened: page.context.close()  # first, or the page complains that its kernel is gone
    ask = lambda method, path: urllib.request.build_opener(urllib.request.ProxyHandler({})).open(urllib.request.Request(url + path, method=method, headers={"Authorization": f"token {token}"}), timeout=30).read()
    for kernel in json.loads(ask("GET", "api/kernels")): ask("DELETE", f"api/kernels/{kernel['id']}")
