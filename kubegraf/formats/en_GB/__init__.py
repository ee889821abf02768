"""In the only language there is."""
