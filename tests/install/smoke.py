"""What an installed tlprobe must be able to do: run by `make test-install` with the Python of a clean environment.

Not a test module of the suite: it wants the wheel and its extras ray, tune and report, and no source tree on the path.
"""

import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import metadata, requires
from pathlib import Path

NETWORK = "timm/test_efficientnet"  # small, and its random weights need no file
TRAINING = "changes: {epochs: 1}"
SPACE = f"network: {NETWORK}\ninit: random\n{TRAINING}\nspace: {{lr: {{low: 1.0e-4, high: 1.0e-2, log: true}}}}\n"
GRID = f"networks: [{NETWORK}]\ninits: [random]\n{TRAINING}\ntreatments: [full]\n"
IMPORT = """
import sys, time
def refuse(event, arguments):
    if event.startswith(("socket.connect", "socket.getaddrinfo")):
        raise OSError(f"import tlprobe asks the network: {event} {arguments}")
sys.addaudithook(refuse)
start = time.perf_counter()
import tlprobe
print(time.perf_counter() - start)
"""
LIMIT_S = 0.3


def main() -> None:
    """Run everything, and stop at the first that is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        seconds = min(float(python("-c", IMPORT)) for _ in range(5))
        print(f"Python {sys.version.split()[0]}: import tlprobe {seconds:.2f} s, without network (limit {LIMIT_S} s)")
        check(seconds < LIMIT_S, "import is too slow")
        where = python("-c", "import tlprobe; print(tlprobe.__file__)")
        check("site-packages" in where, f"imported from {where}")
        check(metadata("tlprobe")["Requires-Python"] is not None, "no Requires-Python")
        extras = {extra for line in requires("tlprobe") or [] for extra in re.findall(r'extra == "(\w+)"', line)}
        check({"ray", "tune", "report"} <= extras, f"extras {extras}")
        use()
    print("installed tlprobe: all well")


def use() -> None:
    """Use the verbs that need package data, or an extra."""
    small = ("--backbone", NETWORK, "--weights", "random", "--epochs", 1, "--device", "cpu", "-q")
    check("Usage" in tlprobe("svcca", "--help"), "no help")
    check("Definition" in tlprobe("explain", "svcca"), "no text of a verb")
    tlprobe("fit", *small, "--out", "run")  # recipes are package data, and so is matplotlib's style
    tlprobe("svcca", "--ckpt", "run", "--permutations", 20, "--out", "svcca", "-q")
    tlprobe("figure", "svcca", "run", "--out", "both.pdf", "-q")
    check(Path("both.pdf").read_bytes().startswith(b"%PDF"), "no PDF")
    tlprobe("report", "run", "svcca", "--out", "report.html")
    check("</html>" in Path("report.html").read_text(encoding="utf-8"), "no report")
    Path("space.yaml").write_text(SPACE, encoding="utf-8")
    tlprobe("tune", "--space", "space.yaml", "--trials", 1, "--sampler", "random", "--out", "tune", "-q")
    Path("grid.yaml").write_text(GRID, encoding="utf-8")
    tlprobe("study", "run", "grid.yaml", "--engine", "ray", "--trials", "trials", "-q")
    check(len(list(Path("trials").glob("*/record.json"))) == 1, "Ray left no run")


def tlprobe(*arguments: object) -> str:
    """Run the installed command, and return what it printed."""
    print("  tlprobe", *arguments, flush=True)
    return run(Path(sys.executable).with_name("tlprobe"), *arguments)


def python(*arguments: object) -> str:
    """Run this Python anew."""
    return run(sys.executable, *arguments)


def run(*command: object) -> str:
    """Run a command; show what it said where it fails."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=600)
    check(done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout.strip()


def check(condition: bool, otherwise: str) -> None:
    """Stop with a line where a condition does not hold."""
    if not condition:
        sys.exit(f"smoke test: {otherwise}")


if __name__ == "__main__":
    main()
