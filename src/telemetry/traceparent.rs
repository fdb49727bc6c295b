//! The caller's place in a trace: W3C Trace Context, section 3.2, "traceparent header".

/// A valid `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TraceParent {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) sampled: bool,
}

/// Length of `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;

impl TraceParent {
    /// None when the text is no valid `traceparent`; the specification then says to start a trace of one's own. A later
    /// version than ours may have more after the flags.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (head, rest) = text.split_at_checked(LENGTH)?;
        let fields: Vec<&str> = head.split('-').collect();
        let [version, trace_id, span_id, flags] = fields.as_slice() else { return None };
        let version = hex(version, 2)?;
        let extended = version > 0 && rest.starts_with('-');
        if version == 0xff || !(rest.is_empty() || extended) {
            return None;
        }
        let (trace_id, span_id) = (hex(trace_id, 32)?, hex(span_id, 16)?);
        let sampled = hex(flags, 2)? & 1 == 1;
        let span_id = u64::try_from(span_id).ok()?;
        (trace_id != 0 && span_id != 0).then_some(Self { trace_id, span_id, sampled })
    }
}

/// Exactly `digits` lower-case hexadecimal digits; `from_str_radix` alone would take `+1` and upper case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let well_formed =
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    well_formed.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn the_specifications_example_is_read() {
        let expected = TraceParent {
            trace_id: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
            span_id: 0x00f0_67aa_0ba9_02b7,
            sampled: true,
        };
        assert_eq!(TraceParent::parse(VALID), Some(expected));
        assert_eq!(TraceParent::parse(&format!(" {VALID}\r\n")), Some(expected));
        assert_eq!(TraceParent::parse(&VALID.replace("-01", "-03")), Some(expected));
        let unsampled = TraceParent { sampled: false, ..expected };
        assert_eq!(TraceParent::parse(&VALID.replace("-01", "-00")), Some(unsampled));
    }

    #[test]
    fn a_later_version_may_say_more() {
        assert!(TraceParent::parse(&VALID.replacen("00", "cc", 1)).is_some());
        assert!(TraceParent::parse(&format!("{}-extra", VALID.replacen("00", "cc", 1))).is_some());
        assert_eq!(TraceParent::parse(&format!("{}.extra", VALID.replacen("00", "cc", 1))), None);
        assert_eq!(TraceParent::parse(&format!("{VALID}-extra")), None);
    }

    #[test]
    fn everything_else_is_none() {
        let invalid = [
            "",
            "garbage",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473é-0f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ];
        for text in invalid {
            assert_eq!(TraceParent::parse(text), None, "{text}");
        }
    }
}
