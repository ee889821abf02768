"""What a connector is told: its provider's declaration, what is stored of it, and how it is changed."""

from __future__ import annotations
