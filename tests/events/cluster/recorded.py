"""Whole answers of a real API server (v1.36), to be given by the fake one."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parents[2] / "data" / "api"


def answer(name: str) -> tuple[int, dict[str, str], bytes]:
    """Status, content type and body of `tests/data/api/NAME.http`, as `fail_next` takes them."""
    head, _, body = (FOLDER / f"{name}.http").read_bytes().replace(b"\r\n", b"\n").partition(b"\n\n")
    first, *lines = head.decode().splitlines()
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {"Content-Type": headers["content-type"]}, body


def status(name: str) -> bytes:
    """The Status object of `tests/data/api/NAME.json`."""
    return (FOLDER / f"{name}.json").read_bytes()
