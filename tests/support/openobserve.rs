//! The part of OpenObserve's API that the installation uses, with its state and its refusals, following its source
//! (v0.93).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// `user:password`.
pub(crate) const AUTHORIZATION: &str = "Basic dXNlcjpwYXNzd29yZA==";
pub(crate) const ORG: &str = "acme";

/// The objects that the server holds, and how it behaves.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) version: &'static str,
    /// Streams of traces that have received something.
    pub(crate) streams: Vec<&'static str>,
    /// Dashboards by id, each as it was sent, with `hash`.
    pub(crate) dashboards: BTreeMap<String, Value>,
    /// Alerts by id.
    pub(crate) alerts: BTreeMap<String, Value>,
    /// Templates by name.
    pub(crate) templates: BTreeMap<String, Value>,
    pub(crate) destinations: BTreeMap<String, Value>,
    /// All requests other than GET, as `POST /path`.
    pub(crate) writes: Vec<String>,
    /// Changes every dashboard after each listing, as another person would.
    pub(crate) meddle: bool,
    made: usize,
}

pub(crate) struct OpenObserve {
    pub(crate) root: String,
    state: Arc<Mutex<State>>,
}

/// An error as OpenObserve returns it.
type Refused = (StatusCode, String);
type Outcome = Result<Value, Refused>;

/// An authorised request.
struct Asked<'a> {
    method: Method,
    /// The path after the organisation.
    path: Vec<&'a str>,
    query: BTreeMap<&'a str, &'a str>,
    body: Value,
}

impl OpenObserve {
    pub(crate) async fn start() -> Self {
        let state = State {
            version: "v0.92.2",
            streams: vec!["default"],
            dashboards: BTreeMap::new(),
            alerts: BTreeMap::new(),
            templates: BTreeMap::new(),
            destinations: BTreeMap::from([("pager".to_owned(), json!({ "name": "pager", "type": "email" }))]),
            writes: Vec::new(),
            meddle: false,
            made: 0,
        };
        let state = Arc::new(Mutex::new(state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let root = format!("http://{}/o2", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(state.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { root, state }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// The writes since the last call.
    pub(crate) fn writes(&self) -> Vec<String> {
        std::mem::take(&mut self.state().writes)
    }
}

async fn answer(
    Shared(state): Shared<Arc<Mutex<State>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut state = state.lock().unwrap();
    let segments: Vec<&str> = uri.path().split('/').skip(1).collect();
    let outcome = match segments.as_slice() {
        ["o2", "config"] => Ok(json!({ "version": state.version, "build_type": "opensource" })),
        ["o2", "api", path @ ..] => {
            if method != Method::GET {
                state.writes.push(format!("{method} {}", uri.path()));
            }
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            state.api(method, path, uri.query().unwrap_or_default(), &headers, body)
        }
        // OpenObserve serves its web page for every other path.
        _ => return axum::response::Html("<!doctype html>").into_response(),
    };
    match outcome {
        Ok(value) => axum::Json(value).into_response(),
        Err((status, message)) => {
            (status, axum::Json(json!({ "code": status.as_u16(), "message": message }))).into_response()
        }
    }
}

fn refused(status: u16, message: impl Into<String>) -> Refused {
    (StatusCode::from_u16(status).unwrap(), message.into())
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

impl State {
    fn api(
        &mut self,
        method: Method,
        path: &[&str],
        query: &str,
        headers: &HeaderMap,
        body: Value,
    ) -> Outcome {
        let known = headers.get(header::AUTHORIZATION).is_some_and(|value| value == AUTHORIZATION);
        if path == ["organizations"] && known {
            return Ok(json!({ "data": [{ "identifier": ORG, "name": "Acme" }, { "identifier": "other" }] }));
        }
        let (is_v2, path) = path.strip_prefix(&["v2"]).map_or((false, path), |path| (true, path));
        let Some(path) = path.strip_prefix(&[ORG]).filter(|_| known) else {
            return Err(refused(401, "Unauthorized Access"));
        };
        let query = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let asked = Asked { method, path: path.to_vec(), query, body };
        match (is_v2, path) {
            (false, ["dashboards", ..]) => self.dashboards(asked),
            (true, ["alerts", ..]) => self.alerts(asked),
            (false, ["alerts", "templates", ..]) => Self::named(&mut self.templates, asked),
            (false, ["alerts", "destinations", ..]) => {
                let template = text(&asked.body, "template");
                if asked.method != Method::GET && !self.templates.contains_key(&template) {
                    return Err(refused(404, format!("Template {template} not found")));
                }
                Self::named(&mut self.destinations, asked)
            }
            _ => Err(refused(404, "Not Found")),
        }
    }

    fn next_id(&mut self) -> String {
        self.made += 1;
        format!("id-{}", self.made)
    }

    fn dashboards(&mut self, Asked { method, path, query, mut body }: Asked<'_>) -> Outcome {
        if method == Method::GET {
            // Without a title the request lists a folder, and without a folder the default one.
            let title = query
                .get("title")
                .map(|title| title.replace('+', " ").replace("%3A", ":").to_ascii_lowercase());
            let folder = query.get("folder").copied().or(title.is_none().then_some("default"));
            let is_meant = |dashboard: &Value| {
                folder.is_none_or(|folder| dashboard["folder"] == folder)
                    && title
                        .as_ref()
                        .is_none_or(|title| text(dashboard, "title").to_ascii_lowercase().contains(title))
            };
            let meant = self.dashboards.iter().filter(|(_, dashboard)| is_meant(dashboard));
            let listed: Vec<_> = meant.map(|(id, dashboard)| listed(id, dashboard)).collect();
            if self.meddle {
                self.made += 1;
                let hash = self.made.to_string();
                self.dashboards.values_mut().for_each(|dashboard| dashboard["hash"] = hash.as_str().into());
            }
            return Ok(json!({ "dashboards": listed }));
        }
        if body["version"] != 8 || text(&body, "title").is_empty() {
            return Err(refused(400, "unsupported version"));
        }
        let id = match (method, path.get(1)) {
            (Method::POST, None) => self.next_id(),
            (Method::PUT, Some(id)) => {
                let found = self.dashboards.get(*id).ok_or_else(|| refused(404, "Dashboard not found"))?;
                assert_eq!(query.get("folder").copied(), found["folder"].as_str());
                if query.get("hash").copied() != found["hash"].as_str() {
                    return Err(refused(409, "Conflict: Failed to save due to concurrent changes."));
                }
                (*id).to_owned()
            }
            _ => return Err(refused(404, "Not Found")),
        };
        self.made += 1;
        body["hash"] = self.made.to_string().into();
        body["folder"] = (*query.get("folder").expect("a folder")).into();
        self.dashboards.insert(id, body.clone());
        Ok(json!({ "version": 8, "v8": body }))
    }

    fn alerts(&mut self, Asked { method, path, query, mut body }: Asked<'_>) -> Outcome {
        let id = path.get(1).map(|id| (*id).to_owned());
        let found = id
            .as_ref()
            .map(|id| self.alerts.get(id).ok_or_else(|| refused(404, format!("alert {id} not found"))));
        match (method, found.transpose()?) {
            (Method::GET, Some(found)) => return Ok(found.clone()),
            (Method::GET, None) => {
                let folder = query.get("folder");
                let meant = self
                    .alerts
                    .iter()
                    .filter(|(_, alert)| folder.is_none_or(|folder| alert["folder"] == *folder));
                let list = meant.map(|(id, alert)| {
                    json!({ "alert_id": id, "name": alert["name"], "description": alert["description"], "enabled": alert["enabled"] })
                });
                return Ok(json!({ "list": list.collect::<Vec<_>>() }));
            }
            _ => {}
        }
        self.judge_alert(&body)?;
        let id = id.unwrap_or_else(|| self.next_id());
        body["id"] = id.as_str().into();
        body["folder"] = match self.alerts.get(&id) {
            Some(known) => known["folder"].clone(),
            None => (*query.get("folder").expect("a folder")).into(),
        };
        self.alerts.insert(id, body);
        Ok(json!({ "code": 200, "message": "Alert saved" }))
    }

    fn judge_alert(&self, alert: &Value) -> Result<(), Refused> {
        let destinations = alert["destinations"].as_array().cloned().unwrap_or_default();
        if destinations.is_empty() {
            return Err(refused(400, "Alert destination or workflows is required"));
        }
        for name in destinations.iter().filter_map(Value::as_str) {
            if !self.destinations.contains_key(name) {
                return Err(refused(404, format!("Alert destination {name} not found")));
            }
        }
        let stream = text(alert, "stream_name");
        if !self.streams.contains(&stream.as_str()) {
            return Err(refused(404, format!("Stream {stream} not found")));
        }
        if text(alert, "name").contains([' ', ':', '#', '?', '&', '%', '\'', '"', '/']) {
            return Err(refused(400, "Alert name cannot contain ':' …"));
        }
        Ok(())
    }

    fn named(all: &mut BTreeMap<String, Value>, Asked { method, path, body, .. }: Asked<'_>) -> Outcome {
        let name = path.get(2).map_or_else(|| text(&body, "name"), |name| (*name).to_owned());
        let exists = all.contains_key(&name);
        match method {
            Method::GET => return all.get(&name).cloned().ok_or_else(|| refused(404, "not found")),
            Method::POST if exists => return Err(refused(409, "already exists")),
            Method::PUT if !exists => return Err(refused(404, "not found")),
            _ => {}
        }
        all.insert(name, body);
        Ok(json!({ "code": 200, "message": "saved" }))
    }
}

/// An entry of the list, with the fields at its top level that clients are to use.
fn listed(id: &str, dashboard: &Value) -> Value {
    json!({
        "version": 8, "v8": dashboard, "hash": dashboard["hash"], "dashboard_id": id, "folder_id": dashboard["folder"],
        "title": dashboard["title"], "description": dashboard["description"], "owner": "ada@acme.test", "role": "",
        "created": "2026-01-01T00:00:00Z",
    })
}
