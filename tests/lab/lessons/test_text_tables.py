"""Text tables in parts."""

from phi3lib.lab.lessons.text_tables import in_parts

ROWS = {"": ["a", "b", "c"], "one": ["1", "2", "3"]}


def test_columns_that_do_not_fit_follow_below_with_the_names():
    assert in_parts(ROWS, width=2, most=2) == "     a  b\none  1  2\n\n     c\none  3"


def test_a_table_that_fits_is_one_part():
    assert in_parts(ROWS, width=2).splitlines() == ["     a  b  c", "one  1  2  3"]
