"""Reads with the official Python SDK what examples-c/historian.c wrote, and checks the number of datapoints.

usage: check_historian.py NUMBER        (connection: COGNITE_* variables, as for the examples)
"""
import math
import os
import sys

from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import OAuthClientCredentials


def main() -> int:
    global_config.disable_pypi_version_check = True
    env = os.environ
    credentials = OAuthClientCredentials(
        token_url=env["COGNITE_TOKEN_URL"], client_id=env["COGNITE_CLIENT_ID"],
        client_secret=env["COGNITE_CLIENT_SECRET"], scopes=env["COGNITE_SCOPES"].split(),
    )
    client = CogniteClient(ClientConfig(
        client_name="check_historian", project=env["COGNITE_PROJECT"], base_url=env["COGNITE_BASE_URL"], credentials=credentials,
    ))
    wanted = int(sys.argv[1])
    series = [s for s in client.time_series.list(limit=None) if (s.external_id or "").startswith("demo.")]
    total = 0
    for s in series:
        points = client.time_series.data.retrieve(id=s.id, start=0, end="now", limit=None)
        times = list(points.timestamp)
        if any(a >= b for a, b in zip(times, times[1:])):
            print(f"{s.external_id}: the timestamps do not ascend")
            return 1
        if not all(isinstance(v, float) and math.isfinite(v) for v in points.value):
            print(f"{s.external_id}: a value is no number")
            return 1
        total += len(times)
    print(f"the Python SDK reads {total} datapoints of {len(series)} time series; the historian wrote {wanted}")
    return 0 if total == wanted and series else 1


if __name__ == "__main__":
    sys.exit(main())
