//! The place between SCTP and DTLS. `str0m` lets programs bring their own DTLS; ours is that of `str0m`'s default
//! cryptography, and SCTP's packets pass the recovery of lost data on their way through it.

use std::{
    cell::RefCell,
    sync::{Arc, LazyLock},
    time::Instant,
};

use parking_lot::Mutex;
use str0m::{
    Rtc, RtcConfig,
    crypto::{
        CryptoError, CryptoProvider,
        dtls::{
            DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
        },
        from_feature_flags,
    },
};

use crate::pc::sctp::recovery::{Counts, Recovery};

/// The engine's end of a line.
#[derive(Debug, Clone)]
pub(crate) struct Line(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// `str0m` does not tell its DTLS the time, so the engine does.
    now: Instant,
    recovery: Recovery,
}

/// Creates DTLS with a line.
#[derive(Debug)]
struct Provider(CryptoProvider);

/// DTLS with a line.
#[derive(Debug)]
struct Lined {
    dtls: Box<dyn DtlsInstance>,
    line: Line,
    /// The output of DTLS, before it is changed.
    buffer: Vec<u8>,
}

static PROVIDER: LazyLock<Provider> = LazyLock::new(|| Provider(from_feature_flags()));

thread_local! {
    /// The line of the instance that [`build`] is creating: `str0m` passes no data of a program to its DTLS.
    static NEXT: RefCell<Option<Line>> = const { RefCell::new(None) };
}

/// Builds an instance of `str0m` with a line.
pub(crate) fn build(config: RtcConfig, now: Instant) -> (Rtc, Line) {
    let line = Line(Arc::new(Mutex::new(State { now, recovery: Recovery::default() })));
    let crypto = CryptoProvider { dtls_provider: &*PROVIDER, ..PROVIDER.0.clone() };
    NEXT.set(Some(line.clone()));
    let rtc = config.set_crypto_provider(Arc::new(crypto)).build(now);
    NEXT.take();
    (rtc, line)
}

// === impl Line ===

impl Line {
    /// Sets the time. This must be called before each input to `str0m` and each request for its output.
    pub(crate) fn at(&self, now: Instant) {
        self.0.lock().now = now;
    }

    /// Records a new stream; messages on an unreliable one may be given up.
    pub(crate) fn opened(&self, stream: u16, reliable: bool) {
        self.0.lock().recovery.opened(stream, reliable);
    }

    pub(crate) fn log_counts(&self) {
        let Counts { sent_again, not_kept } = self.0.lock().recovery.counts();
        log::debug!(
            "{sent_again} chunks of data were sent again; {not_kept} were too many to be kept for that"
        );
    }
}

// === impl Provider ===

impl DtlsProvider for Provider {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.0.dtls_provider.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let dtls = self.0.dtls_provider.new_dtls(cert, now, version, mtu)?;
        let Some(line) = NEXT.take() else { return Ok(dtls) };
        Ok(Box::new(Lined { dtls, line, buffer: Vec::new() }))
    }

    fn is_test(&self) -> bool {
        self.0.dtls_provider.is_test()
    }
}

// === impl Lined ===

impl Lined {
    /// Gives DTLS the packets to be sent again.
    fn send_again(&mut self) {
        let line = &mut *self.line.0.lock();
        while let Some(packet) = line.recovery.take() {
            if let Err(error) = self.dtls.send_application_data(&packet) {
                log::debug!("SCTP data could not be sent again: {error}");
            }
        }
    }
}

impl DtlsInstance for Lined {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        self.send_again();
        self.buffer.resize(buf.len(), 0);
        let line = &mut *self.line.0.lock();
        match self.dtls.poll_output(&mut self.buffer) {
            DtlsOutput::ApplicationData(data) => {
                let data = copied(data, buf);
                line.recovery.incoming(line.now, data);
                DtlsOutput::ApplicationData(data)
            }
            DtlsOutput::Packet(packet) => DtlsOutput::Packet(copied(packet, buf)),
            DtlsOutput::PeerCert(certificate) => DtlsOutput::PeerCert(copied(certificate, buf)),
            DtlsOutput::Timeout(at) => {
                DtlsOutput::Timeout(line.recovery.deadline().map_or(at, |again| again.min(at)))
            }
            DtlsOutput::Connected => DtlsOutput::Connected,
            DtlsOutput::KeyingMaterial(key, profile) => DtlsOutput::KeyingMaterial(key, profile),
            DtlsOutput::CloseNotify => DtlsOutput::CloseNotify,
            DtlsOutput::BufferTooSmall { needed } => DtlsOutput::BufferTooSmall { needed },
            // No other kind is known; `str0m` treats this as a fault, as it would treat the unknown output.
            _ => DtlsOutput::BufferTooSmall { needed: 0 },
        }
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.line.0.lock().recovery.timeout(now);
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        let State { now, recovery } = &mut *self.line.0.lock();
        match recovery.outgoing(*now, data) {
            Some(packet) => self.dtls.send_application_data(&packet),
            None => Ok(data.len()),
        }
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}

fn copied<'b>(bytes: &[u8], buffer: &'b mut [u8]) -> &'b mut [u8] {
    let copy = &mut buffer[..bytes.len()];
    copy.copy_from_slice(bytes);
    copy
}
