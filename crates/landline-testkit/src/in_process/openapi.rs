//! Holds every answer that a test gets against the OpenAPI documents.
//!
//! An answer with a status that its operation does not document, or with a body that is not what the document says, fails the
//! test that got it. Properties that a document does not name count as wrong, so that a new one is described.

use std::collections::BTreeSet;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};

use hyper::Method;
use jsonschema::Validator;
use landline_server::openapi::Document;
use serde_json::{Map, Value, json};

use super::Reply;

/// A head that comes too slowly, has too long a line, or is too large.
const BEFORE_ROUTING: [u16; 3] = [408, 414, 431];

/// How much stack a check has.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// An operation of one of the documents.
struct Operation {
    id: String,
    method: Method,
    /// The path, from the base of its document.
    segments: Vec<String>,
    base: Base,
    responses: Vec<Response>,
}

/// Where the paths of an operation begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Base {
    Root,
    Connector,
    Admin,
}

struct Response {
    status: u16,
    body: Body,
}

enum Body {
    Empty,
    /// Bytes of a file.
    Anything,
    Json {
        schema: Value,
        validator: OnceLock<Validator>,
    },
}

static OPERATIONS: LazyLock<Vec<Operation>> =
    LazyLock::new(|| Document::ALL.into_iter().flat_map(read).collect());

/// What was answered with success so far.
static SHOWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The ids of all operations.
pub fn operations() -> BTreeSet<String> {
    OPERATIONS.iter().map(|operation| operation.id.clone()).collect()
}

/// The ids of those that this process has got an answer of success from.
pub fn shown() -> BTreeSet<String> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Fails where the answer is not what the documents say. Paths and methods that they do not know are none of its business.
pub(super) fn check(method: &Method, path: &str, reply: &Reply) {
    // What is refused before the router has seen it belongs to no operation.
    if !reply.headers.contains_key("x-request-id") || BEFORE_ROUTING.contains(&reply.status) {
        return;
    }
    let Some(operation) = find(method, path) else { return };
    let what = || format!("{method} {} ({})", operation.segments.join("/"), operation.id);
    let status = reply.status;
    let Some(response) = operation.responses.iter().find(|response| response.status == status) else {
        panic!("{} answered {status}, which its document does not know: {:?}", what(), reply.body);
    };
    if status < 300 {
        SHOWN.lock().unwrap_or_else(PoisonError::into_inner).insert(operation.id.clone());
    }
    match &response.body {
        // An answer to HEAD has the headers of the body that it leaves out.
        _ if *method == Method::HEAD => {}
        Body::Anything => {}
        Body::Empty => {
            assert!(reply.body.is_empty(), "{} answered {status} with a body: {:?}", what(), reply.body)
        }
        Body::Json { schema, validator } => with_room(|| {
            let validator = validator.get_or_init(|| jsonschema::validator_for(schema).expect("a schema"));
            let body = reply.json();
            let wrong: Vec<String> = validator
                .iter_errors(&body)
                .map(|error| format!("{}: {error}", error.instance_path()))
                .collect();
            assert!(
                wrong.is_empty(),
                "{} answered {status} {body}, where its document differs: {wrong:?}",
                what()
            );
        }),
    }
}

/// Reading a schema goes deep: in a build without optimisation, deeper than there is room for on the stack of a test, which a
/// server is on as well.
fn with_room(check: impl FnOnce() + Send) {
    let checked = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, check);
        thread.expect("a thread").join()
    });
    if let Err(panicked) = checked {
        std::panic::resume_unwind(panicked);
    }
}

fn find(method: &Method, path: &str) -> Option<&'static Operation> {
    let path = path.split('?').next().unwrap_or(path);
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let wanted = if *method == Method::HEAD { &Method::GET } else { method };
    let (base, rest) = match segments[..] {
        ["connector", "v3", ..] => (Base::Connector, &segments[1..]),
        ["connector", _, "v3", ..] => (Base::Connector, &segments[2..]),
        ["admin", "v1", ..] => (Base::Admin, &segments[2..]),
        _ => (Base::Root, &segments[..]),
    };
    let fits = |operation: &&Operation| {
        operation.base == base
            && operation.segments.len() == rest.len()
            && operation
                .segments
                .iter()
                .zip(rest)
                .all(|(known, given)| known.starts_with('{') || known == given)
    };
    // As the router does: what is spelled out goes first, whatever the method.
    let path = OPERATIONS.iter().filter(fits).min_by_key(|operation| {
        operation.segments.iter().map(|segment| segment.starts_with('{')).collect::<Vec<_>>()
    })?;
    let of_path = |operation: &&Operation| operation.segments == path.segments && operation.base == base;
    OPERATIONS.iter().filter(of_path).find(|operation| operation.method == *wanted)
}

fn read(document: Document) -> Vec<Operation> {
    let mut api = serde_json::to_value(document.open_api()).expect("a document");
    let components = strict(api["components"].take());
    let paths = api["paths"].as_object().expect("paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        let base = match document {
            Document::Admin => Base::Admin,
            Document::Connector if path.starts_with("/v3/") => Base::Connector,
            Document::Connector | Document::Directline => Base::Root,
        };
        for (method, operation) in
            item.as_object().expect("operations").iter().filter(|(name, _)| *name != "servers")
        {
            let responses = operation["responses"].as_object().expect("responses").iter();
            operations.push(Operation {
                id: format!("{}.{}", document.name(), operation["operationId"].as_str().expect("an id")),
                method: method.to_uppercase().parse().expect("a method"),
                segments: path.split('/').skip(1).map(str::to_owned).collect(),
                base,
                responses: responses
                    .map(|(status, response)| response_of(status, response, &components))
                    .collect(),
            });
        }
    }
    operations
}

fn response_of(status: &str, response: &Value, components: &Value) -> Response {
    let named = response["$ref"].as_str().and_then(|name| name.strip_prefix("#/components/responses/"));
    let response = named.map_or(response, |name| &components["responses"][name]);
    let content = response["content"].as_object();
    let body = match content.and_then(|content| content.get("application/json")) {
        Some(json_content) => {
            let schema = json!({ "allOf": [json_content["schema"]], "components": components });
            Body::Json { schema, validator: OnceLock::new() }
        }
        None if content.is_some() || status == "416" => Body::Anything,
        None => Body::Empty,
    };
    Response { status: status.parse().expect("a status"), body }
}

/// Objects have no properties but those that are named, unless it is said that they may.
fn strict(mut schema: Value) -> Value {
    if let Some(object) = schema.as_object_mut() {
        if object.get("properties").is_some_and(Value::is_object) {
            object.entry("additionalProperties").or_insert(Value::Bool(false));
        }
        let walked: Map<String, Value> =
            std::mem::take(object).into_iter().map(|(k, v)| (k, strict(v))).collect();
        *object = walked;
    } else if let Some(array) = schema.as_array_mut() {
        *array = std::mem::take(array).into_iter().map(strict).collect();
    }
    schema
}
