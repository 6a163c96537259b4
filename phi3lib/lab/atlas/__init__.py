"""The explorer of embedding tables: state, trust, kept maps, the page with its JavaScript, the widget.

May import `widgets` and `figures`; not the checks or the lessons.
"""

from phi3lib.lab.atlas.widget import Atlas

__all__ = ["Atlas"]
