"""From images to vectors to insight: sources, tables, comparison, maps, search.

May import `encoders`, `loading` and `vision`, never the lab.
"""
