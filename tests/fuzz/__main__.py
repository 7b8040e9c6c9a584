"""Coverage-guided fuzzing of every decoder: `make fuzz ARGS="--seconds 60 json debezium"`. Ends with 1 on a finding.

Each target runs in a process of its own under atheris (libFuzzer), which sees the branches of `app` that an input
reaches. What it learned stays in .hypothesis/fuzz/<target>, the next run goes on from there. An input that is a finding
is saved beside it and named: an exception that is none of ours, more than ten seconds, more than 2 GB.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path(".hypothesis/fuzz")
SECONDS = 20
INPUT_BYTES_MAX = 65_536
INPUT_SECONDS_MAX = 10
MEMORY_MB_MAX = 2048
START_SECONDS_MAX = 120
OUTPUT_CHARS_MAX = 4000
_EXECUTIONS = re.compile(rb"stat::number_of_executed_units:\s*([0-9]+)")
_SAVED = re.compile(rb"Test unit written to (\S+)")


def main(arguments: Sequence[str]) -> int:
    """Run the named targets, or all, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="names; all of them where none is given")
    parser.add_argument("--seconds", type=int, default=SECONDS, help=f"for each target ({SECONDS})")
    parser.add_argument("--repeat", type=Path, metavar="FILE", help="run a saved input through the one named target")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        return _fuzz(options.targets[0], options.seconds)
    from tests.fuzz.targets import TARGETS

    unknown = set(options.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    if options.repeat is not None:
        if len(options.targets) != 1:
            parser.error("--repeat takes the name of one target")
        TARGETS[options.targets[0]].run(options.repeat.read_bytes())
        return 0
    names = options.targets or list(TARGETS)
    failed = [name for name in names if not _run(name, options.seconds)]
    _say(f"{len(names) - len(failed)} of {len(names)} targets without a finding")
    return 1 if failed else 0


def _run(name: str, seconds: int) -> bool:
    """Fuzz one target in a process of its own. Return whether it ended without a finding, and print what it did."""
    command = [sys.executable, "-m", "tests.fuzz", "--child", "--seconds", str(seconds), name]
    began = time.monotonic()
    limit_s = seconds + START_SECONDS_MAX
    try:
        process = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit_s, check=False
        )
        code, output = process.returncode, process.stdout
    except subprocess.TimeoutExpired as exc:
        code, output = 1, exc.stdout or b""
    executions = _EXECUTIONS.search(output)
    count = int(executions[1]) if executions else 0
    _say(f"{name:24} {count:>9} executions in {time.monotonic() - began:.0f} s")
    if code == 0:
        return True
    saved = _SAVED.search(output)
    _say(output.decode(errors="replace")[-OUTPUT_CHARS_MAX:])
    repeat = f"python -m tests.fuzz --repeat {saved[1].decode()} {name}" if saved else "no input of it was saved"
    _say(f"{name}: a finding; {repeat}")
    return False


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _fuzz(name: str, seconds: int) -> int:
    """Fuzz one target in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["app"]):
        from tests.fuzz.mutations import TOKENS
        from tests.fuzz.targets import TARGETS
    target, folder = TARGETS[name], FOLDER / name
    for part in ("corpus", "findings"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (folder / "corpus" / f"seed-{number}").write_bytes(seed)
    (folder / "tokens").write_text("".join(f'"{_escaped(token)}"\n' for token in TOKENS))
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={seconds}",
            f"-max_len={INPUT_BYTES_MAX}",
            f"-timeout={INPUT_SECONDS_MAX}",
            f"-rss_limit_mb={MEMORY_MB_MAX}",
            f"-artifact_prefix={folder / 'findings'}/",
            f"-dict={folder / 'tokens'}",
            "-print_final_stats=1",
            str(folder / "corpus"),
        ],
        target.run,
    )
    atheris.Fuzz()
    return 0


def _escaped(token: bytes) -> str:
    """Return a token as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02x}" for byte in token)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
