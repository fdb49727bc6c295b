//! A real browser without a window, driven over its debugging protocol.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use testbed::Process;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// One tab of a browser of its own. Dropping it ends the browser.
pub(crate) struct Browser {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    last_id: u64,
    /// The session that commands for the tab carry, once there is one.
    tab: Option<Value>,
    _process: Process,
    _dir: tempfile::TempDir,
}

impl Browser {
    /// None where no browser is installed; `cargo xtask setup` installs one.
    pub(crate) async fn start() -> Option<Self> {
        let program = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path)?;
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        // The sandbox needs rights that a container does not have; the loaded pages are our own.
        command.args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ]);
        command.args(["--disable-background-networking", "--remote-debugging-port=0"]);
        command.arg(format!("--user-data-dir={}", dir.path().display())).arg("about:blank");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let process = Process::attached("chromium", &mut command).unwrap();
        let (socket, _) = connect_async(debugging_url(dir.path())).await.unwrap();
        let mut browser = Self { socket, last_id: 0, tab: None, _process: process, _dir: dir };
        let target = browser.command("Target.createTarget", json!({ "url": "about:blank" })).await;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.tab = Some(browser.command("Target.attachToTarget", attach).await["sessionId"].clone());
        browser.command("Page.enable", json!({})).await;
        Some(browser)
    }

    /// Sends a command and waits for its result.
    pub(crate) async fn command(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let mut command = json!({ "id": self.last_id, "method": method, "params": params });
        if let Some(tab) = &self.tab {
            command["sessionId"] = tab.clone();
        }
        self.socket.send(Message::text(command.to_string())).await.unwrap();
        self.wait_for(|message| message["id"] == command["id"]).await["result"].clone()
    }

    /// Goes to a page and waits until all of it is loaded.
    pub(crate) async fn go(&mut self, url: &str) {
        let went = self.command("Page.navigate", json!({ "url": url })).await;
        assert!(went["errorText"].is_null(), "{url}: {went}");
        self.wait_for(|message| message["method"] == "Page.loadEventFired").await;
    }

    /// The value of an expression in the page.
    pub(crate) async fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.command("Runtime.evaluate", asked).await;
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    pub(crate) async fn text(&mut self, selector: &str) -> String {
        let selector = Value::from(selector);
        let text = self.value(&format!("document.querySelector({selector})?.innerText ?? ''")).await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Milliseconds from the start of the navigation to the first paint.
    pub(crate) async fn first_paint_ms(&mut self) -> f64 {
        let paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null";
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(ms) = self.value(paint).await.as_f64() {
                return ms;
            }
            assert!(Instant::now() < deadline, "nothing was ever painted");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn choose_scheme(&mut self, scheme: &str) {
        let feature = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.command("Emulation.setEmulatedMedia", feature).await;
    }

    /// A screenshot of a window of this size, in PNG as base64.
    pub(crate) async fn picture(&mut self, width: u32, height: u32) -> String {
        let window = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", window).await;
        let shot = self.command("Page.captureScreenshot", json!({ "format": "png" })).await;
        shot["data"].as_str().unwrap().to_owned()
    }

    async fn wait_for(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let message = self.socket.next().await.expect("the browser lives").unwrap();
                let message: Value = serde_json::from_str(message.to_text().unwrap_or("null")).unwrap();
                if is_wanted(&message) {
                    return message;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the browser answers")
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// The browser picks a free port and writes it into its directory, with the path to ask at.
fn debugging_url(dir: &Path) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let file = std::fs::read_to_string(dir.join("DevToolsActivePort")).unwrap_or_default();
        if let Some((port, path)) = file.split_once('\n').filter(|(_, path)| !path.is_empty()) {
            return format!("ws://127.0.0.1:{port}{}", path.trim());
        }
        assert!(Instant::now() < deadline, "the browser did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
}
