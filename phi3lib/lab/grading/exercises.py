"""The exercises of the course: their numbers, titles, and the lines that check them.

The lines are those of the notebooks (a test compares them). Grading evaluates these lines, never the ones
that a learner hands in.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Exercise:
    """An exercise: number ("01.2"), title, and the expression that gives its verdict."""

    number: str
    title: str
    check: str

    @property
    def notebook(self) -> str:
        """The number of its notebook, such as "01" or "A1"."""
        return self.number.partition(".")[0]

    @property
    def call(self) -> re.Pattern[str]:
        """What the line of a learner that asks for this check contains."""
        called = self.check.removeprefix("lab.").partition("(")[0]
        return re.compile(rf"\b{re.escape(called)}\(")

    @property
    def answers(self) -> tuple[str, ...]:
        """The names that a learner defines: the last words of the check that hold an answer."""
        found = re.findall(r"\bmy_\w+", self.check)
        return tuple(found) or tuple(re.findall(r"(\w+)=\1\b", self.check))


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "00.1", "Read the report", "lab.checks.read_the_report(report, not_ok=not_ok, captions=captions)"
    ),
    Exercise("01.1", "Cosine", "lab.checks.cosine(my_cosine)"),
    Exercise("01.2", "Zero-shot", "lab.checks.zero_shot(my_zero_shot)"),
    Exercise("01.3", "How large must the scale be?", "lab.checks.smallest_scale(my_smallest_scale)"),
    Exercise("01.4", "The contrastive loss", "lab.checks.symmetric_loss(my_symmetric_loss)"),
    Exercise("02.1", "Count patches", "lab.checks.n_patches(my_n_patches)"),
    Exercise("02.2", "Reassemble a picture", "lab.checks.rebuild(my_rebuild)"),
    Exercise(
        "02.3",
        "Colour before shape",
        "lab.layers.check_of_layers(states[1:], kept, shape_labels, color_labels)(my_best_layer)",
    ),
    Exercise("03.1", "Count the tokens", "lab.checks.token_count(my_token_count)"),
    Exercise("03.2", "Merge 2×2", "lab.checks.merge_2x2(my_merge)"),
    Exercise("03.3", "From a token to its box", "lab.checks.token_to_box(my_token_to_box)"),
    Exercise("04.1", "A masked mean", "lab.checks.masked_mean(my_masked_mean)"),
    Exercise("04.2", "Find the batching bug", "lab.checks.in_batches(my_in_batches)"),
    Exercise("04.3", "A key for a recipe", "lab.checks.cache_key(my_cache_key)"),
    Exercise("05.1", "A trustworthy map", "lab.checks.settings(table.vectors, space)(my_settings)"),
    Exercise("05.2", "What survives?", "lab.checks.statements(seeds, labels)(my_statements)"),
    Exercise("05.3", "Measure the gap", "lab.checks.modality_gap(my_modality_gap)"),
    Exercise("05.4", "Close it", "lab.checks.close_gap(my_close_gap)"),
    Exercise("06.1", "Linear CKA", "lab.checks.linear_cka(my_linear_cka)"),
    Exercise("06.2", "Mutual neighbours", "lab.checks.mutual_knn(my_mutual_knn)"),
    Exercise("06.3", "Merged here, separated there", "lab.checks.merged_and_separated(my_disputed_pair)"),
    Exercise("07.1", "Recall at k", "lab.checks.recall_at_k(my_recall_at_k)"),
    Exercise("07.2", "Which is better?", "lab.checks.paired_difference(my_paired_difference)"),
    Exercise("07.3", "Find the planted duplicates", "lab.checks.duplicates(my_duplicates)"),
    Exercise("08.1", "A loss for equal captions", "lab.checks.pair_loss(my_pair_loss)"),
    Exercise("08.2", "Freeze all but the text tower", "lab.checks.freeze(my_freeze)"),
    Exercise("08.3", "Learn and keep", "lab.checks.learn_and_keep(my_model)"),
    Exercise("09.1", "Ids of a prompt with two pictures", "lab.checks.two_image_prompt(my_prompt_ids)"),
    Exercise("09.2", "Find the head that looks", "lab.checks.looking_head(my_looking_head)"),
    Exercise("09.3", "Prove it by masking", "lab.checks.proof_by_masking(my_proof)"),
    Exercise("09.4", "Which question needs crops?", "lab.checks.which_needs_crops(my_reason_for_crops)"),
    Exercise("10.1", "What a width changes", "lab.checks.new_shapes(my_new_shapes)"),
    Exercise("10.2", "Which topic comes back first?", "lab.checks.first_back(my_first_back)"),
    Exercise("10.3", "What is not shown", "lab.checks.not_shown(my_letters)"),
    Exercise("11.1", "Cost a run", "lab.checks.run_duration(my_duration)"),
    Exercise("11.2", "Which duplicates can go?", "lab.checks.to_delete(my_deletable)"),
    Exercise("11.3", "A rank", "lab.checks.rank(my_rank)"),
    Exercise("12.1", "What is left to compute?", "lab.checks.left_to_compute(my_left_to_compute)"),
    Exercise("12.2", "Hours on the clock", "lab.checks.run_hours(my_hours)"),
    Exercise("12.3", "A share from a stratified sample", "lab.checks.stratified_share(my_share)"),
    Exercise("A1.1", "Write without touching the input", "lab.checks.write_tokens(my_write)"),
    Exercise("A1.2", "Count the tiles that the tower must see", "lab.checks.tile_count(my_tile_count)"),
    Exercise("A1.3", "Find the call that changes the ids", "lab.checks.call_in_place(my_call)"),
    Exercise("A2.1", "The cache", "lab.checks.cache_bytes(my_cache_bytes)"),
    Exercise("A2.2", "What fits?", "lab.checks.what_fits(my_fits)"),
)
