// The official JavaScript SDK, unmodified, over every area it has.
//
// Takes the start line of an emulator that holds nothing in the environment variable EMULATOR, and the SDK from
// NODE_PATH's folder given as the first argument. An emulator with TLS is trusted by NODE_EXTRA_CA_CERTS.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(path.resolve(process.argv[2]), "package.json"));
const { CogniteClient } = require("@cognite/sdk");
const start = JSON.parse(process.env.EMULATOR);

let logins = 0;
async function oidcTokenProvider() {
  logins += 1;
  const answer = await fetch(start.token_url, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: start.client_id,
      client_secret: start.client_secret,
      scope: start.scopes,
    }),
  });
  return (await answer.json()).access_token;
}

const client = new CogniteClient({ appId: "emulator-js", project: start.project, baseUrl: start.url, oidcTokenProvider });
const admin = (what, body) =>
  fetch(`${start.url}/_emulator/${what}`, { method: "POST", body: JSON.stringify(body ?? {}) });
const all = (list) => list.autoPagingToArray({ limit: Infinity });
const refused = (promise, status) =>
  assert.rejects(promise, (e) => {
    assert.equal(e.status, status, `${e}`);
    return true;
  });
const sorted = (list) => [...list].sort();

const areas = {
  async access() {
    await client.authenticate();
    const [first] = await client.get("/api/v1/token/inspect").then((r) => r.data.projects);
    assert.equal(first.projectUrlName, start.project);
    const project = await client.projects.retrieve(start.project);
    assert.equal(project.urlName, start.project);
    await admin("tokens/expire");
    const before = logins;
    await client.assets.list();
    assert.equal(logins, before + 1, "a refused token is renewed");
    await refused(client.get(`/api/v1/projects/${start.project}/nothing`), 404);
  },

  async assets() {
    // Children before their parents: the SDK sorts them.
    const made = await client.assets.create([
      { name: "leaf", externalId: "leaf", parentExternalId: "child", source: "here" },
      { name: "child", externalId: "child", parentExternalId: "root", metadata: { a: "1" } },
      { name: "root", externalId: "root" },
    ]);
    assert.deepEqual(made.map((a) => a.name), ["leaf", "child", "root"]);
    assert.ok(made[0].createdTime instanceof Date && Number.isSafeInteger(made[0].id));
    assert.equal(made[0].rootId, made[2].id);
    assert.equal((await client.assets.retrieve([{ externalId: "leaf" }, { id: made[2].id }])).length, 2);
    assert.equal((await client.assets.retrieve([{ id: 1 }], { ignoreUnknownIds: true })).length, 0);
    await refused(client.assets.retrieve([{ externalId: "none" }]), 400);
    assert.equal((await all(client.assets.list({ filter: { assetSubtreeIds: [{ externalId: "child" }] } }))).length, 2);
    assert.equal((await client.assets.list({ filter: { root: true }, aggregatedProperties: ["childCount"] })).items[0].aggregates.childCount, 1);
    await client.assets.create(Array.from({ length: 2500 }, (_, n) => ({ name: `n${n}`, externalId: `n${n}` })));
    assert.equal((await all(client.assets.list({ limit: 1000 }))).length, 2503);
    assert.equal((await client.assets.search({ search: { name: "leaf" } }))[0].externalId, "leaf");
    assert.equal((await client.assets.aggregate({ filter: { source: "here" } }))[0].count, 1);
    const [changed] = await client.assets.update([
      { externalId: "leaf", update: { description: { set: "x" }, metadata: { add: { k: "v" }, remove: [] } } },
    ]);
    assert.equal(changed.metadata.k, "v");
    await refused(client.assets.create([{ name: "leaf", externalId: "leaf" }]), 409);
    await client.assets.delete([{ externalId: "root" }], { recursive: true });
    assert.equal((await all(client.assets.list({ limit: 1000 }))).length, 2500);
  },

  async timeSeries() {
    const [made] = await client.timeseries.create([{ externalId: "t", name: "T", unit: "bar", metadata: { a: "b" } }]);
    assert.ok(made.lastUpdatedTime instanceof Date);
    await client.timeseries.create([{ externalId: "s", isString: true }]);
    assert.equal((await all(client.timeseries.list({ filter: { unit: "bar" } })))[0].id, made.id);
    assert.equal((await client.timeseries.aggregate({}))[0].count, 2);
    assert.equal((await client.timeseries.search({ search: { query: "T" } })).length >= 1, true);
    const [updated] = await client.timeseries.update([{ id: made.id, update: { description: { set: "d" } } }]);
    assert.equal(updated.description, "d");
    assert.equal((await client.timeseries.retrieve([{ externalId: "t" }]))[0].name, "T");
    const at = (n) => new Date(1700000000000 + n * 1000);
    await client.datapoints.insert([
      { externalId: "t", datapoints: Array.from({ length: 200 }, (_, n) => ({ timestamp: at(n), value: n })) },
      { externalId: "s", datapoints: [{ timestamp: at(0), value: "on" }] },
    ]);
    const [points] = await client.datapoints.retrieve({ items: [{ externalId: "t" }], start: at(10), end: at(20) });
    assert.deepEqual(points.datapoints.map((p) => p.value), [10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    assert.ok(points.datapoints[0].timestamp instanceof Date);
    const [hours] = await client.datapoints.retrieve({
      items: [{ id: made.id }], start: at(0), end: at(200), granularity: "1h", aggregates: ["count", "max"],
    });
    assert.equal(hours.datapoints.reduce((sum, p) => sum + p.count, 0), 200);
    const [months] = await client.datapoints.retrieveDatapointMonthlyAggregates({
      items: [{ id: made.id }], start: at(0).getTime(), end: at(200).getTime(), aggregates: ["sum"],
    });
    assert.equal(months.datapoints[0].sum, 19900);
    const latest = await client.datapoints.retrieveLatest([{ externalId: "s", before: "now" }, { externalId: "t", before: "now" }]);
    assert.deepEqual(latest.map((l) => l.datapoints[0].value), ["on", 199]);
    const [synthetic] = await client.timeseries.syntheticQuery([
      { expression: "ts{externalId='t'} * 2", start: at(0).getTime(), end: at(3).getTime(), limit: 10 },
    ]);
    assert.deepEqual(synthetic.datapoints.map((p) => p.value), [0, 2, 4]);
    await client.datapoints.delete([{ externalId: "t", inclusiveBegin: at(5), exclusiveEnd: at(300) }]);
    assert.equal((await client.datapoints.retrieve({ items: [{ externalId: "t" }], start: 0 }))[0].datapoints.length, 5);
    await client.timeseries.delete([{ externalId: "t" }, { externalId: "s" }]);
  },

  async events() {
    const [one] = await client.events.create([
      { externalId: "e1", type: "alarm", startTime: new Date(1), endTime: new Date(2) },
      { externalId: "e2", type: "alarm", subtype: "x" },
      { externalId: "e3", type: "work" },
    ]);
    assert.equal(one.startTime, 1);
    assert.deepEqual((await all(client.events.list({ sort: { externalId: "desc" } }))).map((e) => e.externalId), ["e3", "e2", "e1"]);
    assert.equal((await client.events.retrieve([{ externalId: "e2" }]))[0].subtype, "x");
    assert.equal((await client.events.search({ filter: { type: "alarm" } })).length, 2);
    assert.equal((await client.events.aggregate.count({ filter: { type: "alarm" } }))[0].count, 2);
    const kinds = await client.events.aggregate.uniqueValues({ properties: [{ property: ["type"] }] });
    assert.deepEqual(sorted(kinds.map((k) => k.value ?? k.values[0])), ["alarm", "work"]);
    assert.equal((await client.events.update([{ id: one.id, update: { source: { set: "s" } } }]))[0].source, "s");
    await client.events.delete([{ externalId: "e1" }]);
  },

  async files() {
    const content = "content of a file";
    const made = await client.files.upload({ name: "a.txt", externalId: "f", mimeType: "text/plain" }, content, false, true);
    assert.equal(made.uploaded, true);
    const [link] = await client.files.getDownloadUrls([{ externalId: "f" }]);
    assert.equal(await (await fetch(link.downloadUrl)).text(), content);
    await client.files.upload({ name: "a.txt", externalId: "f", mimeType: "text/plain" }, "other", true, true);
    await refused(client.files.upload({ name: "a.txt", externalId: "f" }), 409);
    const session = await client.files.multipartUploadSession({ name: "big", externalId: "big" }, 2);
    await session.uploadPart(1, Buffer.from("two"));
    assert.deepEqual(session.getNotCompletedParts(), [0]);
    await session.uploadPart(0, Buffer.alloc(5 << 20, "1"));
    assert.equal(session.getFinished(), true);
    const [big] = await client.files.getDownloadUrls([{ externalId: "big" }]);
    assert.equal((await (await fetch(big.downloadUrl)).arrayBuffer()).byteLength, (5 << 20) + 3);
    assert.equal((await all(client.files.list({ filter: { mimeType: "text/plain" } }))).length, 1);
    assert.equal((await client.files.aggregate({}))[0].count, 2);
    assert.equal((await client.files.search({ search: { name: "a" } }))[0].externalId, "f");
    assert.equal((await client.files.update([{ externalId: "f", update: { source: { set: "s" } } }]))[0].source, "s");
    assert.equal((await client.files.retrieve([{ externalId: "f" }]))[0].source, "s");
    assert.ok((await client.files.retrieve([{ externalId: "f" }]))[0].uploadedTime instanceof Date);
  },

  async documents() {
    const found = await all(client.documents.list({}));
    assert.equal(found.length, 2);
    const search = await client.documents.search({ search: { query: "other", highlight: true }, limit: 10 });
    const id = search.items[0].item.id;
    assert.equal(await client.documents.content(id), "other\n");
    assert.equal(await client.documents.aggregate.count({}), 2);
    assert.ok((await client.documents.aggregate.uniqueValues({ properties: [{ property: ["type"] }] })).length > 0);
    assert.ok((await client.documents.aggregate.uniqueProperties({ properties: [{ property: ["sourceFile"] }] })).length > 0);
    assert.ok((await all(client.documents.aggregate.allUniqueValues({ properties: [{ property: ["type"] }] }))).length > 0);
    assert.ok((await all(client.documents.aggregate.allUniqueProperties({ properties: [{ property: ["sourceFile"] }] }))).length > 0);
    assert.ok((await client.documents.preview.documentAsPdf(id)).byteLength > 0);
    assert.ok((await client.documents.preview.documentAsImage(id, 1)).byteLength > 0);
    const link = await client.documents.preview.pdfTemporaryLink(id);
    assert.ok((await fetch(link.temporaryLink)).ok);
  },

  async raw() {
    await client.raw.createDatabases([{ name: "db" }]);
    assert.deepEqual((await all(client.raw.listDatabases())).map((d) => d.name), ["db"]);
    await client.raw.createTables("db", [{ name: "t" }]);
    await client.raw.createTables("other", [{ name: "t" }], true);
    assert.deepEqual((await all(client.raw.listTables("db"))).map((t) => t.name), ["t"]);
    await client.raw.insertRows("db", "t", Array.from({ length: 30 }, (_, n) => ({ key: `k${n}`, columns: { n } })));
    await client.raw.insertRows("db", "new", [{ key: "a", columns: {} }], true);
    assert.equal((await all(client.raw.listRows("db", "t", { limit: 7 }))).length, 30);
    assert.deepEqual((await all(client.raw.listRows("db", "t", { onlyRowKeys: true })))[0].key, "k0");
    const row = await client.raw.retrieveRow("db", "t", "k7");
    assert.equal(row.columns.n, 7);
    assert.ok(row.lastUpdatedTime instanceof Date);
    await client.raw.deleteRows("db", "t", [{ key: "k7" }]);
    await refused(client.raw.retrieveRow("db", "t", "k7"), 404);
    await client.raw.deleteTables("db", [{ name: "t" }]);
    await client.raw.deleteDatabases([{ name: "db" }, { name: "other" }], { recursive: true });
  },

  async sequences() {
    const columns = [{ externalId: "a", valueType: "LONG" }, { externalId: "b", valueType: "STRING" }];
    const [made] = await client.sequences.create([{ externalId: "q", name: "Q", columns }]);
    assert.equal(made.columns[0].valueType, "LONG");
    await client.sequences.insertRows([
      { externalId: "q", columns: ["a", "b"], rows: [{ rowNumber: 1, values: [1, "x"] }, { rowNumber: 2, values: [2, "y"] }] },
    ]);
    const rows = await all(client.sequences.retrieveRows({ externalId: "q", start: 0, end: 10 }));
    assert.deepEqual(rows.map((r) => r.values), [[1, "x"], [2, "y"]]);
    assert.equal(rows[0].columns[1].externalId, "b");
    await client.sequences.deleteRows([{ externalId: "q", rows: [1] }]);
    assert.equal((await all(client.sequences.list())).length, 1);
    assert.equal((await client.sequences.aggregate({}))[0].count, 1);
    assert.equal((await client.sequences.search({ search: { name: "Q" } })).length, 1);
    assert.equal((await client.sequences.update([{ id: made.id, update: { description: { set: "d" } } }]))[0].description, "d");
    const [wider] = await client.sequences.update([
      { id: made.id, update: { columns: { add: [{ externalId: "c", valueType: "DOUBLE" }], remove: [{ externalId: "b" }] } } },
    ]);
    assert.deepEqual(wider.columns.map((c) => c.externalId), ["a", "c"]);
    const [named] = await client.sequences.update([
      { id: made.id, update: { columns: { modify: [{ externalId: "c", update: { name: { set: "C" } } }] } } },
    ]);
    assert.equal(named.columns[1].name, "C");
    assert.equal((await client.sequences.retrieve([{ externalId: "q" }])).length, 1);
    await client.sequences.delete([{ externalId: "q" }]);
  },

  async labelsAndRelationships() {
    await client.labels.create([{ externalId: "l", name: "L" }]);
    assert.equal((await all(client.labels.list({ filter: { name: "L" } }))).length, 1);
    const ends = { sourceExternalId: "n1", sourceType: "asset", targetExternalId: "n2", targetType: "asset" };
    await client.relationships.create([{ externalId: "r", ...ends, labels: [{ externalId: "l" }] }]);
    assert.equal((await all(client.relationships.list({ filter: { sourceTypes: ["asset"] } }))).length, 1);
    const [one] = await client.relationships.retrieve([{ externalId: "r" }], { fetchResources: true });
    assert.equal(one.source.externalId, "n1");
    await client.relationships.delete([{ externalId: "r" }]);
    await client.labels.delete([{ externalId: "l" }]);
  },

  async dataSets() {
    const [made] = await client.datasets.create([{ externalId: "d", name: "D", metadata: {} }]);
    assert.equal((await all(client.datasets.list({ filter: { externalIdPrefix: "d" } })))[0].id, made.id);
    assert.equal((await client.datasets.aggregate({}))[0].count, 1);
    assert.equal((await client.datasets.retrieve([{ id: made.id }])).length, 1);
    assert.equal((await client.datasets.update([{ id: made.id, update: { description: { set: "x" } } }]))[0].description, "x");
  },

  async groups() {
    const acl = { assetsAcl: { actions: ["READ"], scope: { all: {} } } };
    const [group] = await client.groups.create([{ name: "g", sourceId: "s", capabilities: [acl] }]);
    assert.ok((await client.groups.list({ all: true })).some((g) => g.id === group.id));
    await client.groups.delete([group.id]);
    const [category] = await client.securityCategories.create([{ name: "secret" }]);
    assert.deepEqual((await all(client.securityCategories.list())).map((c) => c.name), ["secret"]);
    await client.securityCategories.delete([category.id]);
    const me = await client.profiles.me();
    assert.equal((await client.profiles.retrieve([{ userIdentifier: me.userIdentifier }])).length, 1);
    assert.ok((await all(client.profiles.list())).length >= 1);
    assert.ok((await client.profiles.search({ search: { name: me.displayName ?? me.givenName } })).length >= 0);
    const [session] = await client.sessions.create([{ clientId: "a", clientSecret: "b" }]);
    assert.ok(session.nonce);
    assert.equal((await all(client.sessions.list({ filter: { status: "ready" } }))).length, 1);
    assert.equal((await client.sessions.retrieve([{ id: session.id }]))[0].status, "READY");
    assert.equal((await client.sessions.revoke([{ id: session.id }]))[0].status, "REVOKED");
  },

  async units() {
    const found = await client.units.list();
    assert.ok(found.items.length > 10);
    assert.equal((await client.units.retrieve([{ externalId: "pressure:bar" }]))[0].symbol, "bar");
    assert.ok((await client.units.listUnitSystems()).items.some((s) => s.name === "SI"));
  },

  async dataModeling() {
    await client.spaces.upsert([{ space: "js" }]);
    assert.equal((await client.spaces.retrieve(["js"])).items[0].space, "js");
    assert.equal((await all(client.spaces.list())).length, 1);
    const text = { type: { type: "text" } };
    const link = { type: { type: "direct" } };
    await client.containers.upsert([
      { space: "js", externalId: "C", usedFor: "node", properties: { name: text, rank: { type: { type: "int64" } }, next: link } },
    ]);
    assert.equal((await client.containers.retrieve([{ space: "js", externalId: "C" }])).items[0].externalId, "C");
    assert.equal((await all(client.containers.list({ space: "js" }))).length, 1);
    const container = { type: "container", space: "js", externalId: "C" };
    const view = { type: "view", space: "js", externalId: "V", version: "1" };
    const mapped = (containerPropertyIdentifier) => ({ container, containerPropertyIdentifier });
    await client.views.upsert([
      { space: "js", externalId: "V", version: "1", properties: { name: mapped("name"), rank: mapped("rank"), next: mapped("next") } },
    ]);
    assert.ok((await client.views.retrieve([{ space: "js", externalId: "V" }])).items[0].properties.name);
    assert.equal((await all(client.views.list({ space: "js" }))).length, 1);
    await client.dataModels.upsert([{ space: "js", externalId: "M", version: "1", views: [view] }]);
    assert.equal((await client.dataModels.retrieve([{ space: "js", externalId: "M", version: "1" }], { inlineViews: true })).items[0].views[0].externalId, "V");
    assert.equal((await all(client.dataModels.list({ space: "js" }))).length, 1);

    const node = (n) => ({
      instanceType: "node", space: "js", externalId: `n${n}`,
      sources: [{ source: view, properties: { name: `name ${n}`, rank: n, next: { space: "js", externalId: `n${n + 1}` } } }],
    });
    const edge = (n) => ({
      instanceType: "edge", space: "js", externalId: `e${n}`, type: { space: "js", externalId: "to" },
      startNode: { space: "js", externalId: `n${n}` }, endNode: { space: "js", externalId: `n${n + 1}` },
    });
    const nodes = Array.from({ length: 20 }, (_, n) => node(n));
    const wrote = await client.instances.upsert({ items: [...nodes, ...nodes.slice(0, 5).map((_, n) => edge(n))], autoCreateDirectRelations: true, autoCreateStartNodes: true, autoCreateEndNodes: true });
    assert.equal(wrote.items.length, 25);
    assert.equal(wrote.items[0].wasModified, true);
    const page = await client.instances.list({ instanceType: "node", sources: [{ source: view }], filter: { range: { property: ["js", "V/1", "rank"], gte: 15 } }, sort: [{ property: ["js", "V/1", "rank"], direction: "descending" }], limit: 3 });
    assert.deepEqual(page.items.map((i) => i.properties.js["V/1"].rank), [19, 18, 17]);
    assert.ok(page.nextCursor);
    assert.equal((await client.instances.retrieve({ items: [{ instanceType: "node", space: "js", externalId: "n3" }], sources: [{ source: view }] })).items[0].properties.js["V/1"].name, "name 3");
    assert.equal((await client.instances.search({ view, query: "name", instanceType: "node", limit: 100 })).items.length, 20);
    const counted = await client.instances.aggregate({ view, instanceType: "node", aggregates: [{ count: { property: "rank" } }, { max: { property: "rank" } }] });
    assert.deepEqual(counted.items[0].aggregates.map((a) => a.value), [20, 19]);
    const query = {
      with: {
        some: { nodes: { filter: { equals: { property: ["node", "externalId"], value: "n0" } } } },
        out: { edges: { from: "some", maxDistance: 1, direction: "outwards" } },
        ends: { nodes: { from: "out" } },
      },
      select: { some: { sources: [{ source: view, properties: ["name"] }] }, ends: {} },
    };
    const asked = await client.instances.query(query);
    assert.deepEqual([asked.items.some.length, asked.items.ends[0].externalId], [1, "n1"]);
    const sync = { with: { all: { nodes: { filter: { hasData: [view] } } } }, select: { all: { sources: [{ source: view, properties: ["rank"] }] } } };
    const first = await client.instances.sync(sync);
    assert.equal(first.items.all.length, 20);
    await client.instances.upsert({ items: [node(3)].map((i) => ({ ...i, sources: [{ source: view, properties: { rank: 33 } }] })) });
    const second = await client.instances.sync({ ...sync, cursors: first.nextCursor });
    assert.deepEqual(second.items.all.map((i) => i.externalId), ["n3"]);
    const inspected = await client.instances.inspect({ items: [{ instanceType: "node", space: "js", externalId: "n3" }], inspectionOperations: { involvedViews: {}, involvedContainers: {} } });
    assert.equal(inspected.items[0].inspectionResults.involvedViews[0].externalId, "V");
    await client.instances.delete([{ instanceType: "edge", space: "js", externalId: "e0" }]);
    assert.equal((await client.instances.list({ instanceType: "edge" })).items.length, 4);
    await client.dataModels.delete([{ space: "js", externalId: "M", version: "1" }]);
    await client.views.delete([{ space: "js", externalId: "V", version: "1" }]);
  },

  async streamsAndRecords() {
    await client.containers.upsert([
      { space: "js", externalId: "R", usedFor: "record", properties: { v: { type: { type: "float64" } } } },
    ]);
    const source = { type: "container", space: "js", externalId: "R" };
    await client.streams.create({ externalId: "stream", settings: { template: { name: "MutableLiveData" } } });
    assert.equal((await client.streams.list()).length, 1);
    assert.equal((await client.streams.retrieve({ externalId: "stream", includeStatistics: true })).externalId, "stream");
    const record = (n) => ({ space: "js", externalId: `r${n}`, sources: [{ source, properties: { v: n } }] });
    await client.records.ingest("stream", [0, 1, 2, 3].map(record));
    await client.records.upsert("stream", [record(3), record(4)]);
    const found = await client.records.filter("stream", { lastUpdatedTime: { gt: 0 }, filter: { range: { property: ["js", "R", "v"], gte: 3 } }, sources: [{ source, properties: ["*"] }] });
    assert.equal(found.length, 2);
    const changes = await all(client.records.sync("stream", { initializeCursor: "1d-ago", limit: 2, sources: [{ source, properties: ["*"] }] }));
    assert.equal(new Set(changes.map((c) => c.externalId)).size, 5);
    const counted = await client.records.aggregate("stream", { lastUpdatedTime: { gt: 0 }, aggregates: { n: { count: {} }, top: { max: { property: ["js", "R", "v"] } } } });
    assert.deepEqual([counted.n.count, counted.top.max], [5, 4]);
    await client.records.delete("stream", [{ space: "js", externalId: "r0" }]);
    await client.streams.delete("stream");
  },

  async threeD() {
    const [model] = await client.models3D.create([{ name: "m" }]);
    assert.equal((await all(client.models3D.list()))[0].id, model.id);
    assert.equal((await client.models3D.retrieve(model.id)).name, "m");
    assert.equal((await client.models3D.update([{ id: model.id, update: { name: { set: "n" } } }]))[0].name, "n");
    const file = await client.files.upload({ name: "m.fbx", externalId: "fbx" }, "3d", false, true);
    const [revision] = await client.revisions3D.create(model.id, [{ fileId: file.id }]);
    assert.equal((await all(client.revisions3D.list(model.id))).length, 1);
    assert.equal((await client.revisions3D.retrieve(model.id, revision.id)).id, revision.id);
    await client.revisions3D.update(model.id, [{ id: revision.id, update: { published: { set: true } } }]);
    await client.revisions3D.updateThumbnail(model.id, revision.id, file.id);
    const nodes = await all(client.revisions3D.list3DNodes(model.id, revision.id));
    assert.ok(nodes.length > 1);
    assert.equal((await client.revisions3D.retrieve3DNodes(model.id, revision.id, [{ id: nodes[1].id }])).length, 1);
    assert.ok((await all(client.revisions3D.list3DNodeAncestors(model.id, revision.id, nodes.at(-1).id))).length > 0);
    assert.ok((await all(client.revisions3D.filter3DNodes(model.id, revision.id, { filter: {} }))).length > 0);
    const [asset] = await client.assets.create([{ name: "mapped" }]);
    await client.assetMappings3D.create(model.id, revision.id, [{ nodeId: nodes[1].id, assetId: asset.id }]);
    assert.equal((await all(client.assetMappings3D.list(model.id, revision.id))).length, 1);
    assert.equal((await all(client.assetMappings3D.filter(model.id, revision.id, { filter: { assetIds: [asset.id] } }))).length, 1);
    await client.assetMappings3D.delete(model.id, revision.id, [{ nodeId: nodes[1].id, assetId: asset.id }]);
    assert.ok((await client.files3D.retrieve(file.id)).byteLength > 0);
    await client.revisions3D.delete(model.id, [{ id: revision.id }]);
    await client.models3D.delete([{ id: model.id }]);
  },

  async annotations() {
    const file = await client.files.upload({ name: "drawing.txt", externalId: "drawing" }, "drawing", false, true);
    const box = { xMin: 0.1, xMax: 0.2, yMin: 0.1, yMax: 0.2 };
    const annotation = {
      annotatedResourceType: "file", annotatedResourceId: file.id, annotationType: "diagrams.AssetLink",
      creatingApp: "js", creatingAppVersion: "1", creatingUser: "js", status: "approved",
      data: { assetRef: { externalId: "n1" }, text: "n1", textRegion: box },
    };
    const [made] = await client.annotations.create([annotation]);
    const { status, ...suggestion } = annotation;
    assert.equal((await client.annotations.suggest([suggestion]))[0].status, "suggested");
    const filter = { annotatedResourceType: "file", annotatedResourceIds: [{ id: file.id }] };
    assert.equal((await all(client.annotations.list({ filter }))).length, 2);
    assert.equal((await client.annotations.retrieve([{ id: made.id }])).length, 1);
    assert.equal((await client.annotations.update([{ id: made.id, update: { status: { set: "rejected" } } }]))[0].status, "rejected");
    const back = await client.annotations.reverseLookup({ filter: { annotatedResourceType: "file", status: "suggested" } });
    assert.ok(back.items.length >= 1);
    await client.annotations.delete([{ id: made.id }]);
  },

  async vision() {
    const [file] = await client.files.retrieve([{ externalId: "drawing" }]);
    const job = await client.vision.extract(["TextDetection"], [{ fileId: file.id }]);
    assert.equal((await client.vision.getExtractJob(job.jobId, true, 100, 50)).status, "Completed");
  },

  async entityMatching() {
    const model = await client.entityMatching.create({
      externalId: "em", sources: [{ id: 1, name: "pump 1" }], targets: [{ id: 2, name: "pump 1" }], matchFields: [{ source: "name", target: "name" }],
    });
    assert.equal((await client.entityMatching.retrieve([{ id: model.id }]))[0].externalId, "em");
    assert.equal((await all(client.entityMatching.list())).length, 1);
    await client.entityMatching.update([{ externalId: "em", update: { name: { set: "x" } } }]);
    await new Promise((done) => setTimeout(done, 200));
    const job = await client.entityMatching.predict({ externalId: "em", numMatches: 1 });
    await new Promise((done) => setTimeout(done, 200));
    const result = await client.entityMatching.predictResult(job.jobId);
    assert.equal(result.items[0].matches[0].target.id, 2);
    const refitted = await client.entityMatching.refit({ externalId: "em", trueMatches: [{ sourceId: 1, targetId: 2 }] });
    await client.entityMatching.delete([{ id: refitted.id }, { externalId: "em" }]);
  },

  async geospatial() {
    const geo = client.geospatial;
    await geo.featureType.create([{ externalId: "road", properties: { name: { type: "STRING", size: 20 }, at: { type: "POINT", srid: 4326 } } }]);
    assert.equal((await geo.featureType.retrieve([{ externalId: "road" }])).length, 1);
    assert.equal((await all(geo.featureType.list())).length, 1);
    await geo.featureType.update([{ externalId: "road", update: { properties: { add: { lanes: { type: "LONG", optional: true } } } } }]);
    const feature = (n) => ({ externalId: `f${n}`, name: `road ${n}`, at: { wkt: `POINT(${n} 60)` }, lanes: n });
    await geo.feature.create("road", [0, 1, 2].map(feature));
    assert.equal((await geo.feature.retrieve("road", [{ externalId: "f1" }]))[0].name, "road 1");
    await geo.feature.update("road", [{ ...feature(1), name: "other" }]);
    assert.equal((await geo.feature.search("road", { filter: { equals: { property: "name", value: "other" } } })).length, 1);
    assert.equal((await all(geo.feature.list("road"))).length, 3);
    assert.match(String(await geo.feature.searchStream("road", {})), /f2/);
    const counted = await geo.feature.aggregate("road", { output: { top: { max: { property: "lanes" } } } });
    assert.equal(counted[0].top, 2);
    await geo.crs.create([{ srid: 123456, wkt: "LOCAL_CS[\"x\"]", projString: "+proj=longlat" }]);
    assert.equal((await geo.crs.retrieve([{ srid: 123456 }])).length, 1);
    assert.ok((await all(geo.crs.list({ filterCustomCRS: true }))).length >= 1);
    await geo.crs.delete([{ srid: 123456 }]);
    const computed = await geo.compute.compute({
      output: { p: { stTransform: { geometry: { ewkt: "SRID=4326;POINT(1 2)" }, srid: 4326 } } },
    });
    assert.ok(computed.items[0].p);
    await geo.feature.delete("road", [{ externalId: "f0" }]);
    await geo.featureType.delete([{ externalId: "road" }], { recursive: true });
  },
};

let failed = 0;
for (const [name, area] of Object.entries(areas)) {
  try {
    await area();
  } catch (e) {
    failed += 1;
    console.log(`${name}: ${e.stack?.split("\n").slice(0, 12).join("\n") ?? e}`, e.errorMessage ?? "");
  }
}
console.log(`${Object.keys(areas).length - failed} areas passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
