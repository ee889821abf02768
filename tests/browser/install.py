"""`python -m tests.browser.install`: a Chromium for the tests in a browser, from the system's packages.

Where there is none and none can be installed, it says so; the tests are then skipped with that reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

# The first draws pages and nothing else, in a third of the time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)


def browser() -> str:
    """The path of an installed browser; "" where there is none."""
    return next((path for name in NAMES if (path := shutil.which(name))), "")


def main() -> int:
    """Install it where it is missing and may be installed; never fails."""
    if browser():
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        sys.stderr.write(
            "There is no Chromium: the tests in a browser are skipped. Install it and try again.\n"
        )
        return 0
    sys.stderr.write("Installing Chromium for the tests in a browser\n")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        done = subprocess.run(
            ["apt-get", "--quiet", *command], env=environment, capture_output=True, text=True
        )
        if done.returncode:
            sys.stderr.write(
                f"apt-get {command[0]} failed; the tests in a browser are skipped.\n{done.stderr}"
            )
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
