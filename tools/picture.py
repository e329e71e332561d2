"""Draw the picture of the home page from the committed ranks: nbs/images/language-bias.png, twice as fine as a page shows it."""
import io
import sys
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from hybrid_lit.figures import plot_ranks

ROOT = Path(__file__).resolve().parent.parent
RANKS = ROOT / "results" / "study" / "cpu" / "ranks" / "xquad-r"
PICTURE = ROOT / "nbs" / "images" / "language-bias.png"
WIDTH, SHARE = 1600, 0.4  # pixels; the height as a share of the width: the home page shows it above the fold
LIMIT = 120_000  # bytes


def draw(ranks):
    "The picture as PNG: an arm per panel, a row per answer language, the same bytes for the same ranks"
    plt.rcParams.update({"font.family": "DejaVu Sans", "savefig.facecolor": "white"})
    plot_ranks(ranks)
    figure = plt.gcf()
    figure.set_size_inches(10, 10 * SHARE)
    png = io.BytesIO()
    figure.savefig(png, dpi=WIDTH / 10)
    plt.close(figure)
    small = io.BytesIO()  # few colours: 64 are enough, at a third of the bytes
    Image.open(png).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def main():
    if not RANKS.is_dir():
        sys.exit(f"error: {RANKS.relative_to(ROOT)} is not there: the ranks of the arms to be drawn, a table for each")
    png = draw({arm: pd.read_parquet(RANKS / f"{arm}.parquet") for arm in ("x-x-mono", "hybrid-0.5", "x-y")})
    if len(png) > LIMIT:
        sys.exit(f"error: the picture has {len(png):,} bytes, more than {LIMIT:,}")
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(png)
    print(f"wrote {PICTURE.relative_to(ROOT)}, {len(png):,} bytes")


if __name__ == "__main__":
    main()
