"""The product's settings with what a test run needs set: keys of its own, nothing from this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet

DATA = Path(tempfile.gettempdir()) / f"kubegraf-tests-{os.getuid()}"
os.environ.setdefault("KUBEGRAF_DATA_DIR", str(DATA))
os.environ.setdefault("SECRET_KEY", "a key for tests, long enough that Django's checks have nothing to say")
os.environ.setdefault("FIELD_ENCRYPTION_KEY", Fernet.generate_key().decode())
os.environ.setdefault("KUBEGRAF_PUBLIC_URL", "http://kubegraf.example.com")

from kubegraf.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
# Tests call as often as they like; those of the limits set their own.
API_RATE = INGEST_RATE = "0"
