"What is written appears whole or not at all: kills at random moments, and a disk that is full."
import os, random, signal, subprocess, sys, time
import pytest
from hybrid_lit.files import DataError, new_folder, read_json, write_file

WRITER = """
import sys
from pathlib import Path
from hybrid_lit.files import new_folder, write_file
print("ready", flush=True)
n = 0
while True:
    n += 1
    with new_folder(sys.argv[1], "run.json") as d:
        write_file(d/"run.json", str(n))
        for k in range(20): write_file(d/f"part{k}", f"{n} " * 2000)
"""


def whole(folder):
    "The number that all 21 files of a result agree on"
    n = (folder/"run.json").read_text()
    parts = sorted(p.name for p in folder.iterdir())
    assert parts == sorted(["run.json", *(f"part{k}" for k in range(20))])
    assert all((folder/f"part{k}").read_text() == f"{n} " * 2000 for k in range(20))
    return int(n)


def test_killed_at_random_moments(tmp_path):
    rng, seen = random.Random(0), []
    for trial in range(12):
        p = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path/"run")], stdout=subprocess.PIPE, text=True)
        assert p.stdout.readline() == "ready\n"
        if trial == 0:
            while not (tmp_path/"run").exists(): time.sleep(.01)
        time.sleep(rng.uniform(.01, .3))
        p.send_signal(signal.SIGKILL)
        p.wait()
        seen.append(whole(tmp_path/"run"))
    assert len(set(seen)) > 1  # the kills came at different moments


FULL = """
import resource, signal, sys
from hybrid_lit.files import DataError, new_folder, write_file
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # no file may grow past 1,000 bytes, as on a full disk
try:
    if sys.argv[2] == "folder":
        with new_folder(sys.argv[1], "run.json") as d:
            write_file(d/"run.json", "2")
            (d/"big").write_bytes(b"x" * 5000)
    else: write_file(sys.argv[1] + "/run.json", "2" * 5000)
except DataError as e: print(e)
"""


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX's")
@pytest.mark.parametrize("what", ["folder", "file"])
def test_full_disk_keeps_the_old_state(tmp_path, what):
    with new_folder(tmp_path/"run", "run.json") as d: write_file(d/"run.json", "1")
    r = subprocess.run([sys.executable, "-c", FULL, str(tmp_path/"run"), what], capture_output=True, text=True)
    assert "could not be written" in r.stdout and "is unchanged" in r.stdout, r.stderr
    assert read_json(tmp_path/"run"/"run.json") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["run"] and [p.name for p in (tmp_path/"run").iterdir()] == ["run.json"]


def test_without_the_system_call_that_swaps(tmp_path, monkeypatch):
    "Where renameat2 is absent, two renames do; if the second fails, the first is undone"
    monkeypatch.setattr("hybrid_lit.files._exchange", lambda a, b: False)
    for n in (1, 2):
        with new_folder(tmp_path/"run", "run.json") as d: write_file(d/"run.json", str(n))
    assert read_json(tmp_path/"run"/"run.json") == 2 and [p.name for p in tmp_path.iterdir()] == ["run"]
    rename = type(tmp_path).rename
    def failing(self, target):
        if ".new-" in self.name: raise OSError("no")
        return rename(self, target)
    monkeypatch.setattr(type(tmp_path), "rename", failing)
    with pytest.raises(DataError, match="is unchanged"):
        with new_folder(tmp_path/"run", "run.json") as d: write_file(d/"run.json", "3")
    assert read_json(tmp_path/"run"/"run.json") == 2
