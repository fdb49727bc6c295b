use super::*;

fn server(message: FromServer) -> ServerMessage {
    decode(&proto::ServerMessage { message: Some(message) }.encode_to_vec()).unwrap()
}

fn sent(message: WorkerMessage) -> ToServer {
    proto::WorkerMessage::decode(encode(message).as_slice()).unwrap().message.unwrap()
}

fn wire_job() -> proto::Job {
    proto::Job {
        id: "AJ_1".to_owned(),
        dispatch_id: "AD_1".to_owned(),
        room: Some(proto::Room { sid: "RM_1".to_owned(), name: "lobby".to_owned(), ..Default::default() }),
        metadata: "hello".to_owned(),
        state: Some(proto::JobState { participant_identity: "agent-AJ_1".to_owned(), ..Default::default() }),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        ..Default::default()
    }
}

fn our_job() -> Job {
    Job {
        id: "AJ_1".to_owned(),
        dispatch_id: "AD_1".to_owned(),
        room_name: "lobby".to_owned(),
        room_sid: "RM_1".to_owned(),
        metadata: "hello".to_owned(),
        attributes: [("k".to_owned(), "v".to_owned())].into(),
        identity: "agent-AJ_1".to_owned(),
    }
}

#[test]
fn reads_every_message_of_the_server() {
    let info = proto::ServerInfo { version: "1.13.5".to_owned(), ..Default::default() };
    let registered = proto::RegisterWorkerResponse {
        worker_id: "AW_1".to_owned(),
        server_info: Some(info),
        ..Default::default()
    };
    assert_eq!(
        server(FromServer::Register(registered)),
        ServerMessage::Registered { worker_id: "AW_1".to_owned(), server_version: "1.13.5".to_owned() }
    );
    let offer = proto::AvailabilityRequest { job: Some(wire_job()), resuming: false };
    assert_eq!(server(FromServer::Availability(offer)), ServerMessage::Offer(our_job()));
    let termination = proto::JobTermination { job_id: "AJ_1".to_owned() };
    assert_eq!(
        server(FromServer::Termination(termination)),
        ServerMessage::Termination { job_id: "AJ_1".to_owned() }
    );
    assert_eq!(server(FromServer::Pong(proto::WorkerPong::default())), ServerMessage::Pong);
    let notice = proto::agent_http::GoAway { reason: "upgrade".to_owned() };
    assert_eq!(server(FromServer::GoAway(notice)), ServerMessage::GoAway { reason: "upgrade".to_owned() });
}

#[test]
fn an_assignment_has_a_url_only_when_the_server_names_one() {
    for (url, read) in [(None, None), (Some(""), None), (Some("wss://x"), Some("wss://x"))] {
        let assignment = proto::JobAssignment {
            job: Some(wire_job()),
            url: url.map(str::to_owned),
            token: "t".to_owned(),
        };
        let expected = Assigned { job: our_job(), url: read.map(str::to_owned), token: Secret::new("t") };
        assert_eq!(server(FromServer::Assignment(assignment)), ServerMessage::Assignment(expected));
    }
}

#[test]
fn messages_without_what_makes_them_usable_are_unknown() {
    let offer = proto::AvailabilityRequest::default();
    assert!(matches!(server(FromServer::Availability(offer)), ServerMessage::Unknown(_)));
    let assignment = proto::JobAssignment::default();
    assert!(matches!(server(FromServer::Assignment(assignment)), ServerMessage::Unknown(_)));
    assert!(matches!(decode(&[]).unwrap(), ServerMessage::Unknown(_)));
    // Field 99, a string: a kind of message from the future.
    assert!(matches!(decode(&[0x9a, 0x06, 0x01, b'x']).unwrap(), ServerMessage::Unknown(_)));
}

#[test]
fn garbage_never_panics() {
    let mut random = fastrand::Rng::with_seed(1);
    let offer = proto::AvailabilityRequest { job: Some(wire_job()), resuming: false };
    let message = FromServer::Availability(offer);
    let whole = proto::ServerMessage { message: Some(message) }.encode_to_vec();
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut frame = whole.clone();
        frame.truncate(random.usize(..=whole.len()));
        for _ in 0..random.usize(..4) {
            if let Some(byte) = random.choice(&mut frame) {
                *byte = random.u8(..);
            }
        }
        refused += usize::from(decode(&frame).is_err());
    }
    assert!(refused > 1000, "most of these frames are broken, yet only {refused} were refused");
}

#[test]
fn registers_as_a_room_worker_with_its_permissions() {
    let ToServer::Register(request) = sent(WorkerMessage::Register(Registration {
        agent_name: "support".to_owned(),
        version: "0.1.0".to_owned(),
        instance_id: "abc".to_owned(),
        permissions: vec![Permission::Subscribe, Permission::PublishData],
    })) else {
        panic!("not a registration")
    };
    assert_eq!(request.r#type(), proto::JobType::JtRoom);
    assert_eq!(
        (request.agent_name.as_str(), request.version.as_str(), request.instance_id.as_str()),
        ("support", "0.1.0", "abc")
    );
    let permissions = request.allowed_permissions.unwrap();
    assert!(permissions.can_subscribe && permissions.can_publish_data);
    assert!(!permissions.can_publish && !permissions.can_update_metadata && !permissions.hidden);
    #[expect(deprecated)]
    let agent = permissions.agent;
    assert!(agent);
}

#[test]
fn answers_yes_with_a_participant_no_and_no_to_all() {
    let answer = |answer| {
        let ToServer::Availability(response) =
            sent(WorkerMessage::Answer { job_id: "AJ_1".to_owned(), answer })
        else {
            panic!("not an answer")
        };
        assert_eq!(response.job_id, "AJ_1");
        response
    };
    let yes = answer(Answer::Yes(Participant {
        identity: "agent-AJ_1".to_owned(),
        name: "Ada".to_owned(),
        attributes: vec![("k".to_owned(), "v".to_owned())],
    }));
    assert!(yes.available && !yes.terminate);
    assert_eq!((yes.participant_identity.as_str(), yes.participant_name.as_str()), ("agent-AJ_1", "Ada"));
    assert_eq!(yes.participant_attributes["k"], "v");
    let no = answer(Answer::No);
    assert!(!no.available && !no.terminate);
    let superfluous = answer(Answer::Superfluous);
    assert!(!superfluous.available && superfluous.terminate);
}

#[test]
fn tells_status_and_jobs() {
    let status = Status { available: false, load: 0.5, job_count: 3, draining: true, sequence: 9 };
    let ToServer::UpdateWorker(update) = sent(WorkerMessage::Status(status)) else { panic!("not a status") };
    // An unset status would leave the server with the previous one.
    assert_eq!(update.status, Some(proto::WorkerStatus::WsFull.into()));
    assert_eq!((update.load, update.job_count, update.draining, update.seq), (0.5, 3, true, 9));

    let job_id = || "AJ_1".to_owned();
    let ended = |end| WorkerMessage::Ended { job_id: job_id(), end };
    for (message, status, error) in [
        (WorkerMessage::Running { job_id: job_id() }, proto::JobStatus::JsRunning, ""),
        (ended(JobEnd::Success), proto::JobStatus::JsSuccess, ""),
        (ended(JobEnd::Failed("why".to_owned())), proto::JobStatus::JsFailed, "why"),
    ] {
        let ToServer::UpdateJob(update) = sent(message) else { panic!("not a job's status") };
        assert_eq!((update.job_id.as_str(), update.status(), update.error.as_str()), ("AJ_1", status, error));
    }
}

#[test]
fn the_worker_token_grants_the_agent_socket_and_nothing_else() {
    let secret = Secret::new("a-secret-of-at-least-32-characters");
    let token = worker_token("devkey", &secret).unwrap();
    let claims = livekit_api::access_token::TokenVerifier::with_api_key("devkey", secret.expose())
        .verify(token.expose())
        .unwrap();
    assert_eq!(claims.exp - claims.nbf, 600);
    let mut claims = serde_json::to_value(claims).unwrap();
    for time in ["exp", "nbf"] {
        claims.as_object_mut().unwrap().remove(time);
    }
    assert_eq!(claims, serde_json::json!({ "iss": "devkey", "video": { "agent": true } }));
}
