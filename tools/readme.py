"""Write README.md from nbs/index.ipynb, or with --check say whether README.md is what the notebook gives.

nbdev's own `nbdev_readme` calls Quarto, a separate program of 100 MB, and turns names into links by whatever packages
happen to be installed. This script needs only Python's standard library and gives the same bytes everywhere. It keeps
the text, the code and the stored outputs (nothing is run) and follows the directives a reader would see on the site:
`hide`, `include: false`, `echo: false`, `output: false`, `output: asis`. Quarto's callouts become GitHub's alerts.

A relative link is relative to nbs/ in the notebook and to the project's root in the README, so it is rewritten, and a
link to a file that is not there is an error. Pictures among the outputs go to README_files/.
"""
import argparse
import base64
import json
import posixpath
import re
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "nbs/index.ipynb"
PICTURES = "README_files"
HEAD = f"<!-- Made from {NOTEBOOK} by tools/readme.py. Edit the notebook, not this file. -->"

FENCE = re.compile(r"\s*(```+|~~~+)")
DIV = re.compile(r":::+\s*(.*?)\s*$")
DIRECTIVE = re.compile(r"#\|\s*([\w-]+)\s*:?\s*(.*?)\s*$")
ATTRIBUTES = re.compile(r"(?<=[)\w])\s*\{[.#][^{}]*\}|(?<=\))\{[^{}]*\}")  # {width=80%} after a picture, {#id .class} after a heading
LINK = re.compile(
    r"(?P<code>(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`))"  # inline code comes first: what is in it is no link
    r"|(?P<before>\]\(\s*<?|\b(?:src|href)=[\"']|^\s{0,3}\[[^\]]+\]:\s*)(?P<url>[^)\s\"'>]+)"
)
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
IMAGES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}
BARE_OBJECT = re.compile(r"<[\w.]+( object)?( at 0x[0-9a-f]+)?>$")  # <IPython.core.display.HTML object>: tells a reader nothing


class Problem(Exception):
    "Something in the notebook that a README cannot show."


def joined(source):
    return source if isinstance(source, str) else "".join(source)


def relink(url, root, here):
    "The same link as seen from the project's root."
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|[#/]", url):
        return url
    path, mark, rest = re.match(r"([^#?]*)([#?]?)(.*)", url).groups()
    path = posixpath.normpath(posixpath.join(here, path))
    if path.endswith(".html") and not (root / unquote(path)).exists():
        # A page of the site. The repository has its notebook, under a name that may begin with a number: 04_losses.
        folder, page = posixpath.split(path[: -len(".html")])
        pages = [p.name for p in sorted((root / folder).glob("*.ipynb")) if re.fullmatch(rf"(\d+[a-z]?_)?{re.escape(page)}", p.stem)]
        path = posixpath.join(folder, pages[0]) if pages else path
    if path.startswith("..") or not (root / unquote(path)).exists():
        raise Problem(f"the link {url} leads to no file of the project")
    return path + mark + rest


def markdown(text, root, here):
    "A markdown cell, with its links moved and Quarto's own marks translated."
    out, fence, divs = [], None, []
    for line in text.split("\n"):
        mark = FENCE.match(line)
        quote = "> " * sum(divs)
        if fence:
            if mark and mark[1].startswith(fence) and not line.strip(" `~"):
                fence = None
        elif mark:
            fence = mark[1]
        elif DIV.match(line):
            attributes = DIV.match(line)[1]
            if attributes:
                callout = re.search(r"\.callout-(note|tip|important|warning|caution)\b", attributes)
                divs.append(bool(callout))
                if callout:
                    title = re.search(r'title="([^"]*)"', attributes)
                    out += [f"{quote}> [!{callout[1].upper()}]"] + ([f"{quote}> **{title[1]}**", f"{quote}>"] if title else [])
            elif divs:
                divs.pop()
            continue
        else:
            if "{{<" in line:
                raise Problem(f"Quarto's shortcodes mean nothing in a README: {line.strip()}")
            line = LINK.sub(lambda m: m["code"] or m["before"] + relink(m["url"], root, here), line)
            line = re.sub(r"(`[^`]*`)|" + ATTRIBUTES.pattern, lambda m: m[1] or "", line)
        out.append((quote + line).rstrip() if quote else line)
    return "\n".join(out).strip("\n")


def indented(text):
    text = ANSI.sub("", text).strip("\n")
    return "\n".join(("    " + line).rstrip() for line in text.split("\n")) if text.strip() else ""


def output(out, name, asis, files):
    "One stored output as markdown, the richest form that GitHub and PyPI show."
    if out["output_type"] == "stream":
        if out.get("name") == "stderr":
            return ""
        text = joined(out["text"])
        return text.strip("\n") if asis else indented(text)
    if out["output_type"] == "error":
        return indented(f"{out['ename']}: {out['evalue']}")
    data = out.get("data", {})
    if "text/markdown" in data:
        return joined(data["text/markdown"]).strip("\n")
    for mime, ending in IMAGES.items():
        if mime in data:
            picture = joined(data[mime])
            path = f"{PICTURES}/{name}.{ending}"
            files[path] = picture.encode() if ending == "svg" else base64.b64decode(picture)
            return f"![]({path})"
    plain = joined(data.get("text/plain", ""))
    return "" if BARE_OBJECT.match(plain.strip()) else indented(plain)


def code(cell, name, files):
    "A code cell: its source without directives, then what it printed."
    lines = joined(cell["source"]).strip("\n").split("\n")
    said = dict(m.groups() for m in map(DIRECTIVE.match, lines) if m)
    no = {key for key, value in said.items() if value.lower() == "false"}
    if {"hide", "export", "default_exp"} & said.keys() or "include" in no:
        return []
    source = "\n".join(line for line in lines if not DIRECTIVE.match(line)).strip("\n")
    parts = [f"```python\n{source}\n```"] if source and "echo" not in no else []
    if "output" not in no:
        asis = said.get("output") == "asis"
        streams = []  # a cell that prints twice has one block, as it had on the screen
        for out in cell.get("outputs", []):
            last = streams[-1] if streams else {}
            if out["output_type"] == last.get("output_type") == "stream" and out.get("name") == last.get("name"):
                last["text"] = joined(last["text"]) + joined(out["text"])
            else:
                streams.append(dict(out))
        parts += [output(out, f"{name}-output-{n}", asis, files) for n, out in enumerate(streams, 1)]
    return parts


def build(root=ROOT):
    "Every file that the index notebook gives: {path from the root: its bytes}."
    notebook = json.loads((root / NOTEBOOK).read_text(encoding="utf-8"))
    parts, files, problems = [HEAD], {}, []
    for n, cell in enumerate(notebook["cells"], 1):
        try:
            if cell["cell_type"] == "markdown":
                parts.append(markdown(joined(cell["source"]), root, posixpath.dirname(NOTEBOOK)))
            elif cell["cell_type"] == "code":
                parts += code(cell, f"cell-{n}", files)
        except Problem as e:
            problems.append(f"{NOTEBOOK}, cell {n}: {e}")
    if problems:
        raise Problem("\n".join(problems))
    files["README.md"] = ("\n\n".join(part for part in parts if part) + "\n").encode()
    return files


def stale(root=ROOT):
    "The paths that differ from what the notebook gives, those that it no longer gives among them."
    new = build(root)
    old = {p.relative_to(root).as_posix(): p for p in [root / "README.md", *(root / PICTURES).glob("*")] if p.is_file()}
    return sorted(path for path in new.keys() | old.keys() if path not in new or path not in old or old[path].read_bytes() != new[path])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file would change")
    check = parser.parse_args().check
    try:
        changed, new = stale(), build()
    except Problem as e:
        sys.exit(str(e))
    if check and changed:
        sys.exit(f"older than {NOTEBOOK}: {', '.join(changed)} (cure: make export)")
    for path in changed:
        if path in new:
            (ROOT / path).parent.mkdir(exist_ok=True)
            (ROOT / path).write_bytes(new[path])
        else:
            (ROOT / path).unlink()
        print("wrote" if path in new else "removed", path)


if __name__ == "__main__":
    main()
