"""What other systems send of their own accord, in their own words, as reports: one file for each.

What is a watched object has a detector (`events.detectors`); here is only what is not a watched object.
"""

from __future__ import annotations
