"""Tests of who comes first: people and workers, or two people, at the same row in the same moment."""
