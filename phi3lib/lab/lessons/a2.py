"""What notebook A2 calls, from its modules: sizes, costs, commands, the report and the published vectors."""

from phi3lib.lab.lessons.a2_board import MemoryBoard
from phi3lib.lab.lessons.a2_costs import (
    GPU_TABLE,
    fresh_pictures,
    gpu_seconds,
    measured_costs,
    seconds_here,
    seconds_of,
    show_costs,
    show_gpu_costs,
    show_gpu_steps,
)
from phi3lib.lab.lessons.a2_offline import IN_THE_ROOM, WITH_NETWORK, show_commands, show_variables
from phi3lib.lab.lessons.a2_report import read_report
from phi3lib.lab.lessons.a2_sizes import (
    CACHE_SHAPE,
    DEVICES,
    GB,
    PUBLISHED_BYTES,
    cache_bytes,
    most_tokens,
    published,
    show_sizes,
    show_where_it_fits,
    uses,
    vision_part,
    whole_phi3,
)  # fmt: skip

__all__ = [
    "CACHE_SHAPE",
    "DEVICES",
    "GB",
    "GPU_TABLE",
    "IN_THE_ROOM",
    "PUBLISHED_BYTES",
    "WITH_NETWORK",
    "MemoryBoard",
    "cache_bytes",
    "fresh_pictures",
    "gpu_seconds",
    "measured_costs",
    "most_tokens",
    "published",
    "read_report",
    "seconds_here",
    "seconds_of",
    "show_commands",
    "show_costs",
    "show_gpu_costs",
    "show_gpu_steps",
    "show_sizes",
    "show_variables",
    "show_where_it_fits",
    "uses",
    "vision_part",
    "whole_phi3",
]
