//! What a start of the emulator can be told.

#[derive(Debug, Clone)]
pub struct Config {
    pub host: String,
    /// 0 takes a free port.
    pub port: u16,
    pub project: String,
    pub client_id: String,
    pub client_secret: String,
    /// A token that is always valid, besides those the token endpoint issues.
    pub token: Option<String>,
    /// Seconds.
    pub token_lifetime: u64,
    /// Milliseconds until a job, a call or an execution is done.
    pub job_ms: u64,
    /// An API description to hold requests and answers against.
    pub openapi: Option<std::path::PathBuf>,
    /// HTTPS with an authority of its own.
    pub tls: bool,
    /// Folder for the authority's certificate, `ca.pem`.
    pub tls_dir: Option<std::path::PathBuf>,
    /// Fault rules there are from the start.
    pub faults: Option<std::path::PathBuf>,
    /// What is there from the start: `demo`, or `demo:NUMBER`.
    pub seed: Option<String>,
    /// Milliseconds since the epoch that the emulator's clock shows at the start.
    pub clock: Option<i64>,
    /// Milliseconds that lists, searches and aggregates are behind what was written.
    pub lag_ms: u32,
    /// Requests the journal keeps.
    pub journal: usize,
    pub limits: Limits,
}

/// Ceilings of what is kept in memory.
#[derive(Debug, Clone)]
pub struct Limits {
    pub datapoints: u64,
    /// Resources of every kind and RAW rows together.
    pub resources: u64,
    /// Bytes of resources and RAW rows, estimated.
    pub bytes: u64,
    /// Bytes of a request body, before and after decompression.
    pub body: usize,
    /// Bytes of the content of a file, or of one of its parts.
    pub upload: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { datapoints: 200_000_000, resources: 2_000_000, bytes: 2 << 30, body: 64 << 20, upload: 256 << 20 }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".into(),
            port: 0,
            project: "demo".into(),
            client_id: "emulator-client".into(),
            client_secret: "emulator-secret".into(),
            token: None,
            token_lifetime: 3600,
            job_ms: 100,
            openapi: None,
            tls: false,
            tls_dir: None,
            faults: None,
            seed: None,
            lag_ms: 0,
            clock: None,
            journal: 1000,
            limits: Limits::default(),
        }
    }
}
