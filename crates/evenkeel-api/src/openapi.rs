//! The description of the API, for programs.

mod query;

use utoipa::openapi::path::{
    HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, Ref,
    RefOr, Required, Response, ResponseBuilder, Schema, SecurityRequirement, Type,
};
use utoipa::{PartialSchema, ToSchema};

use self::query::Parameter;
use crate::documents::{
    Applied, ConfigVersion, Drill, DrillEnd, DrillStart, DrillWord, Drills, Event, Explanation,
    History, Pool, Problem, Recorded, Server, ServerAddition, ServerChange, ServerRemoval, Status,
    Tick, Upgraded, Vip, VipChange,
};

/// How a resource is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Put,
    Patch,
    Post,
    Delete,
}

/// Something that can be asked of a node.
#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub method: Method,
    /// With its parameters in braces.
    pub path: &'static str,
    pub summary: &'static str,
    query: &'static [Parameter],
    sends: Body,
    answers: Body,
}

/// What a message carries.
#[derive(Clone, Copy, Debug)]
enum Body {
    Nothing,
    Json(&'static str),
    Problem,
    /// A list of these.
    List(&'static str),
    Text(&'static str),
}

/// Everything that can be asked of a node.
pub const OPERATIONS: [Operation; 28] = {
    use Body::{Json, List, Nothing, Text};
    use Method::{Delete, Get, Patch, Post, Put};
    const SERVERS: &str = "/api/v1/pools/{pool}/servers";
    const SERVER: &str = "/api/v1/pools/{pool}/servers/{server}";
    const VIP: &str = "/api/v1/vips/{vip}";
    const DRILL: &str = "/api/v1/drills/{drill}";
    [
        operation(Get, "/api/v1/status", "The node at a glance", Nothing, Json("Status")),
        operation(Get, "/api/v1/pools", "Every pool with its servers", Nothing, List("Pool")),
        operation(Post, SERVERS, "Add a server", Json("ServerAddition"), Json("Pool")),
        operation(Get, SERVER, "A server", Nothing, Json("Server")),
        operation(Put, SERVER, "Set admin state or weight", Json("ServerChange"), Json("Server")),
        operation(Patch, SERVER, "Set admin state or weight", Json("ServerChange"), Json("Server")),
        operation(Delete, SERVER, "Remove it", Json("ServerRemoval"), Json("Pool")),
        operation(Get, "/api/v1/vips", "Every virtual address", Nothing, List("Vip")),
        operation(Get, VIP, "A virtual address", Nothing, Json("Vip")),
        operation(Put, VIP, "Have another node own it, or not", Json("VipChange"), Json("Vip")),
        operation(Get, "/api/v1/drills", "Drills, by what they were of", Nothing, Json("Drills")),
        operation(Post, "/api/v1/drills", "Begin a drill", Json("DrillStart"), Json("Drill")),
        operation(Put, DRILL, "Say that it goes on, and how far", Json("DrillWord"), Json("Drill")),
        operation(
            Delete,
            DRILL,
            "End it, and keep what came of it",
            Json("DrillEnd"),
            Json("Drills"),
        ),
        operation(
            Get,
            "/api/v1/events",
            "Events from now on, as server-sent events; `data` is an Event",
            Nothing,
            Text("text/event-stream"),
        ),
        operation(
            Get,
            "/api/v1/live",
            "What the node does, each second, as server-sent events `tick`; `data` is a Tick",
            Nothing,
            Text("text/event-stream"),
        ),
        operation(Get, "/api/v1/history", "What it did, in even steps", Nothing, Json("History"))
            .asked(query::HISTORY),
        operation(
            Get,
            "/api/v1/exchanges",
            "Exchanges of the last hour that failed or were slow, why, and events",
            Nothing,
            Json("Recorded"),
        )
        .asked(query::EXCHANGES),
        operation(
            Get,
            "/api/v1/explain",
            "What would be done with a request",
            Nothing,
            Json("Explanation"),
        )
        .asked(query::EXPLAIN),
        operation(
            Get,
            "/api/v1/config",
            "The configuration in force, or an earlier one",
            Nothing,
            Text("application/toml"),
        )
        .asked(query::CONFIG),
        operation(
            Put,
            "/api/v1/config",
            "Apply another configuration; `If-Match` says which one it replaces",
            Text("application/toml"),
            Json("Applied"),
        )
        .asked(query::BOTH),
        operation(
            Get,
            "/api/v1/config/versions",
            "The versions that were in force, the newest first",
            Nothing,
            List("ConfigVersion"),
        ),
        operation(Post, "/api/v1/reload", "Read the file again", Nothing, Json("Applied"))
            .asked(query::BOTH),
        operation(
            Post,
            "/api/v1/upgrade",
            "Start the program anew and hand everything over to it",
            Nothing,
            Json("Upgraded"),
        ),
        operation(
            Get,
            "/api/v1/openapi.json",
            "This description",
            Nothing,
            Text("application/json"),
        ),
        operation(Get, "/metrics", "Metrics for Prometheus", Nothing, Text("text/plain"))
            .asked(query::METRICS),
        operation(Get, "/healthz", "200: the program is alive", Nothing, Text("text/plain")),
        operation(
            Get,
            "/readyz",
            "200: traffic can be served; 503 with the reasons when not",
            Nothing,
            Text("text/plain"),
        ),
    ]
};

const fn operation(
    method: Method,
    path: &'static str,
    summary: &'static str,
    sends: Body,
    answers: Body,
) -> Operation {
    Operation { method, path, summary, query: &[], sends, answers }
}

/// The description of the API, as it is checked in beside this crate.
pub fn openapi() -> String {
    let mut text = document().to_pretty_json().expect("the description is made of plain values");
    text.push('\n');
    text
}

fn document() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Evenkeel admin API")
        .version("v1")
        .description(Some("Errors are problems of RFC 9457. Times are RFC 3339 in UTC."))
        .build();
    let paths = OPERATIONS
        .iter()
        .fold(PathsBuilder::new(), |paths, operation| {
            paths.path(operation.path, PathItem::new(operation.verb(), operation.describe()))
        })
        .build();
    OpenApiBuilder::new()
        .info(info)
        .paths(paths)
        .components(Some(components()))
        .security(Some([SecurityRequirement::new("token", Vec::<String>::new())]))
        .build()
}

fn components() -> utoipa::openapi::Components {
    let mut schemas: Vec<(String, RefOr<Schema>)> = Vec::new();
    with_parts::<Status>(&mut schemas);
    with_parts::<Pool>(&mut schemas);
    with_parts::<Server>(&mut schemas);
    with_parts::<ServerAddition>(&mut schemas);
    with_parts::<ServerChange>(&mut schemas);
    with_parts::<ServerRemoval>(&mut schemas);
    with_parts::<Vip>(&mut schemas);
    with_parts::<VipChange>(&mut schemas);
    with_parts::<Drills>(&mut schemas);
    with_parts::<Drill>(&mut schemas);
    with_parts::<DrillStart>(&mut schemas);
    with_parts::<DrillWord>(&mut schemas);
    with_parts::<DrillEnd>(&mut schemas);
    with_parts::<Applied>(&mut schemas);
    with_parts::<Upgraded>(&mut schemas);
    with_parts::<ConfigVersion>(&mut schemas);
    with_parts::<Event>(&mut schemas);
    with_parts::<Tick>(&mut schemas);
    with_parts::<History>(&mut schemas);
    with_parts::<Explanation>(&mut schemas);
    with_parts::<Recorded>(&mut schemas);
    with_parts::<Problem>(&mut schemas);
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    ComponentsBuilder::new().schemas_from_iter(schemas).security_scheme("token", bearer).build()
}

/// A document and those it is made of.
fn with_parts<T: ToSchema + PartialSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

impl Operation {
    const fn asked(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    fn verb(&self) -> HttpMethod {
        match self.method {
            Method::Get => HttpMethod::Get,
            Method::Put => HttpMethod::Put,
            Method::Patch => HttpMethod::Patch,
            Method::Post => HttpMethod::Post,
            Method::Delete => HttpMethod::Delete,
        }
    }

    fn describe(&self) -> utoipa::openapi::path::Operation {
        let problem = Body::Problem.response("Why it was refused");
        let mut operation = OperationBuilder::new()
            .summary(Some(self.summary))
            .response("200", self.answers.response("Done"))
            .response("default", problem);
        for name in self.path.split(['{', '}']).skip(1).step_by(2) {
            let parameter = ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .schema(Some(text()));
            operation = operation.parameter(parameter.required(Required::True));
        }
        for parameter in self.query {
            operation = operation.parameter(parameter.describe());
        }
        if let Some((media, schema)) = self.sends.content() {
            let content = ContentBuilder::new().schema(Some(schema)).build();
            let body = RequestBodyBuilder::new().content(media, content);
            operation = operation.request_body(Some(body.required(Some(Required::True)).build()));
        }
        operation.build()
    }
}

impl Body {
    fn content(self) -> Option<(&'static str, RefOr<Schema>)> {
        let reference = |name| RefOr::Ref(Ref::from_schema_name(name));
        match self {
            Self::Nothing => None,
            Self::Json(name) => Some(("application/json", reference(name))),
            Self::Problem => Some(("application/problem+json", reference("Problem"))),
            Self::List(name) => {
                let list = utoipa::openapi::ArrayBuilder::new().items(reference(name)).build();
                Some(("application/json", RefOr::T(Schema::Array(list))))
            }
            Self::Text(media) => Some((media, text())),
        }
    }

    fn response(self, description: &str) -> Response {
        let response = ResponseBuilder::new().description(description);
        match self.content() {
            Some((media, schema)) => {
                response.content(media, ContentBuilder::new().schema(Some(schema)).build()).build()
            }
            None => response.build(),
        }
    }
}

fn text() -> RefOr<Schema> {
    RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).build()))
}
