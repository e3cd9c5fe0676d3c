//! `--seed demo`: a small plant with some days of data. It is put in through the API, so nothing is in it that a client
//! could not have written. Everything follows from the seed and the time at which the emulator starts.

use std::f64::consts::TAU;

use axum::http::{HeaderMap, HeaderValue};
use bytes::Bytes;
use prost::Message;
use serde_json::{Value, json};

use crate::areas::files::storage;
use crate::call::Call;
use crate::datapoints::proto;
use crate::state::{State, now_ms};
use crate::{api, clock};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// Of data, with a datapoint a minute.
const DAYS: i64 = 3;
const PER_REQUEST: usize = 90_000;

/// Number and name of an area, and the kinds of its equipment.
const AREAS: &[(i64, &str, &[&str])] = &[
    (10, "Inlet", &["HA", "VA", "PA"]),
    (20, "Separation", &["VA", "VB", "PA", "PB", "HA"]),
    (30, "Compression", &["KA", "KB", "HA", "HB", "VG"]),
    (40, "Water injection", &["PA", "PB", "PC"]),
    (50, "Export", &["PA", "HA"]),
];

/// First letter of the kind, name, label, rated power in kW, and its instruments: letters, what, unit, usual value,
/// swing over the day, noise.
type Instrument = (&'static str, &'static str, &'static str, f64, f64, f64);
const KINDS: &[(char, &str, &str, f64, &[Instrument])] = &[
    (
        'P',
        "Pump",
        "pump",
        450.0,
        &[
            ("PT", "discharge pressure", "pressure:bar", 42.0, 2.5, 0.4),
            ("FT", "flow, m³/h", "", 310.0, 25.0, 4.0),
            ("TT", "bearing temperature", "temperature:deg_c", 61.0, 4.0, 0.5),
            ("JT", "power", "power:kilow", 380.0, 30.0, 5.0),
        ],
    ),
    (
        'V',
        "Vessel",
        "vessel",
        0.0,
        &[
            ("PT", "pressure", "pressure:bar", 18.0, 1.2, 0.15),
            ("TT", "temperature", "temperature:deg_c", 54.0, 3.0, 0.3),
            ("LT", "level", "length:m", 1.6, 0.3, 0.05),
        ],
    ),
    (
        'H',
        "Heat exchanger",
        "exchanger",
        0.0,
        &[
            ("TT1", "inlet temperature", "temperature:deg_c", 92.0, 5.0, 0.6),
            ("TT2", "outlet temperature", "temperature:deg_c", 45.0, 3.0, 0.4),
        ],
    ),
    (
        'K',
        "Compressor",
        "compressor",
        6200.0,
        &[
            ("PT1", "suction pressure", "pressure:bar", 17.0, 0.8, 0.1),
            ("PT2", "discharge pressure", "pressure:bar", 88.0, 4.0, 0.5),
            ("TT", "discharge temperature", "temperature:deg_c", 128.0, 6.0, 0.7),
            ("ST", "speed, 1/min", "", 9_800.0, 350.0, 25.0),
            ("VT", "vibration, mm/s", "", 2.1, 0.3, 0.15),
        ],
    ),
];

/// The pump whose bearing runs warm in the end.
const SICK: &str = "40-PB-9002";

struct Series {
    name: String,
    instrument: &'static Instrument,
}

struct Equipment {
    tag: String,
    area: i64,
    kind: &'static (char, &'static str, &'static str, f64, &'static [Instrument]),
}

type Done<T = ()> = Result<T, String>;

struct Planter<'a> {
    state: &'a State,
    seed: u64,
    /// The last full hour.
    end: i64,
}

/// `demo`, or `demo:NUMBER` for another one.
pub fn plant(state: &State, name: &str) -> Done {
    let (kind, number) = name.split_once(':').unwrap_or((name, "0"));
    let seed = number.parse().ok().filter(|_| kind == "demo");
    let seed = seed.ok_or_else(|| format!("no seed {name}; there is demo, or demo:NUMBER"))?;
    clock::at(state.clock.now(), || Planter { state, seed, end: now_ms() / HOUR * HOUR }.all())
}

impl Planter<'_> {
    fn all(&self) -> Done {
        let equipment = equipment();
        self.tree(&equipment)?;
        let series = self.series(&equipment)?;
        self.datapoints(&series)?;
        self.events(&equipment)?;
        self.documents(&equipment)?;
        self.tables(&equipment)?;
        self.relations(&equipment)?;
        self.model(&equipment)?;
        self.pipelines()
    }

    /// The same number for the same question, 0 to 1.
    fn random(&self, what: &str, n: i64) -> f64 {
        let mut h = self.seed ^ 0xcbf2_9ce4_8422_2325;
        for b in what.bytes().chain(n.to_le_bytes()) {
            h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
        }
        h = (h ^ (h >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((h ^ (h >> 29)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn call(&self, method: &str, path: &str, body: impl Into<Bytes>, content_type: &'static str) -> Done<Value> {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        let segments: Vec<String> = path.split('/').map(str::to_owned).collect();
        let call = Call { method: method.into(), segments, query: Vec::new(), headers, body: body.into() };
        let reply =
            if path.starts_with("uploads/") { storage(self.state, &call).0 } else { api::serve(self.state, &call) };
        let text = String::from_utf8_lossy(&reply.body);
        if reply.status >= 300 {
            return Err(format!("the seed is refused: {path}: {} {text}", reply.status));
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    fn post(&self, path: &str, items: impl IntoIterator<Item = Value>) -> Done<Value> {
        let items: Vec<Value> = items.into_iter().collect();
        let mut answer = Value::Null;
        for part in items.chunks(1000) {
            answer = self.call("POST", path, json!({ "items": part }).to_string(), "application/json")?;
        }
        Ok(answer)
    }

    fn tree(&self, equipment: &[Equipment]) -> Done {
        self.post(
            "datasets",
            [json!({"externalId": "plant", "name": "Plant", "description": "Everything of the demonstration plant"})],
        )?;
        self.post("labels", KINDS.iter().map(|k| json!({"externalId": k.2, "name": k.1})))?;
        let mut assets = vec![
            json!({"externalId": "plant", "name": "Plant", "description": "A plant that does not exist", "dataSetId": self.data_set()?}),
        ];
        for (number, name, _) in AREAS {
            assets.push(json!({"externalId": number.to_string(), "name": format!("{number} {name}"), "parentExternalId": "plant"}));
        }
        for e in equipment {
            let built = 1998 + (self.random(&e.tag, 0) * 20.0) as i64;
            assets.push(json!({"externalId": e.tag, "name": e.tag, "description": e.kind.1, "source": "register",
                "parentExternalId": e.area.to_string(), "labels": [{"externalId": e.kind.2}],
                "metadata": {"kind": e.kind.1, "built": built.to_string(), "ratedPower": e.kind.3.to_string()}}));
            for i in e.kind.4 {
                assets.push(json!({"externalId": format!("{}-{}", e.tag, i.0), "name": format!("{}-{}", e.tag, i.0),
                    "description": format!("Instrument, {}", i.1), "parentExternalId": e.tag}));
            }
        }
        self.post("assets", assets).map(drop)
    }

    fn id(&self, path: &str, external_id: &str) -> Done<i64> {
        let found = self.state.read().table(path).and_then(|t| t.id_of(external_id));
        found.ok_or_else(|| format!("the seed has no {path} {external_id}"))
    }

    fn data_set(&self) -> Done<i64> {
        self.id("datasets", "plant")
    }

    fn series(&self, equipment: &[Equipment]) -> Done<Vec<Series>> {
        let (mut rows, mut all) = (Vec::new(), Vec::new());
        for e in equipment {
            for i in e.kind.4 {
                let name = format!("{}.{}", e.tag, i.0);
                let asset = self.id("assets", &format!("{}-{}", e.tag, i.0))?;
                let mut row = json!({"externalId": name, "name": format!("{} {}", e.tag, i.1), "description": i.1, "assetId": asset,
                    "dataSetId": self.data_set()?});
                if !i.2.is_empty() {
                    row["unitExternalId"] = json!(i.2);
                }
                rows.push(row);
                all.push(Series { name, instrument: i });
            }
            if e.kind.0 == 'P' {
                let asset = self.id("assets", &e.tag)?;
                rows.push(json!({"externalId": format!("{}.state", e.tag), "name": format!("{} state", e.tag), "isString": true,
                    "isStep": true, "assetId": asset}));
            }
        }
        self.post("timeseries", rows)?;
        Ok(all)
    }

    fn value(&self, s: &Series, n: i64, t: i64) -> f64 {
        let (_, _, _, usual, swing, noise) = s.instrument;
        let minutes = (t / MINUTE) as f64;
        let phase = self.random(&s.name, -1) * TAU;
        let slow = (minutes / 1440.0 * TAU + phase * 0.1).sin();
        let fast = (minutes / (60.0 + n as f64 * 3.0) * TAU + phase).sin();
        // The bearing warms up over the last half day.
        let late = (t - (self.end - DAY / 2)).max(0) as f64 / (DAY / 2) as f64;
        let sick = if s.name.starts_with(SICK) && s.instrument.0 == "TT" { 28.0 * late * late } else { 0.0 };
        let value = usual + swing * (0.6 * slow + 0.4 * fast) + noise * (self.random(&s.name, t) - 0.5) + sick;
        (value * 1000.0).round() / 1000.0
    }

    fn insert(&self, items: Vec<proto::InsertionItem>) -> Done {
        let body = proto::InsertionRequest { items }.encode_to_vec();
        self.call("POST", "timeseries/data", body, "application/protobuf").map(drop)
    }

    fn datapoints(&self, series: &[Series]) -> Done {
        let start = self.end - DAYS * DAY;
        let per_series = (DAYS * DAY / MINUTE) as usize;
        for (chunk_no, chunk) in series.chunks((PER_REQUEST / per_series).max(1)).enumerate() {
            let item = |(k, s): (usize, &Series)| {
                let n = (chunk_no * 100 + k) as i64;
                // Every seventh was out of order for two hours, and every fifth has a doubtful value now and then.
                let gap = start + (self.random(&s.name, -2) * (2 * DAY) as f64) as i64;
                let out = |t: i64| n % 7 == 3 && (gap..gap + 2 * HOUR).contains(&t);
                let times = (0..per_series as i64).map(|m| start + m * MINUTE).filter(|t| !out(*t));
                let datapoints = times.map(|timestamp| {
                    let doubtful = n % 5 == 2 && self.random(&s.name, timestamp + 1) < 0.001;
                    let status = doubtful.then(|| proto::Status { symbol: "Uncertain".into(), ..Default::default() });
                    proto::NumericDatapoint {
                        timestamp,
                        value: self.value(s, n, timestamp),
                        status,
                        ..Default::default()
                    }
                });
                let numbers = proto::NumericDatapoints { datapoints: datapoints.collect() };
                inserted(&s.name, proto::Inserted::Numeric(numbers.encode_to_vec().into()))
            };
            self.insert(chunk.iter().enumerate().map(item).collect())?;
        }
        let pumps: Vec<String> = equipment().into_iter().filter(|e| e.kind.0 == 'P').map(|e| e.tag).collect();
        let states = |tag: &String| {
            let point = |n: i64| proto::StringDatapoint {
                timestamp: start + n * 9 * HOUR + (self.random(tag, n) * HOUR as f64) as i64,
                value: if n % 3 == 1 { "stopped" } else { "running" }.into(),
                ..Default::default()
            };
            let datapoints = (0..DAYS * 24 / 9).map(point).collect();
            inserted(&format!("{tag}.state"), proto::Inserted::String(proto::StringDatapoints { datapoints }))
        };
        self.insert(pumps.iter().map(states).collect())
    }

    fn events(&self, equipment: &[Equipment]) -> Done {
        let mut rows = Vec::new();
        for (n, e) in equipment.iter().cycle().take(equipment.len() * 4).enumerate() {
            let (asset, n) = (self.id("assets", &e.tag)?, n as i64);
            let start = self.end - (self.random(&e.tag, n) * (DAYS * DAY) as f64) as i64;
            let (kind, length, text) = match n % 4 {
                0 => ("workorder", 6 * HOUR, "Inspection"),
                1 => ("workorder", 3 * HOUR, "Lubrication"),
                _ => ("alarm", (1 + n % 20) * MINUTE, "Out of range"),
            };
            let subtype = ["low", "medium", "high"][(n % 3) as usize];
            rows.push(json!({"externalId": format!("{kind}-{n}"), "type": kind, "subtype": subtype, "startTime": start,
                "endTime": start + length, "description": format!("{text} of {}", e.tag), "assetIds": [asset], "source": "register",
                "metadata": {"shift": (n % 3 + 1).to_string()}}));
        }
        let asset = self.id("assets", SICK)?;
        rows.push(
            json!({"externalId": "alarm-bearing", "type": "alarm", "subtype": "high", "startTime": self.end - 3 * HOUR,
            "description": format!("High bearing temperature of {SICK}"), "assetIds": [asset]}),
        );
        self.post("events", rows).map(drop)
    }

    fn documents(&self, equipment: &[Equipment]) -> Done {
        let list: String = equipment.iter().map(|e| format!("{},{},{}\n", e.tag, e.kind.1, e.area)).collect();
        let mut files = vec![
            ("equipment.csv".to_owned(), "text/csv", format!("tag,kind,area\n{list}"), "plant".to_owned()),
            ("shift-log.txt".into(), "text/plain", format!("Night shift: {SICK} runs warm. Watch it.\n"), SICK.into()),
        ];
        for e in equipment.iter().filter(|e| matches!(e.kind.0, 'P' | 'K')) {
            let text = format!("{} {}\n\nRated power {} kW.\nLubricate every 2000 hours.\n", e.kind.1, e.tag, e.kind.3);
            files.push((format!("manual-{}.txt", e.tag), "text/plain", text, e.tag.clone()));
        }
        for (name, mime, content, asset) in files {
            let asset = self.id("assets", &asset)?;
            let meta = json!({"externalId": name, "name": name, "mimeType": mime, "assetIds": [asset], "dataSetId": self.data_set()?});
            let made = self.call("POST", "files", meta.to_string(), "application/json")?;
            let url = made["uploadUrl"].as_str().and_then(|u| u.split_once("/_storage/"));
            let (_, path) = url.ok_or("the seed has no link to upload to")?;
            self.call("PUT", path, content, mime)?;
        }
        Ok(())
    }

    fn tables(&self, equipment: &[Equipment]) -> Done {
        self.post("raw/dbs", [json!({"name": "register"})])?;
        self.post("raw/dbs/register/tables", ["equipment", "spareparts"].map(|name| json!({ "name": name })))?;
        let rows = equipment.iter().map(|e| {
            json!({"key": e.tag, "columns": {"tag": e.tag, "kind": e.kind.1, "area": e.area, "power": e.kind.3, "inUse": true}})
        });
        self.post("raw/dbs/register/tables/equipment/rows", rows)?;
        let parts = (0..200_i64).map(|n| {
            let stock = (self.random("stock", n) * 40.0) as i64;
            json!({"key": format!("{n:04}"), "columns": {"name": format!("Part {n:04}"), "stock": stock, "price": 10 + n % 90}})
        });
        self.post("raw/dbs/register/tables/spareparts/rows", parts)?;

        let columns =
            json!([{"externalId": "flow", "valueType": "DOUBLE"}, {"externalId": "head", "valueType": "DOUBLE"}]);
        for e in equipment.iter().filter(|e| e.kind.0 == 'P') {
            let (name, asset) = (format!("{}.curve", e.tag), self.id("assets", &e.tag)?);
            self.post("sequences", [json!({"externalId": name, "name": format!("{} pump curve", e.tag), "assetId": asset, "columns": columns})])?;
            let rows: Vec<Value> = (0..12_i64)
                .map(|n| json!({"rowNumber": n, "values": [n as f64 * 40.0, 520.0 - 1.9 * (n * n) as f64]}))
                .collect();
            self.post("sequences/data", [json!({"externalId": name, "columns": ["flow", "head"], "rows": rows})])?;
        }
        Ok(())
    }

    fn relations(&self, equipment: &[Equipment]) -> Done {
        let flows = equipment.windows(2).filter_map(|pair| {
            let [a, b] = pair else { return None };
            Some(json!({"externalId": format!("{}>{}", a.tag, b.tag), "sourceExternalId": a.tag, "sourceType": "asset",
                "targetExternalId": b.tag, "targetType": "asset", "confidence": 0.9}))
        });
        let curves = equipment.iter().filter(|e| e.kind.0 == 'P').map(|e| {
            json!({"externalId": format!("{}.curve", e.tag), "sourceExternalId": e.tag, "sourceType": "asset",
                "targetExternalId": format!("{}.curve", e.tag), "targetType": "sequence"})
        });
        self.post("relationships", flows.chain(curves)).map(drop)
    }

    fn model(&self, equipment: &[Equipment]) -> Done {
        let text = json!({"type": {"type": "text", "list": false, "collation": "ucs_basic"}, "nullable": true});
        let number = json!({"type": {"type": "float64", "list": false}, "nullable": true});
        let link = json!({"type": {"type": "direct"}, "nullable": true});
        self.post("models/spaces", [json!({"space": "plant", "name": "Plant"})])?;
        let container = |name: &str, properties: Value| json!({"space": "plant", "externalId": name, "usedFor": "node", "properties": properties});
        self.post(
            "models/containers",
            [
                container("Area", json!({"name": text})),
                container("Equipment", json!({"name": text, "kind": text, "ratedPower": number, "area": link})),
            ],
        )?;
        let view = |name: &str, properties: &[&str]| {
            let source = json!({"type": "container", "space": "plant", "externalId": name});
            let mapped = properties.iter().map(|p| {
                let mut property = json!({"container": source, "containerPropertyIdentifier": p});
                if *p == "area" {
                    property["source"] =
                        json!({"type": "view", "space": "plant", "externalId": "Area", "version": "1"});
                }
                ((*p).to_owned(), property)
            });
            json!({"space": "plant", "externalId": name, "version": "1", "properties": mapped.collect::<serde_json::Map<_, _>>()})
        };
        self.post(
            "models/views",
            [view("Area", &["name"]), view("Equipment", &["name", "kind", "ratedPower", "area"])],
        )?;
        let views =
            ["Area", "Equipment"].map(|v| json!({"type": "view", "space": "plant", "externalId": v, "version": "1"}));
        self.post(
            "models/datamodels",
            [json!({"space": "plant", "externalId": "Plant", "version": "1", "name": "Plant", "views": views})],
        )?;
        let node = |name: &str, view: &str, properties: Value| {
            let source = json!({"type": "view", "space": "plant", "externalId": view, "version": "1"});
            json!({"instanceType": "node", "space": "plant", "externalId": name, "sources": [{"source": source, "properties": properties}]})
        };
        let of = |name: &str| json!({"space": "plant", "externalId": name});
        let areas = AREAS.iter().map(|(n, name, _)| node(&n.to_string(), "Area", json!({ "name": name })));
        let machines = equipment.iter().map(|e| {
            let properties =
                json!({"name": e.tag, "kind": e.kind.1, "ratedPower": e.kind.3, "area": of(&e.area.to_string())});
            node(&e.tag, "Equipment", properties)
        });
        let flows = equipment.windows(2).filter_map(|pair| {
            let [a, b] = pair else { return None };
            Some(json!({"instanceType": "edge", "space": "plant", "externalId": format!("{}>{}", a.tag, b.tag),
                "type": of("flowsTo"), "startNode": of(&a.tag), "endNode": of(&b.tag)}))
        });
        let kind = json!({"instanceType": "node", "space": "plant", "externalId": "flowsTo"});
        self.post("models/instances", [kind].into_iter().chain(areas).chain(machines).chain(flows)).map(drop)
    }

    fn pipelines(&self) -> Done {
        self.post("extpipes", [json!({"externalId": "register", "name": "Equipment register", "dataSetId": self.data_set()?, "schedule": "0 * * * *"})])?;
        for n in 0..12 {
            let status = if n == 5 { "failure" } else { "success" };
            self.post(
                "extpipes/runs",
                [json!({"externalId": "register", "status": status, "message": format!("Run {n}"),
                "createdTime": self.end - (11 - n) * HOUR})],
            )?;
        }
        self.post(
            "transformations",
            [json!({"externalId": "equipment-to-assets", "name": "Equipment to assets", "query": "SELECT * FROM register.equipment",
                "destination": {"type": "assets"}, "ignoreNullFields": true})],
        )
        .map(drop)
    }
}

fn inserted(name: &str, datapoints: proto::Inserted) -> proto::InsertionItem {
    proto::InsertionItem {
        reference: Some(proto::Reference::ExternalId(name.to_owned())),
        datapoints: Some(datapoints),
    }
}

fn equipment() -> Vec<Equipment> {
    let mut all = Vec::new();
    for (area, _, codes) in AREAS {
        for (n, code) in codes.iter().enumerate() {
            if let Some(kind) = KINDS.iter().find(|k| code.starts_with(k.0)) {
                all.push(Equipment { tag: format!("{area}-{code}-{}", 9001 + n), area: *area, kind });
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn planted(name: &str) -> (State, Value) {
        let state = State::new(Config::default(), None, None);
        state.clock.order(br#"{"set": 1700000000000, "stop": true}"#).unwrap();
        plant(&state, name).unwrap();
        let counts = state.read().counts();
        (state, counts)
    }

    fn latest(state: &State, name: &str) -> (i64, f64) {
        let data = state.read();
        let id = data.table("timeseries").unwrap().id_of(name).unwrap();
        let series = &data.series[&id];
        let crate::datapoints::series::Values::Numbers(values) = &series.values else { panic!() };
        (*series.ts.last().unwrap(), *values.last().unwrap())
    }

    #[test]
    fn the_same_plant_every_time() {
        let began = std::time::Instant::now();
        let (one, counts) = planted("demo");
        let took = began.elapsed();
        println!("planted in {took:?}: {counts}");
        assert!(took < std::time::Duration::from_secs(10));
        let (two, again) = planted("demo");
        let (other, _) = planted("demo:1");
        assert_eq!(counts, again);
        let sick = format!("{SICK}.TT");
        assert_eq!(latest(&one, &sick), latest(&two, &sick));
        assert_ne!(latest(&one, &sick), latest(&other, &sick));
        assert!(latest(&one, &sick).1 > 80.0, "it runs warm");
        assert_eq!(latest(&one, &sick).0, 1_699_999_140_000);
        assert!(counts["datapoints"].as_u64().unwrap() > 200_000);
        for kind in ["assets", "timeseries", "events", "files", "relationships", "sequences", "labels", "models/views"]
        {
            assert!(counts["resources"][kind].as_u64().unwrap_or(0) > 1, "{kind}: {counts}");
        }
        assert!(plant(&one, "village").is_err());
        assert!(plant(&one, "demo").is_err(), "it is there already");
    }
}
