"""Python programs in processes that are forked from one that has imported torch and the rest already, so that each starts at once.

    p = forked.python(CODE, "an", "argument")   # like subprocess.Popen([sys.executable, "-c", CODE, "an", "argument"]), pipes and all
    p.kill(); p.wait()
    forked.ranks(2, CODE, "an", "argument")     # the same program in two processes, with the variables that torchrun gives

What these say has to fit into a pipe (64 kB). A test of a launcher, of a fresh process's memory or of what is imported starts a process of its own.
"""
import atexit, contextlib, multiprocessing, os, signal, socket, sys, time
from pathlib import Path

SERVER = os.getpid()    # in a child: of the process that had imported this before
ENV = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
CLI = "from hybrid_lit.cli import main; main()"


def _main(code, args, pipes, env):
    "In the child"
    assert SERVER == os.getppid(), "nothing was imported beforehand"
    for pipe, n in zip(pipes, (1, 2)):
        os.dup2(pipe.fileno(), n)
        pipe.close()
    sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8", buffering=1, closefd=False) for n in (1, 2))
    os.environ.update(env)
    multiprocessing.set_start_method(None, force=True)   # as in a process of its own
    sys.argv = ["-c", *args]
    exec(compile(code, "<program>", "exec"), {"__name__": "__main__"})


class Program:
    "Popen's face on a forked process"
    def __init__(self, code, args, env):
        context = multiprocessing.get_context("forkserver")
        (out, a), (err, b) = (context.Pipe(duplex=False) for _ in range(2))
        self.process = context.Process(target=_main, args=(code, [str(x) for x in args], (a, b), env))
        self.process.start()
        atexit.register(self.process.kill)             # a test that fails leaves nobody to wait for
        for pipe in (a, b): pipe.close()
        self.stdout, self.stderr = (open(os.dup(pipe.fileno()), encoding="utf-8") for pipe in (out, err))
        for pipe in (out, err): pipe.close()

    @property
    def returncode(self): return self.process.exitcode

    def poll(self): return self.process.exitcode

    def send_signal(self, number):
        with contextlib.suppress(ProcessLookupError):      # it may have ended a moment ago
            if self.poll() is None: os.kill(self.process.pid, number)

    def kill(self): self.send_signal(signal.SIGKILL)

    def terminate(self): self.send_signal(signal.SIGTERM)

    def wait(self, timeout=300):
        self.process.join(timeout)
        assert self.returncode is not None, f"still there after {timeout} s"
        return self.returncode

    def communicate(self, timeout=300):
        "Wait; -> stdout, stderr"
        self.wait(timeout)
        return self.stdout.read(), self.stderr.read()


def python(code, *args, env={}):
    "Start a program; -> Program"
    before = dict(os.environ)
    multiprocessing.get_context("forkserver").set_forkserver_preload(["pytest", "hybrid_lit.evaluation", "hybrid_lit.study", "hybrid_lit.cli", "hybrid_lit.grid", "hybrid_lit.translation", "hybrid_lit.mmarco", "accelerate", "transformers.models.bert.modeling_bert",
                                    "transformers.models.m2m_100.modeling_m2m_100", "hybrid_lit.trainer", "datasets", "sentence_transformers.sentence_transformer.losses", "training_runs", "forked"])
    os.environ.update(ENV, PYTHONPATH=os.pathsep.join([str(Path(__file__).parent), *filter(None, [before.get("PYTHONPATH")])]))  # the server, which the first call starts, looks for what it imports there alone
    try: return Program(code, args, {**ENV, **env})
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(code, *args, env={}):
    "Run a program to its end; -> Program, with what it said in `out` and `err`"
    p = python(code, *args, env=env)
    p.out, p.err = p.communicate()
    return p


def ranks(n, code, *args):
    "One program in n processes that find each other; when one fails the others are ended; -> [Program], as `run` gives them"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    ps = [python(code, *args, env=dict(RANK=str(i), LOCAL_RANK=str(i), WORLD_SIZE=str(n), LOCAL_WORLD_SIZE=str(n), MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), OMP_NUM_THREADS="1")) for i in range(n)]
    end = time.monotonic() + 300
    while any(p.poll() is None for p in ps) and not any(p.poll() for p in ps) and time.monotonic() < end: time.sleep(.02)
    if any(p.poll() for p in ps): time.sleep(2)          # the others may find out by themselves
    for p in ps:
        if p.poll() is None: p.kill()
        p.out, p.err = p.communicate()
    return ps
