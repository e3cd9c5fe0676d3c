"""Flows of the official Python SDK over time series that are nodes, states, subscriptions, units and synthetic queries.

    EMULATOR='<start line>' python3 tests/python_plant.py
"""

import json
import math
import os
import random
import warnings

from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import OAuthClientCredentials
from cognite.client.data_classes import (
    DataPointSubscriptionUpdate,
    DataPointSubscriptionWrite,
    StateDatapointsInsert,
    StateDatapointWrite,
    TimeSeriesUpdate,
    TimeSeriesWrite,
)
from cognite.client.data_classes import filters
from cognite.client.data_classes.data_modeling import NodeId, SpaceApply
from cognite.client.data_classes.data_modeling.cdm.v1 import CogniteStateSetApply, CogniteTimeSeries, CogniteTimeSeriesApply
from cognite.client.exceptions import CogniteAPIError, CogniteNotFoundError

checks = 0


def check(condition, *what):
    global checks
    assert condition, what
    checks += 1


def raises(kind, call, *parts):
    try:
        call()
    except kind as error:
        check(all(part in str(error) for part in parts), str(error), parts)
        return
    raise AssertionError(f"no {kind.__name__}")


def nodes(client):
    client.data_modeling.spaces.apply(SpaceApply("plant"))
    states = [{"numericValue": 0, "stringValue": "OFF"}, {"numericValue": 1, "stringValue": "ON"}]
    made = client.data_modeling.instances.apply([
        CogniteStateSetApply("plant", "onoff", states=states),
        CogniteTimeSeriesApply("plant", "pump", is_step=True, time_series_type="state", state_set=("plant", "onoff")),
        CogniteTimeSeriesApply("plant", "heat", is_step=False, time_series_type="numeric", name="Heat",
                               unit=("cdf_cdm_units", "temperature:deg_c")),
        CogniteTimeSeriesApply("plant", "log", is_step=True, time_series_type="string"),
    ])
    check(len(made.nodes) == 4)
    read = client.data_modeling.instances.retrieve_nodes(NodeId("plant", "pump"), node_cls=CogniteTimeSeries)
    check((read.time_series_type, read.state_set.external_id) == ("state", "onoff"), read)
    found = client.time_series.retrieve_multiple(instance_ids=[NodeId("plant", n) for n in ("pump", "heat", "log")])
    check([t.is_string for t in found] == [False, False, True] and found[1].unit_external_id == "temperature:deg_c")
    heat = NodeId("plant", "heat")
    client.time_series.data.insert([(1000, 10.0), (2000, 20.0), (3000, 40.0)], instance_id=heat)
    data = client.time_series.data.retrieve(instance_id=heat, start=0, end=5000, target_unit="temperature:deg_f")
    check(list(data.value) == [50.0, 68.0, 104.0] and data.unit_external_id == "temperature:deg_f", data)
    check(data.instance_id == heat)
    data = client.time_series.data.retrieve(instance_id=heat, start=0, end=5000, target_unit_system="SI",
                                            aggregates=["max", "sum", "total_variation"], granularity="10s")
    check((data.max[0], data.sum[0], data.total_variation[0]) == (313.15, 889.45, 30.0), data)
    check(client.time_series.data.retrieve_latest(instance_id=heat, target_unit="temperature:k").value == 313.15)
    raises(CogniteAPIError, lambda: client.time_series.data.retrieve(instance_id=heat, target_unit="length:m"), "convert")
    client.time_series.data.delete_range(2000, 2001, instance_id=heat)
    check(list(client.time_series.data.retrieve(instance_id=heat, start=0).timestamp) == [1000, 3000])
    client.time_series.update(TimeSeriesUpdate(instance_id=heat).metadata.set({"a": "b"}))
    check(client.time_series.retrieve(instance_id=heat).metadata == {"a": "b"})
    raises(CogniteNotFoundError, lambda: client.time_series.data.insert([(1, 1.0)], instance_id=NodeId("plant", "no")))
    client.data_modeling.instances.delete(nodes=("plant", "log"))
    check(client.time_series.retrieve(instance_id=NodeId("plant", "log")) is None)


def states(client):
    pump = NodeId("plant", "pump")
    client.time_series.data.insert_states(StateDatapointsInsert(pump, [
        StateDatapointWrite(1000, 0),
        StateDatapointWrite(2000, string_value="ON"),
        StateDatapointWrite(4000, numeric_value=0, string_value="OFF"),
        StateDatapointWrite(5000, status_symbol="Bad"),
        StateDatapointWrite(6000, 1, status_code=0x40000000),
    ]))
    data = client.time_series.data.retrieve(instance_id=pump, start=0, end=9000, include_status=True,
                                            ignore_bad_datapoints=False)
    check(list(data.numeric_states) == [0, 1, 0, None, 1], data.numeric_states)
    check(list(data.string_states) == ["OFF", "ON", "OFF", None, "ON"], data.string_states)
    check(list(data.status_symbol) == ["Good", "Good", "Good", "Bad", "Uncertain"], data.status_symbol)
    latest = client.time_series.data.retrieve_latest(instance_id=pump)
    check((latest.numeric_state, latest.string_state, latest.is_state) == (0, "OFF", True), latest)
    data = client.time_series.data.retrieve(instance_id=pump, start=0, end=9000, granularity="10s", include_status=True,
                                            aggregates=["count", "duration_good", "state_count", "state_duration",
                                                        "state_transitions"])
    check((data.count[0], data.duration_good[0]) == (3, 4000), data)
    check([(s.numeric_value, s.string_value, s.state_duration) for s in data.state_duration[0]]
          == [(0, "OFF", 1000), (1, "ON", 2000)], data.state_duration)
    raises(CogniteAPIError, lambda: client.time_series.data.insert_states(
        StateDatapointsInsert(pump, [StateDatapointWrite(1, 5)])), "not in the state set")
    raises(CogniteAPIError, lambda: client.time_series.data.retrieve(
        instance_id=pump, start=0, granularity="1s", aggregates="average"), "average")
    frame = client.time_series.data.retrieve_dataframe(instance_id=pump, start=0, end=9000)
    check(frame.shape == (3, 2), frame)


class Follower:
    """Holds a cursor per partition, as a consumer does."""

    def __init__(self, client, name, partitions=1, start=None, **options):
        self.client, self.name, self.options = client, name, options
        self.cursors, self.start = dict.fromkeys(range(partitions)), start

    def read(self):
        upserts, deletes, added, removed = {}, [], [], []
        for index, cursor in self.cursors.items():
            for batch in self.client.time_series.subscriptions.iterate_data(
                    self.name, start=None if cursor else self.start, partition=index, cursor=cursor, limit=2,
                    poll_timeout=0, **self.options):
                self.cursors[index] = batch.cursor
                for update in batch.updates:
                    name = update.time_series.external_id or update.time_series.instance_id.external_id
                    points = update.upserts
                    if len(points):
                        values = points.numeric_states if points.is_state else points.value
                        upserts.setdefault(name, []).extend(zip(points.timestamp, values))
                    deletes += [(name, d.inclusive_begin, d.exclusive_end) for d in update.deletes]
                added += [s.external_id or s.instance_id.external_id for s in batch.subscription_changes.added]
                removed += [s.external_id or s.instance_id.external_id for s in batch.subscription_changes.removed]
                if not batch.has_next:
                    break
        return upserts, sorted(deletes), sorted(added), sorted(removed)


def subscriptions(client):
    api, data = client.time_series.subscriptions, client.time_series.data
    client.time_series.create([TimeSeriesWrite(external_id=f"sub{n}", name="in" if n < 3 else "out") for n in range(6)])
    data.insert([(1, 1.0)], external_id="sub0")
    made = api.create(DataPointSubscriptionWrite("explicit", 3, time_series_ids=["sub0", "sub1"],
                                                 instance_ids=[NodeId("plant", "pump")], name="n"))
    check((made.partition_count, made.time_series_count) == (3, 3), made)
    api.create(DataPointSubscriptionWrite("filtered", 1, filter=filters.Equals("name", "in")))
    for bad in (dict(time_series_ids=["nothing"]), dict(), dict(time_series_ids=["sub0"], filter=filters.Exists("name"))):
        raises((CogniteAPIError, ValueError), lambda: api.create(DataPointSubscriptionWrite("bad", 1, **bad)))
    explicit, filtered = Follower(client, "explicit", 3), Follower(client, "filtered")
    late = Follower(client, "filtered", start="now")
    check(late.read() == ({}, [], [], []))
    # What was there before does not come.
    check(explicit.read() == ({}, [], ["pump", "sub0", "sub1"], []))
    check(filtered.read()[2] == ["sub0", "sub1", "sub2"])

    data.insert_multiple([{"external_id": f"sub{n}", "datapoints": [(10, n), (20, n + 0.5)]} for n in range(6)])
    data.insert([(20, 7.0)], external_id="sub0")
    data.insert_states(StateDatapointsInsert(NodeId("plant", "pump"), [StateDatapointWrite(10, 1)]))
    data.delete_range(15, 25, external_id="sub1")
    check(explicit.read() == ({"sub0": [(10, 0), (20, 0.5), (20, 7)], "sub1": [(10, 1), (20, 1.5)], "pump": [(10, 1)]},
                              [("sub1", 15, 25)], [], []))
    check(explicit.read() == ({}, [], [], []))
    want = {"sub0": [(10, 0), (20, 0.5), (20, 7)], "sub1": [(10, 1), (20, 1.5)], "sub2": [(10, 2), (20, 2.5)]}
    check(filtered.read()[:2] == (want, [("sub1", 15, 25)]))
    check(late.read()[0] == want)
    check(Follower(client, "filtered").read()[0] == want, "from the beginning again")
    check(Follower(client, "filtered", start="1h-ago").read()[0] == want)

    # Status codes.
    data.insert([(30, 1.0, 0), (31, 2.0, 0x40000000), (32, None, 0x80000000)], external_id="sub0")
    check(filtered.read()[0] == {"sub0": [(30, 1)]})
    everything = Follower(client, "explicit", 3, include_status=True, ignore_bad_datapoints=False)
    check(everything.read()[0]["sub0"][-3:] == [(30, 1), (31, 2), (32, None)])
    uncertain = Follower(client, "explicit", 3, treat_uncertain_as_bad=False)
    check(uncertain.read()[0]["sub0"][-2:] == [(30, 1), (31, 2)])
    explicit.read()

    # Members come and go.
    api.update(DataPointSubscriptionUpdate("explicit").time_series_ids.add(["sub4"]))
    api.update(DataPointSubscriptionUpdate("explicit").time_series_ids.remove(["sub0"]))
    client.time_series.update(TimeSeriesUpdate(external_id="sub5").name.set("in"))
    client.time_series.update(TimeSeriesUpdate(external_id="sub2").name.set("out"))
    client.time_series.create(TimeSeriesWrite(external_id="sub6", name="in"))
    data.insert_multiple([{"external_id": f"sub{n}", "datapoints": [(40, n)]} for n in range(7)])
    check(explicit.read() == ({"sub1": [(40, 1)], "sub4": [(40, 4)]}, [], ["sub4"], ["sub0"]))
    check(filtered.read() == ({n: [(40, int(n[-1]))] for n in ("sub0", "sub1", "sub5", "sub6")}, [], ["sub5", "sub6"],
                              ["sub2"]))
    members = api.list_member_time_series("explicit", limit=None)
    check(sorted(m.external_id or m.instance_id.external_id for m in members) == ["pump", "sub1", "sub4"], members)
    client.time_series.delete(external_id="sub1")
    check(explicit.read()[3] == ["sub1"])
    lost = {m.external_id: m.id for m in api.list_member_time_series("explicit")}
    check(lost["sub1"] is None and lost["sub4"], lost)
    check(api.retrieve("filtered").time_series_count == 3)
    api.update(DataPointSubscriptionUpdate("filtered").filter.set(filters.Equals("name", "out")))
    check(filtered.read()[2:] == (["sub2", "sub3", "sub4"], ["sub0", "sub1", "sub5", "sub6"]))
    raises(CogniteAPIError, lambda: next(api.iterate_data("filtered", cursor="nonsense")), "cursor")
    raises(CogniteAPIError, lambda: next(api.iterate_data("filtered", partition=1)), "index")
    api.delete("explicit")
    check(api.retrieve("explicit") is None and [s.external_id for s in api.list()] == ["filtered"])
    api.delete("filtered")


def line(points, step):
    """The function through datapoints."""

    def at(time):
        for (t0, v0), (t1, v1) in zip(points, points[1:]):
            if t0 <= time < t1:
                return v0 if step else v0 + (v1 - v0) * (time - t0) / (t1 - t0)
        return points[-1][1] if time == points[-1][0] else None

    return at


def synthetic(client):
    rng = random.Random(4)
    query, lines, times = client.time_series.data.synthetic.query, {}, {}
    for name, step in (("syn a", False), ("syn b", False), ("syn c", True)):
        points = sorted({rng.randrange(0, 500_000): rng.uniform(-5, 5) for _ in range(60)}.items())
        client.time_series.create(TimeSeriesWrite(external_id=name, is_step=step, unit_external_id="temperature:k"))
        client.time_series.data.insert(points, external_id=name)
        lines[name[-1]], times[name[-1]] = line(points, step), {t for t, _ in points}
    variables = {"A": "syn a", "B": "syn b", "C": "syn c"}
    cases = {
        "A + B * C": lambda a, b, c: a + b * c,
        "(A - B) / 2 - C": lambda a, b, c: (a - b) / 2 - c,
        "sin(A) + cos(B) * pi() - abs(C)": lambda a, b, c: math.sin(a) + math.cos(b) * math.pi - abs(c),
        "max(A, B, C) - min(A, B, C) + avg(A, B, C)": lambda a, b, c: max(a, b, c) - min(a, b, c) + (a + b + c) / 3,
        "sqrt(abs(A)) + pow(B, 2) + exp(C)": lambda a, b, c: math.sqrt(abs(a)) + b * b + math.exp(c),
        "on_error(ln(A), B) + C": lambda a, b, c: (math.log(a) if a > 0 else b) + c,
    }
    every = sorted(set.union(*times.values()))
    for text, formula in cases.items():
        want = []
        for t in every:
            values = [lines[name](t) for name in "abc"]
            if None not in values:
                want.append((t, formula(*values)))
        # Pages of less than what there is: the SDK goes on one millisecond later.
        data = query(text, 0, 1_000_000, variables=variables)
        have = list(zip(data.timestamp, data.value))
        check([t for t, _ in have] == [t for t, _ in want], text)
        check(all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9) for (_, a), (_, b) in zip(have, want)), text)
        check(len(query(text, 0, 1_000_000, variables=variables, limit=7)) == 7)
    data = query("A", 0, 1_000_000, variables=variables, target_unit="temperature:deg_c")
    plain = query("A - 273.15", 0, 1_000_000, variables=variables)
    check(all(math.isclose(a, b, rel_tol=1e-9) for a, b in zip(data.value, plain.value)))
    data = query("ln(A - 100)", 0, 1_000_000, variables=variables)
    check(all("BAD_DOMAIN" in e for e in data.error) and len(data.error) > 10, data.error)
    aggregated = client.time_series.data.retrieve(external_id="syn a", start=0, end=500_000, aggregates="average", granularity="1m")
    data = query("2 * A", 0, 500_000, variables=variables, aggregate="average", granularity="1m")
    check(list(data.timestamp) == list(aggregated.timestamp), data.timestamp)
    check(all(math.isclose(a, 2 * b) for a, b in zip(data.value, aggregated.average)))
    client.time_series.create(TimeSeriesWrite(external_id="syn text", is_string=True))
    client.time_series.data.insert([(1, "OPEN"), (2, "CLOSED"), (3, "AJAR")], external_id="syn text")
    data = query("map(ts{externalId:'syn text'}, ['OPEN','CLOSED'], [1, 0], -1)", 0, 10)
    check(list(data.value) == [1, 0, -1], data)
    check(all("TYPE_ERROR" in e for e in query("1 + ts{externalId:'syn text'}", 0, 10).error))
    data = query("2 * A", 0, 5000, variables={"A": NodeId("plant", "heat")})
    check(list(data.value) == [20.0, 80.0], data)
    for bad in ("1 +", "tan(1)", "ts{externalId:'none'}", "ts{id:1, colour:'red'}", "+".join(["1"] * 2000)):
        raises(CogniteAPIError, lambda: query(bad, 0, 10))


def main():
    start = json.loads(os.environ["EMULATOR"])
    global_config.disable_pypi_version_check = True
    global_config.max_retries = 1
    warnings.simplefilter("ignore")
    credentials = OAuthClientCredentials(token_url=start["token_url"], client_id=start["client_id"],
                                         client_secret=start["client_secret"], scopes=[start["scopes"]])
    client = CogniteClient(ClientConfig(client_name="plant", project=start["project"], credentials=credentials,
                                        base_url=start["url"]))
    for flow in (nodes, states, subscriptions, synthetic):
        flow(client)
    print(f"{checks} checks")


main()
