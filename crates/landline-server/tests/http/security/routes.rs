//! Every route that there is, read out of the source, so that a new one is tried without anybody thinking of it.
//!
//! A template with a parameter that is not known here fails the test: say what stands for it in a conversation.

use super::World;

/// Every method that a client might think of.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const CLIENT_API: &str = include_str!("../../../src/client_api.rs");
const CONNECTOR_API: &str = include_str!("../../../src/connector_api.rs");
const IDENTITY: &str = include_str!("../../../src/identity.rs");
const ADMIN_API: &str = include_str!("../../../src/admin_api.rs");

/// The templates of the client API, such as `/v3/directline/conversations/{conversation}/activities`.
pub(super) fn client_api() -> Vec<String> {
    let found = templates(CLIENT_API, ".route(");
    assert!(found.len() >= 8, "{found:?}");
    found
}

/// The templates of the Connector API behind `/connector` or `/connector/{capability}`.
pub(super) fn connector_api() -> Vec<String> {
    let table = CONNECTOR_API.split_once("let table").expect("the table").1;
    let (conversations, files) = table.split_once("let files").expect("the table of files");
    let mut found: Vec<String> =
        templates(conversations, "(").iter().map(|rest| format!("/v3/conversations{rest}")).collect();
    let files = files.split_once("];").expect("its end").0;
    found.extend(templates(files, "(").iter().map(|rest| format!("/v3/attachments{rest}")));
    assert!(found.len() >= 11, "{found:?}");
    found
}

/// What bots ask for to trust this server, and for tokens.
pub(super) fn identity() -> Vec<String> {
    let found = templates(IDENTITY, ".route(");
    assert!(found.len() >= 7, "{found:?}");
    found
}

/// The paths of the admin listener.
pub(super) fn admin_api() -> Vec<String> {
    let found: Vec<String> = templates(ADMIN_API, ".route(")
        .into_iter()
        .map(|path| match &*path {
            "/healthz" | "/readyz" | "/metrics" => path,
            _ => format!("/admin/v1{path}"),
        })
        .collect();
    assert!(found.len() >= 21, "{found:?}");
    found
}

/// The texts that stand right behind `opening`, and are paths.
fn templates(source: &str, opening: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rest in source.split(opening).skip(1) {
        let Some(text) = rest.trim_start().strip_prefix('"') else { continue };
        let text = text.split('"').next().unwrap_or_default();
        let is_path = text.is_empty() || text.starts_with('/');
        if is_path && !found.contains(&text.to_owned()) {
            found.push(text.to_owned());
        }
    }
    found
}

/// What stands for the parameters of a template.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) conversation: String,
    pub(super) activity: String,
    pub(super) attachment: String,
    /// Of a file of a client: the id, as its link has it.
    pub(super) file: String,
    pub(super) member: String,
}

impl Names {
    /// Of a conversation that is not there, and of what would be in it.
    pub(super) fn instead(&self, conversation: &str) -> Self {
        let here = |text: &str| text.replace(&self.conversation, conversation);
        Self {
            conversation: conversation.to_owned(),
            activity: here(&self.activity),
            attachment: here(&self.attachment),
            file: self.file.clone(),
            member: self.member.clone(),
        }
    }

    /// The path of a template.
    #[track_caller]
    pub(super) fn fill(&self, template: &str) -> String {
        let mut path = String::new();
        for part in template.split_inclusive('}') {
            let Some((before, name)) = part.split_once('{') else {
                path.push_str(part);
                continue;
            };
            path.push_str(before);
            path.push_str(match name.trim_end_matches('}') {
                "conversation" => &self.conversation,
                "activity" => &self.activity,
                "attachment" => &self.attachment,
                "file" => &self.file,
                "member" => &self.member,
                "view" => "original",
                "name" => "x.txt",
                "tenant" => "botframework.com",
                "slot" => "1",
                other => panic!("what stands for {{{other}}} in {template}?"),
            });
        }
        path
    }
}

impl World {
    /// What there is in somebody's conversation, by its names: an activity, a file of theirs, a file of their bot.
    pub(super) async fn names_in(&self, whose: Whose) -> Names {
        let (person, bot) = match whose {
            Whose::Ann => (&self.ann, self.server.bot_actor()),
            Whose::Eve => (&self.eve, self.server.other_bot_actor()),
        };
        let activity = person.say("something of my own").await.replace('|', "%7C");
        let upload = person.call(hyper::Method::POST, "/upload").header("content-type", "text/plain");
        upload.body("a file of my own").send().await.expect(200);
        let newest = person.history().await.pop().expect("an activity");
        let link = newest["attachments"][0]["contentUrl"].as_str().expect("a link").to_owned();
        let file = link.split("/files/").nth(1).and_then(|rest| rest.split('/').next()).expect("an id");
        let body = serde_json::json!({"type": "text/plain", "name": "x.txt", "originalBase64": "AQID"});
        let path = bot.path(&person.conversation, "/attachments");
        let kept = bot.at(hyper::Method::POST, &path).json(&body).send().await.expect(200);
        Names {
            conversation: person.conversation.clone(),
            activity,
            attachment: kept.text("id"),
            file: file.to_owned(),
            member: person.name.clone(),
        }
    }
}

/// Of the two who have a conversation.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose {
    Ann,
    Eve,
}
