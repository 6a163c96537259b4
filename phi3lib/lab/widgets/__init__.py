"""Instruments: a plain state class, a live widget and a still picture each, one file an instrument.

Here live the instruments and their base (`base.py`, `panel.py`, `live_view.py`). May import `figures`, and
`embeddings` and `vision` below the lab; not the atlas, the checks or the lessons.
"""

from phi3lib.lazy import lazy_names

_HOMES = {
    "GridExplorer": "phi3lib.lab.widgets.grid_explorer:GridExplorer",
    "GridState": "phi3lib.lab.widgets.grid_explorer:GridState",
    "MicroscopeState": "phi3lib.lab.widgets.microscope:MicroscopeState",
    "TokenMicroscope": "phi3lib.lab.widgets.microscope:TokenMicroscope",
}

__all__ = [*_HOMES]
__getattr__, __dir__ = lazy_names(globals(), _HOMES)
