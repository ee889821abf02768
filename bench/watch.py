"""`make bench-watch`: what watching costs, against the official client's typed watch. See README.md."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cryptography.fernet import Fernet

from bench import stack
from bench.watch_measure import Figures

ROOT = Path(__file__).parent.parent
LIST = 10_000
RATES = (50, 500, 2_000)


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    rounds: int
    changes: int
    changes_typed: int
    long_list: int
    seconds: float  # of changes at each rate


FULL = Size(5, 60_000, 6_000, 100_000, 20.0)
QUICK = Size(3, 20_000, 2_000, 0, 5.0)


def main() -> None:
    """Measures, says so as it goes, and prints one JSON object in the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, in two minutes")
    size = QUICK if parser.parse_args().quick else FULL
    folder = Path(tempfile.mkdtemp(prefix="kubegraf-bench-"))
    try:
        with stack.postgresql(folder) as (postgresql, _):
            data = folder / "kubegraf"
            data.mkdir(mode=0o700)
            os.environ |= {
                "DJANGO_SETTINGS_MODULE": "kubegraf.settings",
                "KUBEGRAF_DATA_DIR": str(data),
                "SECRET_KEY": "made up for a measurement, and thrown away after it",
                "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
                "KUBEGRAF_LOG_LEVEL": "WARNING",
            }
            databases = {"PostgreSQL": postgresql, "SQLite": f"sqlite:///{folder / 'bench.sqlite3'}"}
            for url in databases.values():
                _run(["manage.py", "migrate", "--verbosity", "0"], url)
            say(json.dumps(measure(size, databases)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(size: Size, databases: dict[str, str]) -> dict[str, object]:
    """Everything, one after another; ours and the official client's take turns."""
    durable = databases["PostgreSQL"]
    ours, typed = [], []
    for _ in range(size.rounds):
        ours.append(_rate(size.changes, _in_fresh_process("changes", size.changes, durable, pods=LIST)))
        took = _in_fresh_process("changes-typed", size.changes_typed, durable, pods=LIST)
        typed.append(_rate(size.changes_typed, took))
    say(f"Changes a second and core: {median(ours):,.0f} (typed watch {median(typed):,.0f})")

    lists, lists_typed = [], []
    for _ in range(max(1, size.rounds // 2)):
        lists.append(_in_fresh_process("list", LIST, durable, pods=LIST))
        lists_typed.append(_in_fresh_process("list-typed", LIST, durable, pods=LIST))
    _say_list(LIST, "ours", lists[0])
    _say_list(LIST, "typed", lists_typed[0])
    if size.long_list:
        _say_list(
            size.long_list, "ours", _in_fresh_process("list", size.long_list, durable, pods=size.long_list)
        )

    p99: dict[str, dict[str, float]] = {name: {} for name in databases}
    for name, url in databases.items():
        for rate in RATES:
            count = round(rate * (size.seconds + 1))
            took = _in_fresh_process("latency", count, url, rate=rate)
            p99[name][str(rate)] = round(took["p99_ms"], 1)
            say(
                f"{name}, {rate} changes a second, each an event: committed after {took['p50_ms']:.1f} ms"
                f" (p50), {took['p99_ms']:.1f} ms (p99), {took['max_ms']:.1f} ms (longest);"
                f" {took['per_s']:,.0f}/s kept up"
            )
    seconds = median(took["seconds"] for took in lists)
    return {
        "events_per_s_core": round(median(ours)),
        "ratio_typed_watch": round(median(a / b for a, b in zip(ours, typed, strict=True)), 1),
        "list_10k_s": round(seconds, 2),
        "ratio_typed_list": round(median(took["seconds"] for took in lists_typed) / seconds, 1),
        "rss_mb_per_10k_pods": round(median(took["rss_mb"] for took in lists), 1),
        "p99_ms": p99["PostgreSQL"],
    }


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _say_list(pods: int, whose: str, took: Figures) -> None:
    say(
        f"First list of {pods:,} pods, {whose}: {took['seconds']:.2f} s; {took['rss_mb']:.0f} MB are held,"
        f" {took['peak_mb']:.0f} MB at the peak of the process ({took['base_mb']:.0f} MB before)"
    )


def _rate(count: int, took: Figures) -> float:
    return count / took["cpu_seconds"]


def _in_fresh_process(name: str, count: int, database: str, *, pods: int = 0, rate: float = 0.0) -> Figures:
    """A measurement of bench/watch_measure.py against a server of its own."""
    # Before what is measured begins, one change is taken to know that the watch is open.
    with _server(pods, count + (not rate), rate) as url:
        printed = _run(["-m", "bench.watch_measure", name, url, str(count)], database)
    figures: Figures = json.loads(printed)
    return figures


def _run(arguments: list[str], database: str) -> str:
    environment = {**os.environ, "DATABASE_URL": database}
    done = subprocess.run(  # noqa: S603 - our own programs
        [sys.executable, *arguments], cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


@contextmanager
def _server(pods: int, changes: int, rate: float) -> Iterator[str]:
    options = ["--pods", str(pods), "--changes", str(changes), "--rate", str(rate)]
    server = subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-m", "bench.watch_server", *options],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    # With it, its pipes are closed, and the end of its input is the end of it.
    with server as process:
        yield (process.stdout or sys.stdin).readline().strip()


if __name__ == "__main__":
    main()
