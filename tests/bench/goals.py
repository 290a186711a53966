"""What a work is meant to show, and whether it did."""

import operator

import table

RELATIONS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt}


class Absolute:
    """Compares one of our figures with a number. `within`: the figure is no further than that from
    1."""

    def __init__(self, key, relation, limit):
        self.key = key
        self.relation = relation
        self.limit = limit

    def verdict(self, summaries):
        """A line for people, and whether the goal was met. None: unknown."""
        ours = _median(summaries, table.US, self.key)
        if self.relation == "within":
            text = f"{table.heading(self.key)} within {self.limit * 100:g} % of 1"
            return _line(text, ours, ours is not None and abs(ours - 1) <= self.limit)
        text = f"{table.heading(self.key)} {self.relation} {self.limit:g}"
        return _line(text, ours, ours is not None and RELATIONS[self.relation](ours, self.limit))


class Relative:
    """Compares one of our figures over a rival's, as medians of one call, with a number."""

    def __init__(self, key, relation, limit, rival):
        self.key = key
        self.relation = relation
        self.limit = limit
        self.rival = rival

    def verdict(self, summaries):
        """See [`Absolute.verdict`]."""
        ours, theirs = _median(summaries, table.US, self.key), _median(summaries, self.rival, self.key)
        text = f"{table.heading(self.key)} {self.relation} {self.limit:g} x {self.rival}"
        if ours is None or not theirs:
            return _line(text, None, False)
        return _line(text, ours / theirs, RELATIONS[self.relation](ours / theirs, self.limit))


def _median(summaries, name, key):
    return summaries.get(name, {}).get(key, {}).get("median")


def _line(text, value, met):
    if value is None:
        return f"goal: {text}: not measured", None
    return f"goal: {text}: {value:.3g}, {'met' if met else 'MISSED'}", met
