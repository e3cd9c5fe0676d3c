//! Status codes as OPC UA defines them; the two top bits are the category.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use crate::error::{ApiError, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    Good,
    Uncertain,
    Bad,
}

/// What a datapoint has beyond timestamp and value. Good (0) datapoints with a value have none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    pub code: u32,
    /// A bad datapoint may have no value at all.
    pub null: bool,
}

pub type Marks = BTreeMap<i64, Mark>;

/// Names of codes from the first one on, all beginning with the same word.
const NAMED: &[(u32, &str, &str)] = &[
    (0x0000, "Good", ""),
    (0x002D, "Good", "SubscriptionTransferred CompletesAsynchronously Overload Clamped"),
    (0x0096, "Good", "LocalOverride"),
    (0x00A2, "Good", "EntryInserted EntryReplaced"),
    (0x00A5, "Good", "NoData MoreData CommunicationEvent ShutdownEvent CallAgain NonCriticalTimeout"),
    (0x00BA, "Good", "ResultsMayBeIncomplete"),
    (0x00D9, "Good", "DataIgnored"),
    (0x00DC, "Good", "Edited"),
    (0x00E0, "Good", "DependentValueChanged"),
    (0x4000, "Uncertain", ""),
    (0x406C, "Uncertain", "ReferenceOutOfServer"),
    (
        0x408F,
        "Uncertain",
        "NoCommunicationLastUsableValue LastUsableValue SubstituteValue InitialValue SensorNotAccurate \
         EngineeringUnitsExceeded SubNormal",
    ),
    (0x40A4, "Uncertain", "DataSubNormal"),
    (0x40BC, "Uncertain", "ReferenceNotDeleted"),
    (0x40C0, "Uncertain", "NotAllNodesAvailable"),
    (0x40DE, "Uncertain", "DominantValueChanged"),
    (0x40E2, "Uncertain", "DependentValueChanged"),
    (0x8000, "Bad", ""),
    (
        0x8001,
        "Bad",
        "UnexpectedError InternalError OutOfMemory ResourceUnavailable CommunicationError EncodingError \
         DecodingError EncodingLimitsExceeded UnknownResponse Timeout ServiceUnsupported Shutdown \
         ServerNotConnected ServerHalted NothingToDo TooManyOperations DataTypeIdUnknown CertificateInvalid \
         SecurityChecksFailed CertificateTimeInvalid CertificateIssuerTimeInvalid CertificateHostNameInvalid \
         CertificateUriInvalid CertificateUseNotAllowed CertificateIssuerUseNotAllowed CertificateUntrusted \
         CertificateRevocationUnknown CertificateIssuerRevocationUnknown CertificateRevoked \
         CertificateIssuerRevoked UserAccessDenied IdentityTokenInvalid IdentityTokenRejected \
         SecureChannelIdInvalid InvalidTimestamp NonceInvalid SessionIdInvalid SessionClosed SessionNotActivated \
         SubscriptionIdInvalid",
    ),
    (0x802A, "Bad", "RequestHeaderInvalid TimestampsToReturnInvalid RequestCancelledByClient"),
    (
        0x8031,
        "Bad",
        "NoCommunication WaitingForInitialData NodeIdInvalid NodeIdUnknown AttributeIdInvalid IndexRangeInvalid \
         IndexRangeNoData DataEncodingInvalid DataEncodingUnsupported NotReadable NotWritable OutOfRange \
         NotSupported NotFound ObjectDeleted NotImplemented MonitoringModeInvalid MonitoredItemIdInvalid \
         MonitoredItemFilterInvalid MonitoredItemFilterUnsupported FilterNotAllowed StructureMissing \
         EventFilterInvalid ContentFilterInvalid FilterOperandInvalid ContinuationPointInvalid \
         NoContinuationPoints ReferenceTypeIdInvalid BrowseDirectionInvalid NodeNotInView ServerUriInvalid \
         ServerNameMissing DiscoveryUrlMissing SempahoreFileMissing RequestTypeInvalid SecurityModeRejected \
         SecurityPolicyRejected TooManySessions UserSignatureInvalid ApplicationSignatureInvalid \
         NoValidCertificates RequestCancelledByRequest ParentNodeIdInvalid ReferenceNotAllowed NodeIdRejected \
         NodeIdExists NodeClassInvalid BrowseNameInvalid BrowseNameDuplicated NodeAttributesInvalid \
         TypeDefinitionInvalid SourceNodeIdInvalid TargetNodeIdInvalid DuplicateReferenceNotAllowed \
         InvalidSelfReference ReferenceLocalOnly NoDeleteRights ServerIndexInvalid ViewIdUnknown",
    ),
    (
        0x806D,
        "Bad",
        "TooManyMatches QueryTooComplex NoMatch MaxAgeInvalid HistoryOperationInvalid HistoryOperationUnsupported \
         WriteNotSupported TypeMismatch MethodInvalid ArgumentsMissing TooManySubscriptions TooManyPublishRequests \
         NoSubscription SequenceNumberUnknown MessageNotAvailable InsufficientClientProfile TcpServerTooBusy \
         TcpMessageTypeInvalid TcpSecureChannelUnknown TcpMessageTooLarge TcpNotEnoughResources TcpInternalError \
         TcpEndpointUrlInvalid RequestInterrupted RequestTimeout SecureChannelClosed SecureChannelTokenUnknown \
         SequenceNumberInvalid ConfigurationError NotConnected DeviceFailure SensorFailure OutOfService \
         DeadbandFilterInvalid",
    ),
    (0x8097, "Bad", "RefreshInProgress ConditionAlreadyDisabled ConditionDisabled EventIdUnknown NoData"),
    (0x809D, "Bad", "DataLost DataUnavailable EntryExists NoEntryExists TimestampNotSupported"),
    (
        0x80AB,
        "Bad",
        "InvalidArgument ConnectionRejected Disconnect ConnectionClosed InvalidState EndOfStream NoDataAvailable \
         WaitingForResponse OperationAbandoned ExpectedStreamToBlock WouldBlock SyntaxError MaxConnectionsReached \
         RequestTooLarge ResponseTooLarge",
    ),
    (
        0x80C8,
        "Bad",
        "NotTypeDefinition ViewTimestampInvalid ViewParameterMismatch ViewVersionInvalid ConditionAlreadyEnabled \
         DialogNotActive DialogResponseInvalid ConditionBranchAlreadyAcked ConditionBranchAlreadyConfirmed \
         ConditionAlreadyShelved ConditionNotShelved ShelvingTimeOutOfRange AggregateListMismatch \
         AggregateNotSupported AggregateInvalidInputs BoundNotFound BoundNotSupported",
    ),
    (0x810D, "Bad", "CertificateChainIncomplete LicenseExpired LicenseLimitsExceeded LicenseNotAvailable"),
];

/// Codes and their names, in order.
static SYMBOLS: LazyLock<BTreeMap<u32, String>> = LazyLock::new(|| {
    let row = |(first, word, rest): &(u32, &'static str, &'static str)| {
        let (first, word) = (*first, *word);
        rest.split(' ').zip(first..).map(move |(name, code)| (code << 16, format!("{word}{name}")))
    };
    NAMED.iter().flat_map(row).collect()
});

pub fn category(code: u32) -> Category {
    match code >> 30 {
        0 => Category::Good,
        1 => Category::Uncertain,
        _ => Category::Bad,
    }
}

/// The name of a code; for codes not in the table that of the main code or the category.
pub fn symbol(code: u32) -> &'static str {
    let named = |wanted: u32| SYMBOLS.get(&wanted).map(String::as_str);
    named(code).or_else(|| named(code & 0xFFFF_0000)).unwrap_or(match category(code) {
        Category::Good => "Good",
        Category::Uncertain => "Uncertain",
        Category::Bad => "Bad",
    })
}

/// The code that a request's code and symbol mean together.
pub fn parse(code: Option<i64>, name: Option<&str>) -> Result<u32> {
    let by_name = match name.filter(|n| !n.is_empty()) {
        None => None,
        Some(name) => match SYMBOLS.iter().find(|(_, n)| n.as_str() == name) {
            Some((code, _)) => Some(*code),
            None => return Err(ApiError::bad(format!("Invalid status code symbol: {name}"))),
        },
    };
    let by_code = match code {
        None => None,
        Some(code) => match u32::try_from(code) {
            // Without a kind of information (bits 10 and 11) there is none.
            Ok(code) if code >> 30 != 3 && (code & 0xC00 != 0 || code & 0x3FF == 0) => Some(code),
            _ => return Err(ApiError::bad(format!("Invalid status code: {code}"))),
        },
    };
    match (by_code, by_name) {
        (Some(code), Some(named)) if code != named && code & 0xFFFF_0000 != named => {
            Err(ApiError::bad(format!("Status code {code} and symbol {} do not match", name.unwrap_or(""))))
        }
        (Some(code), _) => Ok(code),
        (None, Some(code)) => Ok(code),
        (None, None) => Ok(0),
    }
}

/// How a query treats datapoints that are not good.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    pub ignore_bad: bool,
    pub uncertain_as_bad: bool,
}

impl Rules {
    pub fn is_bad(self, category: Category) -> bool {
        match category {
            Category::Good => false,
            Category::Uncertain => self.uncertain_as_bad,
            Category::Bad => true,
        }
    }

    /// Whether a raw query shows the datapoint.
    pub fn shows(self, mark: Option<&Mark>) -> bool {
        !self.ignore_bad || mark.is_none_or(|m| !self.is_bad(category(m.code)))
    }
}
