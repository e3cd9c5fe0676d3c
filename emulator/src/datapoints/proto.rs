//! The binary form of datapoints (package com.cognite.v1.timeseries.proto).

use bytes::Bytes;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
pub struct InstanceId {
    #[prost(string, tag = "1")]
    pub space: String,
    #[prost(string, tag = "2")]
    pub external_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct Status {
    #[prost(int64, tag = "1")]
    pub code: i64,
    #[prost(string, tag = "2")]
    pub symbol: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct NumericDatapoint {
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    #[prost(double, tag = "2")]
    pub value: f64,
    #[prost(message, optional, tag = "3")]
    pub status: Option<Status>,
    #[prost(bool, tag = "4")]
    pub null_value: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct NumericDatapoints {
    #[prost(message, repeated, tag = "1")]
    pub datapoints: Vec<NumericDatapoint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StringDatapoint {
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    #[prost(string, tag = "2")]
    pub value: String,
    #[prost(message, optional, tag = "3")]
    pub status: Option<Status>,
    #[prost(bool, tag = "4")]
    pub null_value: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct StringDatapoints {
    #[prost(message, repeated, tag = "1")]
    pub datapoints: Vec<StringDatapoint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateDatapoint {
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    #[prost(int64, optional, tag = "2")]
    pub numeric_value: Option<i64>,
    #[prost(string, optional, tag = "3")]
    pub string_value: Option<String>,
    #[prost(message, optional, tag = "4")]
    pub status: Option<Status>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateDatapoints {
    #[prost(message, repeated, tag = "1")]
    pub datapoints: Vec<StateDatapoint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateValue {
    #[prost(int64, optional, tag = "1")]
    pub numeric_value: Option<i64>,
    #[prost(string, optional, tag = "2")]
    pub string_value: Option<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateAggregate {
    #[prost(int64, tag = "1")]
    pub numeric_value: i64,
    #[prost(string, optional, tag = "2")]
    pub string_value: Option<String>,
    #[prost(int64, optional, tag = "3")]
    pub state_count: Option<i64>,
    #[prost(int64, optional, tag = "4")]
    pub state_transitions: Option<i64>,
    #[prost(int64, optional, tag = "5")]
    pub state_duration: Option<i64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateAggregateDatapoint {
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    #[prost(double, tag = "2")]
    pub count: f64,
    #[prost(double, tag = "3")]
    pub count_good: f64,
    #[prost(double, tag = "4")]
    pub count_uncertain: f64,
    #[prost(double, tag = "5")]
    pub count_bad: f64,
    #[prost(double, tag = "6")]
    pub duration_good: f64,
    #[prost(double, tag = "7")]
    pub duration_uncertain: f64,
    #[prost(double, tag = "8")]
    pub duration_bad: f64,
    #[prost(message, optional, tag = "9")]
    pub interpolation: Option<StateValue>,
    #[prost(message, optional, tag = "10")]
    pub step_interpolation: Option<StateValue>,
    #[prost(message, repeated, tag = "11")]
    pub state_aggregates: Vec<StateAggregate>,
}

#[derive(Clone, PartialEq, Message)]
pub struct StateAggregateDatapoints {
    #[prost(message, repeated, tag = "1")]
    pub datapoints: Vec<StateAggregateDatapoint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AggregateDatapoint {
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
    #[prost(double, tag = "2")]
    pub average: f64,
    #[prost(double, tag = "3")]
    pub max: f64,
    #[prost(double, tag = "4")]
    pub min: f64,
    #[prost(double, tag = "5")]
    pub count: f64,
    #[prost(double, tag = "6")]
    pub sum: f64,
    #[prost(double, tag = "7")]
    pub interpolation: f64,
    #[prost(double, tag = "8")]
    pub step_interpolation: f64,
    #[prost(double, tag = "9")]
    pub continuous_variance: f64,
    #[prost(double, tag = "10")]
    pub discrete_variance: f64,
    #[prost(double, tag = "11")]
    pub total_variation: f64,
    #[prost(double, tag = "12")]
    pub count_good: f64,
    #[prost(double, tag = "13")]
    pub count_uncertain: f64,
    #[prost(double, tag = "14")]
    pub count_bad: f64,
    #[prost(double, tag = "15")]
    pub duration_good: f64,
    #[prost(double, tag = "16")]
    pub duration_uncertain: f64,
    #[prost(double, tag = "17")]
    pub duration_bad: f64,
    #[prost(message, optional, tag = "18")]
    pub max_datapoint: Option<NumericDatapoint>,
    #[prost(message, optional, tag = "19")]
    pub min_datapoint: Option<NumericDatapoint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct AggregateDatapoints {
    #[prost(message, repeated, tag = "1")]
    pub datapoints: Vec<AggregateDatapoint>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InsertionRequest {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<InsertionItem>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InsertionItem {
    #[prost(oneof = "Reference", tags = "1, 2, 5")]
    pub reference: Option<Reference>,
    #[prost(oneof = "Inserted", tags = "3, 4, 6")]
    pub datapoints: Option<Inserted>,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Reference {
    #[prost(int64, tag = "1")]
    Id(i64),
    #[prost(string, tag = "2")]
    ExternalId(String),
    #[prost(message, tag = "5")]
    InstanceId(InstanceId),
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Inserted {
    /// `NumericDatapoints`, as they came.
    #[prost(bytes = "bytes", tag = "3")]
    Numeric(Bytes),
    #[prost(message, tag = "4")]
    String(StringDatapoints),
    #[prost(message, tag = "6")]
    State(StateDatapoints),
}

#[derive(Clone, PartialEq, Message)]
pub struct ListResponse {
    #[prost(message, repeated, tag = "1")]
    pub items: Vec<ListItem>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ListItem {
    #[prost(int64, tag = "1")]
    pub id: i64,
    #[prost(string, tag = "2")]
    pub external_id: String,
    #[prost(oneof = "Listed", tags = "3, 4, 5, 13, 15")]
    pub datapoints: Option<Listed>,
    #[prost(bool, tag = "6")]
    pub is_string: bool,
    #[prost(bool, tag = "7")]
    pub is_step: bool,
    #[prost(string, tag = "8")]
    pub unit: String,
    #[prost(string, tag = "9")]
    pub next_cursor: String,
    #[prost(string, tag = "10")]
    pub unit_external_id: String,
    #[prost(message, optional, tag = "11")]
    pub instance_id: Option<InstanceId>,
    /// 1 numeric, 2 string, 3 state.
    #[prost(int32, tag = "12")]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, Oneof)]
pub enum Listed {
    /// `NumericDatapoints`, as they go.
    #[prost(bytes = "bytes", tag = "3")]
    Numeric(Bytes),
    #[prost(message, tag = "4")]
    String(StringDatapoints),
    #[prost(message, tag = "5")]
    Aggregate(AggregateDatapoints),
    #[prost(message, tag = "13")]
    State(StateDatapoints),
    #[prost(message, tag = "15")]
    StateAggregate(StateAggregateDatapoints),
}
