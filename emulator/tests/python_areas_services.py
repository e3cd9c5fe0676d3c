"""Areas of python_areas.py: pipelines, transformations, functions, workflows and other services, and content."""

import os
import tempfile
import time

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
from cognite.client.data_classes.data_sets import DataSetWrite
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
    DestinationWrite,
    SessionWrite,
)
from cognite.client.data_classes.hosted_extractors.jobs import CogniteFormat, JobWrite, MQTTConfig
from cognite.client.data_classes.hosted_extractors.mappings import CustomMapping, MappingWrite
from cognite.client.data_classes.hosted_extractors.sources import MQTT5SourceUpdate, MQTT5SourceWrite
from cognite.client.data_classes.iam import GroupWrite, SecurityCategoryWrite
from cognite.client.data_classes.postgres_gateway.tables import Column, ColumnList, RawTableOptions, RawTableWrite
from cognite.client.data_classes.postgres_gateway.users import SessionCredentials, UserUpdate, UserWrite
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
from cognite.client.data_classes.transformations import TransformationUpdate, TransformationWrite
from cognite.client.data_classes.transformations.common import TransformationDestination
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
import cognite.client.data_classes as dc


passed = []


def done(area):
    area()
    passed.append(area.__name__)


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
        assert client.documents.retrieve_content(id=f.id) == b'xyz pump 1\n'
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
