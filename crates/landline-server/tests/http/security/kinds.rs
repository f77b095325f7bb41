//! Every kind of credential at every door (S08): each opens its own, and no other.

use std::time::Duration;

use hyper::Method;
use landline_auth::{ChannelToken, IdentityKeys};
use landline_core::Clock;
use landline_testkit::in_process::keys::key;
use landline_testkit::in_process::{ADMIN_TOKEN, OTHER_SECRET, Person, SECRET, TestServer, message, start};
use serde_json::json;

use super::raw::{Answer, Ask};
use super::{World, routes};
use crate::connector_tokens::{APP, credential};

/// What somebody may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Secret,
    Token,
    ExpiredToken,
    Ticket,
    /// What stands behind `s=` in a link to a file.
    LinkSignature,
    /// What a bot got as in an App Service.
    ManagedIdentityToken,
    /// What a bot got by OAuth.
    OAuthToken,
    /// What the bot is shown with each activity.
    ChannelToken,
    /// What a bot exchanges for tokens.
    BotCredential,
    Capability,
    AdminToken,
}

/// Where it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// `Authorization` at the client API.
    Client,
    /// `t=` of a stream URL.
    Stream,
    /// `s=` of a link to a file.
    File,
    /// `Authorization` at the Connector API.
    Connector,
    /// The segment of the path at the Connector API.
    ConnectorPath,
    /// `Authorization` at the admin API.
    Admin,
    /// `X-IDENTITY-HEADER`.
    ManagedIdentity,
    /// `client_secret`.
    OAuth,
}

const DOORS: [Door; 8] = [
    Door::Client,
    Door::Stream,
    Door::File,
    Door::Connector,
    Door::ConnectorPath,
    Door::Admin,
    Door::ManagedIdentity,
    Door::OAuth,
];

impl Kind {
    /// The doors that it is made for.
    fn opens(self) -> &'static [Door] {
        match self {
            Self::Secret | Self::Token => &[Door::Client],
            Self::ExpiredToken | Self::ChannelToken => &[],
            Self::Ticket => &[Door::Stream],
            Self::LinkSignature => &[Door::File],
            Self::ManagedIdentityToken | Self::OAuthToken => &[Door::Connector],
            Self::BotCredential => &[Door::ManagedIdentity, Door::OAuth],
            Self::Capability => &[Door::ConnectorPath],
            Self::AdminToken => &[Door::Admin],
        }
    }
}

/// One bot with an app id and one without; somebody with each; one of every kind.
struct Stage {
    world: World,
    kinds: Vec<(Kind, String)>,
    /// The link to a file of ann's, without its signature.
    link: String,
}

impl Stage {
    async fn set() -> Self {
        let builder = TestServer::builder().configure(|config| {
            config.bots[0].app_id = Some(APP.into());
            config.bots[0].credential = Some(credential());
        });
        let server = builder.start().await;
        let expired = server.person("old").await.token;
        server.clock.advance(Duration::from_secs(3600));
        let world = World::of(server).await;
        let (server, ann) = (&world.server, &world.ann);
        let upload = ann.call(Method::POST, "/upload").header("content-type", "text/plain");
        upload.body("a file").send().await.expect(200);
        let newest = ann.history().await.pop().expect("an activity");
        let link = newest["attachments"][0]["contentUrl"].as_str().expect("a link");
        let link = format!("/{}", link.splitn(4, '/').nth(3).expect("a path"));
        let (link, signature) = link.rsplit_once("s=").expect("a signature");
        let now = server.clock.now();
        let shown = ChannelToken {
            issuer: "https://api.botframework.com",
            app_id: APP,
            service_url: &server.service_url,
        };
        let shown = shown.sign(&IdentityKeys::new(key(0), now).expect("keys"), now).expect("a token").0;
        let asked = |answer: Answer| answer.json()["access_token"].as_str().expect("a token").to_owned();
        let own = credential().expose().to_owned();
        let identity = asked(managed_identity(&own).send(server.address).await.expect(200));
        let oauth_token = asked(oauth(&own).send(server.address).await.expect(200));
        let capability = server.other_service_url.split('/').nth(4).expect("a capability").to_owned();
        let ticket = ann.stream_url.split_once("t=").expect("a ticket").1.to_owned();
        let kinds = vec![
            (Kind::Secret, SECRET.to_owned()),
            (Kind::Token, ann.token.clone()),
            (Kind::ExpiredToken, expired),
            (Kind::Ticket, ticket),
            (Kind::LinkSignature, signature.to_owned()),
            (Kind::ManagedIdentityToken, identity),
            (Kind::OAuthToken, oauth_token),
            (Kind::ChannelToken, shown),
            (Kind::BotCredential, own),
            (Kind::Capability, capability),
            (Kind::AdminToken, ADMIN_TOKEN.to_owned()),
        ];
        let link = link.to_owned();
        Self { world, kinds, link }
    }

    /// Shows it at every place of a door; gives the places and the answers.
    async fn show(&self, door: Door, credential: &str) -> Vec<(String, Answer)> {
        let ann = &self.world.ann;
        let public = self.world.server.address;
        let admin = self.world.server.admin;
        let asks: Vec<(Ask, String)> = match door {
            Door::Client => self.client_api(credential),
            Door::Stream => {
                let path = format!("{}?watermark=0&t={credential}", ann.path("/stream"));
                vec![(Ask::upgrade(path), "stream".to_owned())]
            }
            Door::File => vec![(Ask::get(format!("{}s={credential}", self.link)), "file".to_owned())],
            Door::Connector => connector("/connector", &ann.conversation, Some(credential)),
            Door::ConnectorPath => {
                connector(&format!("/connector/{credential}"), &self.world.eve.conversation, None)
            }
            Door::Admin => admin_api(credential),
            Door::ManagedIdentity => vec![(managed_identity(credential), "msi".to_owned())],
            Door::OAuth => vec![(oauth(credential), "oauth".to_owned())],
        };
        let mut answers = Vec::new();
        for (ask, what) in asks {
            answers.push((what, ask.send(if door == Door::Admin { admin } else { public }).await));
        }
        answers
    }

    fn client_api(&self, credential: &str) -> Vec<(Ask, String)> {
        let said = message("ann", "in").to_string();
        let methods = [("GET", ""), ("POST", &*said)];
        let mut asks = Vec::new();
        for template in
            routes::client_api().iter().filter(|path| !path.contains("/stream") && !path.contains("/files/"))
        {
            let path = template.replace("{conversation}", &self.world.ann.conversation);
            for (method, body) in methods {
                let ask = Ask::new(method, format!("{path}?userId=ann")).bearer(credential);
                let ask = if body.is_empty() { ask } else { ask.json(body) };
                asks.push((ask, format!("{method} {template}")));
            }
        }
        asks
    }

    /// Everything that a credential could have changed.
    async fn state(&self) -> (Vec<serde_json::Value>, Vec<serde_json::Value>, usize, String, String) {
        let history = |person: &Person, secret: &str| {
            let person = person.beside("the operator", secret);
            async move { person.history().await }
        };
        let list = async |path: &str| {
            let reply = self.world.server.admin(Method::GET, path).send().await.expect(200);
            String::from_utf8_lossy(&reply.body).into_owned()
        };
        (
            history(&self.world.ann, SECRET).await,
            history(&self.world.eve, OTHER_SECRET).await,
            self.world.server.bot.taken().len(),
            list("/bots").await,
            list("/sites").await,
        )
    }
}

/// Every route, by whatever method it has.
fn connector(base: &str, conversation: &str, credential: Option<&str>) -> Vec<(Ask, String)> {
    let mut asks = Vec::new();
    for template in routes::connector_api() {
        let path = template
            .replace("{conversation}", conversation)
            .replace("{activity}", &format!("{conversation}%7C0000001"))
            .replace("{attachment}", &format!("{conversation}.x"))
            .replace("{member}", "ann")
            .replace("{view}", "original");
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let mut ask = Ask::new(method, format!("{base}{path}"));
            if let Some(credential) = credential {
                ask = ask.bearer(credential);
            }
            if method.starts_with('P') {
                ask = ask.json(json!({"type": "message", "text": "in", "activities": []}).to_string());
            }
            asks.push((ask, format!("{method} {template}")));
        }
    }
    asks
}

fn admin_api(credential: &str) -> Vec<(Ask, String)> {
    let mut asks = Vec::new();
    for template in routes::admin_api().iter().filter(|path| path.starts_with("/admin/")) {
        let path =
            template.replace("{name}", "default").replace("{slot}", "1").replace("{conversation}", "x");
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            asks.push((
                Ask::new(method, &path).bearer(credential).json("{}"),
                format!("{method} {template}"),
            ));
        }
    }
    asks
}

fn managed_identity(credential: &str) -> Ask {
    let query = format!("api-version=2019-08-01&resource=https://api.botframework.com&client_id={APP}");
    Ask::get(format!("/msi/token?{query}")).header("x-identity-header", credential)
}

fn oauth(credential: &str) -> Ask {
    let form = format!(
        "grant_type=client_credentials&client_id={APP}&client_secret={credential}&scope=https%3A%2F%2Fapi.botframework.com%2F.default"
    );
    Ask::post("/botframework.com/oauth2/v2.0/token")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
}

#[tokio::test]
async fn s08_every_kind_of_credential_opens_its_own_door_and_no_other() {
    let stage = Stage::set().await;
    let before = stage.state().await;
    let mut shown = 0;
    for (kind, credential) in &stage.kinds {
        for door in DOORS.into_iter().filter(|door| !kind.opens().contains(door)) {
            for (place, answer) in stage.show(door, credential).await {
                let what = format!("{kind:?} at {door:?}, {place}: {answer:?}");
                // A method that a route has not is not told from one that it has by what is shown there.
                let expected: &[u16] = match door {
                    Door::Client => &[403, 405],
                    Door::Stream | Door::File => &[403],
                    Door::Connector => &[401, 405],
                    Door::ConnectorPath => &[404, 405],
                    Door::Admin => &[401],
                    Door::ManagedIdentity | Door::OAuth => &[401],
                };
                assert!(expected.contains(&answer.status), "{what}");
                assert!(!answer.text().contains(&**credential), "{what}");
                shown += 1;
            }
        }
    }
    assert!(shown > 1000, "{shown}");
    assert_eq!(stage.state().await, before);
    // All of them are good where they belong, or the above would show nothing.
    for (kind, credential) in &stage.kinds {
        for door in kind.opens() {
            if *kind == Kind::AdminToken {
                continue; // `state` shows it
            }
            let answers = stage.show(*door, credential).await;
            let let_in = |status: u16| matches!(status, 101 | 200 | 201 | 206);
            assert!(
                answers.iter().any(|(_, answer)| let_in(answer.status)),
                "{kind:?} at {door:?}: {answers:?}"
            );
        }
    }
    // One of a site is none of another, whatever it opens at home.
    let conversation = stage.world.ann.path("/activities");
    let other = Ask::get(&conversation).bearer(OTHER_SECRET).send(stage.world.server.address).await;
    other.refused(404, "ResourceNotFound");
    start(stage.world.server.address, OTHER_SECRET).send().await.expect(201);
}
