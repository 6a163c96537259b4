"""Instruments on a page that has no kernel: the site of `make site`.

`Instrument.without_kernel()` returns a `Form`: the same JavaScript draws it as in a notebook, and a second
script takes Python's place. It is one of the `.js` files here: `frames.js` looks the answer up among panels
that Python made in advance (`frames.py`, `drawing.py`); the others compute it. `recording.py` collects the
forms while a notebook runs, `notebooks/run.py --write` saves them in notebooks/instruments/, and
tools/site_instruments.py puts them into the site's pages. May import `figures`.
"""
