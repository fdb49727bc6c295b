//! The record over HTTP: who may see it, the JSON, and pages in which no recorded text becomes markup.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use turn_store::{Turn, samples};

use crate::support::recorded::{self, Recorded, turn};

const GUARDED: [&str; 5] = ["/sessions", "/sessions/RM_1", "/api/sessions", "/api/sessions/RM_1", "/metrics"];

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_turns_are_answered_page_by_page() {
    let recorded = Recorded::new();
    recorded.put((0..7).map(|n| turn(&format!("RM_{n}"), "kitchen", n, 100 - n as i64)));
    recorded.put((10..20).map(|n| turn("RM_0", "kitchen", n, 50)));
    let served = recorded.serve().await;
    let mut ids = Vec::new();
    let mut path = "/api/sessions?limit=3".to_owned();
    loop {
        let answer = served.get(&path).json();
        assert_eq!((&answer["totals"]["sessions"], &answer["totals"]["turns"]), (&7.into(), &17.into()));
        let page = answer["sessions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|session| session["id"].as_str().unwrap().to_owned());
        ids.extend(page);
        match answer["next"].as_str() {
            Some(next) => path = format!("/api/sessions?limit=3&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(ids, ["RM_6", "RM_5", "RM_4", "RM_3", "RM_2", "RM_1", "RM_0"]);

    let first = served.get("/api/sessions/RM_0?limit=4").json();
    let next = served.get(&format!("/api/sessions/RM_0?cursor={}", first["next"].as_str().unwrap())).json();
    let indexes = |answer: &serde_json::Value| {
        answer["turns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|turn| turn["index"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    let mut all = indexes(&first);
    assert_eq!(all.len(), 4);
    all.extend(indexes(&next));
    assert_eq!((all[0], all.len(), &next["next"]), (0, 11, &serde_json::Value::Null));
    assert_eq!(first["session"]["turns"], 11);
    assert!(first["turns"][0]["trace_url"].as_str().unwrap().starts_with("https://traces.test/4bf92f35"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_says_why() {
    let recorded = Recorded::new();
    recorded.put([turn("RM_1", "kitchen", 0, 1)]);
    let served = recorded.serve().await;
    for (path, status, says) in [
        ("/api/sessions?since=soon", 400, "since: "),
        ("/api/sessions?status=good", 400, "status: "),
        ("/api/sessions?limit=100000", 400, "limit: "),
        ("/api/sessions/RM_nobody", 404, "RM_nobody"),
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.json()["error"].as_str().unwrap().contains(says), "{}", answer.body);
        let page = served.get(path.strip_prefix("/api").unwrap());
        assert_eq!(page.status, status);
        assert!(page.body.contains("Nothing to show"), "{}", page.body);
    }
    std::fs::remove_file(recorded.path()).unwrap();
    assert_eq!(served.get("/api/sessions").status, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_said_or_named_becomes_markup() {
    let hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'";
    let recorded = Recorded::new();
    let evil = Turn {
        room: hostile.to_owned(),
        session: hostile.to_owned(),
        agent: hostile.to_owned(),
        speaker: hostile.to_owned(),
        question: samples::recorded(hostile),
        trace_id: hostile.to_owned(),
        ..turn("x", "y", 7, 1)
    };
    recorded.put([evil]);
    let served = recorded.serve().await;
    let id = "%3Cscript%3Ealert%281%29%3C%2Fscript%3E%3Cimg%20src%3Dx%20onerror%3Dalert%282%29%3E%22%27";
    for path in [
        "/sessions".to_owned(),
        format!("/sessions/{id}"),
        format!("/sessions?room={id}"),
        format!("/sessions?since={id}"),
    ] {
        let page = served.get(&path);
        assert!(!page.body.contains("<script>") && !page.body.contains("<img"), "{path}\n{}", page.body);
        let policy =
            page.head.lines().find(|line| line.starts_with("content-security-policy: ")).unwrap().to_owned();
        assert!(
            policy.contains("default-src 'none'; style-src 'nonce-") && !policy.contains("unsafe"),
            "{policy}"
        );
        for header in [
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(page.head.contains(header), "{path}: {header}");
        }
    }
    assert_eq!(served.get(&format!("/sessions/{id}")).status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_loopback_another_name_for_us_is_refused_and_health_is_not() {
    let recorded = Recorded::new();
    recorded.put([turn("RM_1", "kitchen", 0, 1)]);
    let served = recorded.serve().await;
    for path in GUARDED {
        assert_eq!(served.get(path).status, 200, "{path}");
        assert_eq!(served.ask("GET", path, &[("Host", "rebound.example")], "").status, 403, "{path}");
    }
    for path in ["/", "/healthz", "/worker"] {
        assert_eq!(served.ask("GET", path, &[("Host", "pod.example")], "").status, 200, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_loopback_no_client_gets_in_without_a_token() {
    let recorded = Recorded::new();
    recorded.put([turn("RM_1", "kitchen", 0, 1)]);
    let closed = recorded.serve_as("0.0.0.0", None).await;
    for path in GUARDED {
        let answer = closed.get(path);
        assert_eq!(answer.status, 403, "{path}");
        assert!(answer.body.contains("[http] token"), "{}", answer.body);
    }
    assert_eq!(closed.get("/healthz").status, 200);

    let served = recorded.serve_as("0.0.0.0", Some("open sesame")).await;
    for path in GUARDED {
        assert_eq!(served.get(path).status, 401, "{path}");
        let right = [("Host", "voice.example"), ("Authorization", "Bearer open sesame")];
        assert_eq!(served.ask("GET", path, &right, "").status, 200, "{path}");
        let wrong = [("Host", "voice.example"), ("Authorization", "Bearer open sesam")];
        let refused = served.ask("GET", path, &wrong, "");
        assert!(refused.status == 401 && !refused.body.contains("kitchen"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_by_a_form_and_comes_to_the_page_it_wanted() {
    let recorded = Recorded::new();
    recorded.put([turn("RM_1", "kitchen", 0, 1)]);
    let served = recorded.serve_as("0.0.0.0", Some("open sesame")).await;
    let form = served.get("/sessions/RM_1?cursor=");
    assert!(form.body.contains("name=\"to\" value=\"/sessions/RM_1?cursor=\""), "{}", form.body);
    let send = |body: &str| served.ask("POST", "/sign-in", &[("Host", "voice.example")], body);
    assert_eq!(send("token=close+sesame&to=/sessions").status, 401);
    assert_eq!(send(&format!("token={}", "x".repeat(9999))).status, 400);
    let signed_in = send("token=open+sesame&to=%2Fsessions%2FRM_1");
    assert_eq!(signed_in.status, 303);
    assert!(signed_in.head.contains("location: /sessions/rm_1"), "{}", signed_in.head);
    let cookie =
        signed_in.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap().to_owned();
    assert!(cookie.contains("httponly; samesite=strict"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let page = served.ask("GET", "/sessions/RM_1", &[("Host", "voice.example"), ("Cookie", cookie)], "");
    assert!(page.status == 200 && page.body.contains("kitchen"));
    let typed = served.get("/sign-in");
    assert!(typed.status == 303 && typed.head.contains("location: /sessions\r\n"), "{}", typed.head);
    let elsewhere = send("token=open+sesame&to=https://evil.example");
    assert!(elsewhere.head.contains("location: /sessions\r\n"), "{}", elsewhere.head);
}

/// The time until 40 wrong tokens, sent at once, are answered, while clients with the right token ask in between.
async fn guess_40_times(request: fn(usize) -> String) {
    let recorded = Recorded::new();
    recorded.put([turn("RM_1", "kitchen", 0, 1)]);
    let served = recorded.serve_as("0.0.0.0", Some("open sesame")).await;
    let (address, begun) = (served.address, Instant::now());
    let (answered, answers) = std::sync::mpsc::channel();
    for number in 0..40 {
        let answered = answered.clone();
        std::thread::spawn(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(request(number).as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 401 "), "{answer:.200}");
            let _ = answered.send(());
        });
    }
    while begun.elapsed() < Duration::from_secs(3) {
        let asked = Instant::now();
        let right = [("Host", "voice.example"), ("Authorization", "Bearer open sesame")];
        assert_eq!(served.ask("GET", "/sessions", &right, "").status, 200);
        assert_eq!(served.ask("POST", "/sign-in", &[("Host", "x")], "token=open+sesame").status, 303);
        assert!(asked.elapsed() < Duration::from_secs(2), "the right one waits for wrong ones");
    }
    assert!(answers.try_iter().count() <= 6, "an answer takes half a second, however many are asked for");
    for _ in 0..3 {
        answers.recv_timeout(recorded::PATIENCE).expect("they are answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bearers_sent_at_once_wait_one_after_the_other() {
    guess_40_times(|number| {
        let path = ["/metrics", "/sessions", "/api/sessions"][number % 3];
        format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {number}\r\nConnection: close\r\n\r\n"
        )
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_bearers_and_wrong_forms_wait_in_one_line() {
    guess_40_times(|number| match number % 2 {
        0 => format!("GET /sessions HTTP/1.1\r\nHost: x\r\nAuthorization: bearer {number}\r\nConnection: close\r\n\r\n"),
        _ => {
            let form = format!("token={number:02}");
            let length = form.len();
            format!("POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{form}")
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_no_token_is_told_at_once() {
    let served = Recorded::new().serve_as("0.0.0.0", Some("open sesame")).await;
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(served.get("/metrics").status, 401);
        assert_eq!(served.ask("GET", "/sessions", &[("Cookie", "voiced_sign_in_8081=x")], "").status, 401);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_for_two_hosts_is_refused_on_every_path() {
    let served = Recorded::new().serve().await;
    let local = served.address.to_string();
    let ask = |target: &str, hosts: &[&str]| {
        let hosts: Vec<_> = hosts.iter().map(|host| ("Host", *host)).collect();
        served.ask("GET", target, &hosts, "")
    };
    for path in GUARDED.into_iter().chain(["/", "/healthz", "/readyz", "/worker", "/nothing"]) {
        let evil = format!("http://evil.example{path}");
        let in_one = format!("{local}, evil.example");
        for (target, hosts) in [
            (path, vec![local.as_str(), "evil.example"]),
            (path, vec!["evil.example", local.as_str()]),
            (path, vec![local.as_str(), local.as_str()]),
            (path, vec![in_one.as_str()]),
            (evil.as_str(), vec![local.as_str()]),
            (evil.as_str(), vec![]),
        ] {
            let answer = ask(target, &hosts);
            assert_eq!(answer.status, 400, "{target} {hosts:?}: {}", answer.body);
            assert!(answer.head.contains("x-content-type-options: nosniff"), "{}", answer.head);
        }
    }
    assert_eq!(ask(&format!("http://{local}/metrics"), &[&local]).status, 200);
    assert_eq!(ask("http://evil.example/metrics", &["evil.example"]).status, 403);
}
