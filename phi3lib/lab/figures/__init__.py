"""Figures: one way to make them, one meaning for each color, and stills that a notebook can store.

May import `vision` and `embeddings`; nothing else of the lab.
"""
