//! `multipart/form-data` (RFC 7578), as far as clients of transcription endpoints use it.

/// One field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) name: String,
    pub(crate) file_name: Option<String>,
    pub(crate) content: &'a [u8],
}

/// The fields of a body. None: it is no form with this `Content-Type`.
pub(crate) fn fields<'a>(content_type: &str, body: &'a [u8]) -> Option<Vec<Field<'a>>> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameters.split(';').find_map(|pair| pair.trim().strip_prefix("boundary="))?;
    let delimiter = format!("--{}", boundary.trim_matches('"'));
    let mut rest = body.strip_prefix(delimiter.as_bytes())?;
    let mut fields = Vec::new();
    while !rest.starts_with(b"--") {
        let part = rest.strip_prefix(b"\r\n")?;
        let end = find(part, format!("\r\n{delimiter}").as_bytes())?;
        fields.push(field(&part[..end])?);
        rest = &part[end + 2 + delimiter.len()..];
    }
    Some(fields)
}

fn field(part: &[u8]) -> Option<Field<'_>> {
    let end = find(part, b"\r\n\r\n")?;
    let head = std::str::from_utf8(&part[..end]).ok()?;
    let disposition =
        head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let parameter = |name: &str| {
        let start = disposition.find(&format!(" {name}=\""))? + name.len() + 3;
        disposition[start..].split('"').next().map(str::to_owned)
    };
    Some(Field { name: parameter("name")?, file_name: parameter("filename"), content: &part[end + 4..] })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_and_files_are_found() {
        let body = b"--b1\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b1\r\n\
            Content-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\r\n\0--\r\n\r\n--b1--\r\n";
        let fields = fields("multipart/form-data; boundary=b1", body).unwrap();
        let model = Field { name: "model".into(), file_name: None, content: b"m" };
        let file = Field { name: "file".into(), file_name: Some("a.wav".into()), content: b"\r\n\0--\r\n" };
        assert_eq!(fields, [model, file]);
    }

    #[test]
    fn another_body_is_no_form() {
        assert_eq!(fields("application/json", b"{}"), None);
        assert_eq!(fields("multipart/form-data; boundary=b1", b"--b2--\r\n"), None);
        assert_eq!(fields("multipart/form-data; boundary=b1", b"--b1\r\nx"), None);
    }
}
