//! What the API looks like, as OpenAPI 3.1 documents, for people and for generators of clients.
//!
//! Routes and documents come from the same place: a handler says by `#[utoipa::path]` where it hangs and what it answers, and
//! `routes!` puts both into an `OpenApiRouter`. Nothing can be served that is not described.
//!
//! Here is what all operations of an API have in common: parameters in the path, refusals, credentials. What bodies look
//! like is in `shapes`; the kit of the tests holds every answer that a test gets against these documents.

use axum::Json;
use axum::Router;
use axum::routing::get;
use http::StatusCode;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, Info, License, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder,
    Server, path::PathItem,
};
use utoipa::{PartialSchema, ToSchema};

use crate::{admin_api, client_api, connector_api, identity};

pub(crate) mod shapes;

/// The name under which a document says that a bearer token is to be shown.
const BEARER: &str = "bearer";

/// The component of the body of a refusal.
const ERROR: &str = "Error";

/// One of the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    /// For clients: Direct Line 3.0.
    Directline,
    /// For bots: the Connector API, and where they get keys and tokens.
    Connector,
    /// For the operator.
    Admin,
}

impl Document {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Directline, Self::Connector, Self::Admin];

    /// What it is called in addresses and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directline => "directline",
            Self::Connector => "connector",
            Self::Admin => "admin",
        }
    }

    /// The document.
    pub fn open_api(self) -> OpenApi {
        match self {
            Self::Directline => finished(client_api::documented().into_openapi(), &DIRECTLINE),
            Self::Connector => {
                let mut api = connector_api::documented().1;
                // The identity endpoints do not lie below the base of the Connector API, and so have servers of their own.
                let mut identity = identity::documented().into_openapi();
                for item in identity.paths.paths.values_mut() {
                    item.servers = Some(vec![Server::new("/")]);
                }
                api.merge(identity);
                finished(api, &CONNECTOR)
            }
            Self::Admin => finished(admin_api::documented().into_openapi(), &ADMIN),
        }
    }

    /// The document as text; the same for every build of this source.
    ///
    /// # Errors
    /// Where the library cannot write it.
    pub fn to_json(self) -> Result<String, serde_json::Error> {
        self.open_api().to_pretty_json()
    }
}

/// `GET /openapi/{document}.json` for these documents.
pub(crate) fn routes(documents: &[Document]) -> Router {
    let mut router = Router::new();
    for document in documents {
        let api = document.open_api();
        let path = format!("/openapi/{}.json", document.name());
        router = router.route(&path, get(move || std::future::ready(Json(api))));
    }
    router
}

/// What all operations of an API have in common.
struct Common {
    title: &'static str,
    about: &'static str,
    /// Where the paths hang, from the server's root.
    servers: &'static [&'static str],
    credential: &'static str,
    /// Refusals that every operation may answer with.
    refusals: &'static [StatusCode],
}

const DIRECTLINE: Common = Common {
    title: "Landline: Direct Line 3.0",
    about: "What clients of bots use: tokens, conversations, activities, files.",
    servers: &["/"],
    credential: "The secret of a site, or a token of one conversation.",
    refusals: &[
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ],
};

const CONNECTOR: Common = Common {
    title: "Landline: Connector API",
    about: "What bots use. A bot with an app id shows a token; the address of one without holds what only the bot knows.",
    servers: &["/connector", "/connector/{capability}"],
    credential: "An access token of the bot, of this server or of an issuer that it trusts.",
    refusals: &[
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ],
};

const ADMIN: Common = Common {
    title: "Landline: admin API",
    about: "What the operator's commands use. On a listener of its own.",
    servers: &["/admin/v1"],
    credential: "The admin token: configured, or in admin.json in the data folder.",
    refusals: &[
        StatusCode::BAD_REQUEST,
        StatusCode::UNAUTHORIZED,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ],
};

/// Adds to what was collected what stands at no single handler.
fn finished(mut api: OpenApi, common: &Common) -> OpenApi {
    api.info = Info::new(common.title, env!("CARGO_PKG_VERSION"));
    api.info.description = Some(common.about.to_owned());
    api.info.license = Some(License::new("MIT OR Apache-2.0"));
    api.servers = Some(common.servers.iter().map(|url| server(url)).collect());
    api.security = Some(vec![SecurityRequirement::new(BEARER, [] as [&str; 0])]);

    let components = api.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(common.credential));
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    let mut error = vec![(ERROR.to_owned(), shapes::Error::schema())];
    shapes::Error::schemas(&mut error);
    components.schemas.extend(error);
    let refusals = common.refusals.iter().map(|status| (status_name(*status), RefOr::T(refusal(*status))));
    components.responses.extend(refusals);

    for (path, item) in &mut api.paths.paths {
        let names: Vec<&str> = names_in(path).collect();
        for operation in operations(item) {
            let parameters = operation.parameters.get_or_insert_default();
            parameters.extend(names.iter().map(|name| RefOr::T(in_path(name))));
            for status in common.refusals {
                let responses = &mut operation.responses.responses;
                let refusal = || RefOr::Ref(Ref::from_response_name(status_name(*status)));
                responses.entry(status.as_u16().to_string()).or_insert_with(refusal);
            }
        }
    }
    api
}

fn server(url: &str) -> Server {
    let mut server = Server::new(url);
    if url.contains("{capability}") {
        let variable = utoipa::openapi::ServerVariableBuilder::new()
            .default_value("capability")
            .description(Some("The part of the bot's serviceUrl that cannot be guessed."))
            .build();
        server.variables = Some([("capability".to_owned(), variable)].into());
    }
    server
}

/// Each operation of a path.
fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, options, head, patch, trace, .. } = item;
    [get, put, post, delete, options, head, patch, trace].into_iter().flatten()
}

/// The names in braces.
fn names_in(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

fn in_path(name: &str) -> Parameter {
    let about = match name {
        "conversation" => "The id of the conversation.",
        "activity" => "The id of the activity.",
        "member" => "The id of the user or bot.",
        "attachment" => "The id of the attachment.",
        "view" => "`original` or `thumbnail`.",
        "file" => "The id of the file.",
        "tenant" => "The tenant of the bot.",
        "slot" => "`1` or `2`.",
        "name" => "The name.",
        _ => "A part of the path.",
    };
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(String::schema()))
        .build()
}

/// Under which name the refusal with this status stands among the components.
fn status_name(status: StatusCode) -> String {
    format!("Refused{}", status.as_u16())
}

fn refusal(status: StatusCode) -> Response {
    let about = match status {
        StatusCode::BAD_REQUEST => "Something is missing, malformed or out of range.",
        StatusCode::UNAUTHORIZED => "The credential is absent, malformed or, of a bot, not valid.",
        StatusCode::FORBIDDEN => "The credential does not open this, or has expired (`TokenExpired`).",
        StatusCode::NOT_FOUND => "It is not there.",
        StatusCode::CONFLICT => "It does not fit what there is.",
        StatusCode::PAYLOAD_TOO_LARGE => "Too large, or no room for it.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "A content type or encoding that is not read.",
        StatusCode::TOO_MANY_REQUESTS => "Over a rate limit; `retry-after` says when to come again.",
        StatusCode::SERVICE_UNAVAILABLE => "Not now; `retry-after` says when to come again.",
        _ => "A mistake of the server; the message names the request.",
    };
    let error = ContentBuilder::new().schema(Some(Ref::from_schema_name(ERROR))).build();
    ResponseBuilder::new().description(about).content("application/json", error).build()
}
