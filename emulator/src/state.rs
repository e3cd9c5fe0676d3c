//! Everything the emulator knows, in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::areas::files::Contents;
use crate::areas::sequence_rows::Rows;
use crate::areas::streams::Records;
use crate::auth::Auth;
use crate::clock::Clock;
pub use crate::clock::now_ms;
use crate::config::{Config, Limits};
use crate::contract::Contract;
use crate::datapoints::changes::Changes;
use crate::datapoints::series::Series;
use crate::error::{ApiError, Result};
use crate::faults::Faults;
use crate::journal::Journal;
use crate::models::Instances;
use crate::raw::Raw;
use crate::resources::table::{EXTERNAL_ID, Table};
use crate::room::Room;
use crate::tls::Tls;

/// Above 2^52: a client that squeezes ids through 32 bits or a float loses them here, as it would in the service.
const FIRST_ID: i64 = (1 << 52) + 1;

const MAX_SNAPSHOTS: usize = 16;

#[derive(Clone)]
pub struct Data {
    tables: HashMap<String, Table>,
    /// Children of assets.
    pub children: HashMap<i64, BTreeSet<i64>>,
    pub series: HashMap<i64, Series>,
    pub changes: Changes,
    /// Time series that wait for their node.
    pub pending: HashMap<(String, String), i64>,
    pub raw: Raw,
    pub contents: Contents,
    pub instances: Instances,
    pub sequence_rows: Rows,
    /// Records by stream.
    pub records: HashMap<String, Records>,
    pub next_id: i64,
    /// Datapoints stored, long strings counting more than once.
    pub datapoints: u64,
    resources: u64,
    bytes: u64,
    limits: Limits,
    /// Milliseconds that lists and searches are behind.
    pub lag: i64,
}

impl Data {
    fn new(config: &Config) -> Self {
        let limits = config.limits.clone();
        Self {
            tables: HashMap::new(),
            children: HashMap::new(),
            series: HashMap::new(),
            changes: Changes::default(),
            pending: HashMap::new(),
            raw: Raw::default(),
            contents: Contents::default(),
            instances: Instances::default(),
            sequence_rows: Rows::default(),
            records: HashMap::new(),
            next_id: FIRST_ID,
            datapoints: 0,
            resources: 0,
            bytes: 0,
            limits,
            lag: i64::from(config.lag_ms),
        }
    }

    pub fn table(&self, path: &str) -> Option<&Table> {
        self.tables.get(path)
    }

    pub fn table_mut(&mut self, path: &str) -> &mut Table {
        self.keyed_table(path, EXTERNAL_ID)
    }

    pub fn existing_table(&mut self, path: &str) -> Option<&mut Table> {
        self.tables.get_mut(path)
    }

    /// The table, made if it is not there; its rows are named by these fields.
    pub fn keyed_table(&mut self, path: &str, key: &'static [&'static str]) -> &mut Table {
        let lag = self.lag;
        self.tables.entry(path.to_owned()).or_insert_with(|| Table::new(key, lag))
    }

    /// The time up to which lists and searches see what was written.
    pub fn horizon(&self) -> i64 {
        now_ms().saturating_sub(self.lag)
    }

    /// Takes room for rows, or says that there is none.
    pub fn reserve(&mut self, rows: u64, bytes: u64) -> Result<()> {
        if self.resources.saturating_add(rows) > self.limits.resources {
            return Err(ApiError::full("too many resources and RAW rows"));
        }
        if self.bytes.saturating_add(bytes) > self.limits.bytes {
            return Err(ApiError::full("resources and RAW rows take too many bytes"));
        }
        self.resources += rows;
        self.bytes += bytes;
        Ok(())
    }

    pub fn release(&mut self, rows: u64, bytes: u64) {
        self.resources = self.resources.saturating_sub(rows);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    pub fn room_for_datapoints(&self, cost: u64) -> Result<()> {
        if self.datapoints.saturating_add(cost) > self.limits.datapoints {
            return Err(ApiError::full("too many datapoints"));
        }
        Ok(())
    }

    pub fn counts(&self) -> serde_json::Value {
        let tables: BTreeMap<&str, usize> =
            self.tables.iter().filter(|(_, t)| !t.rows.is_empty()).map(|(k, t)| (k.as_str(), t.rows.len())).collect();
        let datapoints: usize = self.series.values().map(Series::len).sum();
        serde_json::json!({
            "resources": tables,
            "datapoints": datapoints,
            "series_with_datapoints": self.series.len(),
            "instances": self.instances.all.len(),
            "raw": self.raw.counts(),
            "rows_total": self.resources,
            "bytes_estimated": self.bytes,
        })
    }
}

pub struct State {
    pub config: Config,
    pub contract: Option<Contract>,
    pub tls: Option<Tls>,
    pub clock: Clock,
    pub room: Room,
    /// Data put aside, by name.
    snapshots: Mutex<BTreeMap<String, Data>>,
    data: RwLock<Data>,
    auth: Mutex<Auth>,
    journal: Mutex<Journal>,
    faults: Mutex<Faults>,
    /// Source ids of the groups the client is in, once that was ordered.
    access: Mutex<Option<Vec<String>>>,
    requests: AtomicU64,
    /// The newest version of the API that was asked for.
    version: AtomicU32,
}

impl State {
    pub fn new(config: Config, contract: Option<Contract>, tls: Option<Tls>) -> Self {
        let (data, journal) = (Data::new(&config), config.journal);
        Self {
            config,
            contract,
            tls,
            clock: Clock::default(),
            room: Room::default(),
            snapshots: Mutex::default(),
            data: RwLock::new(data),
            auth: Mutex::default(),
            journal: Mutex::new(Journal::new(journal)),
            faults: Mutex::default(),
            access: Mutex::default(),
            requests: AtomicU64::new(0),
            version: AtomicU32::new(0),
        }
    }

    // A poisoned lock means a handler panicked; the answer to that request was a 500 and the rest goes on.
    pub fn read(&self) -> RwLockReadGuard<'_, Data> {
        self.data.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Data> {
        self.data.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn auth(&self) -> MutexGuard<'_, Auth> {
        self.auth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn access(&self) -> MutexGuard<'_, Option<Vec<String>>> {
        self.access.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn request_number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Whether no request asked for a version as new as this.
    pub fn newest_version(&self, date: u32) -> bool {
        self.version.fetch_max(date, Ordering::Relaxed) < date
    }

    fn snapshots(&self) -> MutexGuard<'_, BTreeMap<String, Data>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a copy of all data aside. Together the copies are bounded as the data is.
    pub fn save(&self, name: &str) -> Result<()> {
        let mut kept = self.snapshots();
        let data = self.read();
        let others = || kept.iter().filter(|(n, _)| *n != name).map(|(_, d)| d);
        let (datapoints, bytes) =
            others().fold((data.datapoints, data.bytes), |sum, d| (sum.0 + d.datapoints, sum.1 + d.bytes));
        if others().count() >= MAX_SNAPSHOTS
            || datapoints > self.config.limits.datapoints
            || bytes > self.config.limits.bytes
        {
            return Err(ApiError::full("too many snapshots, or too much in them"));
        }
        kept.insert(name.to_owned(), data.clone());
        Ok(())
    }

    /// Makes the data what it was. Tokens, faults and the journal stay.
    pub fn restore(&self, name: &str) -> Result<()> {
        let data = self.snapshots().get(name).cloned();
        *self.write() = data.ok_or_else(|| ApiError::not_found(format!("No snapshot {name}")))?;
        Ok(())
    }

    pub fn forget(&self, name: &str) -> bool {
        self.snapshots().remove(name).is_some()
    }

    pub fn saved(&self) -> Vec<String> {
        self.snapshots().keys().cloned().collect()
    }

    /// Forgets all data and faults, and the journal with the violations if it is not to be kept. Tokens stay valid, so
    /// a running client can go on.
    pub fn reset(&self, keep_journal: bool) {
        *self.write() = Data::new(&self.config);
        *self.faults() = Faults::default();
        *self.access() = None;
        self.clock.reset();
        if keep_journal {
            return;
        }
        self.journal().clear();
        if let Some(contract) = &self.contract {
            contract.reset();
        }
    }
}
