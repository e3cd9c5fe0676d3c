//! The table of resource kinds. A kind is data; only what the data cannot say is a special rule (`special.rs`).

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// At most this many characters.
    Text(usize),
    Int,
    Float,
    Bool,
    /// String to string: most bytes of a value, and of all together.
    StringMap(usize, usize),
    /// List of integers.
    Ids,
    /// List of `{"externalId": …}` naming existing labels.
    Labels,
    /// Anything: kept as it is.
    Json,
}

const USUAL_METADATA: Type = Type::StringMap(10_240, 10_240);
const EVENT_METADATA: Type = Type::StringMap(128_000, 200_000);
const SERIES_METADATA: Type = Type::StringMap(10_000, 10_000);

#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub name: &'static str,
    pub ty: Type,
    pub required: bool,
    /// False for what is fixed once created.
    pub updatable: bool,
    pub default: Option<bool>,
}

const fn field(name: &'static str, ty: Type) -> Field {
    Field { name, ty, required: false, updatable: true, default: None }
}

const fn text(name: &'static str, max: usize) -> Field {
    field(name, Type::Text(max))
}

impl Field {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    const fn fixed(mut self) -> Self {
        self.updatable = false;
        self
    }
    const fn default_to(mut self, value: bool) -> Self {
        self.default = Some(value);
        self
    }
}

/// How one key of a list filter is compared with a row.
#[derive(Debug, Clone, Copy)]
pub enum Test {
    Equals(&'static str),
    /// The filter's list has the field's value, or any element of it when the field is a list.
    AnyOf(&'static str),
    /// `{"min", "max"}`, both inclusive; `{"isNull": true}` asks for absence.
    Range(&'static str),
    Prefix(&'static str),
    Metadata,
    Labels,
    DataSets,
    /// External ids of assets, against a field holding asset ids.
    AssetExternalIds(&'static str),
    /// Asset ids whose root is one of these.
    AssetRoots(&'static str),
    /// Identifiers of assets whose subtrees hold the asset of the field.
    AssetSubtrees(&'static str),
    /// Whether the row has no parent.
    IsRoot,
    /// The span startTime..endTime touches the given range.
    ActiveAt,
    /// Relationships: either end is one of these.
    EitherEnd,
}

#[derive(Debug, Clone, Copy)]
pub struct Filter {
    pub key: &'static str,
    pub test: Test,
}

const fn filter(key: &'static str, test: Test) -> Filter {
    Filter { key, test }
}

const EXTERNAL_ID_PREFIX: Filter = filter("externalIdPrefix", Test::Prefix("externalId"));
const CREATED: Filter = filter("createdTime", Test::Range("createdTime"));
const UPDATED: Filter = filter("lastUpdatedTime", Test::Range("lastUpdatedTime"));
const METADATA: Filter = filter("metadata", Test::Metadata);
const DATA_SETS: Filter = filter("dataSetIds", Test::DataSets);
const NAME: Filter = filter("name", Test::Equals("name"));
const SOURCE: Filter = filter("source", Test::Equals("source"));
const LABELS: Filter = filter("labels", Test::Labels);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    None,
    TimeSeries,
    Asset,
    Sequence,
    File,
}

#[derive(Debug)]
pub struct Kind {
    /// Path segment, also the name of the table.
    pub path: &'static str,
    /// For messages.
    pub noun: &'static str,
    pub fields: &'static [Field],
    pub filters: &'static [Filter],
    /// Fields a search looks into: (key of the search object, fields).
    pub search: &'static [(&'static str, &'static [&'static str])],
    /// Operations served; see `ops`.
    pub ops: &'static [&'static str],
    /// False where the external id is the only identifier.
    pub has_id: bool,
    pub create_limit: usize,
    pub created_status: u16,
    /// Status for an external id given twice in one request.
    pub twice_status: u16,
    pub special: Special,
}

const ALL_OPS: &[&str] = &["create", "get", "list", "byids", "update", "delete", "search", "aggregate"];

pub const KINDS: &[Kind] = &[
    Kind {
        path: "timeseries",
        noun: "time series",
        fields: &[
            text("externalId", 255),
            text("name", 255),
            field("isString", Type::Bool).fixed().default_to(false),
            field("isStep", Type::Bool).default_to(false),
            field("metadata", SERIES_METADATA),
            text("unit", 32),
            text("unitExternalId", 64),
            field("assetId", Type::Int),
            text("description", 1000),
            field("securityCategories", Type::Ids),
            field("dataSetId", Type::Int),
        ],
        filters: &[
            NAME,
            filter("unit", Test::Equals("unit")),
            filter("unitExternalId", Test::Equals("unitExternalId")),
            filter("unitQuantity", Test::Equals("unitQuantity")),
            filter("isString", Test::Equals("isString")),
            filter("isStep", Test::Equals("isStep")),
            METADATA,
            filter("assetIds", Test::AnyOf("assetId")),
            filter("assetExternalIds", Test::AssetExternalIds("assetId")),
            filter("rootAssetIds", Test::AssetRoots("assetId")),
            filter("assetSubtreeIds", Test::AssetSubtrees("assetId")),
            DATA_SETS,
            EXTERNAL_ID_PREFIX,
            CREATED,
            UPDATED,
        ],
        search: &[
            ("name", &["name"]),
            ("description", &["description"]),
            ("query", &["name", "description", "externalId", "unit"]),
        ],
        ops: ALL_OPS,
        has_id: true,
        create_limit: 1000,
        created_status: 201,
        twice_status: 422,
        special: Special::TimeSeries,
    },
    Kind {
        path: "assets",
        noun: "assets",
        fields: &[
            text("externalId", 255),
            text("name", 140).required(),
            field("parentId", Type::Int),
            text("parentExternalId", 255),
            text("description", 500),
            field("dataSetId", Type::Int),
            field("metadata", USUAL_METADATA),
            text("source", 128),
            field("labels", Type::Labels),
            field("geoLocation", Type::Json),
        ],
        filters: &[
            NAME,
            filter("parentIds", Test::AnyOf("parentId")),
            filter("parentExternalIds", Test::AssetExternalIds("parentId")),
            filter("rootIds", Test::AssetRoots("id")),
            filter("assetSubtreeIds", Test::AssetSubtrees("id")),
            DATA_SETS,
            METADATA,
            SOURCE,
            LABELS,
            filter("root", Test::IsRoot),
            EXTERNAL_ID_PREFIX,
            CREATED,
            UPDATED,
        ],
        search: &[
            ("name", &["name"]),
            ("description", &["description"]),
            ("query", &["name", "description", "externalId", "source"]),
        ],
        ops: ALL_OPS,
        has_id: true,
        create_limit: 1000,
        created_status: 201,
        twice_status: 409,
        special: Special::Asset,
    },
    Kind {
        path: "events",
        noun: "events",
        fields: &[
            text("externalId", 255),
            field("dataSetId", Type::Int),
            field("startTime", Type::Int),
            field("endTime", Type::Int),
            text("type", 64),
            text("subtype", 64),
            text("description", 500),
            field("metadata", EVENT_METADATA),
            field("assetIds", Type::Ids),
            text("source", 128),
        ],
        filters: &[
            filter("startTime", Test::Range("startTime")),
            filter("endTime", Test::Range("endTime")),
            filter("activeAtTime", Test::ActiveAt),
            METADATA,
            filter("assetIds", Test::AnyOf("assetIds")),
            filter("assetExternalIds", Test::AssetExternalIds("assetIds")),
            filter("rootAssetIds", Test::AssetRoots("assetIds")),
            filter("assetSubtreeIds", Test::AssetSubtrees("assetIds")),
            DATA_SETS,
            SOURCE,
            filter("type", Test::Equals("type")),
            filter("subtype", Test::Equals("subtype")),
            EXTERNAL_ID_PREFIX,
            CREATED,
            UPDATED,
        ],
        search: &[("description", &["description"])],
        ops: ALL_OPS,
        has_id: true,
        create_limit: 1000,
        created_status: 201,
        twice_status: 409,
        special: Special::None,
    },
    Kind {
        path: "datasets",
        noun: "data sets",
        fields: &[
            text("externalId", 255),
            text("name", 50),
            text("description", 500),
            field("metadata", USUAL_METADATA),
            field("writeProtected", Type::Bool).default_to(false),
        ],
        filters: &[
            METADATA,
            CREATED,
            UPDATED,
            EXTERNAL_ID_PREFIX,
            filter("writeProtected", Test::Equals("writeProtected")),
        ],
        search: &[],
        // Data sets cannot be deleted.
        ops: &["create", "list", "byids", "update", "aggregate"],
        has_id: true,
        create_limit: 10,
        created_status: 200,
        twice_status: 409,
        special: Special::None,
    },
    Kind {
        path: "labels",
        noun: "labels",
        fields: &[
            text("externalId", 255).required(),
            text("name", 140).required(),
            text("description", 500),
            field("dataSetId", Type::Int),
        ],
        filters: &[NAME, EXTERNAL_ID_PREFIX, DATA_SETS],
        search: &[],
        ops: &["create", "list", "byids", "delete"],
        has_id: false,
        create_limit: 1000,
        created_status: 201,
        twice_status: 409,
        special: Special::None,
    },
    Kind {
        path: "relationships",
        noun: "relationships",
        fields: &[
            text("externalId", 255).required(),
            text("sourceExternalId", 255).required(),
            text("sourceType", 20).required(),
            text("targetExternalId", 255).required(),
            text("targetType", 20).required(),
            field("startTime", Type::Int),
            field("endTime", Type::Int),
            field("confidence", Type::Float),
            field("dataSetId", Type::Int),
            field("labels", Type::Labels),
        ],
        filters: &[
            filter("sourceExternalIds", Test::AnyOf("sourceExternalId")),
            filter("sourceTypes", Test::AnyOf("sourceType")),
            filter("targetExternalIds", Test::AnyOf("targetExternalId")),
            filter("targetTypes", Test::AnyOf("targetType")),
            DATA_SETS,
            filter("startTime", Test::Range("startTime")),
            filter("endTime", Test::Range("endTime")),
            filter("confidence", Test::Range("confidence")),
            UPDATED,
            CREATED,
            filter("activeAtTime", Test::ActiveAt),
            LABELS,
            filter("sourcesOrTargets", Test::EitherEnd),
        ],
        search: &[],
        ops: &["create", "list", "get", "byids", "update", "delete"],
        has_id: false,
        create_limit: 1000,
        created_status: 201,
        twice_status: 409,
        special: Special::None,
    },
    Kind {
        path: "sequences",
        noun: "sequences",
        fields: &[
            text("externalId", 255),
            text("name", 255),
            text("description", 1000),
            field("assetId", Type::Int),
            field("metadata", SERIES_METADATA),
            field("columns", Type::Json).required(),
            field("dataSetId", Type::Int),
        ],
        filters: &[
            NAME,
            EXTERNAL_ID_PREFIX,
            METADATA,
            filter("assetIds", Test::AnyOf("assetId")),
            filter("rootAssetIds", Test::AssetRoots("assetId")),
            filter("assetSubtreeIds", Test::AssetSubtrees("assetId")),
            CREATED,
            UPDATED,
            DATA_SETS,
        ],
        search: &[
            ("name", &["name"]),
            ("description", &["description"]),
            ("query", &["name", "description", "externalId"]),
        ],
        ops: ALL_OPS,
        has_id: true,
        create_limit: 1000,
        created_status: 201,
        twice_status: 409,
        special: Special::Sequence,
    },
    Kind {
        path: "files",
        noun: "files",
        fields: &[
            text("externalId", 255),
            text("name", 256).required(),
            text("directory", 512),
            text("source", 128),
            text("mimeType", 256),
            field("metadata", USUAL_METADATA),
            field("assetIds", Type::Ids),
            field("dataSetId", Type::Int),
            field("sourceCreatedTime", Type::Int),
            field("sourceModifiedTime", Type::Int),
            field("securityCategories", Type::Ids),
            field("labels", Type::Labels),
            field("geoLocation", Type::Json),
        ],
        filters: &[
            NAME,
            filter("directoryPrefix", Test::Prefix("directory")),
            filter("mimeType", Test::Equals("mimeType")),
            METADATA,
            filter("assetIds", Test::AnyOf("assetIds")),
            filter("assetExternalIds", Test::AssetExternalIds("assetIds")),
            filter("rootAssetIds", Test::AssetRoots("assetIds")),
            filter("assetSubtreeIds", Test::AssetSubtrees("assetIds")),
            DATA_SETS,
            LABELS,
            SOURCE,
            CREATED,
            UPDATED,
            filter("uploadedTime", Test::Range("uploadedTime")),
            filter("sourceCreatedTime", Test::Range("sourceCreatedTime")),
            filter("sourceModifiedTime", Test::Range("sourceModifiedTime")),
            EXTERNAL_ID_PREFIX,
            filter("uploaded", Test::Equals("uploaded")),
        ],
        search: &[("name", &["name"])],
        // Content is not kept, so a file is made by its metadata alone (`create` is the one-object form).
        ops: ALL_OPS,
        has_id: true,
        create_limit: 1,
        created_status: 201,
        twice_status: 409,
        special: Special::File,
    },
];

pub fn kind(path: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|k| k.path == path)
}

impl Kind {
    pub fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    pub fn serves(&self, op: &str) -> bool {
        self.ops.contains(&op)
    }
}
