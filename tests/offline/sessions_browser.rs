//! The pages in a real browser: with ten thousand turns, in both colour schemes, with and without scripts.
//!
//! `SCREENSHOTS=<directory>` keeps the pictures, as base64 that `base64 -d` reads.

use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;
use turn_store::{Turn, samples};

use crate::support::browser::Browser;
use crate::support::recorded::{PATIENCE, Recorded, turn};
use crate::support::skipped;

const TURNS: u64 = 10_000;
const SESSIONS: u64 = 400;

/// Ten thousand turns of the last hours.
fn recorded() -> Recorded {
    let recorded = Recorded::new();
    let rooms = ["kitchen", "support-line-7", "hall of mirrors", "demo-4f1c"];
    recorded.put((0..TURNS).map(|n| {
        let (session, index) = (n % SESSIONS, n / SESSIONS);
        let started = 3600 + (SESSIONS - session) * 120 - index * 4;
        turn(&format!("RM_{session:04}x"), rooms[session as usize % rooms.len()], index, started as i64)
    }));
    // More turns than one page shows.
    recorded.put((0..300).map(|n| turn("RM_longest", "marathon", n, 1200 - n as i64 * 3)));
    recorded
}

/// None where there is no browser.
async fn browser() -> Option<Browser> {
    let browser = Browser::start().await;
    if browser.is_none() {
        skipped("there is no chromium; `cargo xtask setup` installs it");
    }
    browser
}

/// The value at nearest rank, by the plainest SQL there is.
fn percentile(recorded: &Recorded, session: &str, column: &str, percent: i64) -> i64 {
    let connection = Connection::open(recorded.path()).unwrap();
    let of = format!("FROM turns WHERE session = ?1 AND {column} IS NOT NULL");
    let count: i64 =
        connection.query_row(&format!("SELECT count(*) {of}"), [session], |row| row.get(0)).unwrap();
    let behind = (count * percent + 99) / 100 - 1;
    let sql = format!("SELECT {column} {of} ORDER BY {column} LIMIT 1 OFFSET {behind}");
    connection.query_row(&sql, [session], |row| row.get(0)).unwrap()
}

fn keep(name: &str, picture: &str) {
    if let Some(dir) = std::env::var_os("SCREENSHOTS") {
        std::fs::write(std::path::Path::new(&dir).join(name), picture).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_turns_are_painted_in_both_schemes_and_agree_with_sql() {
    let Some(mut browser) = browser().await else { return };
    let recorded = recorded();
    let served = recorded.serve().await;
    for (name, path) in [("sessions", "/sessions"), ("session", "/sessions/RM_longest")] {
        let mut paints = Vec::new();
        for _ in 0..5 {
            browser.go(&served.url(path)).await;
            paints.push(browser.first_paint_ms().await.round());
        }
        // Printed and not asserted: the time depends on what else the machine does.
        eprintln!("{path}: first paint after {paints:?} ms");
        for scheme in ["light", "dark"] {
            browser.choose_scheme(scheme).await;
            let background = browser.value("getComputedStyle(document.body).backgroundColor").await;
            let expected = if scheme == "light" { "rgb(255, 255, 255)" } else { "rgb(20, 23, 27)" };
            assert_eq!(background, expected, "the style applies under the policy");
            keep(&format!("{name}-{scheme}.b64"), &browser.picture(1400, 900).await);
        }
        keep(&format!("{name}-narrow.b64"), &browser.picture(480, 900).await);
    }

    browser.go(&served.url("/sessions?since=all")).await;
    assert!(browser.text(".tiles").await.contains("10\u{202f}300"));
    assert_eq!(browser.value("document.querySelectorAll('tbody tr').length").await, 50);
    let row = "[...document.querySelectorAll('tbody tr')].find(row => row.innerText.includes('RM_longest')).innerText";
    let row = browser.value(row).await.as_str().unwrap().to_owned();
    for (column, percent) in [("e2e_us", 50), ("e2e_us", 95), ("ttft_us", 50), ("ttft_us", 95)] {
        let us = percentile(&recorded, "RM_longest", column, percent);
        let shown = format!("{:.0} ms", us as f64 / 1e3);
        assert!(row.contains(&shown), "{column} p{percent} is {shown}, not in {row}");
    }
    browser.go(&served.url("/sessions/RM_longest")).await;
    assert_eq!(browser.value("document.querySelectorAll('.turns tbody tr').length").await, 100);
    assert!(browser.value("document.querySelector('svg rect').getBBox().width > 0").await.as_bool().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_read_and_filtered_without_scripts_and_live_with_them() {
    let Some(mut browser) = browser().await else { return };
    let recorded = Recorded::new();
    recorded.put([turn("RM_1", "kitchen", 0, 60), turn("RM_2", "hall", 7, 60)]);
    let served = recorded.serve().await;
    browser.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    browser.go(&served.url("/sessions")).await;
    let link = "document.querySelector('a[href=\"/sessions/RM_1\"]').href";
    let link = browser.value(link).await.as_str().unwrap().to_owned();
    browser.go(&link).await;
    assert!(browser.text("main").await.contains("What is distributed tracing"));
    browser.go(&served.url("/sessions")).await;
    // A form works without scripts; a person presses its button.
    browser.value("document.querySelector('[name=status]').value = 'failed'; document.querySelector('form').submit()").await;
    let rows = "location.search.includes('failed') && document.readyState === 'complete'
        ? [...document.querySelectorAll('tbody th')].map(row => row.innerText).join() : ''";
    wait_for(&mut browser, rows, "RM_2").await;

    browser.command("Emulation.setScriptExecutionDisabled", json!({ "value": false })).await;
    browser.go(&served.url("/sessions")).await;
    recorded.put([turn("RM_3", "cellar", 0, 1)]);
    let first = "document.querySelector('tbody th')?.innerText.trim() ?? ''";
    wait_for(&mut browser, first, "RM_3").await;
    assert_eq!(browser.value("document.querySelector('.stale').hidden").await, true);
    drop(served);
    wait_for(&mut browser, "document.querySelector('.stale').hidden ? 'current' : 'stale'", "stale").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_stays_text() {
    let Some(mut browser) = browser().await else { return };
    let hostile = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">";
    let recorded = Recorded::new();
    recorded.put([Turn {
        room: hostile.to_owned(),
        question: samples::recorded(hostile),
        ..turn("RM_1", "", 7, 1)
    }]);
    let served = recorded.serve().await;
    for path in ["/sessions", "/sessions/RM_1"] {
        browser.go(&served.url(path)).await;
        assert!(browser.text("body").await.contains("<script>document.title"), "{path}");
        assert_eq!(browser.value("document.querySelectorAll('img, body script').length").await, 0, "{path}");
        assert_ne!(browser.value("document.title").await, "taken", "{path}");
    }
}

/// The texts whose contrast with what they stand on is below that of WCAG 2.2, level AA.
const PALE_TEXTS: &str = r"(() => {
    const parse = colour => colour.match(/[\d.]+/g).map(Number);
    const linear = part => part <= 0.04045 * 255 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4;
    const light = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parse(getComputedStyle(at).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    const pale = new Set();
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement;
        if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest('script, style')) continue;
        const [one, other] = [parse(getComputedStyle(element).color), behind(element)].map(light);
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        if (contrast < 4.5) pale.add(`${element.tagName}.${element.className} ${contrast.toFixed(2)}`);
    }
    return [...pale].join();
})()";

#[tokio::test(flavor = "multi_thread")]
async fn every_text_can_be_read_and_no_page_is_wider_than_a_phone() {
    let Some(mut browser) = browser().await else { return };
    let recorded = Recorded::new();
    let long = "anamewithoutanyplacetobreakit".repeat(7);
    recorded.put((0..12).map(|n| turn("RM_1", &long, n, 100 - n as i64)));
    recorded.put([Turn {
        question: samples::recorded(&"Ähm".repeat(200)),
        end: None,
        ..turn(&long, "hall", 0, 1)
    }]);
    let open = recorded.serve().await;
    let closed = recorded.serve_as("0.0.0.0", Some("open sesame")).await;
    for (name, url) in [
        ("long", open.url("/sessions")),
        ("long-session", open.url("/sessions/RM_1")),
        ("long-open", open.url(&format!("/sessions/{long}"))),
        ("empty", open.url("/sessions?room=nobody")),
        ("error", open.url("/sessions?since=soon")),
        ("sign-in", closed.url("/sessions")),
    ] {
        for scheme in ["light", "dark"] {
            browser.choose_scheme(scheme).await;
            browser.go(&url).await;
            keep(&format!("{name}-{scheme}.b64"), &browser.picture(1400, 900).await);
            assert_eq!(browser.value(PALE_TEXTS).await, "", "{name}, {scheme}");
            keep(&format!("{name}-{scheme}-phone.b64"), &browser.picture(360, 740).await);
            let wide = browser.value("document.documentElement.scrollWidth - innerWidth").await;
            assert!(wide.as_f64().unwrap() <= 0.0, "{name}: {wide} px too wide");
        }
    }
}

async fn wait_for(browser: &mut Browser, expression: &str, wanted: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let value = browser.value(expression).await;
        if value.as_str().is_some_and(|value| value.trim() == wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "still {value}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
