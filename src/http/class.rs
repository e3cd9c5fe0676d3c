//! May a request be sent twice? Decided by method and by the path below the base URL, from a list of what is safe.
//! What is not on the list is taken for a create.

use reqwest::Method;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Changes nothing: repeated freely, never in doubt.
    Read,
    /// Changes something, but twice is the same as once: repeated, in doubt when the answer is lost.
    IdempotentWrite,
    /// Twice is not once: repeated only when the first attempt surely had no effect.
    Write,
}

impl Class {
    pub fn is_write(self) -> bool {
        self != Class::Read
    }

    pub fn repeats(self) -> bool {
        self != Class::Write
    }
}

/// Last segments of POST paths that only read, whatever the resource.
const READ_VERBS: [&str; 14] = [
    "list",
    "byids",
    // As the API document spells it for hosted extractors.
    "byIds",
    "search",
    "aggregate",
    "filter",
    "query",
    "sync",
    "latest",
    "inspect",
    "downloadlink",
    "graphql",
    "search-streaming",
    "reverselookup",
];

/// POST paths below the project, `*` for one segment, and what a repeat does.
const PATHS: &[(&str, Class)] = &[
    // A point, row or record is overwritten by itself.
    ("timeseries/data", Class::IdempotentWrite),
    ("timeseries/data/delete", Class::IdempotentWrite),
    ("sequences/data", Class::IdempotentWrite),
    ("sequences/data/delete", Class::IdempotentWrite),
    ("raw/dbs/*/tables/*/rows", Class::IdempotentWrite),
    ("raw/dbs/*/tables/*/rows/delete", Class::IdempotentWrite),
    ("raw/dbs/*/tables/delete", Class::IdempotentWrite),
    ("raw/dbs/delete", Class::IdempotentWrite),
    ("streams/*/records/upsert", Class::IdempotentWrite),
    ("streams/*/records/delete", Class::IdempotentWrite),
    // Data modeling is declarative: applying the same thing again changes nothing, deleting what is gone neither.
    ("models/spaces", Class::IdempotentWrite),
    ("models/spaces/delete", Class::IdempotentWrite),
    ("models/containers", Class::IdempotentWrite),
    ("models/containers/delete", Class::IdempotentWrite),
    ("models/containers/constraints/delete", Class::IdempotentWrite),
    ("models/containers/indexes/delete", Class::IdempotentWrite),
    ("models/containers/constraints/retry", Class::IdempotentWrite),
    ("models/containers/indexes/retry", Class::IdempotentWrite),
    ("models/containers/properties/retry", Class::IdempotentWrite),
    ("models/views", Class::IdempotentWrite),
    ("models/views/delete", Class::IdempotentWrite),
    ("models/datamodels", Class::IdempotentWrite),
    ("models/datamodels/delete", Class::IdempotentWrite),
    ("models/instances", Class::IdempotentWrite),
    ("models/instances/delete", Class::IdempotentWrite),
    ("dml/graphql", Class::IdempotentWrite),
    // Another link to the content of the same file.
    ("files/uploadlink", Class::IdempotentWrite),
    // Upserts by external id.
    ("workflows", Class::IdempotentWrite),
    ("workflows/versions", Class::IdempotentWrite),
    ("workflows/triggers", Class::IdempotentWrite),
    ("ai/agents", Class::IdempotentWrite),
    // Another link to the same place; what is on is on.
    ("files/uploadlink", Class::IdempotentWrite),
    ("files/multiuploadlink", Class::IdempotentWrite),
    ("functions/status", Class::IdempotentWrite),
    ("3d/models/*/revisions/*/thumbnail", Class::IdempotentWrite),
    // A job that is computed twice: some work, no second effect on the project's data.
    ("context/diagram/detect", Class::Read),
    ("context/diagram/detect/status", Class::Read),
    ("context/diagram/convert", Class::Read),
    ("context/entitymatching/predict", Class::Read),
    ("context/vision/extract", Class::Read),
    ("ai/tools/documents/ask", Class::Read),
    ("ai/tools/documents/summarize", Class::Read),
    ("transformations/query/run", Class::Read),
    ("geospatial/compute", Class::Read),
    // A raster is read by POST; written, it is put.
    ("geospatial/featuretypes/*/features/*/rasters/*", Class::Read),
    ("documents/content", Class::Read),
];

/// `path` is the path below the base URL, `None` when the address lies elsewhere.
pub fn classify(method: &Method, path: Option<&str>) -> Class {
    match method.as_str() {
        "GET" | "HEAD" | "OPTIONS" => Class::Read,
        "PUT" => Class::IdempotentWrite,
        "POST" => path.and_then(below_project).map_or(Class::Write, classify_post),
        _ => Class::Write,
    }
}

fn classify_post(segments: Vec<&str>) -> Class {
    for (pattern, class) in PATHS {
        let mut wanted = pattern.split('/');
        let mut given = segments.iter();
        let fits = loop {
            match (wanted.next(), given.next()) {
                (None, None) => break true,
                (Some(w), Some(g)) if w == "*" || w == *g => {}
                _ => break false,
            }
        };
        if fits {
            return *class;
        }
    }
    match segments.as_slice() {
        // The verb needs a resource in front of it: a table named "list" is no listing.
        [_, .., last] if READ_VERBS.contains(last) && !is_name(&segments) => Class::Read,
        [_, .., "update"] if !is_name(&segments) => Class::IdempotentWrite,
        _ => Class::Write,
    }
}

/// Whether the last segment is a name chosen by a user rather than a verb.
fn is_name(segments: &[&str]) -> bool {
    matches!(segments, ["raw", "dbs", _] | ["raw", "dbs", _, "tables", _] | ["postgresgateway", "tables", _])
}

/// The segments after `/api/{version}/projects/{project}`; empty ones (doubled or trailing slashes) do not count.
fn below_project(path: &str) -> Option<Vec<&str>> {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    match segments.as_slice() {
        ["api", _, "projects", _, rest @ ..] => Some(rest.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(path: &str) -> Class {
        classify(&Method::POST, Some(&format!("/api/v1/projects/p{path}")))
    }

    #[test]
    fn reads() {
        for path in [
            "/assets/list",
            "/assets/byids",
            "/events/search",
            "/timeseries/aggregate",
            "/timeseries/data/list",
            "/timeseries/data/latest",
            "/models/instances/query",
            "/models/instances/sync",
            "/files/downloadlink",
            "/context/diagram/detect",
            "/transformations/filter",
            "/timeseries/synthetic/query",
            "/assets/list/",
            "/userapis/spaces/s/datamodels/d/versions/1/graphql",
            "/workflows/executions/list",
            "/geospatial/featuretypes/f/features/search-streaming",
            "/geospatial/featuretypes/f/features/x/rasters/r",
            "/timeseries/subscriptions/data/list",
            "/hostedextractors/sources/byIds",
            "/context/entitymatching/predict",
        ] {
            assert_eq!(post(path), Class::Read, "{path}");
        }
    }

    #[test]
    fn writes_that_may_be_repeated() {
        for path in [
            "/assets/update",
            "/timeseries/data",
            "/timeseries/data/delete",
            "/sequences/data",
            "/raw/dbs/d/tables/t/rows",
            "/raw/dbs/d/tables/t/rows/delete",
            "/models/instances",
            "/models/spaces",
            "/models/views/delete",
            "/workflows",
            "/files/uploadlink",
        ] {
            assert_eq!(post(path), Class::IdempotentWrite, "{path}");
        }
        assert_eq!(classify(&Method::PUT, None), Class::IdempotentWrite);
    }

    #[test]
    fn everything_else_is_a_create() {
        for path in [
            "/assets",
            "/assets/",
            "//assets",
            "/Assets",
            "/assets/delete",
            "/events",
            "/sessions",
            "/groups",
            "/files",
            "/functions/12/call",
            "/workflows/w/versions/1/run",
            "/simulators/run",
            "/transformations/run",
            "/raw/dbs",
            "/raw/dbs/list",
            "/raw/dbs/d/tables/list",
            "/streams/s/records",
            "/new/thing",
            "/list",
            "/timeseries/datax",
            "/postgresgateway/tables/list",
        ] {
            assert_eq!(post(path), Class::Write, "{path}");
        }
        for path in ["/assets/list", "/x/api/v1/projects/p/assets/list"] {
            assert_eq!(classify(&Method::POST, Some(path)), Class::Write, "{path}");
        }
        assert_eq!(classify(&Method::POST, None), Class::Write);
        assert_eq!(classify(&Method::PATCH, Some("/api/v1/projects/p/x")), Class::Write);
        assert_eq!(classify(&Method::DELETE, Some("/api/v1/projects/p/x")), Class::Write);
    }
}
