"""What a page does to a widget, without a page."""

from typing import Any


def send(widget: Any, content: dict[str, Any]) -> None:
    """Give a widget a message of its page, through its connection."""
    widget.comm.handle_msg({"content": {"data": {"method": "custom", "content": content}}, "buffers": []})
