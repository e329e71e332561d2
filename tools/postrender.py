"""Finish the pages that Quarto has made: they ask no other host for anything, and lead to each other wherever they lie.

Quarto runs this after it has rendered the site (`post-render` in _quarto.yml), in the folder that it rendered.

- A page with a table among its outputs gets require.js and jQuery from a CDN, for widgets that might need them (Quarto
  1.7, src/core/jupyter/widgets.ts). No page here has such widgets, so the scripts go.
- nbdev writes links between modules with the site's full address. They become relative: a copy of the site in a folder,
  or under another address, leads to itself. A link to a method leads to its class, where the page shows only that.

What still asks another host is printed, a line each, and with --check the exit status is 1, as before the site is deployed: tags, styles (in pages and in files), and the
modules and data that scripts in pages name. The address of a namespace in a script asks nobody.
"""
import os
import re
import sys
from pathlib import Path
from posixpath import relpath

SCRIPTS = re.compile(
    r"""<script\b[^>]*\bsrc="https://(?:cdnjs\.cloudflare\.com|cdn\.jsdelivr\.net)/[^"]*/(?:require|jquery)(?:\.min)?\.js"[^>]*></script>\s*"""
    r"""|<script\b[^>]*>define\('jquery', \[\], ?function\(\) \{return window\.jQuery;\}\)</script>\s*"""
)
ASKS = re.compile(r"""<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc=["']?(?:https?:)?//([^/"'\s>]+)|<object\b[^>]*?\bdata=["']?(?:https?:)?//([^/"'\s>]+)|<link\b(?=[^>]*\brel=["']?(?:stylesheet|preload|preconnect|icon))[^>]*?\bhref=["']?(?:https?:)?//([^/"'\s>]+)""")
IMPORTS = re.compile(r"""@import\s*(?:url\()?["']?(?:https?:)?//([^/"')\s]+)|\burl\(\s*["']?(?:https?:)?//([^/"')\s]+)""")
INLINE = re.compile(r"<(script|style)\b([^>]*)>(.*?)</\1\s*>", re.DOTALL | re.IGNORECASE)
MODULES = re.compile(r"""\b(?:import|from|import\s*\(|fetch\s*\(|importScripts\s*\()\s*["'`](?:https?:)?//([^/"'`\s]+)""")


def address(project):
    "The site's own address, which nbdev has written into nbdev.yml; None where there is no such file"
    file = Path(project, "nbdev.yml")
    said = re.search(r'^\s*site-url:\s*"?([^"\s]+?)/?"?\s*$', file.read_text(encoding="utf-8"), re.MULTILINE) if file.is_file() else None
    return said and said[1]


def finish(html, page, ids, site):
    "A page's HTML without the scripts and with relative links; `ids` has the anchors of each page, by its path below the site's root"
    def relative(m):
        target, mark, anchor = re.fullmatch(r"([^?#]*)([?#]?)(.*)", m[2]).groups()
        target = target or "index.html"
        if target not in ids:
            return m[0]
        if anchor not in ids[target] and anchor.partition(".")[0] in ids[target]:
            anchor = anchor.partition(".")[0]
        return m[1] + relpath(target, os.path.dirname(page) or ".") + mark + anchor

    html = SCRIPTS.sub("", html)
    return re.sub(rf'(<a\b[^>]*?\bhref="){re.escape(site)}/?([^"]*)', relative, html) if site else html


def hosts(html):
    "The other hosts that a page asks"
    found = [ASKS.finditer(html)]
    for tag, attributes, inside in INLINE.findall(html):
        if tag.lower() == "style":
            found.append(IMPORTS.finditer(inside))
        elif not re.search(r"\btype=[\"']?(?:application/(?:ld\+)?json|text/plain)", attributes):  # data: nothing that runs
            found.append(MODULES.finditer(inside))
    return {host for matches in found for m in matches for host in m.groups() if host}


def main(project="."):
    "Finish every page; True where something still asks another host"
    out, site = Path(project, os.environ.get("QUARTO_PROJECT_OUTPUT_DIR") or "_docs"), address(project)
    pages = {p.relative_to(out).as_posix(): p.read_text(encoding="utf-8") for p in sorted(out.rglob("*.html"))}
    ids = {page: set(re.findall(r'\bid="([^"]+)"', html)) for page, html in pages.items()}
    asks = {}
    for page, html in pages.items():
        done = finish(html, page, ids, site)
        if done != html:
            Path(out, page).write_text(done, encoding="utf-8")
        asks[page] = hosts(done)
    for css in out.rglob("*.css"):
        asks[css.relative_to(out).as_posix()] = {host for m in IMPORTS.finditer(css.read_text(encoding="utf-8")) for host in m.groups() if host}
    for name, found in sorted(asks.items()):
        for host in sorted(found):
            print(f"{name} asks {host}")
    return any(asks.values())


if __name__ == "__main__":
    asks = main()
    sys.exit(asks and "--check" in sys.argv[1:])
