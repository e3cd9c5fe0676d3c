"""The official Python SDK, unmodified, over every area the emulator serves besides those of python_sdk.py.

Takes the path of the emulator's binary, or the start line of one that runs already and holds nothing in the environment
variable EMULATOR. If that one holds requests against an API description (--openapi), the violations are counted.
"""
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client._org_client import OrgAPIClient
from cognite.client.credentials import OAuthClientCredentials
from cognite.client.data_classes.assets import AssetWrite
from cognite.client.data_classes.data_modeling.containers import ContainerApply, ContainerProperty
from cognite.client.data_classes.data_modeling.data_models import DataModelApply
from cognite.client.data_classes.data_modeling.data_types import DirectRelation, Float64, Text
from cognite.client.data_classes.data_modeling.ids import ContainerId, ViewId
from cognite.client.data_classes.data_modeling.instances import (
    EdgeApply,
    InstanceSort,
    InvolvedContainers,
    InvolvedViews,
    NodeApply,
    NodeOrEdgeData,
)
from cognite.client.data_classes.data_modeling.query import (
    EdgeResultSetExpression,
    NodeResultSetExpression,
    NodeResultSetExpressionSync,
    Query,
    QuerySync,
    Select,
    SelectSync,
    SourceSelector,
)
from cognite.client.data_classes.data_modeling.records import RecordContainerId, RecordSource, RecordWrite, TimeRange
from cognite.client.data_classes.data_modeling.spaces import SpaceApply
from cognite.client.data_classes.data_modeling.streams import StreamTemplate, StreamWrite, StreamWriteSettings
from cognite.client.data_classes.data_modeling.views import MappedPropertyApply, ViewApply
from cognite.client.data_classes.data_sets import DataSetWrite
from cognite.client.data_classes.datapoints_subscriptions import (
    DataPointSubscriptionUpdate,
    DataPointSubscriptionWrite,
)
from cognite.client.data_classes.files import FileMetadataWrite
from cognite.client.data_classes.functions import FunctionScheduleWrite
from cognite.client.data_classes.hosted_extractors.destinations import (
    DestinationUpdate,
    DestinationWrite,
    SessionWrite,
)
from cognite.client.data_classes.hosted_extractors.jobs import CogniteFormat, JobUpdate, JobWrite, MQTTConfig
from cognite.client.data_classes.hosted_extractors.mappings import CustomMapping, MappingUpdate, MappingWrite
from cognite.client.data_classes.hosted_extractors.sources import MQTT5SourceWrite
from cognite.client.data_classes.integrations import IntegrationWrite
from cognite.client.data_classes.integrations.integrations import Extractor, IntegrationUpdate
from cognite.client.data_classes.labels import LabelDefinitionWrite
from cognite.client.data_classes.postgres_gateway.tables import Column, ColumnList, RawTableOptions, RawTableWrite
from cognite.client.data_classes.postgres_gateway.users import SessionCredentials, UserWrite
from cognite.client.data_classes.relationships import RelationshipUpdate, RelationshipWrite
from cognite.client.data_classes.sequences import SequenceColumnWrite, SequenceWrite
from cognite.client.data_classes.time_series import TimeSeriesWrite
from cognite.client.data_classes.transformations import TransformationWrite
from cognite.client.data_classes.transformations.externaldata import (
    OneLakeCredentialsWrite,
    OneLakeExternalDataSourceWrite,
    OneLakeLocationDescription,
    OneLakeSettingsWrite,
)
from cognite.client.data_classes.transformations.notifications import TransformationNotificationWrite
from cognite.client.data_classes.workflows import (
    FunctionTaskParameters,
    WorkflowDefinitionUpsert,
    WorkflowTask,
    WorkflowUpsert,
    WorkflowVersionUpsert,
)
from cognite.client.utils._identifier import RecordId
import cognite.client.data_classes.aggregations as A
import cognite.client.data_classes.filters as F

from python_areas_services import content, done, passed, services


def data_modeling(client, start):
    client.data_modeling.spaces.apply(SpaceApply('s'))
    client.data_modeling.containers.apply(
        [
            ContainerApply(
                's',
                'C',
                {
                    'name': ContainerProperty(Text(), nullable=False),
                    'v': ContainerProperty(Float64()),
                    'next': ContainerProperty(DirectRelation()),
                    'tags': ContainerProperty(Text(is_list=True)),
                },
                used_for='all',
            ),
            ContainerApply('s', 'D', {'extra': ContainerProperty(Text())}, used_for='all'),
        ],
    )
    V = ViewId('s', 'V', '1')
    W = ViewId('s', 'W', '1')
    client.data_modeling.views.apply(
        [
            ViewApply(
                's',
                'V',
                '1',
                properties={k: MappedPropertyApply(ContainerId('s', 'C'), k, source=V if k == 'next' else None) for k in ('name', 'v', 'next', 'tags')},
            ),
        ],
    )
    client.data_modeling.views.apply(
        [
            ViewApply(
                's',
                'W',
                '1',
                implements=[V],
                properties={'extra': MappedPropertyApply(ContainerId('s', 'D'), 'extra')},
            ),
        ],
    )

    def N(i, **k):
        return NodeApply('s', f'n{i}', sources=[NodeOrEdgeData(V, {'name': f'node {i}', 'v': float(i), **k})])


    def schema():
        v = client.data_modeling.views.retrieve(('s', 'W', '1'))[0]
        assert set(v.properties) == {'name', 'v', 'next', 'tags', 'extra'}
        assert len(client.data_modeling.views.list(space='s')) == 2
        client.data_modeling.data_models.apply(DataModelApply('s', 'M', '1', views=[V, W]))
        m = client.data_modeling.data_models.retrieve(('s', 'M', '1'), inline_views=True)[0]
        assert len(m.views) == 2
        assert len(client.data_modeling.data_models.list()) == 1
        client.data_modeling.containers.list()
        client.data_modeling.containers.retrieve(('s', 'C'))
        client.data_modeling.spaces.retrieve('s')
        client.data_modeling.spaces.list()
        client.data_modeling.statistics.project()
        client.data_modeling.statistics.spaces.list()
        client.data_modeling.statistics.spaces.retrieve('s')


    def apply():
        r = client.data_modeling.instances.apply(
            [
                N(i, next={'space': 's', 'externalId': f'n{(i + 1) % 10}'}, tags=['a', 'b'] if i % 2 else ['c'])
                for i in range(10)
            ],
        )
        assert all((n.was_modified for n in r.nodes))
        assert len(r.nodes) == 10
        r = client.data_modeling.instances.apply([N(1, tags=['a', 'b'])])
        assert not r.nodes[0].was_modified
        client.data_modeling.instances.apply(
            edges=[EdgeApply('s', f'e{i}', ('s', 't'), ('s', f'n{i}'), ('s', f'n{i + 1}')) for i in range(9)],
        )
        client.data_modeling.instances.apply(
            [NodeApply('s', 'w', sources=[NodeOrEdgeData(W, {'name': 'ww', 'extra': 'x'})])],
        )
        try:
            client.data_modeling.instances.apply(NodeApply('s', 'bad', sources=[NodeOrEdgeData(V, {'nope': 1})]))
            assert 0
        except Exception as e:
            assert 'Unknown property' in str(e)
        try:
            client.data_modeling.instances.apply(NodeApply('s', 'bad', sources=[NodeOrEdgeData(V, {'v': 1})]))
            assert 0
        except Exception as e:
            assert 'must have a value' in str(e)


    def lists():
        I = client.data_modeling.instances
        assert len(I.list('node', sources=V, limit=None)) == 11
        assert len(I.list('node', limit=None)) == 12
        assert len(I.list('edge', limit=None)) == 9
        assert [
            n.external_id
            for n in I.list('node', sources=V, filter=F.Range(V.as_property_ref('v'), gt=5), sort=InstanceSort(V.as_property_ref('v'), 'descending'))
        ] == ['n9', 'n8', 'n7', 'n6']
        assert len(I.list('node', filter=F.HasData(views=[W]))) == 1
        assert len(I.list('node', filter=F.And(F.HasData(views=[V]), F.ContainsAny(V.as_property_ref('tags'), ['c'])))) == 5
        assert len(I.list('node', filter=F.Nested(V.as_property_ref('next'), F.Equals(V.as_property_ref('name'), 'node 3')))) == 1
        assert I.list('node', sources=V, filter=F.Equals(['node', 'externalId'], 'n3'))[0].properties[V]['name'] == 'node 3'
        assert I.retrieve(nodes=('s', 'n3'), sources=V).nodes[0]['name'] == 'node 3'
        assert len(I.search(V, 'node 3')) == 1
        assert I.aggregate(V, A.Count('externalId')).value == 11
        assert I.aggregate(V, [A.Avg('v'), A.Sum('v'), A.Max('v')])[1].value == 45.0
        assert I.histogram(V, A.Histogram('v', 5)).buckets[0].count == 5
        assert len(I.aggregate(V, A.Count('name'), group_by='tags')) >= 2
        I.inspect(nodes=('s', 'w'), involved_views=InvolvedViews(), involved_containers=InvolvedContainers())


    def queries():
        I = client.data_modeling.instances
        r = I.query(
            Query(
                with_={
                         'a': NodeResultSetExpression(filter=F.Equals(['node', 'externalId'], 'n0'), limit=10),
                         'e': EdgeResultSetExpression(from_='a', max_distance=3, direction='outwards'),
                         'b': NodeResultSetExpression(from_='e'),
                         'd': NodeResultSetExpression(from_='a', through=V.as_property_ref('next')),
                         'i': NodeResultSetExpression(from_='a', through=V.as_property_ref('next'), direction='inwards'),
                     },
                select={k: Select([SourceSelector(V, ['name'])]) if k != 'e' else Select() for k in 'aebdi'},
            ),
        )
        g = lambda k: [x.external_id for x in r[k]]
        assert g('a') == ['n0']
        assert g('e') == ['e0', 'e1', 'e2']
        assert g('b') == ['n1', 'n2', 'n3']
        assert g('d') == ['n1']
        assert g('i') == ['n9']
        qq = QuerySync(
            with_={'a': NodeResultSetExpressionSync(filter=F.HasData(views=[V]), limit=100)},
            select={'a': SelectSync([SourceSelector(V, ['name'])])},
        )
        s = I.sync(qq)
        assert len(s['a']) == 11
        qq.cursors = s.cursors
        s = I.sync(qq)
        assert len(s['a']) == 0
        client.data_modeling.instances.apply([N(1, tags=['zz'])])
        client.data_modeling.instances.delete(nodes=('s', 'w'))
        qq.cursors = s.cursors
        s = I.sync(qq)
        assert len(s['a']) == 2
        assert s['a'][1].deleted_time
        assert len(I.delete(nodes=[('s', 'n9'), ('s', 'nope')]).nodes) == 1
        assert len(I.list('edge', limit=None)) == 8
        client.data_modeling.graphql
        client.data_modeling.views.delete(('s', 'W', '1'))
        client.data_modeling.containers.delete(('s', 'D'))
        client.data_modeling.data_models.delete(('s', 'M', '1'))
        client.data_modeling.spaces.delete('zz')

    for area in (schema, apply, lists, queries):
        done(area)


def series_and_streams(client, start):

    def seqs():
        q = client.sequences.create(
            SequenceWrite(
                external_id='q',
                columns=[SequenceColumnWrite('a', value_type='Long'), SequenceColumnWrite('b', value_type='String')],
            ),
        )
        client.sequences.data.insert([(i, [i, str(i)]) for i in range(25)], columns=['a', 'b'], external_id='q')
        d = client.sequences.data.retrieve(external_id='q', start=0, end=-1)
        assert len(d) == 25
        assert list(d[3]) == [3, '3']
        assert len(client.sequences.data.retrieve(external_id='q', start=3, end=7, columns=['a'])) == 4
        assert client.sequences.data.retrieve_last_row(external_id='q').rows[0].row_number == 24
        client.sequences.data.delete([1, 2], external_id='q')
        assert len(client.sequences.data.retrieve(external_id='q', start=0, end=-1)) == 23
        client.sequences.data.delete_range(0, 10, external_id='q')
        assert len(client.sequences.data.retrieve(external_id='q')) == 15


    def subs():
        client.time_series.create([TimeSeriesWrite(external_id=f'x{i}') for i in range(3)])
        s = client.time_series.subscriptions.create(DataPointSubscriptionWrite('sub', 2, time_series_ids=['x0', 'x1']))
        client.time_series.data.insert([(1000, 1.0), (2000, 2.0)], external_id='x0')
        client.time_series.data.insert([(1000, 5.0)], external_id='x2')
        b = next(client.time_series.subscriptions.iterate_data('sub'))
        assert sum((len(u.upserts) for u in b.updates)) <= 2
        assert len(client.time_series.subscriptions.list()) == 1
        assert len(client.time_series.subscriptions.list_member_time_series('sub')) == 2
        client.time_series.subscriptions.update(DataPointSubscriptionUpdate('sub').time_series_ids.add(['x2']))
        assert client.time_series.subscriptions.retrieve('sub').time_series_count == 3
        client.time_series.subscriptions.create(
            DataPointSubscriptionWrite('fs', 1, filter=F.Prefix('externalId', 'x')),
        )
        client.time_series.data.insert([(3000, 3.0)], external_id='x1')
        client.time_series.data.delete_range(0, 1500, external_id='x0')
        it = client.time_series.subscriptions.iterate_data('fs')
        b = next(it)
        assert len(b.updates) == 2
        assert b.updates[1].deletes
        client.time_series.subscriptions.delete('sub')


    def synth():
        client.time_series.data.insert([(1000, 1.0), (2000, 2.0), (3000, 3.0)], external_id='x0')
        client.time_series.data.insert([(1500, 10.0), (2500, 20.0)], external_id='x1')
        d = client.time_series.data.synthetic.query("2 * ts{externalId:'x0'} + ts{externalId:'x1'}", start=0, end=5000)
        list(zip(d.timestamp, d.value))
        assert (2000, 4 + 15.0) in list(zip(d.timestamp, d.value))
        assert client.time_series.data.synthetic.query(
            "sqrt(pow(ts{externalId:'x0', aggregate:'max', granularity:'1s'},2))",
            start=0,
            end=5000,
        ).value[2] == 3.0


    def streams():
        client.data_modeling.spaces.apply(SpaceApply('s'))
        client.data_modeling.containers.apply(
            ContainerApply('s', 'C', {'v': ContainerProperty(Float64())}, used_for='record'),
        )
        st = client.data_modeling.streams.create(StreamWrite('st', StreamWriteSettings(StreamTemplate('MutableBasic'))))
        C = RecordContainerId('s', 'C')
        R = client.data_modeling.records
        R.ingest([RecordWrite('s', f'r{i}', [RecordSource(C, {'v': float(i)})]) for i in range(5)], stream_id='st')
        l = R.filter('st', last_updated_time=TimeRange(gt=0), filter=F.Range(['s', 'C', 'v'], gt=2))
        assert len(l) == 2
        ch = list(R.sync('st', initialize_cursor='1d-ago'))
        assert len(ch[0]) == 5
        R.upsert([RecordWrite('s', 'r1', [RecordSource(C, {'v': 9.0})])], stream_id='st')
        R.delete([RecordId('s', 'r2')], stream_id='st')
        ch = list(R.sync('st', cursor=ch[-1].cursor))
        R.aggregate(
            {'n': {'count': {}}, 'm': {'max': {'property': ['s', 'C', 'v']}}},
            stream_id='st',
            last_updated_time=TimeRange(gt=0),
        )
        client.data_modeling.streams.list()
        client.data_modeling.streams.retrieve('st')
        client.data_modeling.streams.delete('st')

    for area in (seqs, subs, synth, streams):
        done(area)

def the_rest(client, start):
    """What the other groups leave out of their areas."""
    ds = client.data_sets.create(DataSetWrite(external_id='ds', name='d'))

    def hosted():
        h = client.hosted_extractors
        h.sources.create(MQTT5SourceWrite('src', 'h', None))
        h.destinations.create(DestinationWrite('d', SessionWrite('n')))
        h.mappings.create(MappingWrite('m', CustomMapping('x'), True))
        h.jobs.create(JobWrite('j', 'd', 'src', CogniteFormat(), MQTTConfig('t')))
        h.destinations.update(DestinationUpdate('d').target_data_set_id.set(ds.id))
        assert h.destinations.retrieve('d').target_data_set_id == ds.id
        h.mappings.update(MappingUpdate('m').published.set(False))
        assert h.mappings.retrieve('m').published is False
        assert h.jobs.update(JobUpdate('j').target_status.set('paused')).target_status == 'paused'
        h.jobs.delete('j')
        h.mappings.delete('m')
        h.destinations.delete('d')
        h.sources.delete('src')
        assert len(h.sources.list()) == 0

    def links():
        client.labels.create([LabelDefinitionWrite('a', 'A'), LabelDefinitionWrite('b', 'B')])
        assert [label.name for label in client.labels.retrieve(['b', 'a'])] == ['B', 'A']
        client.assets.create([AssetWrite(external_id='a1', name='1'), AssetWrite(external_id='a2', name='2')])
        client.relationships.create(RelationshipWrite('r', 'a1', 'asset', 'a2', 'asset', confidence=0.5))
        client.relationships.update(RelationshipUpdate('r').confidence.set(0.9))
        found = client.relationships.retrieve('r', fetch_resources=True)
        assert (found.confidence, found.target.name) == (0.9, '2')
        assert client.relationships.list(fetch_resources=True)[0].source.name == '1'
        client.relationships.delete('r')

    def gateway():
        user = client.postgres_gateway.users.create(UserWrite(SessionCredentials('n'))).username
        table = RawTableWrite('t', RawTableOptions('d', 't'), ColumnList([Column('a', 'TEXT')]))
        client.postgres_gateway.tables.create(user, table)
        client.postgres_gateway.tables.delete(user, 't')
        assert len(client.postgres_gateway.tables.list(user)) == 0

    def integrations():
        client.integrations.create(IntegrationWrite(external_id='i', extractor=Extractor('e', '1')))
        client.integrations.update(IntegrationUpdate('i').name.set('n'))
        assert client.integrations.retrieve('i').name == 'n'
        name = client.simulators.integrations.list()[0].external_id
        client.simulators.integrations.delete(external_ids=name)
        assert len(client.simulators.integrations.list()) == 0

    def functions():
        f = client.files.create(FileMetadataWrite(name='f'))[0]
        item = {'name': 'fn', 'fileId': f.id, 'externalId': 'fn'}
        client.post('/api/v1/projects/demo/functions', json={'items': [item]})
        fn = client.functions.retrieve(external_id='fn')
        schedule = FunctionScheduleWrite(name='s', cron_expression='* * * * *', function_id=fn.id, nonce='x')
        made = client.functions.schedules.create(schedule)
        assert client.functions.schedules.retrieve(made.id).name == 's'

    def transformations():
        t = client.transformations.create(
            TransformationWrite(external_id='t', name='t', ignore_null_fields=True, query='select 1'),
        )
        job = client.transformations.run(transformation_id=t.id, wait=False)
        client.transformations.cancel(transformation_id=t.id)
        assert client.transformations.jobs.retrieve(job.id).status != 'Completed'
        note = client.transformations.notifications.create(
            TransformationNotificationWrite(transformation_id=t.id, destination='a@b'),
        )
        client.transformations.notifications.delete(note.id)
        assert len(client.transformations.notifications.list()) == 0
        sources = client.transformations.external_data_sources
        sources.create(
            OneLakeExternalDataSourceWrite(
                'lake',
                OneLakeSettingsWrite(
                    OneLakeCredentialsWrite('c', 't', 'secret'),
                    OneLakeLocationDescription('w', 'l'),
                ),
            ),
        )
        assert [s.external_id for s in sources.list()] == ['lake']
        assert sources.verify_usability('lake').is_usable
        assert not sources.verify_usability('sea').is_usable
        sources.delete('lake')
        assert len(sources.list()) == 0

    def workflows():
        client.workflows.upsert(WorkflowUpsert(external_id='w', description='d'))
        assert client.workflows.retrieve('w').description == 'd'
        tasks = [WorkflowTask('a', FunctionTaskParameters(external_id='f'))]
        client.workflows.versions.upsert(WorkflowVersionUpsert('w', '1', WorkflowDefinitionUpsert(tasks=tasks)))
        run = client.workflows.executions.run('w', '1', nonce='x', input={'emulatorStatus': 'FAILED'})
        time.sleep(0.12)
        assert client.workflows.executions.retrieve_detailed(run.id).status == 'failed'
        assert client.workflows.executions.retry(run.id).id == run.id

    for area in (hosted, links, gateway, integrations, functions, transformations, workflows):
        done(area)


def run(start):
    global_config.disable_pypi_version_check = True
    global_config.max_retries = 1
    # The directory of the organization is on another host in the service; here it is the emulator too.
    OrgAPIClient._DEFAULT_AUTH_URL = start["url"]
    credentials = OAuthClientCredentials(
        token_url=start["token_url"],
        client_id=start["client_id"],
        client_secret=start["client_secret"],
        scopes=[start["scopes"]],
    )
    for group in (services, content, data_modeling, series_and_streams, the_rest):
        urllib.request.urlopen(urllib.request.Request(start["url"] + "/_emulator/reset", b'{"keep_journal": true}', method="POST"))
        config = ClientConfig("emulator-areas", start["project"], credentials, base_url=start["url"])
        group(CogniteClient(config), start)
    report(start)
    print(f"{len(passed)} areas passed")


def report(start):
    try:
        with urllib.request.urlopen(start["url"] + "/_emulator/violations") as answer:
            found = json.load(answer)
    except urllib.error.HTTPError:
        return
    print(f"{found['requests']} requests held against the API description, violations: {found['by_side']}")
    for line in sorted({f"  {v['side']} {v['method']} {v['path']}: {v['errors'][0][:160]}" for v in found["items"]}):
        print(line)


def main():
    given = os.environ.get("EMULATOR")
    if given:
        run(json.loads(given))
        return
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    command = [sys.argv[1], "--exit-with-parent", *sys.argv[2:]]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as emulator:
        try:
            run(json.loads(emulator.stdout.readline()))
        finally:
            emulator.stdin.close()
            emulator.wait(10)


main()
