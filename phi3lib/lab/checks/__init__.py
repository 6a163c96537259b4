"""Checks of the exercises: pass your function in, get one sentence back.

    checks.token_count(my_token_count)

A check tries your function on the smallest cases first and tells the first one that goes wrong; where it
knows the mistake, it names it. An exercise that is not answered yet never stops a notebook.
"""

from phi3lib.lab.checks.a1 import call_in_place, tile_count, write_tokens
from phi3lib.lab.checks.a2 import cache_bytes, what_fits
from phi3lib.lab.checks.base import Verdict
from phi3lib.lab.checks.nb00 import read_the_report
from phi3lib.lab.checks.nb01 import cosine, smallest_scale, symmetric_loss, zero_shot
from phi3lib.lab.checks.nb02 import best_layer, n_patches, rebuild
from phi3lib.lab.checks.nb03 import merge_2x2, token_count, token_to_box
from phi3lib.lab.checks.nb04 import cache_key, in_batches, masked_mean
from phi3lib.lab.checks.nb05 import close_gap, modality_gap, settings, statements
from phi3lib.lab.checks.nb06 import linear_cka, merged_and_separated, mutual_knn
from phi3lib.lab.checks.nb07 import duplicates, paired_difference, recall_at_k
from phi3lib.lab.checks.nb08 import freeze, learn_and_keep, pair_loss
from phi3lib.lab.checks.nb09 import looking_head, proof_by_masking, two_image_prompt, which_needs_crops
from phi3lib.lab.checks.nb10 import first_back, new_shapes, not_shown
from phi3lib.lab.checks.nb11 import rank, run_duration, to_delete
from phi3lib.lab.checks.nb12 import left_to_compute, run_hours, stratified_share

__all__ = [
    "Verdict",
    "best_layer",
    "cache_bytes",
    "cache_key",
    "call_in_place",
    "close_gap",
    "cosine",
    "duplicates",
    "first_back",
    "freeze",
    "in_batches",
    "learn_and_keep",
    "left_to_compute",
    "linear_cka",
    "looking_head",
    "masked_mean",
    "merge_2x2",
    "merged_and_separated",
    "modality_gap",
    "mutual_knn",
    "n_patches",
    "new_shapes",
    "not_shown",
    "pair_loss",
    "paired_difference",
    "proof_by_masking",
    "rank",
    "read_the_report",
    "rebuild",
    "recall_at_k",
    "run_duration",
    "run_hours",
    "settings",
    "smallest_scale",
    "statements",
    "stratified_share",
    "symmetric_loss",
    "tile_count",
    "to_delete",
    "token_count",
    "token_to_box",
    "two_image_prompt",
    "what_fits",
    "which_needs_crops",
    "write_tokens",
    "zero_shot",
]
