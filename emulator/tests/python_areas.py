"""The official Python SDK, unmodified, over every area the emulator serves besides those of python_sdk.py.

Takes the path of the emulator's binary, or the start line of one that runs already and holds nothing in the environment
variable EMULATOR. If that one holds requests against an API description (--openapi), the violations are counted.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client._org_client import OrgAPIClient
from cognite.client.credentials import OAuthClientCredentials
from cognite.client.data_classes.agents.agents import AgentUpsert
from cognite.client.data_classes.agents.chat import Message
from cognite.client.data_classes.annotations import (
    AnnotationFilter,
    AnnotationReverseLookupFilter,
    AnnotationUpdate,
    AnnotationWrite,
)
from cognite.client.data_classes.assets import AssetWrite
from cognite.client.data_classes.contextualization import EntityMatchingModelUpdate
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
from cognite.client.data_classes.extractionpipelines import (
    ExtractionPipelineConfigWrite,
    ExtractionPipelineRunWrite,
    ExtractionPipelineUpdate,
    ExtractionPipelineWrite,
)
from cognite.client.data_classes.files import FileMetadataWrite
from cognite.client.data_classes.functions import FunctionScheduleWrite
from cognite.client.data_classes.geospatial import (
    CoordinateReferenceSystemWrite,
    FeatureTypePatch,
    FeatureTypeWrite,
    FeatureWrite,
    GeospatialGeometryTransformComputeFunction,
    GeospatialGeometryValueComputeFunction,
    Patches,
)
from cognite.client.data_classes.hosted_extractors.destinations import (
    DestinationUpdate,
    DestinationWrite,
    SessionWrite,
)
from cognite.client.data_classes.hosted_extractors.jobs import CogniteFormat, JobUpdate, JobWrite, MQTTConfig
from cognite.client.data_classes.hosted_extractors.mappings import CustomMapping, MappingUpdate, MappingWrite
from cognite.client.data_classes.hosted_extractors.sources import MQTT5SourceUpdate, MQTT5SourceWrite
from cognite.client.data_classes.iam import GroupWrite, SecurityCategoryWrite
from cognite.client.data_classes.integrations import IntegrationWrite
from cognite.client.data_classes.integrations.integrations import Extractor, IntegrationUpdate
from cognite.client.data_classes.labels import LabelDefinitionWrite
from cognite.client.data_classes.postgres_gateway.tables import Column, ColumnList, RawTableOptions, RawTableWrite
from cognite.client.data_classes.postgres_gateway.users import SessionCredentials, UserUpdate, UserWrite
from cognite.client.data_classes.relationships import RelationshipUpdate, RelationshipWrite
from cognite.client.data_classes.sequences import SequenceColumnWrite, SequenceWrite
from cognite.client.data_classes.simulators.models import SimulatorModelRevisionWrite, SimulatorModelWrite
from cognite.client.data_classes.simulators.routine_revisions import (
    SimulatorRoutineConfiguration,
    SimulatorRoutineInputConstant,
    SimulatorRoutineRevisionWrite,
    SimulatorRoutineStage,
    SimulatorRoutineStep,
    SimulatorRoutineStepArguments,
)
from cognite.client.data_classes.simulators.routines import SimulatorRoutineWrite
from cognite.client.data_classes.three_d import (
    ThreeDAssetMappingWrite,
    ThreeDModelRevisionUpdate,
    ThreeDModelRevisionWrite,
    ThreeDModelUpdate,
    ThreeDModelWrite,
)
from cognite.client.data_classes.time_series import TimeSeriesWrite
from cognite.client.data_classes.transformations import TransformationUpdate, TransformationWrite
from cognite.client.data_classes.transformations.common import TransformationDestination
from cognite.client.data_classes.transformations.externaldata import (
    OneLakeCredentialsWrite,
    OneLakeExternalDataSourceWrite,
    OneLakeLocationDescription,
    OneLakeSettingsWrite,
)
from cognite.client.data_classes.transformations.notifications import TransformationNotificationWrite
from cognite.client.data_classes.transformations.schedules import (
    TransformationScheduleUpdate,
    TransformationScheduleWrite,
)
from cognite.client.data_classes.workflows import (
    FunctionTaskParameters,
    WorkflowDefinitionUpsert,
    WorkflowTask,
    WorkflowTriggerUpsert,
    WorkflowUpsert,
    WorkflowVersionUpsert,
)
from cognite.client.utils._identifier import RecordId
import cognite.client.data_classes as dc
import cognite.client.data_classes.aggregations as A
import cognite.client.data_classes.filters as F
import os as os
import tempfile as tempfile


def services(client, start):
    ds = client.data_sets.create(DataSetWrite(external_id='ds', name='d'))

    def extpipes():
        p = client.extraction_pipelines.create(ExtractionPipelineWrite(external_id='p', name='n', data_set_id=ds.id))
        client.extraction_pipelines.runs.create(
            ExtractionPipelineRunWrite(extpipe_external_id='p', status='success', message='hi'),
        )
        assert len(client.extraction_pipelines.runs.list('p')) == 1
        assert len(client.extraction_pipelines.runs.list('p', statuses='failure')) == 0
        assert client.extraction_pipelines.retrieve(external_id='p').last_success
        client.extraction_pipelines.config.create(ExtractionPipelineConfigWrite(external_id='p', config='a'))
        client.extraction_pipelines.config.create(ExtractionPipelineConfigWrite(external_id='p', config='b'))
        assert client.extraction_pipelines.config.retrieve('p').config == 'b'
        assert client.extraction_pipelines.config.revert('p', 1).config == 'a'
        assert len(client.extraction_pipelines.config.list('p')) == 3
        client.extraction_pipelines.update(
            ExtractionPipelineUpdate(external_id='p').description.set('x').metadata.add({'a': 'b'}),
        )
        assert client.extraction_pipelines.list()[0].metadata == {'a': 'b'}
        client.extraction_pipelines.delete(external_id='p')


    def transf():
        t = client.transformations.create(
            TransformationWrite(
                external_id='t',
                name='t',
                ignore_null_fields=True,
                query='select 1',
                destination=TransformationDestination.assets(),
            ),
        )
        j = client.transformations.run(transformation_id=t.id, wait=True, timeout=10)
        assert j.status == 'Completed'
        assert client.transformations.retrieve(id=t.id).last_finished_job.id == j.id
        client.transformations.schedules.create(TransformationScheduleWrite(external_id='t', interval='* * * * *'))
        assert client.transformations.schedules.retrieve(external_id='t').interval
        client.transformations.schedules.update(TransformationScheduleUpdate(external_id='t').is_paused.set(True))
        assert len(client.transformations.schedules.list()) == 1
        client.transformations.notifications.create(
            TransformationNotificationWrite(transformation_id=t.id, destination='a@b'),
        )
        assert len(client.transformations.notifications.list(transformation_id=t.id)) == 1
        assert client.transformations.preview("select 1 as a, 'x' as b").results == [{'a': 1, 'b': 'x'}]
        client.transformations.schema.retrieve(TransformationDestination.assets())
        assert len(client.transformations.jobs.list()) == 1
        client.transformations.jobs.list_metrics(j.id)
        assert len(client.transformations.list(tags=None)) == 1
        client.transformations.update(TransformationUpdate(id=t.id).name.set('q'))
        client.transformations.schedules.delete(external_id='t')
        client.transformations.delete(id=t.id)


    def funcs():
        f = client.files.create(FileMetadataWrite(name='f'))[0]
        client.post(
            '/api/v1/projects/demo/functions',
            json={'items': [{'name': 'fn', 'fileId': f.id, 'externalId': 'fn'}]},
        )
        fn = client.functions.retrieve(external_id='fn')
        time.sleep(0.12)
        k = client.functions.call(id=fn.id, data={'a': 1}, wait=True, nonce='x')
        assert k.status == 'Completed'
        assert k.get_response() == {'a': 1}
        k.get_logs()
        assert len(client.functions.calls.list(function_id=fn.id)) == 1
        s = client.functions.schedules.create(
            FunctionScheduleWrite(name='s', cron_expression='* * * * *', function_id=fn.id, nonce='x', data={'q': 1}),
        )
        assert client.functions.schedules.get_input_data(s.id) == {'q': 1}
        assert len(client.functions.schedules.list()) == 1
        client.functions.schedules.delete(s.id)
        client.functions.status()
        client.functions.activate()
        client.functions.limits()
        assert len(client.functions.list()) == 1
        client.functions.delete(id=fn.id)


    def wf():
        client.workflows.upsert(WorkflowUpsert(external_id='w'))
        client.workflows.versions.upsert(
            WorkflowVersionUpsert(
                'w',
                '1',
                WorkflowDefinitionUpsert(tasks=[WorkflowTask('a', FunctionTaskParameters(external_id='f'))]),
            ),
        )
        e = client.workflows.executions.run('w', '1', nonce='x', input={'a': 1})
        time.sleep(0.12)
        d = client.workflows.executions.retrieve_detailed(e.id)
        assert d.status == 'completed'
        client.workflows.tasks.update(d.executed_tasks[0].id, 'failed')
        assert len(client.workflows.executions.list(workflow_version_ids=('w', '1'))) == 1
        e = client.workflows.executions.run('w', '1', nonce='x')
        assert client.workflows.executions.cancel(e.id, 'why').status == 'terminated'
        assert client.workflows.versions.retrieve(('w', '1')).version == '1'
        assert len(client.workflows.versions.list()) == 1
        assert len(client.workflows.list()) == 1
        client.workflows.triggers.upsert(
            WorkflowTriggerUpsert('tr', dc.workflows.WorkflowScheduledTriggerRule('* * * * *'), 'w', '1'),
            client_credentials=None,
        )
        client.workflows.triggers.pause('tr')
        assert client.workflows.triggers.list()[0].is_paused
        client.workflows.triggers.resume('tr')
        client.workflows.triggers.list_runs('tr')
        client.workflows.triggers.delete('tr')
        client.workflows.versions.delete(('w', '1'))
        client.workflows.delete('w')


    def iam():
        from cognite.client.data_classes.capabilities import AssetsAcl
        g = client.iam.groups.create(
            GroupWrite(name='g', capabilities=[AssetsAcl([AssetsAcl.Action.Read], AssetsAcl.Scope.All())]),
        )
        assert client.iam.groups.list(all=True)[0].name == 'g'
        client.iam.groups.delete(g.id)
        assert len(client.iam.groups.list()) == 0
        s = client.iam.security_categories.create(SecurityCategoryWrite(name='s'))
        client.iam.security_categories.list()
        client.iam.security_categories.delete(s.id)
        s = client.iam.sessions.create(session_type='ONESHOT_TOKEN_EXCHANGE')
        assert client.iam.sessions.list()[0].status == 'READY'
        client.iam.sessions.retrieve(s.id)
        assert client.iam.sessions.revoke(s.id).status == 'REVOKED'
        client.iam.user_profiles.me()
        client.iam.user_profiles.list()
        client.iam.user_profiles.search('emulator')
        client.iam.user_profiles.retrieve('emulator-client')
        client.iam.user_profiles.enable()
        client.iam.verify_capabilities([AssetsAcl([AssetsAcl.Action.Read], AssetsAcl.Scope.All())])


    def principals():
        from cognite.client._org_client import OrgAPIClient
        OrgAPIClient._DEFAULT_AUTH_URL = start['url']
        client.iam.principals.me()
        assert len(client.iam.principals.list()) == 2
        assert client.iam.principals.retrieve(id='emulator-user').name


    def he():
        client.hosted_extractors.sources.create(MQTT5SourceWrite('src', 'h', None))
        client.hosted_extractors.destinations.create(DestinationWrite('d', SessionWrite('n')))
        client.hosted_extractors.mappings.create(MappingWrite('m', CustomMapping('x'), True))
        client.hosted_extractors.jobs.create(JobWrite('j', 'd', 'src', CogniteFormat(), MQTTConfig('t')))
        h = client.hosted_extractors
        for a in (h.sources, h.destinations, h.mappings, h.jobs):
            assert len(a.list()) == 1
        client.hosted_extractors.jobs.retrieve('j')
        client.hosted_extractors.jobs.list_logs()
        client.hosted_extractors.jobs.list_metrics()
        client.hosted_extractors.sources.update(MQTT5SourceUpdate('src').host.set('z'))
        assert client.hosted_extractors.sources.retrieve('src').host == 'z'
        client.hosted_extractors.jobs.delete('j')


    def units():
        assert client.units.retrieve('temperature:deg_c').symbol
        assert len(client.units.list()) > 10
        client.units.systems.list()
        client.units.from_alias('bar')


    def misc():
        client.limits.list()
        client.limits.retrieve('streams.streams')
        from cognite.client.data_classes import filters
        assert len(client.limits.list(filters.Prefix('limitId', 'atlas.'))) == 1
        client.metering.list()
        client.metering.retrieve('files.bytes')
        u = client.postgres_gateway.users.create(UserWrite(SessionCredentials('n')))
        client.postgres_gateway.users.list()
        client.postgres_gateway.users.retrieve(u.username)
        client.postgres_gateway.tables.create(
            u.username,
            RawTableWrite('t', RawTableOptions('d', 't'), ColumnList([Column('a', 'TEXT')])),
        )
        assert len(client.postgres_gateway.tables.list(u.username)) == 1
        client.postgres_gateway.tables.retrieve(u.username, 't')
        client.postgres_gateway.users.update(UserUpdate(u.username).credentials.set(SessionCredentials('m')))
        client.postgres_gateway.users.delete(u.username)
        client.agents.upsert(AgentUpsert(external_id='a', name='n'))
        client.agents.list()
        client.agents.retrieve('a')
        client.agents.chat(agent_external_id='a', messages=Message('hi')).text
        client.agents.delete('a')


    def sims():
        s = client.simulators.list()
        i = client.simulators.integrations.list()
        f = client.files.create(FileMetadataWrite(name='f'))[0]
        m = client.simulators.models.create(
            SimulatorModelWrite(
                external_id='m',
                simulator_external_id=s[0].external_id,
                name='m',
                data_set_id=ds.id,
                type='SteadyState',
            ),
        )
        r = client.simulators.models.revisions.create(
            SimulatorModelRevisionWrite(external_id='m1', model_external_id='m', file_id=f.id),
        )
        client.simulators.models.revisions.list()
        client.simulators.models.revisions.retrieve(external_ids='m1')
        client.simulators.logs.retrieve(r.log_id)
        client.simulators.routines.create(
            SimulatorRoutineWrite(
                external_id='r',
                model_external_id='m',
                simulator_integration_external_id=i[0].external_id,
                name='r',
            ),
        )
        client.simulators.routines.revisions.create(
            SimulatorRoutineRevisionWrite(
                external_id='r1',
                routine_external_id='r',
                configuration=SimulatorRoutineConfiguration(
                                 inputs=[
                                           SimulatorRoutineInputConstant(
                                               name='a',
                                               reference_id='a',
                                               value=1.0,
                                               value_type='DOUBLE',
                                           ),
                                       ],
                                 outputs=[],
                             ),
                script=[
                          SimulatorRoutineStage(
                              order=1,
                              description='d',
                              steps=[
                                       SimulatorRoutineStep(
                                           order=1,
                                           step_type='Command',
                                           arguments=SimulatorRoutineStepArguments({'a': 'b'}),
                                       ),
                                   ],
                          ),
                      ],
            ),
        )
        x = client.simulators.routines.run(routine_external_id='r', timeout=20)
        assert x.status == 'success'
        client.simulators.runs.list()
        client.simulators.runs.list_run_data(x.id)
        client.simulators.routines.list()
        client.simulators.routines.revisions.list()
        client.simulators.routines.revisions.retrieve(external_ids='r1')
        m.name = 'q'
        client.simulators.models.update(m)
        client.simulators.models.list()
        client.simulators.models.retrieve(external_ids='m')
        client.simulators.models.revisions.retrieve_data('m1')
        client.simulators.routines.delete(external_ids='r')
        client.simulators.models.delete(external_ids='m')


    def integr():
        from cognite.client.data_classes.integrations import IntegrationWrite
        from cognite.client.data_classes.integrations.integrations import Extractor
        client.integrations.create(IntegrationWrite(external_id='i', extractor=Extractor('e', '1')))
        client.integrations.list()
        client.integrations.retrieve('i')
        client.integrations.errors.list('i')
        client.integrations.delete('i')

    for area in (extpipes, transf, funcs, wf, iam, principals, he, units, misc, sims, integr):
        done(area)


def content(client, start):
    ds = client.data_sets.create(DataSetWrite(external_id='ds', name='d'))
    a = client.assets.create(AssetWrite(name='pump 1', external_id='a'))
    f = client.files.upload_bytes(b'hello pump 1 world', name='f.txt', external_id='f')

    def files():
        assert client.files.retrieve(external_id='f').uploaded
        assert client.files.download_bytes(external_id='f') == b'hello pump 1 world'
        client.files.upload_content_bytes(b'xyz pump 1', external_id='f')
        assert client.files.download_bytes(id=f.id) == b'xyz pump 1'
        folder = tempfile.mkdtemp()
        big = os.path.join(folder, 'big')
        open(big, 'wb').write(bytes(1000) * 20)
        client.files.upload(big, external_id='big')
        assert len(client.files.download_bytes(external_id='big')) == 20000
        with client.files.multipart_upload_session(name='m', external_id='mm', parts=2) as s:
            s.upload_part(0, b'a' * 10)
            s.upload_part(1, b'b')
        assert client.files.download_bytes(external_id='mm') == b'a' * 10 + b'b'
        with client.files.multipart_upload_content_session(external_id='mm', parts=1) as s:
            s.upload_part(0, b'q')
        client.files.download(directory=folder, external_id='f')
        client.files.retrieve_download_urls(external_id='f')
        client.files.upload_bytes(b'2', name='f.txt', external_id='big', overwrite=True)
        client.files.delete(external_id='big')


    def docs():
        assert len(client.documents.list()) >= 1
        assert len(client.documents.search('pump')) >= 1
        assert client.documents.aggregate_count() >= 1
        from cognite.client.data_classes import filters
        assert len(client.documents.list(filter=filters.Equals(['sourceFile', 'name'], 'f.txt'))) == 1
        assert client.documents.retrieve_content(id=f.id) == b'xyz pump 1'
        client.documents.previews.download_page_as_png_bytes(f.id)
        client.documents.previews.download_document_as_pdf_bytes(f.id)
        client.documents.previews.retrieve_pdf_link(f.id)
        client.documents.aggregate_unique_values(['type'])
        client.documents.aggregate_cardinality_values(['type'])


    def ann():
        x = client.annotations.create(
            AnnotationWrite(
                annotation_type='diagrams.FileLink',
                data={'fileRef': {'id': f.id}},
                status='approved',
                creating_app='a',
                creating_app_version='1',
                creating_user='u',
                annotated_resource_type='file',
                annotated_resource_id=f.id,
            ),
        )
        assert len(client.annotations.list(AnnotationFilter('file', [{'id': f.id}]))) == 1
        client.annotations.suggest(
            AnnotationWrite(
                annotation_type='diagrams.FileLink',
                data={'fileRef': {'id': f.id}},
                status='suggested',
                creating_app='a',
                creating_app_version='1',
                creating_user='u',
                annotated_resource_type='file',
                annotated_resource_id=f.id,
            ),
        )
        client.annotations.update(AnnotationUpdate(x.id).status.set('rejected'))
        assert client.annotations.retrieve(x.id).status == 'rejected'
        client.annotations.reverse_lookup(AnnotationReverseLookupFilter('file'))
        client.annotations.delete(x.id)


    def ctx():
        j = client.diagrams.detect([{'name': 'pump 1', 'id': a.id}], file_ids=[f.id])
        r = j.get_result()
        assert r['items'][0]['annotations'][0]['text'] == 'pump 1'
        k = client.diagrams.convert(j)
        k.get_result()
        client.diagrams.get_detect_jobs([j.job_id])
        m = client.entity_matching.fit([{'name': 'a b', 'id': 1}], [{'name': 'b c', 'id': 2}], external_id='m')
        p = client.entity_matching.predict(id=m.id)
        assert p.get_result()['items'][0]['matches'][0]['target']['id'] == 2
        client.entity_matching.list()
        client.entity_matching.retrieve(external_id='m')
        client.entity_matching.refit(true_matches=[(1, 2)], id=m.id)
        client.entity_matching.update(EntityMatchingModelUpdate(id=m.id).name.set('n'))
        client.entity_matching.delete(id=m.id)
        from cognite.client.data_classes.contextualization import VisionFeature
        v = client.vision.extract([VisionFeature.TEXT_DETECTION], file_ids=[f.id])
        v.wait_for_completion()
        client.vision.get_extract_job(v.job_id)


    def ai():
        from cognite.client.data_classes.data_modeling import NodeId
        client.ai.tools.documents.summarize(id=f.id)
        client.ai.tools.documents.ask_question('q?', id=f.id)


    def threed():
        m = client.three_d.models.create(ThreeDModelWrite('m'))
        r = client.three_d.revisions.create(m.id, ThreeDModelRevisionWrite(file_id=f.id))
        assert len(client.three_d.models.list()) == 1
        client.three_d.models.retrieve(m.id)
        client.three_d.revisions.list(m.id)
        client.three_d.revisions.retrieve(m.id, r.id)
        n = client.three_d.revisions.list_nodes(m.id, r.id)
        assert len(n) == 7
        assert len(client.three_d.revisions.filter_nodes(m.id, r.id, properties={'Item': {'Type': ['Part']}})) == 4
        assert len(client.three_d.revisions.list_ancestor_nodes(m.id, r.id, n[1].id)) == 3
        client.three_d.asset_mappings.create(m.id, r.id, ThreeDAssetMappingWrite(node_id=n[0].id, asset_id=a.id))
        l = client.three_d.asset_mappings.list(m.id, r.id)
        assert len(l) == 1
        assert client.three_d.revisions.retrieve(m.id, r.id).asset_mapping_count == 1
        client.three_d.asset_mappings.delete(m.id, r.id, l)
        client.three_d.revisions.update_thumbnail(m.id, r.id, f.id)
        client.three_d.files.retrieve(f.id)
        client.three_d.models.update(ThreeDModelUpdate(m.id).name.set('x'))
        client.three_d.revisions.update(m.id, ThreeDModelRevisionUpdate(r.id).published.set(True))
        client.three_d.revisions.delete(m.id, r.id)
        client.three_d.models.delete(m.id)


    def geo():
        t = client.geospatial.create_feature_types(
            FeatureTypeWrite(
                external_id='ft',
                properties={
                              't': {'type': 'DOUBLE'},
                              'g': {'type': 'POINT', 'srid': 4326, 'optional': True},
                              'r': {'srid': 3857, 'type': 'RASTER', 'storage': 'embedded', 'optional': True},
                          },
                search_spec={},
            ),
        )
        client.geospatial.create_features(
            'ft',
            [FeatureWrite(external_id=f'f{i}', t=float(i), g={'wkt': 'POINT(1 2)'}) for i in range(5)],
        )
        assert len(client.geospatial.search_features('ft', filter={'range': {'property': 't', 'gt': 2.0}})) == 2
        assert len(list(client.geospatial.stream_features('ft'))) == 5
        assert len(client.geospatial.list_features('ft')) == 5
        client.geospatial.aggregate_features(
            'ft',
            output={'m': {'max': {'property': 't'}}, 'n': {'count': {'property': 'externalId'}}},
        )
        client.geospatial.update_features('ft', FeatureWrite(external_id='f1', t=99.0))
        assert client.geospatial.retrieve_features('ft', external_id='f1').t == 99.0
        client.geospatial.patch_feature_types(
            FeatureTypePatch(
                external_id='ft',
                property_patches=Patches(add={'z': {'type': 'DOUBLE', 'optional': True}}),
            ),
        )
        client.geospatial.list_feature_types()
        client.geospatial.retrieve_feature_types('ft')
        raster = os.path.join(tempfile.mkdtemp(), 'r.xyz')
        open(raster, 'w').write('0 0 1\n1 0 2\n0 1 3\n1 1 4\n')
        client.geospatial.put_raster('ft', 'f1', 'r', 'XYZ', 3857, raster)
        assert client.geospatial.get_raster('ft', 'f1', 'r', 'XYZ')[:3] == b'0 0'
        client.geospatial.delete_raster('ft', 'f1', 'r')
        client.geospatial.create_coordinate_reference_systems(
            CoordinateReferenceSystemWrite(srid=9999, wkt='w', proj_string='p'),
        )
        assert len(client.geospatial.list_coordinate_reference_systems(only_custom=True)) == 1
        client.geospatial.get_coordinate_reference_systems(4326)
        client.geospatial.delete_coordinate_reference_systems(9999)
        client.geospatial.compute(
            output={
                      'x': GeospatialGeometryTransformComputeFunction(
                          GeospatialGeometryValueComputeFunction('SRID=4326;POINT(1 2)'),
                          4326,
                      ),
                  },
        )
        client.geospatial.delete_features('ft', external_id='f1')
        client.geospatial.delete_feature_types('ft', recursive=True)

    for area in (files, docs, ann, ctx, ai, threed, geo):
        done(area)


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


areas = 0


def done(area):
    global areas
    area()
    areas += 1


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
    print(f"{areas} areas passed")


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
