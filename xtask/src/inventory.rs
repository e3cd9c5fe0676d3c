//! The table of operations against an inventory of what the reference client sends (a resources.json): what is new, gone
//! or changed. The rows are facts; their names and shapes are ours, and made here.

use std::collections::BTreeMap;

use crate::json::Json;
use crate::sh::{self, Res};

const TABLE: &str = "src/api/operations/table.txt";

const COLUMNS: [&str; 16] = [
    "# name",
    "method",
    "path",
    "shape",
    "items",
    "page",
    "cursor",
    "partitions",
    "identifiers",
    "unknown",
    "retry",
    "budget",
    "version",
    "answers",
    "query",
    "always",
];

/// Endpoints whose names the reference has no good word for, or several.
const NAMES: &[(&str, &[&str])] = &[
    ("GET /api/v1/projects/{project}", &["projects.retrieve"]),
    ("GET /context/diagram/convert/{jobId}", &["diagrams.retrieve_convert_job"]),
    ("GET /context/diagram/detect/{jobId}", &["diagrams.retrieve_detect_job"]),
    ("GET /context/entitymatching/jobs/{jobId}", &["entity_matching.retrieve_job"]),
    ("GET /context/entitymatching/{modelId}", &["entity_matching.retrieve_model"]),
    ("GET /extpipes/runs", &["extraction_pipelines.runs.list"]),
    ("GET /limits/values", &["limits.list"]),
    ("GET /raw/dbs/{dbName}/tables/{tableName}/cursors", &["raw.rows.cursors"]),
    ("GET /raw/dbs/{dbName}/tables/{tableName}/rows", &["raw.rows.list"]),
    ("GET /workflows/versions", &["workflows.versions.iterate"]),
    ("GET {authUrl}/api/v1/orgs/{org}/principals", &["iam.principals.list"]),
    ("GET {authUrl}/api/v1/principals/me", &["iam.principals.me"]),
    ("POST /assets", &["assets.create"]),
    ("POST /context/diagram/convert", &["diagrams.convert"]),
    ("POST /context/diagram/detect/status", &["diagrams.get_detect_jobs"]),
    ("POST /context/entitymatching/predict", &["entity_matching.predict"]),
    ("POST /context/entitymatching/refit", &["entity_matching.refit"]),
    ("POST /dml/graphql", &["data_modeling.graphql.apply_dml"]),
    ("POST /documents/content", &["documents.retrieve_content"]),
    ("POST /extpipes/runs/list", &["extraction_pipelines.runs.filter"]),
    ("POST /files", &["files.create"]),
    ("POST /files/completemultipartupload", &["files.complete_multipart_upload"]),
    ("POST /files/downloadlink", &["files.retrieve_download_urls"]),
    ("POST /files/initmultipartupload", &["files.init_multipart_upload"]),
    ("POST /files/multiuploadlink", &["files.multipart_upload_link"]),
    ("POST /files/uploadlink", &["files.upload_link"]),
    ("POST /limits/values/list", &["limits.filter"]),
    ("POST /models/instances/aggregate", &["data_modeling.instances.aggregate"]),
    ("POST /models/instances/byids", &["data_modeling.instances.retrieve"]),
    ("POST /sequences/data/list", &["sequences.data.retrieve"]),
    ("POST /timeseries/data", &["time_series.data.insert"]),
    ("POST /timeseries/data/delete", &["time_series.data.delete_ranges"]),
    ("POST /timeseries/data/list", &["time_series.data.retrieve"]),
    ("POST {authUrl}/api/v1/orgs/{org}/principals/byids", &["iam.principals.retrieve"]),
];

/// What an operation adds to its body when the caller does not say otherwise.
const ALWAYS: &[(&str, &str)] = &[
    // Required by the service.
    ("entity_matching.list", r#""filter":{}"#),
    ("transformations.list", r#""filter":{}"#),
    ("transformations.preview", r#""convertToString":false"#),
    // Only counts are to be had, and that is not said.
    ("data_sets.count", r#""filter":{}"#),
    ("files.count", r#""filter":{}"#),
    // The service itself would take any of the words.
    ("data_modeling.instances.search", r#""operator":"AND""#),
    ("iam.user_profiles.disable", r#""update":{"userProfilesConfiguration":{"set":{"enabled":false}}}"#),
    ("iam.user_profiles.enable", r#""update":{"userProfilesConfiguration":{"set":{"enabled":true}}}"#),
];

/// Queries that the inventory does not know of.
const QUERIES: &[(&str, &str)] = &[("files.retrieve_download_urls", "extendedExpiration")];

/// Where the version header depends on the arguments: the member that asks for it, and the value it then has if any does
/// not. The inventory only knows that it depends.
const WHEN: &[(&str, &str)] = &[
    ("data_modeling.instances.list", DEBUG),
    ("data_modeling.instances.query", DEBUG),
    ("data_modeling.instances.sync", DEBUG),
    ("diagrams.detect", "patternMode,configuration"),
    ("vision.extract", "features=IndustrialObjectDetection,features=PersonalProtectiveEquipmentDetection"),
];

const DEBUG: &str = "debug.includeTranslatedQuery=true,debug.includePlan=true,debug.includeLlmPrompt=true";

/// Shapes that do not follow from the facts.
const SHAPES: &[(&str, &str)] = &[
    ("documents.retrieve_content", "binary"),
    ("sequences.data.delete", "items"),
    ("sequences.data.retrieve", "one"),
    ("simulators.runs.create", "items"),
    ("time_series.data.retrieve", "items"),
    ("time_series.data.synthetic.query", "items"),
];

/// `cargo xtask inventory --resources FILE [--write]`
pub fn command(args: &[String]) -> Res<()> {
    let mut file = None;
    let mut write = false;
    let mut rest = args.iter();
    while let Some(arg) = rest.next() {
        match arg.as_str() {
            "--resources" => file = rest.next(),
            "--write" => write = true,
            other => return Err(format!("inventory: unknown option {other}")),
        }
    }
    let file = file.ok_or("inventory: --resources FILE is needed: the inventory to compare the table with")?;
    let text = std::fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?;
    let path = sh::root().join(TABLE);
    let old = rows(&std::fs::read_to_string(&path).unwrap_or_default());
    let new = wanted(&Json::parse(&text)?, &old)?;
    let mut changes = 0;
    for (name, row) in &new {
        match old.get(name) {
            None => println!("new      {}", row.join(" ")),
            Some(before) if before != row => {
                for ((column, a), b) in COLUMNS.iter().zip(before).zip(row).filter(|((_, a), b)| a != b) {
                    println!("changed  {name}: {column} was {a}, is {b}");
                }
            }
            Some(_) => continue,
        }
        changes += 1;
    }
    for name in old.keys().filter(|n| !new.contains_key(*n)) {
        println!("gone     {name}");
        changes += 1;
    }
    println!("{} operations, {changes} changes", new.len());
    if write {
        std::fs::write(&path, printed(&new)).map_err(|e| format!("{TABLE}: {e}"))?;
        return Ok(());
    }
    if changes == 0 { Ok(()) } else { Err("the table does not agree with the inventory; --write takes it over".into()) }
}

type Rows = BTreeMap<String, Vec<String>>;

fn rows(table: &str) -> Rows {
    let lines = table.lines().filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    lines
        .map(|l| l.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|row| Some((row.first()?.clone(), row)))
        .collect()
}

fn printed(rows: &Rows) -> String {
    let heading: Vec<String> = COLUMNS.iter().map(|c| (*c).to_owned()).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows.values()).collect();
    let width = |i: usize| all.iter().filter_map(|r| r.get(i)).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let mut out = String::from(HEAD);
    for row in all {
        let line: Vec<String> = row.iter().zip(&widths).map(|(v, w)| format!("{v:<w$}")).collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    out
}

const HEAD: &str = "\
# Every operation of CDF that the library offers. Made from an inventory by `cargo xtask inventory`; the column retry is by
# hand (see src/http/class.rs, with which a test compares it).
#
# path         below the project; with // in front below the base URL, with @ below the host of organizations
# shape        list: pages; items: cut into requests; one: a single request; bare: the same without a body;
#              binary: its answer is no JSON; upload: its body is no JSON
# items, page  most elements per request, largest page: the stricter of what the reference and the API document say
# unknown      where ignoreUnknownIds goes
# retry        read: changes nothing; again: twice is the same as once; once: a create
# version      of cdf-version; behind ? the arguments that ask for it, any of them: given, or with this value
# answers      what is asked for by Accept, or `nothing`
# query        fields of a POST that go into the query
# always       members of the body unless the caller gives them
#
";

fn wanted(inventory: &Json, old: &Rows) -> Res<Rows> {
    let operations = inventory.list_of("operations");
    let mut out = Rows::new();
    for endpoint in inventory.list_of("endpoints") {
        let method = endpoint.text_of("http_method").unwrap_or_default();
        let path = endpoint.text_of("path").unwrap_or_default();
        // Not below the API: handed out by it. They belong to the files.
        if path == "{downloadUrl}" || path == "{uploadUrl}" {
            continue;
        }
        let here: Vec<&Json> = operations
            .iter()
            .filter(|o| o.text_of("http_method") == Some(method))
            .filter(|o| o.text_of("path").is_some_and(|p| p == path || p.trim_end_matches('/') == path))
            .collect();
        let first = here.first().ok_or_else(|| format!("{method} {path}: no operation"))?;
        let sent = first.text_of("path").unwrap_or(path);
        for name in names(method, path, &here) {
            let main = here.iter().find(|o| o.text_of("id") == Some(&name)).unwrap_or(first);
            let retry = old.get(&name).and_then(|r| r.get(10)).map_or("?", String::as_str);
            out.insert(name.clone(), row(&name, method, sent, endpoint, main, &here, retry));
        }
    }
    Ok(out)
}

fn names(method: &str, path: &str, here: &[&Json]) -> Vec<String> {
    if let Some((_, names)) = NAMES.iter().find(|(e, _)| *e == format!("{method} {path}")) {
        return names.iter().map(|n| (*n).to_owned()).collect();
    }
    let ids: Vec<&str> = here.iter().filter_map(|o| o.text_of("id")).collect();
    let mut out: Vec<String> = Vec::new();
    for id in &ids {
        let (api, verb) = id.rsplit_once('.').unwrap_or(("", id));
        // Steps of composite methods, iterators, and what returned objects send, are the endpoint's other uses.
        let other = id.contains('#') || id.starts_with("client.") || id.contains(|c: char| c.is_ascii_uppercase());
        if other || verb == "__call__" {
            continue;
        }
        let verb = match verb {
            "aggregate_count" => "count",
            v if v.starts_with("aggregate_") && v != "aggregate_features" => "aggregate",
            // One of a kind is several with one element.
            "retrieve" if ids.contains(&format!("{api}.retrieve_multiple").as_str()) => continue,
            v if v.starts_with('_') => continue,
            v => v,
        };
        out.push(format!("{api}.{verb}"));
        if verb == "count" {
            out.push(format!("{api}.aggregate"));
        }
    }
    if out.is_empty() {
        out.extend(ids.iter().take(1).map(|id| id.split('#').next().unwrap_or(id).to_owned()));
    }
    out.sort();
    out.dedup();
    out
}

fn row(name: &str, method: &str, path: &str, endpoint: &Json, main: &Json, here: &[&Json], retry: &str) -> Vec<String> {
    let number = |a: &str, b: &str| endpoint.get(a).or(endpoint.get(b)).and_then(Json::as_usize).filter(|n| *n > 0);
    let dash = |v: Option<String>| v.filter(|v| !v.is_empty()).unwrap_or_else(|| "-".to_owned());
    let field = |key: &str| main.text_of(key).unwrap_or_default();
    let get = method == "GET";
    let shape = SHAPES.iter().find(|(n, _)| *n == name).map_or_else(|| shape(main), |(_, s)| s);
    let most = number("use_max_items", "sdk_max_items");
    let single = here.iter().all(|o| o.get("single_item").is_some_and(Json::is_true));
    let items = match (shape, most) {
        ("items", None) if single => Some(1),
        ("items", None) => Some(1000),
        ("items", n) => n,
        _ => None,
    };
    let page = number("use_max_page", "sdk_max_page").filter(|_| shape == "list");
    let cursor = field("pagination");
    let cursor = match () {
        () if shape != "list" || cursor == "none" => "-",
        () if get => "query",
        () => "body",
    };
    let partitions = match name {
        // Not a field of the request but one of several cursors, see raw.rows.cursors.
        "raw.rows.list" => "cursors",
        _ => here.iter().find_map(|o| o.text_of("partitions")).unwrap_or("-"),
    };
    let list = |key: &str| -> String {
        let mut all: Vec<&str> = Vec::new();
        for o in here {
            all.extend(o.list_of(key).iter().filter_map(Json::as_str).filter(|v| !v.starts_with('(')));
        }
        all.sort_unstable();
        all.dedup();
        all.join(",")
    };
    let unknown = here.iter().find_map(|o| o.text_of("ignore_unknown_ids"));
    let unknown = unknown.map(|u| u.split('.').next().unwrap_or(u).to_owned());
    let budget = main.list_of("concurrency").last().and_then(Json::as_str).map(str::to_owned);
    let answers = match (main.text_of("accept"), main.text_of("response")) {
        (_, Some("ignored")) => "nothing",
        // For the generic form; the datapoints' own functions ask for protobuf.
        (Some("application/protobuf"), _) | (None, _) => "-",
        (Some(accept), _) => accept,
    };
    let version = version(name, main);
    let query = match QUERIES.iter().find(|(n, _)| *n == name) {
        Some((_, query)) => (*query).to_owned(),
        None if get => String::new(),
        None => list("query_fields"),
    };
    let always = match ALWAYS.iter().find(|(n, _)| *n == name) {
        Some((_, json)) => (*json).to_owned(),
        None if name.ends_with(".count") => r#""aggregate":"count""#.to_owned(),
        None => String::new(),
    };
    let base = match field("base") {
        "cluster" => "/",
        "auth host" => "@",
        _ => "",
    };
    vec![
        name.to_owned(),
        method.to_owned(),
        format!("{base}{}", path.trim_start_matches("{authUrl}")),
        shape.to_owned(),
        dash(items.map(|n| n.to_string())),
        dash(page.map(|n| n.to_string())),
        cursor.to_owned(),
        partitions.to_owned(),
        dash(Some(list("identifiers"))),
        dash(unknown),
        retry.to_owned(),
        dash(budget),
        dash(version),
        answers.to_owned(),
        dash(Some(query)),
        dash(Some(always)),
    ]
}

/// `VALUE`, or `VALUE?CONDITIONS`.
fn version(name: &str, main: &Json) -> Option<String> {
    // Recorded while states were inserted, which is not done by this operation.
    let given = main.get("api_subversion").filter(|_| name != "time_series.data.insert");
    let when = WHEN.iter().find(|w| w.0 == name).map(|w| w.1);
    match (given.and_then(|v| v.as_str().or(v.text_of("sometimes"))), when) {
        (Some(value), Some(when)) => Some(format!("{value}?{when}")),
        // Takes the same arguments as the query; they were not given while it was recorded.
        (None, Some(when)) => Some(format!("{{default}}-alpha?{when}")),
        (value, None) => value.map(str::to_owned),
    }
}

fn shape(o: &Json) -> &'static str {
    let field = |key: &str| o.text_of(key).unwrap_or_default();
    let paged = o.get("max_page_size").and_then(Json::as_usize).is_some();
    match (field("executor"), field("kind"), field("body")) {
        ("binary", "upload", _) => "upload",
        ("binary" | "stream", ..) => "binary",
        ("paged_list", ..) => "list",
        ("single", "list", _) if paged => "list",
        ("single", _, "none") if field("http_method") == "POST" => "bare",
        ("chunked_items", ..) | ("loop", "create", _) => "items",
        ("single", "create" | "delete" | "retrieve_multiple" | "update" | "upsert", "items") => "items",
        _ => "one",
    }
}
