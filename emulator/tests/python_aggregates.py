"""Compares the emulator's datapoints with an independent computation, asked over HTTP and with the official Python SDK.

    EMULATOR='<start line>' python3 tests/python_aggregates.py [rounds] [seed]

Every round makes series at random (steps and lines, gaps, bad, uncertain and missing values, equal values, few or no
points), asks for every aggregate of them with granularities, time zones, status rules and page sizes at random, and the
same of the SDK; then for raw datapoints, the latest ones, units, and states. Same seed, same questions.
"""

import json
import os
import random
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from zoneinfo import ZoneInfo

from aggregates_by_definition import Series, aggregate, buckets, category, close, states
from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import OAuthClientCredentials
from cognite.client.data_classes.data_modeling import NodeId

NUMBERS = ["average", "max", "min", "sum", "interpolation", "stepInterpolation", "continuousVariance", "discreteVariance",
           "totalVariation"]
COUNTS = ["count", "countGood", "countUncertain", "countBad", "durationGood", "durationUncertain", "durationBad"]
EXTREMES = ["maxDatapoint", "minDatapoint"]
ZONES = [None, None, "Europe/Oslo", "America/New_York", "Asia/Kolkata", "UTC+05:30", "Australia/Sydney", "Asia/Kathmandu",
         "Australia/Lord_Howe"]
CODES = [0, 0x00960000, 0x40000000, 0x40930000, 0x80000000, 0x808B0000]
compared = 0


def same(condition, *what):
    global compared
    assert condition, what
    compared += 1


class Emulator:
    def __init__(self, start):
        self.base = f"{start['url']}/api/v1/projects/{start['project']}"
        form = {"grant_type": "client_credentials", "client_id": start["client_id"],
                "client_secret": start["client_secret"], "scope": start["scopes"]}
        with urllib.request.urlopen(start["token_url"], urllib.parse.urlencode(form).encode()) as answer:
            self.token = json.load(answer)["access_token"]

    def post(self, path, body):
        head = {"authorization": f"Bearer {self.token}", "content-type": "application/json"}
        request = urllib.request.Request(self.base + path, json.dumps(body).encode(), head)
        try:
            with urllib.request.urlopen(request) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {body}: {error.read().decode()}") from None

    def pages(self, item):
        """All datapoints of one query, page by page."""
        points, cursor = [], None
        while True:
            asked = item if cursor is None else {**item, "cursor": cursor}
            page = self.post("/timeseries/data/list", {"items": [asked]})["items"][0]
            same(len(page["datapoints"]) <= item["limit"], "page size")
            points += page["datapoints"]
            cursor = page.get("nextCursor")
            if cursor is None:
                return points


def times(rng, count):
    """Around a change to or from summer time, as that is where the calendar bites; close together or far apart."""
    at = rng.choice([1711846800000, 1729990800000, 1710054000000, 1000, -5_000_000_000]) + rng.randrange(-10**8, 10**8)
    step = rng.choice([700, 40_000, 1_300_000, 30_000_000, 400_000_000])
    out = []
    for _ in range(count):
        out.append(at)
        at += rng.choice([1, rng.randrange(1, step), step, rng.randrange(1, step * 10)])
    if rng.random() < 0.5:
        # Datapoints where buckets begin and end are what is easily got wrong.
        snap = rng.choice([1000, 60_000, 1_800_000, 3_600_000])
        first = out[0] // snap if out else 0
        out = [snap * (first + n + rng.choice([0, 0, n])) for n in range(count)]
    return sorted(set(out))


def code_of(rng, clean):
    return 0 if clean or rng.random() < 0.7 else rng.choice(CODES)


def numbers(rng):
    clean = rng.random() < 0.3
    kind = rng.choice(["walk", "equal", "wild"])
    value, points = rng.uniform(-50, 50), []
    for t in times(rng, rng.choice([0, 1, 2, 3, 8, 30, 60, 60])):
        if kind == "walk":
            value += rng.uniform(-3, 3)
        elif kind == "wild":
            value = rng.choice([0.0, rng.uniform(-1e6, 1e6), 1e6 + rng.random(), rng.uniform(-1e-3, 1e-3)])
        code = code_of(rng, clean)
        missing = category(code) == "Bad" and rng.random() < 0.5
        points.append((t, None if missing else value, code))
    return points


def inserted(points, field="value"):
    out = []
    for t, v, code in points:
        point = {"timestamp": t}
        if v is not None:
            point[field] = v
        if code:
            point["status"] = {"code": code}
        out.append(point)
    return out


def question(rng, points):
    low, high = (points[0][0], points[-1][0]) if points else (0, 10**7)
    span = max(high - low, 1000)
    start = low + rng.randrange(-span // 3 - 1, span // 2 + 1)
    end = max(start + 1, high + rng.randrange(-span // 3 - 1, span // 3 + 1))
    # As many buckets as the exact side computes in reasonable time.
    fitting = [g for g, ms in [("1s", 1e3), ("7s", 7e3), ("1m", 6e4), ("13m", 7.8e5), ("1h", 3.6e6), ("5h", 1.8e7),
                               ("36h", 1.3e8), ("1d", 8.64e7), ("3d", 2.6e8), ("1mo", 2.6e9), ("2mo", 5.2e9),
                               ("3mo", 7.8e9), ("12mo", 3.1e10)]
               if (end - start) / ms < 300]
    granularity = rng.choice(fitting)
    zone = rng.choice(ZONES) if granularity[-1] in "hdo" else None
    rules = {"ignoreBadDataPoints": rng.random() < 0.5, "treatUncertainAsBad": rng.random() < 0.5}
    return start, end, granularity, zone, rules


def zone_of(name):
    if name is None or "/" in name:
        return name and ZoneInfo(name)
    return timezone(timedelta(hours=5, minutes=30))


def exact(series, start, end, granularity, zone, rules, names):
    """By begin of bucket; only buckets that have one of these aggregates."""
    args = rules["ignoreBadDataPoints"], rules["treatUncertainAsBad"]
    out = {}
    for begin, stop in buckets(granularity, zone_of(zone), start, end):
        found = aggregate(series, begin, stop, *args)
        if found and any(name in found for name in names):
            out[begin] = found
    return out


def judge(name, have, want, scale, where):
    if want is None:
        same(have is None or have != have, "undefined", name, have, *where)
    elif name in COUNTS:
        same(have == want, name, have, want, *where)
    elif name in EXTREMES:
        same((have["timestamp"], have.get("status", {}).get("code", 0)) == want, name, have, want, *where)
    else:
        # A difference of squares keeps fewer digits than the values have.
        if "Variance" in name:
            scale = scale * scale
        same(have is not None and close(have, want, scale * Fraction(1, 100)), name, have, float(want), *where)


def aggregates(rng, emulator, client, series, id):
    start, end, granularity, zone, rules = question(rng, series.points)
    names = rng.sample(NUMBERS + COUNTS + EXTREMES, rng.choice([1, 6, 18, 18]))
    want = exact(series, start, end, granularity, zone, rules, names)
    item = {"id": id, "start": start, "end": end, "granularity": granularity, "aggregates": names, "includeStatus": True,
            "limit": rng.choice([1, 3, 100]) if len(want) < 50 else 100, **rules}
    if zone:
        item["timeZone"] = zone
    where = (item, series.is_step, series.points)
    scale = max((abs(Fraction(v)) for _, v, _ in series.points if v is not None), default=Fraction(1))
    found = emulator.pages(item)
    same([p["timestamp"] for p in found] == list(want), "buckets", [p["timestamp"] for p in found], list(want), *where)
    for point in found:
        for name in names:
            judge(name, point.get(name), want[point["timestamp"]].get(name), scale, where)

    asked = [name for name in names if name not in EXTREMES]
    if not asked:
        return
    snake = ["".join("_" + c.lower() if c.isupper() else c for c in name) for name in asked]
    want = exact(series, start, end, granularity, zone, rules, asked)
    if granularity.endswith("mo"):
        granularity += "nth"
    data = client.time_series.data.retrieve(
        id=id, start=start, end=end, aggregates=snake, granularity=granularity, timezone=zone_of(zone),
        ignore_bad_datapoints=rules["ignoreBadDataPoints"], treat_uncertain_as_bad=rules["treatUncertainAsBad"])
    same(list(data.timestamp) == list(want), "SDK buckets", list(data.timestamp), list(want), *where)
    for n, begin in enumerate(want):
        for name, column in zip(asked, snake):
            value = getattr(data, column)[n]
            expected = want[begin].get(name)
            if expected is None and name in COUNTS:
                # The SDK shows counts that are not there as zero.
                expected = 0
            judge(name, value, expected, scale, ("SDK", *where))


def raw(rng, emulator, client, series, id):
    start, end, _, _, rules = question(rng, series.points)
    visible = series.visible(rules["ignoreBadDataPoints"], rules["treatUncertainAsBad"])
    inside = [p for p in visible if start <= p[0] < end]
    shown = lambda p: (p["timestamp"], p.get("value"), p.get("status", {}).get("code", 0))
    item = {"id": id, "start": start, "end": end, "limit": rng.choice([1, 7, 1000]), "includeStatus": True, **rules}
    have = [shown(p) for p in emulator.pages(item)]
    same(have == [p[:3] for p in inside], "raw", have, item, series.points)
    item["includeOutsidePoints"] = True
    have = [shown(p) for p in emulator.post("/timeseries/data/list", {"items": [item]})["items"][0]["datapoints"]]
    before, after = [p for p in visible if p[0] < start][-1:], [p for p in visible if p[0] >= end][:1]
    same(have == [p[:3] for p in before + inside[: item["limit"]] + after], "outside", have, item, series.points)
    options = {"ignore_bad_datapoints": rules["ignoreBadDataPoints"], "treat_uncertain_as_bad": rules["treatUncertainAsBad"]}
    data = client.time_series.data.retrieve(id=id, start=start, end=end, include_status=True, **options)
    have = list(zip(data.timestamp, data.value, data.status_code))
    same(have == [p[:3] for p in inside], "SDK raw", have, item, series.points)
    moment = rng.choice([start, end])
    latest = client.time_series.data.retrieve_latest(id=id, before=moment, include_status=True, **options)
    want = [p[:3] for p in visible if p[0] < moment][-1:]
    have = []
    if latest.timestamp is not None:
        at = (latest.timestamp - datetime(1970, 1, 1, tzinfo=timezone.utc)) // timedelta(milliseconds=1)
        have = [(at, latest.value, latest.status_code)]
    same(have == want, "latest", have, want, moment, series.points)


def units(rng, emulator, client, catalog, series, id, unit):
    """Every aggregate, converted: as if all values had been."""
    start, end, granularity, zone, rules = question(rng, series.points)
    of = lambda name: (Fraction(catalog[name].conversion.multiplier), Fraction(catalog[name].conversion.offset))
    target = rng.choice([u for u in catalog if catalog[u].quantity == catalog[unit].quantity])
    (m0, o0), (m1, o1) = of(unit), of(target)
    other = Series([(t, v if v is None else (Fraction(v) + o0) * m0 / m1 - o1, c) for t, v, c in series.points], series.is_step)
    want = exact(other, start, end, granularity, zone, rules, NUMBERS)
    item = {"id": id, "start": start, "end": end, "granularity": granularity, "aggregates": NUMBERS, "limit": 1000,
            "targetUnit": target, **rules, **({"timeZone": zone} if zone else {})}
    answer = emulator.post("/timeseries/data/list", {"items": [item]})["items"][0]
    same((answer.get("unit"), answer["unitExternalId"]) == (None, target) or target == unit, "unit", answer)
    scale = max((abs(v) + abs(o1) for _, v, _ in other.points if v is not None), default=Fraction(1))
    same([p["timestamp"] for p in answer["datapoints"]] == list(want), "buckets", item, series.points)
    for point in answer["datapoints"]:
        for name in NUMBERS:
            judge(name, point.get(name), want[point["timestamp"]].get(name), scale, (item, series.points))
    data = client.time_series.data.retrieve(id=id, start=start, end=end, target_unit=target)
    plain = [p[1] for p in other.visible(True, True) if start <= p[0] < end]
    same(len(data) == len(plain) and all(close(a, b, scale) for a, b in zip(data.value, plain)), "raw", target, data.value)


STATES = [(-3, "DOWN"), (0, "OFF"), (1, "ON"), (2, "IDLE"), (40, "HOT")]


def state_series(rng, emulator, client, name):
    node = {"space": "checks", "externalId": name}
    view = lambda v: {"type": "view", "space": "cdf_cdm", "externalId": v, "version": "v1"}
    source = lambda v, p: [{"source": view(v), "properties": p}]
    emulator.post("/models/spaces", {"items": [{"space": "checks"}]})
    listed = [{"numericValue": n, "stringValue": s} for n, s in STATES]
    emulator.post("/models/instances", {"items": [
        {"instanceType": "node", "space": "checks", "externalId": "set",
         "sources": source("CogniteStateSet", {"states": listed})},
        {"instanceType": "node", **node, "sources": source("CogniteTimeSeries", {
            "isStep": True, "type": "state", "stateSet": {"space": "checks", "externalId": "set"}})}]})
    clean, points = rng.random() < 0.3, []
    for t in times(rng, rng.choice([0, 1, 5, 40])):
        code = code_of(rng, clean)
        missing = category(code) == "Bad" and rng.random() < 0.5
        points.append((t, None if missing else rng.choice(STATES)[0], code))
    if points:
        body = {"items": [{"instanceId": node, "datapoints": inserted(points, "numericValue")}]}
        emulator.post("/timeseries/data", body)
    series = Series(points, True)
    start, end, granularity, zone, rules = question(rng, points)
    args = rules["ignoreBadDataPoints"], rules["treatUncertainAsBad"]
    names = ["stateCount", "stateTransitions", "stateDuration"]
    spans = buckets(granularity, zone_of(zone), start, end)
    want = {b: s for b, e in spans if (s := states(series, b, e, *args))}
    item = {"instanceId": node, "start": start, "end": end, "granularity": granularity, "aggregates": names, "limit": 1000,
            **rules, **({"timeZone": zone} if zone else {})}
    found = emulator.post("/timeseries/data/list", {"items": [item]})["items"][0]["datapoints"]
    have = {p["timestamp"]: {s["numericValue"]: tuple(s[n] for n in names) for s in p["stateAggregates"]} for p in found}
    same(have == want, "states", have, want, item, points)
    same(all(s["stringValue"] == dict(STATES)[s["numericValue"]] for p in found for s in p["stateAggregates"]), "names")
    options = {"ignore_bad_datapoints": args[0], "treat_uncertain_as_bad": args[1]}
    data = client.time_series.data.retrieve(
        instance_id=NodeId("checks", name), start=start, end=end, granularity=granularity.replace("mo", "month"),
        aggregates=["count", "state_count", "state_transitions", "state_duration"], timezone=zone_of(zone), **options)
    have = {}
    for n, begin in enumerate(data.timestamp):
        rows = zip(data.state_count[n], data.state_transitions[n], data.state_duration[n])
        have[begin] = {a.numeric_value: (a.state_count, b.state_transitions, c.state_duration) for a, b, c in rows}
    same({b: s for b, s in have.items() if s} == want, "SDK states", have, want, item, points)
    data = client.time_series.data.retrieve(instance_id=NodeId("checks", name), start=start, end=end, include_status=True, **options)
    want = [p[:3] for p in series.visible(*args) if start <= p[0] < end]
    have = list(zip(data.timestamp, data.numeric_states, data.status_code))
    same(have == want, "SDK raw states", have, want, item, points)


def main():
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 2
    start = json.loads(os.environ["EMULATOR"])
    global_config.disable_pypi_version_check = True
    credentials = OAuthClientCredentials(token_url=start["token_url"], client_id=start["client_id"],
                                         client_secret=start["client_secret"], scopes=[start["scopes"]])
    client = CogniteClient(ClientConfig(client_name="aggregates", project=start["project"], credentials=credentials,
                                        base_url=start["url"]))
    emulator, rng = Emulator(start), random.Random(seed)
    catalog = {u.external_id: u for u in client.units.list()}
    for n in range(rounds):
        try:
            series = Series(numbers(rng), rng.random() < 0.4)
            unit = rng.choice(list(catalog))
            made = {"externalId": f"check {seed} {n}", "isStep": series.is_step, "unitExternalId": unit, "unit": "u"}
            id = emulator.post("/timeseries", {"items": [made]})["items"][0]["id"]
            if series.points:
                mixed = inserted(series.points)
                rng.shuffle(mixed)
                emulator.post("/timeseries/data", {"items": [{"id": id, "datapoints": mixed}]})
            for _ in range(4):
                aggregates(rng, emulator, client, series, id)
            raw(rng, emulator, client, series, id)
            units(rng, emulator, client, catalog, series, id, unit)
            state_series(rng, emulator, client, f"state {seed} {n}")
        except Exception:
            print(f"round {n} of seed {seed}", file=sys.stderr)
            raise
    print(f"{compared} comparisons in {rounds} rounds of seed {seed}: all the same")


main()
