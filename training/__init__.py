"""The programs that made data/models."""
