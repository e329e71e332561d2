"""make reproduce CELL=GRID/ARM[/SEED]: make the runs behind a figure again and compare with results/study. Without CELL: what cells there are."""
import os, sys, warnings
from pathlib import Path
from hybrid_lit.evidence import reproduce
from hybrid_lit.files import DataError
from hybrid_lit.grid import read_grid

root = Path(__file__).resolve().parents[1]
stored = sorted(p.name for p in (root/"results"/"study").iterdir() if (p/"macro.parquet").exists())
cell, out = (sys.argv[1:] + ["", ""])[:2]
warnings.simplefilter("ignore")
try:
    if not cell:
        print("cells, GRID/ARM (all seeds) or GRID/ARM/SEED; a run that is complete in runs/reproduce is compared as it is, delete it to make it again:")
        for name in stored:
            for arm, c in read_grid(name)["arms"].items(): print(f"  make reproduce CELL={name}/{arm}" + (f"     seeds 0 to {c['seeds'] - 1}: CELL={name}/{arm}/0" if c["seeds"] > 1 else ""))
        sys.exit()
    if cell.split("/")[0] not in stored: raise DataError(f"cell {cell!r}: no figures of {cell.split('/')[0]!r} are stored; choose of {', '.join(stored)}")
    table = reproduce(cell, Path(out or root/"runs"/"reproduce")/cell.split("/")[0], os.environ.get("HYBRID_LIT_DATA"), root/"results"/"study")
except DataError as e:
    print(f"error: {e}", file=sys.stderr)
    sys.exit(2)
print(table.to_string(index=False, float_format=lambda x: f"{x:.5f}"))
off = table[~table.within]
print(f"{len(table)} figures, {len(table) - len(off)} within the tolerance; largest difference below 1: {table.difference[table.stored < 1].abs().max():.5f}")
if len(off): sys.exit(f"{len(off)} figures differ by more than the tolerance, such as {off.arm.iloc[0]}, {off.benchmark.iloc[0]}, {off.setting.iloc[0]} {off.metric.iloc[0]}")
