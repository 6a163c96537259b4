"""The report as one HTML page and as CSV. Every text in it may come from a learner and is escaped."""

import csv
import io
import re

from jinja2 import Environment

from phi3lib.lab.figures.palette import NEUTRAL
from phi3lib.lab.grading.results import EMPTY, RIGHT, UNCHECKED, WRONG, Report
from phi3lib.vision.inputs import printable

_MARKS = {RIGHT: "✓", WRONG: "✗", EMPTY: "…", UNCHECKED: "?"}
_SHOWN_MISTAKES = 20
# What turns the direction of text, or what a terminal obeys.
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Exercises of {{ report.title|t }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 70rem; margin: 1rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 0.5rem 0; }
th, td { border: 1px solid {{ border }}; padding: 0.2rem 0.5rem; text-align: left; vertical-align: top; }
.scroll { overflow-x: auto; }
td.mark { position: relative; text-align: center; }
.heard { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
summary { padding: 0.3rem 0; }
</style>
</head>
<body>
<h1>Exercises of {{ report.title|t }}</h1>
<p>{{ report.learners|length }} learners, {{ report.notebooks|length }} notebooks. Each notebook was run anew,
and the checks of the package were asked; what the saved outputs say was only compared.
{%- if report.missing_measures %} <strong>On this machine notebooks were run without:</strong>
{{ report.missing_measures|join("; ") }}.{% endif %}</p>
<p>Marks:
{% for state, mark in marks.items() %}{{ mark }} {{ state }}{{ ", " if not loop.last }}{% endfor %}.</p>

<h2>By exercise</h2>
<div class="scroll" tabindex="0" role="region" aria-label="By exercise"><table>
<thead><tr><th scope="col">exercise</th>{% for state in marks %}<th scope="col">{{ state }}</th>{% endfor %}
<th scope="col">commonest mistake</th></tr></thead>
<tbody>
{% for total in report.totals %}
<tr><th scope="row">{{ total.exercise.number }} {{ total.exercise.title }}</th>
{% for state in marks %}<td>{{ total.counts[state] }}</td>{% endfor %}
<td>{% if total.mistakes %}{{ total.mistakes[0][0]|t }} ({{ total.mistakes[0][1] }}){% endif %}</td></tr>
{% endfor %}</tbody></table></div>

<h2>Commonest mistakes</h2>
{% if report.commonest %}<ol>
{% for number, mistake, count in report.commonest[:most] %}<li>{{ number }}: {{ mistake|t }}
({{ count }} {{ "learner" if count == 1 else "learners" }})</li>
{% endfor %}</ol>{% else %}<p>None.</p>{% endif %}

<h2>By learner</h2>
<div class="scroll" tabindex="0" role="region" aria-label="By learner"><table>
<thead><tr><th scope="col">learner</th>
{% for total in report.totals %}<th scope="col">{{ total.exercise.number }}</th>{% endfor %}
<th scope="col">right</th></tr></thead>
<tbody>
{% for learner in report.learners %}<tr><th scope="row">{{ learner|t }}</th>
{% set found = namespace(right=0) %}
{% for total in report.totals %}{% set answer = report.best(learner, total.exercise.number) %}
<td class="mark">{% if answer %}
<span title="{{ answer.state }}" aria-hidden="true">{{ marks[answer.state] }}</span>
<span class="heard">{{ answer.state }}</span>
{% if answer.state == right %}{% set found.right = found.right + 1 %}{% endif %}{% endif %}</td>
{% endfor %}<td>{{ found.right }}</td></tr>
{% endfor %}</tbody></table></div>

<h2>In detail</h2>
{% for learner in report.learners %}<details><summary>{{ learner|t }}</summary>
{% for one in report.notebooks if one.learner == learner %}
<h3>{{ one.file|t }}</h3>
{% if one.problem %}<p><strong>{{ "Ended early" if one.answers else "Not graded" }}:</strong>
{{ one.problem|t }}.</p>{% endif %}
{% if one.forged %}
<p><strong>It sent {{ one.forged }} lines as results by itself; they were ignored.</strong></p>
{% endif %}
{% if one.answers %}<ul>
{% for answer in one.answers %}<li>{{ marks[answer.state] }} {{ answer.exercise.number }}
{{ answer.exercise.title }}, {{ answer.state }}: {{ answer.sentence|t }}
{%- if answer.differs %} <em>The saved output said “{{ answer.as_handed_in }}”.</em>{% endif %}</li>
{% endfor %}</ul>{% endif %}
{% endfor %}</details>
{% endfor %}
</body>
</html>
"""


def page_of(report: Report) -> str:
    """Return the report as an HTML page without scripts, which loads nothing."""
    environment = Environment(autoescape=True, trim_blocks=True)
    environment.filters["t"] = _text
    return environment.from_string(_PAGE).render(
        report=report, marks=_MARKS, right=RIGHT, most=_SHOWN_MISTAKES, border=NEUTRAL
    )


def csv_of(report: Report) -> str:
    """Return one row for each learner and exercise, and for each notebook that was not graded."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(("learner", "file", "exercise", "state", "slip", "sentence", "as handed in"))
    for one in report.notebooks:
        for answer in one.answers:
            words = (answer.slip, answer.sentence, answer.as_handed_in)
            rows.writerow(map(_cell, (one.learner, one.file, answer.exercise.number, answer.state, *words)))
        if not one.answers:
            rows.writerow(map(_cell, (one.learner, one.file, "", UNCHECKED, "", one.problem, "")))
    return out.getvalue()


def _text(value: object) -> str:
    """Return a text with what is not seen, or turns the direction of what follows, as an escape."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), printable(str(value)))


def _cell(value: object) -> str:
    """Return a text that no spreadsheet takes for a formula."""
    text = _text(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
