"""What aggregates are by definition, in exact arithmetic.

Written from the API's description and not from the emulator's code: a time series is a function of time, its aggregates
are integrals and sums over one bucket. All arithmetic is on fractions, so what differs from it is an error of the other
side (or its rounding).
"""

from datetime import datetime, timedelta, timezone
from fractions import Fraction
from math import isfinite

GOOD, UNCERTAIN, BAD = "Good", "Uncertain", "Bad"
UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
# Between datapoints further apart nothing is interpolated.
LONGEST_GAP = 3_600_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def category(code):
    return [GOOD, UNCERTAIN, BAD, BAD][code >> 30]


class Series:
    """points: (milliseconds, value or None, status code), in order of time, no time twice."""

    def __init__(self, points, is_step):
        self.points = points
        self.is_step = is_step

    def visible(self, ignore_bad, uncertain_as_bad):
        def bad(code):
            return category(code) == BAD or (uncertain_as_bad and category(code) == UNCERTAIN)

        marked = [(t, v, code, bad(code)) for t, v, code in self.points]
        return [p for p in marked if not (ignore_bad and p[3])]

    def pieces(self, visible):
        """The function: (from, to, value at from, value at to); where it is not defined there is no piece."""
        for (t0, v0, _, bad0), (t1, v1, _, bad1) in zip(visible, visible[1:]):
            if bad0:
                continue
            constant = self.is_step or bad1
            yield t0, t1, Fraction(v0), Fraction(v0 if constant else v1)


def local_ms(moment):
    return (moment.astimezone(timezone.utc) - EPOCH) // timedelta(milliseconds=1)


def buckets(granularity, zone, start, end):
    """(begin, end) of all buckets from the one that holds start to the one that holds the last moment before end."""
    digits = "".join(c for c in granularity if c.isdigit())
    count, unit = int(digits or 1), granularity[len(digits):]
    edges = []
    if unit in "smh" or (unit == "d" and zone is None):
        width = UNIT_MS[unit] * count
        offset = 0
        if unit == "h" and zone is not None:
            at = (EPOCH + timedelta(milliseconds=start)).astimezone(zone)
            offset = at.utcoffset() // timedelta(milliseconds=1)
        begin = (start + offset) // UNIT_MS[unit] * UNIT_MS[unit] - offset
        while True:
            edges.append(begin)
            if begin >= end:
                break
            begin += width
    else:
        zone = zone or timezone.utc
        first = (EPOCH + timedelta(milliseconds=start)).astimezone(zone)
        year, month, day = first.year, first.month, first.day
        if unit == "mo":
            day = 1
        while True:
            begin = local_ms(datetime(year, month, day, tzinfo=zone))
            edges.append(begin)
            if begin >= end:
                break
            if unit == "mo":
                months = year * 12 + month - 1 + count
                year, month = months // 12, months % 12 + 1
            else:
                # Days of the calendar, not of 24 hours.
                next_day = datetime(year, month, day) + timedelta(days=count)
                year, month, day = next_day.year, next_day.month, next_day.day
    return list(zip(edges, edges[1:]))


def integral(low, high, p, q, power):
    """Of a line from p to q, or its square, over its length."""
    length = Fraction(high - low)
    if power == 1:
        return (p + q) / 2 * length
    return (p * p + p * q + q * q) / 3 * length


def value_at(piece, t):
    t0, t1, v0, v1 = piece
    return v0 + (v1 - v0) * Fraction(t - t0, t1 - t0)


def aggregate(series, begin, end, ignore_bad, uncertain_as_bad):
    """All aggregates of one bucket by name; None where there is no such value. None if there is no datapoint in it."""
    inside_all = [p for p in series.points if begin <= p[0] < end]
    if not inside_all:
        return None
    out = {}
    for name in (GOOD, UNCERTAIN, BAD):
        out["count" + name] = sum(category(code) == name for _, _, code in inside_all)
        out["duration" + name] = sum(
            max(0, min(after[0], end) - max(before[0], begin))
            for before, after in zip(series.points, series.points[1:])
            if category(before[2]) == name
        )
    visible = series.visible(ignore_bad, uncertain_as_bad)
    pieces = list(series.pieces(visible))

    # At the beginning of the bucket.
    before = [p for p in visible if p[0] <= begin]
    if before and not before[-1][3]:
        out["stepInterpolation"] = Fraction(before[-1][1])
    # This and the total variation are of what is not bad, whatever is ignored.
    strict = series.visible(True, uncertain_as_bad)
    strict_pieces = list(series.pieces(strict))
    before = [p for p in strict if p[0] <= begin]
    if before:
        if before[-1][0] == begin or series.is_step:
            out["interpolation"] = Fraction(before[-1][1])
        else:
            around = [p for p in strict_pieces if p[0] < begin < p[1] and p[1] - p[0] <= LONGEST_GAP]
            if around:
                out["interpolation"] = value_at(around[0], begin)

    inside = [p for p in visible if begin <= p[0] < end and not p[3]]
    if not inside:
        return out
    values = [Fraction(p[1]) for p in inside]
    mean = sum(values) / len(values)
    out["count"] = len(values)
    out["sum"] = sum(values)
    out["min"], out["max"] = min(values), max(values)
    out["minDatapoint"] = next((p[0], p[2]) for p in inside if Fraction(p[1]) == out["min"])
    out["maxDatapoint"] = next((p[0], p[2]) for p in inside if Fraction(p[1]) == out["max"])
    out["discreteVariance"] = sum((v - mean) ** 2 for v in values) / len(values)

    def is_known(piece):
        """Within the bucket, or where its edge could be interpolated; steps hold anyway."""
        return series.is_step or (piece[0] >= begin and piece[1] < end) or piece[1] - piece[0] <= LONGEST_GAP

    parts = []
    for piece in pieces:
        low, high = max(piece[0], begin), min(piece[1], end)
        if low < high and is_known(piece):
            parts.append((low, high, value_at(piece, low), value_at(piece, high)))
    length = sum(high - low for low, high, _, _ in parts)
    if length:
        first = sum(integral(*part, 1) for part in parts) / length
        second = sum(integral(*part, 2) for part in parts) / length
        out["average"], out["continuousVariance"] = first, second - first * first
    else:
        out["average"], out["continuousVariance"] = mean, Fraction(0)
    variation = Fraction(0)
    for piece in strict_pieces:
        low, high = max(piece[0], begin), min(piece[1], end)
        if low < high and is_known(piece):
            variation += abs(value_at(piece, high) - value_at(piece, low))
    if series.is_step:
        # The function jumps where a datapoint is.
        for (_, v0, _, _), (t1, v1, _, _) in zip(strict, strict[1:]):
            if begin <= t1 < end:
                variation += abs(Fraction(v1) - Fraction(v0))
    out["totalVariation"] = variation
    return out


def states(series, begin, end, ignore_bad, uncertain_as_bad):
    """Of a series of states: {state: (count, transitions, duration)}; None if there is no datapoint in the bucket."""
    if not any(begin <= p[0] < end for p in series.points):
        return None
    visible = series.visible(ignore_bad, uncertain_as_bad)
    out = {}

    def add(state, *amounts):
        have = out.get(state, (0, 0, 0))
        out[state] = tuple(a + b for a, b in zip(have, amounts))

    for (t0, v0, _, bad0), (t1, _, _, _) in zip(visible, visible[1:]):
        held = min(t1, end) - max(t0, begin)
        if not bad0 and held > 0:
            add(v0, 0, 0, held)
    for n, (t, v, _, bad) in enumerate(visible):
        if begin <= t < end and not bad:
            came = n == 0 or visible[n - 1][3] or visible[n - 1][1] != v
            add(v, 1, int(came), 0)
    return out


def close(have, want, scale):
    """Whether a number of the other side is the exact one, up to what doubles can hold of values of that size."""
    return isfinite(have) and abs(Fraction(have) - want) <= Fraction(1, 10**9) * max(abs(want), scale)
