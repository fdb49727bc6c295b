use super::*;

const PEER: &str = "192.0.2.9:4000";
const RELAYED: &str = "198.51.100.1:50000";
const REALM: &str = "example.org";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn credentials() -> Credentials {
    Credentials { username: "user".into(), password: "secret".into() }
}

fn key() -> [u8; 16] {
    long_term_key(&credentials(), REALM)
}

/// The one message among `actions`.
fn sent(actions: &[Action]) -> Vec<u8> {
    match actions {
        [Action::Transmit(bytes)] => bytes.clone(),
        _ => panic!("{actions:?}"),
    }
}

fn transaction(request: &[u8]) -> TransactionId {
    Message::parse(request).unwrap().transaction
}

fn method(request: &[u8]) -> Method {
    Message::parse(request).unwrap().method
}

fn refusal(request: &[u8], code: u16, nonce: &str) -> Vec<u8> {
    let [class, number] = [(code / 100) as u8, (code % 100) as u8];
    Builder::new(Class::Error, method(request), transaction(request))
        .put(attribute::ERROR_CODE, &[0, 0, class, number, b'n', b'o'])
        .put(attribute::REALM, REALM.as_bytes())
        .put(attribute::NONCE, nonce.as_bytes())
        .finish()
}

fn success(request: &[u8]) -> Vec<u8> {
    Builder::new(Class::Success, method(request), transaction(request))
        .put_xor_address(attribute::XOR_RELAYED_ADDRESS, address(RELAYED))
        .put(attribute::LIFETIME, &600_u32.to_be_bytes())
        .sign(&key())
}

/// A client with an allocation from a server that requires credentials.
fn live(now: Instant, stream: bool) -> Client {
    let mut client = Client::new(credentials(), stream);
    let first = sent(&client.step(now, Event::Start));
    assert_eq!(Message::parse(&first).unwrap().get(attribute::USERNAME), None);
    let second = sent(&client.step(now, Event::Received(&refusal(&first, 401, "n1"))));
    let message = Message::parse(&second).unwrap();
    assert!(message.is_authentic(&key()));
    assert_eq!(message.text(attribute::NONCE), Some("n1"));
    let actions = client.step(now, Event::Received(&success(&second)));
    assert_eq!(actions, [Action::Allocated(address(RELAYED))]);
    client
}

fn send(client: &mut Client, now: Instant, data: &[u8]) -> Vec<Action> {
    client.step(now, Event::Send { peer: address(PEER), data })
}

/// A client that may send to the peer.
fn permitted(now: Instant, stream: bool) -> Client {
    let mut client = live(now, stream);
    let request = sent(&send(&mut client, now, b"\x01check"));
    assert_eq!(method(&request), Method::CreatePermission);
    let flushed = sent(&client.step(now, Event::Received(&success(&request))));
    let message = Message::parse(&flushed).unwrap();
    assert_eq!(message.get(attribute::DATA), Some(&b"\x01check"[..]));
    assert_eq!(message.xor_address(attribute::XOR_PEER_ADDRESS), Some(address(PEER)));
    client
}

fn ended(actions: &[Action]) -> u16 {
    match actions {
        [Action::Ended { code, .. }] => *code,
        _ => panic!("{actions:?}"),
    }
}

#[test]
fn a_wrong_password_ends_it_after_one_attempt() {
    let (now, mut client) = (Instant::now(), Client::new(credentials(), false));
    let first = sent(&client.step(now, Event::Start));
    let second = sent(&client.step(now, Event::Received(&refusal(&first, 401, "n1"))));
    assert_eq!(ended(&client.step(now, Event::Received(&refusal(&second, 401, "n2")))), 401);
    assert_eq!(client.deadline(), None);
    assert!(client.step(now, Event::Start).is_empty());
}

#[test]
fn a_server_that_never_answers_is_unreachable() {
    for stream in [false, true] {
        let mut client = Client::new(credentials(), stream);
        client.step(Instant::now(), Event::Start);
        let mut last = Vec::new();
        while let Some(due) = client.deadline() {
            last = client.step(due, Event::Timeout);
        }
        assert_eq!(ended(&last), UNREACHABLE);
    }
}

#[test]
fn a_stale_nonce_is_replaced_but_not_for_ever() {
    let now = Instant::now();
    let mut client = live(now, false);
    let mut request = sent(&client.step(now, Event::Probe));
    for round in 0..MAX_CHALLENGES {
        let nonce = format!("n{round}");
        request = sent(&client.step(now, Event::Received(&refusal(&request, 438, &nonce))));
        assert_eq!(Message::parse(&request).unwrap().text(attribute::NONCE), Some(&*nonce));
    }
    assert_eq!(ended(&client.step(now, Event::Received(&refusal(&request, 438, "again")))), 438);
}

#[test]
fn a_success_without_the_key_is_not_believed() {
    let (now, mut client) = (Instant::now(), Client::new(credentials(), false));
    let first = sent(&client.step(now, Event::Start));
    let second = sent(&client.step(now, Event::Received(&refusal(&first, 401, "n"))));
    let forged = Builder::new(Class::Success, Method::Allocate, transaction(&second))
        .put_xor_address(attribute::XOR_RELAYED_ADDRESS, address(PEER));
    assert!(client.step(now, Event::Received(&forged.sign(b"wrong"))).is_empty());
    let genuine = client.step(now, Event::Received(&success(&second)));
    assert_eq!(genuine, [Action::Allocated(address(RELAYED))]);
}

#[test]
fn the_allocation_is_refreshed_before_it_ends() {
    let now = Instant::now();
    let mut client = live(now, false);
    let due = client.deadline().unwrap();
    assert_eq!(due, now + LIFETIME - MARGIN);
    let request = sent(&client.step(due, Event::Timeout));
    assert_eq!(method(&request), Method::Refresh);
    client.step(due, Event::Received(&success(&request)));
    assert_eq!(client.deadline(), Some(due + LIFETIME - MARGIN));
}

#[test]
fn an_allocation_the_server_forgot_is_gone() {
    let now = Instant::now();
    let mut client = live(now, false);
    let request = sent(&client.step(now, Event::Probe));
    assert_eq!(ended(&client.step(now, Event::Received(&refusal(&request, 437, "n")))), 437);
}

#[test]
fn payload_gets_a_channel_and_checks_do_not() {
    let now = Instant::now();
    let mut client = permitted(now, true);
    assert_eq!(method(&sent(&send(&mut client, now, b"\x01check"))), Method::Send);
    let actions = send(&mut client, now, b"\x80payload");
    let [Action::Transmit(data), Action::Transmit(bind)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((method(data), method(bind)), (Method::Send, Method::ChannelBind));
    assert!(client.step(now, Event::Received(&success(bind))).is_empty());
    let wrapped = sent(&send(&mut client, now, b"\x80payload"));
    assert_eq!(read_channel_data(&wrapped), Some((0x4000, &b"\x80payload"[..])));
    let actions = client.step(now, Event::Received(&wrapped));
    assert_eq!(actions, [Action::Data { peer: address(PEER), data: b"\x80payload".to_vec() }]);
}

#[test]
fn a_channel_that_is_refused_is_done_without() {
    let now = Instant::now();
    let mut client = permitted(now, false);
    let actions = send(&mut client, now, b"\x80payload");
    let [_, Action::Transmit(bind)] = &actions[..] else { panic!("{actions:?}") };
    client.step(now, Event::Received(&refusal(bind, 508, "n")));
    assert_eq!(method(&sent(&send(&mut client, now, b"\x80payload"))), Method::Send);
}

#[test]
fn a_peer_the_server_refuses_gets_nothing() {
    let now = Instant::now();
    let mut client = live(now, false);
    let request = sent(&send(&mut client, now, b"\x01check"));
    client.step(now, Event::Received(&refusal(&request, 403, "n")));
    assert!(send(&mut client, now, b"\x01check").is_empty());
    assert_eq!(client.dropped(), 2);
}

#[test]
fn permissions_and_channels_are_renewed_while_in_use() {
    let now = Instant::now();
    let mut client = permitted(now, false);
    let due = client.deadline().unwrap();
    send(&mut client, due, b"\x01check");
    assert_eq!(method(&sent(&client.step(due, Event::Timeout))), Method::CreatePermission);
    let mut idle = permitted(now, false);
    assert!(idle.step(due + Duration::from_secs(1), Event::Timeout).is_empty());
}

#[test]
fn what_waits_for_a_permission_is_bounded() {
    let now = Instant::now();
    let mut client = live(now, false);
    let request = sent(&send(&mut client, now, b"\x01check"));
    for _ in 0..100 {
        assert!(send(&mut client, now, b"\x01check").is_empty());
    }
    let flushed = client.step(now, Event::Received(&success(&request)));
    assert_eq!(flushed.len() as u64 + client.dropped(), 101);
    assert!(flushed.len() < 10);
}

#[test]
fn releasing_tells_the_server_and_ends() {
    let now = Instant::now();
    let mut client = live(now, false);
    let request = sent(&client.step(now, Event::Release));
    assert_eq!(Message::parse(&request).unwrap().number(attribute::LIFETIME), Some(0));
    assert_eq!(client.deadline(), None);
}

#[test]
fn a_lost_link_ends_it() {
    let now = Instant::now();
    assert_eq!(ended(&live(now, true).step(now, Event::Lost("closed"))), UNREACHABLE);
}

/// Messages of the server with any byte changed: the client neither panics nor grows.
#[test]
fn damaged_messages_do_no_harm() {
    let now = Instant::now();
    let indication = Builder::new(Class::Indication, Method::Data, [0; 12])
        .put_xor_address(attribute::XOR_PEER_ADDRESS, address(PEER))
        .put(attribute::DATA, b"data")
        .finish();
    let mut client = permitted(now, false);
    let refresh = sent(&client.step(now, Event::Probe));
    for sample in [indication, success(&refresh), refusal(&refresh, 438, "n"), vec![0x40, 0, 0, 2, 1, 2]] {
        for index in 0..sample.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = sample.clone();
                damaged[index] ^= flip;
                client.step(now, Event::Received(&damaged));
                client.step(now, Event::Received(&damaged[..index]));
            }
        }
    }
    assert!(client.requests.len() < 8, "{}", client.requests.len());
}
