//! What can be asked for in the query of an address.

use utoipa::openapi::path::{Parameter as Described, ParameterBuilder, ParameterIn};
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, RefOr, Required, Schema, Type};

/// One parameter of a query.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    name: &'static str,
    about: &'static str,
    values: Values,
    is_required: bool,
}

/// What a parameter may be.
#[derive(Clone, Copy, Debug)]
enum Values {
    Text,
    /// The same name may come any number of times.
    Texts,
    Number,
    Flag,
    OneOf(&'static [&'static str]),
}

use Values::{Flag, Number, OneOf, Text, Texts};

const SPAN: &str = "The time up to now: 90s, 15m, 6h";
const FROM: &str = "In place of `last`: milliseconds since 1970";
const TO: &str = "Milliseconds since 1970; now, if it is not said";

pub(super) const HISTORY: &[Parameter] = &[
    required(
        "of",
        "With commas between them: node, listener/NAME, route/LISTENER/NAME, pool/NAME, \
         server/POOL/NAME, vip/NAME; a name may be *",
        Text,
    ),
    parameter("figures", "Which, with commas between them; all, if it is not said", Text),
    parameter("last", SPAN, Text),
    parameter("from", FROM, Number),
    parameter("to", TO, Number),
    parameter("step", "Seconds: 1, 10 or 300", Number),
];

pub(super) const EXCHANGES: &[Parameter] = &[
    parameter("status", "Answered so", Number),
    parameter("code", "Ended with this termination code", Text),
    parameter("listener", "Of this listener", Text),
    parameter("pool", "Of this pool", Text),
    parameter("server", "Of this server: POOL/SERVER", Text),
    parameter("slow", "Those that were slow, and where their time went", Flag),
    parameter("last", SPAN, Text),
    parameter("from", FROM, Number),
    parameter("to", TO, Number),
    parameter("limit", "Exchanges in the answer, 10000 at most; 200, if it is not said", Number),
    parameter("events", "With events; true, if it is not said", Flag),
];

pub(super) const EXPLAIN: &[Parameter] = &[
    required("method", "Of the request", Text),
    required("url", "Of the request, with its scheme", Text),
    parameter("header", "A header line, `Name: value`", Texts),
    parameter("from", "The client's address", Text),
    parameter("listener", "In place of the one that the URL says", Text),
];

pub(super) const CONFIG: &[Parameter] =
    &[parameter("version", "An earlier one of /api/v1/config/versions", Text)];

pub(super) const BOTH: &[Parameter] =
    &[parameter("both", "On both nodes of the pair or on neither", Flag)];

pub(super) const METRICS: &[Parameter] = &[parameter(
    "compat",
    "In the names of nginx-prometheus-exporter, or of HAProxy's own exporter",
    OneOf(&["nginx", "haproxy"]),
)];

const fn parameter(name: &'static str, about: &'static str, values: Values) -> Parameter {
    Parameter { name, about, values, is_required: false }
}

const fn required(name: &'static str, about: &'static str, values: Values) -> Parameter {
    Parameter { name, about, values, is_required: true }
}

impl Parameter {
    pub(super) fn describe(self) -> Described {
        let required = if self.is_required { Required::True } else { Required::False };
        ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .description(Some(self.about))
            .required(required)
            .schema(Some(self.values.schema()))
            .build()
    }
}

impl Values {
    fn schema(self) -> RefOr<Schema> {
        let of = |kind| ObjectBuilder::new().schema_type(kind);
        let schema = match self {
            Text => Schema::Object(of(Type::String).build()),
            Texts => Schema::Array(ArrayBuilder::new().items(of(Type::String)).build()),
            Number => Schema::Object(of(Type::Integer).build()),
            Flag => Schema::Object(of(Type::Boolean).build()),
            OneOf(words) => {
                Schema::Object(of(Type::String).enum_values(Some(words.iter().copied())).build())
            }
        };
        RefOr::T(schema)
    }
}
