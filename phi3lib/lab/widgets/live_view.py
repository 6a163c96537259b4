"""The widget class of all instruments: it hides their still pictures, and says when it is not connected."""

from typing import Any

import anywidget
import traitlets

from phi3lib.lab.figures.shown_text import readable
from phi3lib.lab.widgets.scripts import instrument_styles


class LiveView(anywidget.AnyWidget):
    """A widget that hides still pictures while it is connected, and says so when it no longer is.

    All texts that it sends are readable, as a name that is no valid Unicode would break the connection.
    """

    _css: Any = instrument_styles()
    twins: Any = traitlets.List().tag(sync=True)

    def hide_while_connected(self, key: str) -> None:
        """Hide the still picture of this key for as long as a view of this widget is connected."""
        if key not in self.twins:
            self.twins = [*self.twins, key]

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:
        """Return the state that the page gets, by name, with readable texts."""
        return readable(super().get_state(key=key, drop_defaults=drop_defaults))
