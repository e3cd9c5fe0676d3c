"""Checks the emulator with the official Python SDK.

Needs cognite-sdk, numpy and pandas. Takes the path of the emulator's binary, starts it, and stops it at the end:

    python3 tests/python_sdk.py ../target/debug/cognite-emulator

or the emulator's start line (JSON) in the environment variable EMULATOR, for one that runs already.
"""

import json
import math
import os
import subprocess
import sys

import numpy as np
from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import OAuthClientCredentials, Token
from cognite.client.data_classes import (
    Asset,
    AssetFilter,
    AssetUpdate,
    DataSetWrite,
    DatapointsQuery,
    Event,
    EventFilter,
    Label,
    LabelDefinitionWrite,
    RelationshipWrite,
    SequenceColumnWrite,
    SequenceWrite,
    Row,
    TimeSeriesUpdate,
    TimeSeriesWrite,
)
from cognite.client.data_classes import AssetWrite, EventWrite, RowWrite, filters
from cognite.client.exceptions import (
    CogniteAPIError,
    CogniteDuplicatedError,
    CogniteNotFoundError,
    CogniteOAuthError,
    CogniteProjectAccessError,
)

checks = 0


def check(condition, text):
    global checks
    assert condition, text
    checks += 1


def equal(have, want, text):
    check(have == want, f"{text}: {have!r} is not {want!r}")


def near(have, want, text):
    check(math.isclose(have, want, rel_tol=1e-9, abs_tol=1e-9), f"{text}: {have!r} is not near {want!r}")


def raises(kind, call, text, **fields):
    try:
        call()
    except kind as error:
        check(True, text)
        for name, want in fields.items():
            equal(getattr(error, name), want, f"{text}, {name}")
        return error
    raise AssertionError(f"{text}: no {kind.__name__}")


def client_for(start, project=None, credentials=None):
    credentials = credentials or OAuthClientCredentials(
        token_url=start["token_url"],
        client_id=start["client_id"],
        client_secret=start["client_secret"],
        scopes=[start["scopes"]],
    )
    config = ClientConfig(
        client_name="emulator-check",
        project=project or start["project"],
        credentials=credentials,
        base_url=start["url"],
    )
    return CogniteClient(config)


def access(start):
    client = client_for(start)
    inspected = client.iam.token.inspect()
    equal([p.url_name for p in inspected.projects], [start["project"]], "token inspect")
    raises(
        CogniteOAuthError,
        lambda: client_for(
            start,
            credentials=OAuthClientCredentials(
                token_url=start["token_url"],
                client_id=start["client_id"],
                client_secret="wrong",
                scopes=[start["scopes"]],
            ),
        ).assets.list(),
        "wrong secret",
        error="invalid_client",
    )
    raises(CogniteProjectAccessError, lambda: client_for(start, project="elsewhere").assets.list(), "other project")
    raises(
        CogniteProjectAccessError,
        lambda: client_for(start, credentials=Token("nonsense")).assets.list(),
        "wrong token",
    )
    raises(CogniteNotFoundError, lambda: client.get(f"/api/v1/projects/{start['project']}/nothing"), "unknown path")


def assets(client):
    data_set = client.data_sets.create(DataSetWrite(external_id="ds", name="data"))
    client.labels.create([LabelDefinitionWrite(external_id="pump", name="Pump")])
    made = client.assets.create(
        [
            AssetWrite(name="child", external_id="child", parent_external_id="root", metadata={"a": "1"}),
            AssetWrite(name="root", external_id="root", data_set_id=data_set.id, labels=[Label("pump")]),
            AssetWrite(name="leaf", external_id="leaf", parent_external_id="child", source="here"),
        ]
    )
    by = {a.external_id: a for a in made}
    equal(by["leaf"].root_id, by["root"].id, "root id")
    equal(by["leaf"].parent_id, by["child"].id, "parent id")
    equal(by["leaf"].parent_external_id, "child", "parent external id")
    check(by["root"].created_time > 1_600_000_000_000, "created time")
    equal(client.assets.retrieve(id=by["leaf"].id).name, "leaf", "retrieve by id")
    equal(client.assets.retrieve(external_id="none"), None, "retrieve nothing")
    aggregated = client.assets.list(aggregated_properties=["child_count", "depth", "path"])
    equal({a.external_id: a.aggregates.depth for a in aggregated}, {"root": 0, "child": 1, "leaf": 2}, "depth")
    equal({a.external_id: a.aggregates.child_count for a in aggregated}, {"root": 1, "child": 1, "leaf": 0}, "children")
    equal(len(client.assets.retrieve_subtree(external_id="root")), 3, "subtree")
    equal([a.name for a in client.assets.list(root=True)], ["root"], "roots")
    equal([a.name for a in client.assets.list(data_set_external_ids="ds")], ["root"], "by data set")
    equal([a.name for a in client.assets.list(metadata={"a": "1"})], ["child"], "by metadata")
    equal([a.name for a in client.assets.list(source="here")], ["leaf"], "by source")
    advanced = client.assets.list(advanced_filter=filters.Prefix("name", "le"), sort=["name"])
    equal([a.name for a in advanced], ["leaf"], "advanced filter")
    equal([a.name for a in client.assets.search(name="chi")], ["child"], "search")
    equal(client.assets.aggregate_count(), 3, "count")
    equal(client.assets.aggregate_cardinality_values("name"), 3, "cardinality")
    equal({str(u.value) for u in client.assets.aggregate_unique_values("source")}, {"here"}, "unique values")

    updated = client.assets.update(AssetUpdate(external_id="leaf").description.set("x").metadata.add({"k": "v"}))
    equal((updated.description, updated.metadata), ("x", {"k": "v"}), "update")
    updated = client.assets.update(AssetUpdate(external_id="leaf").description.set(None).metadata.remove(["k"]))
    equal((updated.description, updated.metadata), (None, {}), "update to null")
    check(updated.last_updated_time >= updated.created_time, "updated time")

    raises(
        CogniteDuplicatedError,
        lambda: client.assets.create(AssetWrite(name="x", external_id="root")),
        "duplicate",
        duplicated=[{"externalId": "root"}],
        code=409,
    )
    raises(
        CogniteNotFoundError,
        lambda: client.assets.retrieve_multiple(external_ids=["root", "nope"]),
        "missing",
        missing=[{"externalId": "nope"}],
        code=400,
    )
    equal(len(client.assets.retrieve_multiple(external_ids=["root", "nope"], ignore_unknown_ids=True)), 1, "ignored")
    raises(CogniteAPIError, lambda: client.assets.delete(external_id="root"), "delete with children", code=400)
    raises(
        CogniteAPIError,
        lambda: client.assets.create(AssetWrite(name="x", parent_external_id="nope")),
        "unknown parent",
        code=400,
    )
    client.assets.create([AssetWrite(name=f"bulk {n}", external_id=f"bulk-{n}") for n in range(2500)])
    everything = client.assets.list(limit=None)
    equal(len(everything), 2503, "all pages")
    equal(len({a.id for a in client.assets.list(limit=None, partitions=7)}), 2503, "all partitions")
    equal(len(client.assets.list(limit=1500)), 1500, "limit over pages")
    client.assets.delete(external_id="root", recursive=True)
    equal(client.assets.retrieve(external_id="leaf"), None, "recursive delete")
    hierarchy = [AssetWrite(name=f"h{n}", external_id=f"h{n}", parent_external_id=f"h{n - 1}" if n else None) for n in range(5)]
    equal(len(client.assets.create_hierarchy(hierarchy)), 5, "hierarchy")


def events(client):
    made = client.events.create(
        [EventWrite(external_id=f"e{n}", type="t" if n % 2 else "u", start_time=n, end_time=n + 5) for n in range(10)]
    )
    equal(len(made), 10, "events made")
    equal(client.events.aggregate_count(filter=EventFilter(type="t")), 5, "events counted")
    equal({e.external_id for e in client.events.list(start_time={"min": 8})}, {"e8", "e9"}, "events by start")
    equal({e.external_id for e in client.events.list(active_at_time={"max": 1})}, {"e0", "e1"}, "events active")
    equal(client.events.list(sort=("startTime", "desc"), limit=1)[0].external_id, "e9", "events sorted")
    event = client.events.retrieve(external_id="e3")
    event.subtype = "s"
    equal(client.events.update(event).subtype, "s", "event updated")
    upserted = client.events.upsert([EventWrite(external_id="e3", description="d"), EventWrite(external_id="new")])
    equal([e.external_id for e in upserted], ["e3", "new"], "events upserted")
    client.events.delete(external_id=["e1", "gone"], ignore_unknown_ids=True)
    equal(client.events.aggregate_count(), 10, "events left")


def other_kinds(client):
    made = client.relationships.create(
        RelationshipWrite(
            external_id="r", source_external_id="h0", source_type="asset", target_external_id="h1", target_type="asset"
        )
    )
    equal(made.target_type, "asset", "relationship")
    equal(len(client.relationships.list(source_external_ids=["h0"])), 1, "relationships listed")
    client.relationships.delete(external_id="r")
    sequence = client.sequences.create(SequenceWrite(external_id="s", columns=[SequenceColumnWrite(external_id="c")]))
    equal(sequence.columns[0].value_type, "DOUBLE", "sequence")
    equal(client.labels.list()[0].external_id, "pump", "labels listed")
    equal(client.data_sets.retrieve(external_id="ds").name, "data", "data set")


def time_series(client):
    made = client.time_series.create(
        [
            TimeSeriesWrite(external_id="num", name="numbers", unit="degC"),
            TimeSeriesWrite(external_id="text", is_string=True),
            TimeSeriesWrite(external_id="step", is_step=True),
            TimeSeriesWrite(external_id="status"),
            TimeSeriesWrite(external_id="big"),
        ]
    )
    equal([t.is_string for t in made], [False, True, False, False, False], "time series made")
    equal({t.external_id for t in client.time_series.list(is_string=True)}, {"text"}, "time series by type")
    equal(client.time_series.list(unit="degC")[0].external_id, "num", "time series by unit")
    equal(client.time_series.search(name="NUMB")[0].external_id, "num", "time series searched")
    equal(client.time_series.aggregate_count(), 5, "time series counted")
    equal(client.time_series.update(TimeSeriesUpdate(external_id="num").unit.set("K")).unit, "K", "time series updated")
    raises(
        CogniteDuplicatedError,
        lambda: client.time_series.create(TimeSeriesWrite(external_id="num")),
        "time series twice",
        duplicated=[{"externalId": "num"}],
    )
    raises(
        CogniteNotFoundError,
        lambda: client.time_series.delete(external_id="nope"),
        "time series to delete",
        missing=[{"externalId": "nope"}],
    )


def datapoints(client):
    dps = client.time_series.data
    hour = 3_600_000
    start = 1_700_000_400_000 // hour * hour
    dps.insert([(start + n * 60_000, float(n)) for n in range(120)], external_id="num")
    have = dps.retrieve(external_id="num", start=start, end=start + 10 * 60_000)
    equal(have.value, [float(n) for n in range(10)], "raw")
    equal((have.unit, have.is_string), ("K", False), "raw head")
    arrays = dps.retrieve_arrays(external_id="num", start=start, end=start + 2 * hour)
    equal((arrays.value.dtype, len(arrays)), (np.float64, 120), "arrays")
    outside = dps.retrieve(external_id="num", start=start + 90_000, end=start + 150_000, include_outside_points=True)
    equal(outside.value, [1.0, 2.0, 3.0], "outside points")

    hourly = dps.retrieve(
        external_id="num",
        start=start,
        end=start + 2 * hour,
        granularity="1h",
        aggregates=[
            "average", "max", "min", "count", "sum", "interpolation", "step_interpolation", "continuous_variance",
            "discrete_variance", "total_variation", "count_good", "count_bad", "duration_good", "max_datapoint",
            "min_datapoint",
        ],
    )
    equal(hourly.timestamp, [start, start + hour], "hours")
    near(hourly.average[0], 30.0, "average")
    equal((hourly.max[0], hourly.min[1], hourly.count, hourly.sum[0]), (59.0, 60.0, [60, 60], 1770.0), "max to sum")
    equal((hourly.interpolation, hourly.step_interpolation), ([0.0, 60.0], [0.0, 60.0]), "interpolation")
    near(hourly.continuous_variance[0], 300.0, "continuous variance")
    near(hourly.discrete_variance[0], sum((n - 29.5) ** 2 for n in range(60)) / 60, "discrete variance")
    near(hourly.total_variation[0], 60.0, "total variation")
    equal((hourly.count_good, hourly.count_bad), ([60, 60], [0, 0]), "counts by status")
    equal(hourly.duration_good, [hour, 59 * 60_000], "duration good")
    equal(hourly.max_datapoint[0].timestamp, start + 59 * 60_000, "max datapoint")
    months = dps.retrieve(external_id="num", start=0, end=start + hour * 48, granularity="1month", aggregates="count")
    equal(sum(months.count), 120, "months")
    days = dps.retrieve(
        external_id="num", start=start, end=start + hour * 48, granularity="1d", aggregates="count", timezone="Europe/Oslo"
    )
    equal(sum(days.count), 120, "days of a zone")
    frame = dps.retrieve_dataframe(external_id=["num", "step"], start=start, end=start + hour)
    equal(frame.shape[0], 60, "data frame")

    dps.insert([(start, 1), (start + 30 * 60_000, 3)], external_id="step")
    stepped = dps.retrieve(external_id="step", start=start, end=start + hour, granularity="1h", aggregates=["average"])
    near(stepped.average[0], 1.0, "average of steps")

    latest = dps.retrieve_latest(external_id="num")
    equal(latest.value, 119.0, "latest")
    equal(dps.retrieve_latest(external_id="num", before=start).value, None, "latest before the first")
    both = dps.retrieve_latest(external_id=["num", "nope", "step"], ignore_unknown_ids=True)
    equal([d.external_id for d in both], ["num", "step"], "latest of several")

    dps.insert([(start, "on"), (start + 1, "av ø")], external_id="text")
    equal(dps.retrieve(external_id="text", start=0).value, ["on", "av ø"], "strings")
    equal(dps.retrieve_latest(external_id="text").value, "av ø", "latest string")
    for external_id, value, words in [("text", 1.0, "Expected string value"), ("num", "x", "Expected numeric value")]:
        error = raises(CogniteAPIError, lambda: dps.insert([(1, value)], external_id=external_id), "wrong type", code=400)
        check(words in error.message, f"message {error.message}")
    raises(
        CogniteNotFoundError,
        lambda: dps.insert([(1, 1)], external_id="nope"),
        "insert into nothing",
    )
    raises(CogniteNotFoundError, lambda: dps.retrieve(external_id="nope"), "retrieve of nothing")
    equal(dps.retrieve(external_id="nope", ignore_unknown_ids=True), None, "retrieve of nothing ignored")
    raises(CogniteAPIError, lambda: dps.insert([(4_102_444_800_000, 1)], external_id="num"), "after 2099", code=400)
    raises(
        CogniteAPIError,
        lambda: dps.retrieve(external_id="text", start=0, granularity="1h", aggregates="average"),
        "aggregates of strings",
        code=400,
    )


def statuses(client):
    dps = client.time_series.data
    dps.insert(
        [
            {"timestamp": 1000, "value": 1.0},
            {"timestamp": 2000, "value": 2.0, "status": {"code": 0x40000000}},
            {"timestamp": 3000, "value": None, "status": {"symbol": "Bad"}},
            {"timestamp": 4000, "value": math.inf, "status": {"code": 0x80000000}},
            {"timestamp": 5000, "value": 5.0},
        ],
        external_id="status",
    )
    good = dps.retrieve(external_id="status", start=0, treat_uncertain_as_bad=True)
    equal(good.value, [1.0, 5.0], "good only")
    usable = dps.retrieve(external_id="status", start=0, treat_uncertain_as_bad=False)
    equal(usable.value, [1.0, 2.0, 5.0], "uncertain too")
    everything = dps.retrieve(external_id="status", start=0, include_status=True, ignore_bad_datapoints=False)
    equal(everything.value, [1.0, 2.0, None, math.inf, 5.0], "all values")
    equal(everything.status_code, [0, 0x40000000, 0x80000000, 0x80000000, 0], "codes")
    equal(everything.status_symbol, ["Good", "Uncertain", "Bad", "Bad", "Good"], "symbols")
    counts = dps.retrieve(
        external_id="status",
        start=0,
        granularity="1d",
        aggregates=["count_good", "count_uncertain", "count_bad", "duration_bad", "count"],
    )
    equal(
        (counts.count_good, counts.count_uncertain, counts.count_bad, counts.duration_bad, counts.count),
        ([2], [1], [2], [2000], [2]),
        "counts by status",
    )
    latest = dps.retrieve_latest(external_id="status", before=4500, include_status=True, ignore_bad_datapoints=False)
    equal((latest.value, latest.status_symbol), (math.inf, "Bad"), "latest bad")
    raises(
        CogniteAPIError,
        lambda: dps.insert([{"timestamp": 1, "value": None}], external_id="status"),
        "good without value",
        code=400,
    )


def volume(client):
    dps = client.time_series.data
    count = 250_000
    stamps = np.arange(count, dtype=np.int64) * 1000
    values = np.sqrt(np.arange(count, dtype=np.float64))
    dps.insert([(int(t), float(v)) for t, v in zip(stamps, values)], external_id="big")
    have = dps.retrieve_arrays(external_id="big", start=0, end=count * 1000)
    equal(len(have), count, "many datapoints")
    check(np.array_equal(have.value, values), "values of many datapoints")
    check(np.array_equal(have.timestamp.astype("datetime64[ms]").astype(np.int64), stamps), "their timestamps")
    serial = dps.retrieve_arrays(external_id="big", start=0, end=count * 1000, limit=220_000)
    check(np.array_equal(serial.value, values[:220_000]), "cursors")
    seconds = dps.retrieve_arrays(external_id="big", start=0, end=count * 1000, granularity="2s", aggregates="count")
    equal((len(seconds), int(seconds.count.sum())), (count // 2, count), "many aggregates")
    # More series than the SDK reads one by one.
    many = [TimeSeriesWrite(external_id=f"many-{n}") for n in range(12)]
    client.time_series.create(many)
    dps.insert_multiple([{"external_id": f"many-{n}", "datapoints": [(t, n) for t in range(50)]} for n in range(12)])
    queries = [DatapointsQuery(external_id=f"many-{n}", include_outside_points=True) for n in range(12)]
    lists = dps.retrieve(external_id=queries, start=10, end=20)
    equal([d.value for d in lists], [[n] * 12 for n in range(12)], "many series")

    dps.delete_range(start=1000, end=200_000_000, external_id="big")
    left = dps.retrieve_arrays(external_id="big", start=0, end=count * 1000)
    equal((len(left), left.value[0]), (50_001, 0.0), "deleted range")
    dps.insert([(0, 7.0), (500, 8.0)], external_id="big")
    equal(dps.retrieve(external_id="big", start=0, end=1000).value, [7.0, 8.0], "upsert")


def raw(client):
    rows = {f"key {n:05}": {"n": n, "text": "æ/%", "deep": {"list": [1, None]}} for n in range(12_000)}
    client.raw.rows.insert("db", "tab/le", rows, ensure_parent=True)
    equal([d.name for d in client.raw.databases.list()], ["db"], "databases")
    equal([t.name for t in client.raw.tables.list("db")], ["tab/le"], "tables")
    equal(client.raw.rows.retrieve("db", "tab/le", "key 00007").columns["n"], 7, "row")
    equal(client.raw.rows.retrieve("db", "tab/le", "none"), None, "no row")
    equal(len(client.raw.rows.list("db", "tab/le", limit=11_000, partitions=1)), 11_000, "rows in order")
    parallel = client.raw.rows.list("db", "tab/le", limit=None)
    equal({r.key: r.columns for r in parallel}, rows, "rows in parallel")
    equal(client.raw.rows.list("db", "tab/le", columns=["n"], limit=1)[0].columns, {"n": 0}, "columns")
    equal(client.raw.rows.list("db", "tab/le", columns=[], limit=1)[0].columns, {}, "keys only")
    newest = max(r.last_updated_time for r in parallel)
    equal(len(client.raw.rows.list("db", "tab/le", limit=None, min_last_updated_time=newest)), 0, "nothing newer")
    client.raw.rows.delete("db", "tab/le", ["key 00007", "none"])
    equal(client.raw.rows.retrieve("db", "tab/le", "key 00007"), None, "row deleted")
    raises(CogniteAPIError, lambda: client.raw.rows.insert("db", "absent", [RowWrite("k", {})]), "no table")
    raises(CogniteAPIError, lambda: client.raw.databases.delete("db"), "database with tables", code=400)
    client.raw.databases.delete("db", recursive=True)
    equal(len(client.raw.databases.list()), 0, "database deleted")


def run(start):
    global_config.disable_pypi_version_check = True
    global_config.max_retries = 1
    access(start)
    client = client_for(start)
    assets(client)
    events(client)
    other_kinds(client)
    time_series(client)
    datapoints(client)
    statuses(client)
    volume(client)
    raw(client)
    print(f"{checks} checks passed")


def main():
    given = os.environ.get("EMULATOR")
    if given:
        run(json.loads(given))
        return
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with subprocess.Popen([sys.argv[1], "--exit-with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as emulator:
        try:
            run(json.loads(emulator.stdout.readline()))
        finally:
            emulator.stdin.close()
            emulator.wait(10)


main()
