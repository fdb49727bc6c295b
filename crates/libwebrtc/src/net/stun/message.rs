//! The wire format, as far as STUN and TURN clients need it.
//!
//! `str0m` has a codec for ICE between peers; it refuses messages of servers, which carry no integrity.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use aws_lc_rs::{hmac, rand};

const HEADER: usize = 20;
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const INTEGRITY_LEN: usize = 20;
/// Longer texts of a server are cut, because they go into logs and callbacks.
const MAX_REASON: usize = 200;

pub(crate) type TransactionId = [u8; 12];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Request,
    Indication,
    Success,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Binding,
    Allocate,
    Refresh,
    Send,
    Data,
    CreatePermission,
    ChannelBind,
}

/// The attributes that this crate reads or writes.
pub(crate) mod attribute {
    pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
    pub(crate) const LIFETIME: u16 = 0x000d;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const REALM: u16 = 0x0014;
    pub(crate) const NONCE: u16 = 0x0015;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const REQUESTED_TRANSPORT: u16 = 0x0019;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
}

/// A received message. Its attributes are parsed on access.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) class: Class,
    pub(crate) method: Method,
    pub(crate) transaction: TransactionId,
    bytes: &'a [u8],
}

/// A message that is being written.
pub(crate) struct Builder {
    bytes: Vec<u8>,
}

struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
    offset: usize,
}

struct Attributes<'a> {
    bytes: &'a [u8],
    offset: usize,
    /// Attributes after the integrity are ignored, except for a fingerprint: an attacker could have added them.
    ended: bool,
}

/// An id that cannot be guessed, so that only the server can answer.
pub(crate) fn new_transaction() -> TransactionId {
    let mut id = [0; 12];
    if rand::fill(&mut id).is_err() {
        // The source of random numbers never fails once it has worked, and DTLS depends on it as well.
        log::error!("no random numbers: STUN transactions can be guessed");
    }
    id
}

// === impl Message ===

impl<'a> Message<'a> {
    /// Parses exactly one message; `None` for anything else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header: &[u8; HEADER] = bytes.first_chunk()?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        if header[4..8] != COOKIE || len % 4 != 0 || bytes.len() != HEADER + len {
            return None;
        }
        let (class, method) = read_type(u16::from_be_bytes([header[0], header[1]]))?;
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        Some(Self { class, method, transaction, bytes })
    }

    pub(crate) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    pub(crate) fn text(&self, kind: u16) -> Option<&'a str> {
        std::str::from_utf8(self.get(kind)?).ok()
    }

    pub(crate) fn number(&self, kind: u16) -> Option<u32> {
        Some(u32::from_be_bytes(*self.get(kind)?.first_chunk()?))
    }

    pub(crate) fn xor_address(&self, kind: u16) -> Option<SocketAddr> {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&COOKIE);
        key[4..].copy_from_slice(&self.transaction);
        read_address(self.get(kind)?, &key)
    }

    /// Our address as the server sees it; old servers send it unmasked, so that NATs may rewrite it.
    pub(crate) fn mapped_address(&self) -> Option<SocketAddr> {
        self.xor_address(attribute::XOR_MAPPED_ADDRESS)
            .or_else(|| read_address(self.get(attribute::MAPPED_ADDRESS)?, &[0; 16]))
    }

    /// The code and reason of an error response; 0 when it has no readable code.
    pub(crate) fn error(&self) -> (u16, String) {
        let Some([_, _, class, number, reason @ ..]) = self.get(attribute::ERROR_CODE) else {
            return (0, "an error without a code".to_owned());
        };
        let code = u16::from(class & 7) * 100 + u16::from(*number);
        (code, String::from_utf8_lossy(reason).chars().filter(|c| !c.is_control()).take(MAX_REASON).collect())
    }

    pub(crate) fn is_authentic(&self, key: &[u8]) -> bool {
        let Some(integrity) = self.attributes().find(|found| found.kind == attribute::MESSAGE_INTEGRITY)
        else {
            return false;
        };
        let Some(signed) = self.bytes.get(..integrity.offset) else { return false };
        // The length in the header counts up to the integrity, even if attributes follow it.
        let mut signed = signed.to_vec();
        set_length(&mut signed, 4 + INTEGRITY_LEN);
        hmac::verify(&hmac_key(key), &signed, integrity.value).is_ok()
    }

    fn attributes(&self) -> Attributes<'a> {
        Attributes { bytes: self.bytes, offset: HEADER, ended: false }
    }
}

// === impl Attributes ===

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let [kind_high, kind_low, len_high, len_low] = *self.bytes.get(self.offset..)?.first_chunk()?;
        let (offset, start) = (self.offset, self.offset + 4);
        let len = usize::from(u16::from_be_bytes([len_high, len_low]));
        let value = self.bytes.get(start..start + len).filter(|_| !self.ended)?;
        self.offset = start + len.next_multiple_of(4);
        let kind = u16::from_be_bytes([kind_high, kind_low]);
        self.ended = kind == attribute::MESSAGE_INTEGRITY;
        Some(Attribute { kind, value, offset })
    }
}

// === impl Builder ===

impl Builder {
    pub(crate) fn new(class: Class, method: Method, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&write_type(class, method).to_be_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&COOKIE);
        bytes.extend_from_slice(&transaction);
        Self { bytes }
    }

    /// Omits a value that is too long for an attribute, which this crate never writes.
    pub(crate) fn put(mut self, kind: u16, value: &[u8]) -> Self {
        let Ok(len) = u16::try_from(value.len()) else { return self };
        self.bytes.extend_from_slice(&kind.to_be_bytes());
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    pub(crate) fn put_xor_address(self, kind: u16, address: SocketAddr) -> Self {
        let value = write_address(address, &self.bytes[4..HEADER]);
        self.put(kind, &value)
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        set_length(&mut self.bytes, 0);
        self.bytes
    }

    pub(crate) fn sign(mut self, key: &[u8]) -> Vec<u8> {
        set_length(&mut self.bytes, 4 + INTEGRITY_LEN);
        let tag = hmac::sign(&hmac_key(key), &self.bytes);
        self.put(attribute::MESSAGE_INTEGRITY, tag.as_ref()).finish()
    }
}

/// Calls every reader of a message.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) fn read_everything(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    for kind in 0..=0x30 {
        _ = (message.get(kind), message.text(kind), message.number(kind), message.xor_address(kind));
    }
    _ = (message.mapped_address(), message.error(), message.is_authentic(b"key"));
}

fn hmac_key(key: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key)
}

/// Writes the length of everything after the header, including `more` bytes that are still to be added.
fn set_length(bytes: &mut [u8], more: usize) {
    let len = u16::try_from(bytes.len().saturating_sub(HEADER) + more).unwrap_or(u16::MAX);
    if let Some(field) = bytes.get_mut(2..4) {
        field.copy_from_slice(&len.to_be_bytes());
    }
}

/// The bits of class and method are interleaved (RFC 8489, section 5); the methods here have four bits each.
fn read_type(bits: u16) -> Option<(Class, Method)> {
    let class = match bits & 0x0110 {
        0x0000 => Class::Request,
        0x0010 => Class::Indication,
        0x0100 => Class::Success,
        _ => Class::Error,
    };
    let method = match bits & !0x0110 {
        1 => Method::Binding,
        3 => Method::Allocate,
        4 => Method::Refresh,
        6 => Method::Send,
        7 => Method::Data,
        8 => Method::CreatePermission,
        9 => Method::ChannelBind,
        _ => return None,
    };
    Some((class, method))
}

fn write_type(class: Class, method: Method) -> u16 {
    let class = match class {
        Class::Request => 0x0000,
        Class::Indication => 0x0010,
        Class::Success => 0x0100,
        Class::Error => 0x0110,
    };
    let method = match method {
        Method::Binding => 1,
        Method::Allocate => 3,
        Method::Refresh => 4,
        Method::Send => 6,
        Method::Data => 7,
        Method::CreatePermission => 8,
        Method::ChannelBind => 9,
    };
    class | method
}

fn read_address(value: &[u8], key: &[u8; 16]) -> Option<SocketAddr> {
    let [_, family, port_high, port_low, address @ ..] = value else { return None };
    let port = u16::from_be_bytes([port_high ^ key[0], port_low ^ key[1]]);
    let ip = match family {
        1 => IpAddr::from(Ipv4Addr::from(xor(*address.first_chunk::<4>()?, key))),
        2 => IpAddr::from(Ipv6Addr::from(xor(*address.first_chunk::<16>()?, key))),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// `key` is the cookie and the transaction id.
fn write_address(address: SocketAddr, key: &[u8]) -> Vec<u8> {
    let mut value = match address {
        SocketAddr::V4(_) => vec![0, 1],
        SocketAddr::V6(_) => vec![0, 2],
    };
    value.extend(xor(address.port().to_be_bytes(), key));
    match address.ip() {
        IpAddr::V4(ip) => value.extend(xor(ip.octets(), key)),
        IpAddr::V6(ip) => value.extend(xor(ip.octets(), key)),
    }
    value
}

fn xor<const N: usize>(mut bytes: [u8; N], key: &[u8]) -> [u8; N] {
    bytes.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sample response of RFC 5769, section 2.2: software, mapped address 192.0.2.1:32853, integrity, fingerprint.
    const SAMPLE: [u8; 80] = [
        0x01, 0x01, 0x00, 0x3c, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa,
        0x87, 0xdf, 0xae, 0x80, 0x22, 0x00, 0x0b, 0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, 0x74, 0x6f,
        0x72, 0x20, 0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, 0x00, 0x08, 0x00,
        0x14, 0x2b, 0x91, 0xf5, 0x99, 0xfd, 0x9e, 0x90, 0xc3, 0x8c, 0x74, 0x89, 0xf9, 0x2a, 0xf9, 0xba, 0x53,
        0xf0, 0x6b, 0xe7, 0xd7, 0x80, 0x28, 0x00, 0x04, 0xc0, 0x7d, 0x4c, 0x96,
    ];

    #[test]
    fn the_sample_of_the_standard_is_read() {
        let message = Message::parse(&SAMPLE).unwrap();
        assert_eq!((message.class, message.method), (Class::Success, Method::Binding));
        assert_eq!(message.mapped_address(), Some("192.0.2.1:32853".parse().unwrap()));
        assert!(message.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBt"));
        assert!(!message.is_authentic(b"another password"));
    }

    #[test]
    fn what_was_written_is_read_again() {
        let peer: SocketAddr = "[2001:db8::7]:4242".parse().unwrap();
        let id = new_transaction();
        let bytes = Builder::new(Class::Request, Method::ChannelBind, id)
            .put(attribute::CHANNEL_NUMBER, &[0x40, 1, 0, 0])
            .put(attribute::REALM, b"odd")
            .put_xor_address(attribute::XOR_PEER_ADDRESS, peer)
            .sign(b"key");
        let message = Message::parse(&bytes).unwrap();
        assert_eq!(
            (message.class, message.method, message.transaction),
            (Class::Request, Method::ChannelBind, id)
        );
        assert_eq!(message.text(attribute::REALM), Some("odd"));
        assert_eq!(message.number(attribute::CHANNEL_NUMBER), Some(0x4001_0000));
        assert_eq!(message.xor_address(attribute::XOR_PEER_ADDRESS), Some(peer));
        assert!(message.is_authentic(b"key"));
    }

    #[test]
    fn an_attribute_behind_the_integrity_does_not_exist() {
        let signed = Builder::new(Class::Success, Method::Allocate, [1; 12]).sign(b"key");
        let forged = Builder { bytes: signed }.put(attribute::LIFETIME, &[0, 0, 0, 9]).finish();
        let message = Message::parse(&forged).unwrap();
        assert!(message.is_authentic(b"key"));
        assert_eq!(message.number(attribute::LIFETIME), None);
    }

    #[test]
    fn an_error_is_read_and_cut_to_size() {
        let reason = [&[0, 0, 4, 38][..], "x\n".repeat(300).as_bytes()].concat();
        let bytes = Builder::new(Class::Error, Method::Allocate, [0; 12])
            .put(attribute::ERROR_CODE, &reason)
            .finish();
        let (code, text) = Message::parse(&bytes).unwrap().error();
        assert_eq!((code, text.len()), (438, MAX_REASON));
        let none = Builder::new(Class::Error, Method::Allocate, [0; 12]).finish();
        assert_eq!(Message::parse(&none).unwrap().error().0, 0);
    }

    /// Every prefix of a message, and the message with each byte changed: no parser panics, and no changed message is
    /// authentic.
    #[test]
    fn damage_is_noticed_and_does_not_panic() {
        for len in 0..SAMPLE.len() {
            assert!(Message::parse(&SAMPLE[..len]).is_none(), "{len}");
        }
        for index in 0..SAMPLE.len() {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = SAMPLE;
                damaged[index] ^= flip;
                if let Some(message) = Message::parse(&damaged) {
                    _ = (message.mapped_address(), message.error(), message.text(attribute::NONCE));
                    let behind_integrity = index >= 72;
                    assert_eq!(message.is_authentic(b"VOkJxbRl1RmTxUk/WvJxBt"), behind_integrity, "{index}");
                }
            }
        }
    }
}
