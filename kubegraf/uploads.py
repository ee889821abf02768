"""How large a form with files may be: what people upload here, kubeconfigs and connectors, is small.

Django itself would write files of any size to the disk, and does so before it asks who sends them.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.core.files.uploadhandler import MemoryFileUploadHandler


class SmallFiles(MemoryFileUploadHandler):
    """Keeps files in memory, and refuses forms of more than FILE_UPLOAD_MAX_MEMORY_SIZE bytes unread."""

    def handle_raw_input(
        self, input_data: Any, META: Any, content_length: int, *rest: Any, **more: Any
    ) -> None:
        """Raises RequestDataTooBig, which is answered with 400."""
        if content_length > settings.FILE_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig("The form and its files are larger than what is taken.")
        super().handle_raw_input(input_data, META, content_length, *rest, **more)
