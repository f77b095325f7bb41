//! Every route that there is, as the OpenAPI documents have them, which the router is made with: so a new one is tried
//! without anybody thinking of it.
//!
//! A template with a parameter that is not known here fails the test: say what stands for it in a conversation.

use landline_server::openapi::Document;

use super::World;

/// Every method that a client might think of.
pub(super) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The templates of the client API, such as `/v3/directline/conversations/{conversation}/activities`.
pub(super) fn client_api() -> Vec<String> {
    templates(Document::Directline)
}

/// The templates of the Connector API behind `/connector` or `/connector/{capability}`.
pub(super) fn connector_api() -> Vec<String> {
    templates(Document::Connector).into_iter().filter(|path| path.starts_with("/v3/")).collect()
}

/// What bots ask for to trust this server, and for tokens.
pub(super) fn identity() -> Vec<String> {
    templates(Document::Connector).into_iter().filter(|path| !path.starts_with("/v3/")).collect()
}

/// The paths of the admin listener.
pub(super) fn admin_api() -> Vec<String> {
    let open = ["/healthz", "/readyz", "/metrics"].map(str::to_owned);
    open.into_iter().chain(templates(Document::Admin).iter().map(|path| format!("/admin/v1{path}"))).collect()
}

/// All paths of a document.
fn templates(document: Document) -> Vec<String> {
    let found: Vec<String> = document.open_api().paths.paths.into_keys().collect();
    assert!(found.len() >= 8, "{found:?}");
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
