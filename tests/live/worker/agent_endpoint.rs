//! The server's side of the worker protocol, on a real port and controlled by the test.

use futures::{SinkExt, StreamExt};
use livekit_api::access_token::TokenVerifier;
use livekit_protocol as proto;
use livekit_protocol::server_message::Message as FromServer;
use livekit_protocol::worker_message::Message as FromWorker;
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::worker::PATIENCE;
use crate::worker::running_worker::{API_KEY, API_SECRET};

pub struct AgentEndpoint {
    listener: TcpListener,
    url: String,
}

/// One worker's socket.
pub struct WorkerSocket {
    socket: WebSocketStream<TcpStream>,
}

impl AgentEndpoint {
    pub async fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("ws://{}", listener.local_addr().expect("its address"));
        Self { listener, url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Accepts the next worker that comes with a valid token to `/agent`.
    pub async fn accept(&self) -> WorkerSocket {
        let stream = self.accept_tcp().await;
        let socket = accept_hdr_async(stream, authorize).await.expect("a worker with a valid token");
        WorkerSocket { socket }
    }

    pub async fn accept_tcp(&self) -> TcpStream {
        timeout(PATIENCE, self.listener.accept()).await.expect("a worker connects").expect("a stream").0
    }

    /// Answers the next worker's upgrade with an HTTP status.
    pub async fn refuse(&self, status: StatusCode) {
        let stream = self.accept_tcp().await;
        let refuse = |_: &Request, _: Response| -> Result<Response, ErrorResponse> {
            let mut answer = ErrorResponse::new(Some("no".to_owned()));
            *answer.status_mut() = status;
            Err(answer)
        };
        accept_hdr_async(stream, refuse).await.expect_err("the upgrade is refused");
    }

    /// Accepts the next worker and answers its registration.
    pub async fn accept_registered(&self) -> WorkerSocket {
        let mut socket = self.accept().await;
        socket.register().await;
        socket
    }
}

impl WorkerSocket {
    /// Reads the registration and confirms it.
    pub async fn register(&mut self) -> proto::RegisterWorkerRequest {
        let FromWorker::Register(request) = self.next().await else {
            panic!("the first message is not the registration")
        };
        self.confirm("AW_test").await;
        request
    }

    pub async fn confirm(&mut self, worker_id: &str) {
        let answer = proto::RegisterWorkerResponse { worker_id: worker_id.to_owned(), ..Default::default() };
        self.send(FromServer::Register(answer)).await;
    }

    pub async fn send(&mut self, message: FromServer) {
        let frame = proto::ServerMessage { message: Some(message) }.encode_to_vec();
        self.send_frame(Message::Binary(frame.into())).await;
    }

    pub async fn send_frame(&mut self, frame: Message) {
        self.socket.send(frame).await.expect("the worker reads");
    }

    /// The worker's next message.
    pub async fn next(&mut self) -> FromWorker {
        self.try_next().await.expect("the worker speaks")
    }

    /// The worker's next message; `None` when it closes the socket.
    pub async fn try_next(&mut self) -> Option<FromWorker> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("the worker speaks")? {
                Ok(Message::Binary(frame)) => {
                    let message = proto::WorkerMessage::decode(frame.as_ref()).expect("a message");
                    return message.message;
                }
                Ok(Message::Close(_)) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }

    /// The first message that `wanted` picks; other messages are skipped.
    pub async fn find<T>(&mut self, mut wanted: impl FnMut(FromWorker) -> Option<T>) -> T {
        loop {
            if let Some(found) = wanted(self.next().await) {
                return found;
            }
        }
    }

    pub async fn status(&mut self) -> proto::UpdateWorkerStatus {
        self.find(|message| match message {
            FromWorker::UpdateWorker(status) => Some(status),
            _ => None,
        })
        .await
    }

    pub async fn answer(&mut self) -> proto::AvailabilityResponse {
        self.find(|message| match message {
            FromWorker::Availability(answer) => Some(answer),
            _ => None,
        })
        .await
    }

    pub async fn job_update(&mut self) -> proto::UpdateJobStatus {
        self.find(|message| match message {
            FromWorker::UpdateJob(update) => Some(update),
            _ => None,
        })
        .await
    }

    pub async fn offer(&mut self, job_id: &str, room: &str) {
        let job = Some(job(job_id, room));
        self.send(FromServer::Availability(proto::AvailabilityRequest { job, resuming: false })).await;
    }

    pub async fn assign(&mut self, job_id: &str, room: &str) {
        let job = Some(job(job_id, room));
        let token = "room-token".to_owned();
        self.send(FromServer::Assignment(proto::JobAssignment { job, url: None, token })).await;
    }

    /// Offers and assigns a job, and reads that it runs.
    pub async fn run_job(&mut self, job_id: &str, room: &str) {
        self.offer(job_id, room).await;
        assert!(self.answer().await.available);
        self.assign(job_id, room).await;
        assert_eq!(self.job_update().await.status(), proto::JobStatus::JsRunning);
    }
}

pub fn job(job_id: &str, room: &str) -> proto::Job {
    proto::Job {
        id: job_id.to_owned(),
        room: Some(proto::Room { name: room.to_owned(), sid: format!("RM_{room}"), ..Default::default() }),
        metadata: "from the dispatch".to_owned(),
        ..Default::default()
    }
}

fn authorize(request: &Request, response: Response) -> Result<Response, ErrorResponse> {
    let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    let claims = TokenVerifier::with_api_key(API_KEY, API_SECRET).verify(token);
    if claims.is_ok_and(|claims| claims.video.agent) && request.uri().path() == "/agent" {
        return Ok(response);
    }
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = StatusCode::UNAUTHORIZED;
    Err(refusal)
}
