//! The `.env` file of the working directory.
//!
//! The usual crate for it refuses `OTEL_EXPORTER_OTLP_HEADERS=Authorization=Basic dXNlcjp0b2tlbg==` for the space in an
//! unquoted value, which is how OpenObserve's instructions write it, keeps no line numbers and replaces `$` in
//! passwords. So this is the common ground of what shells and python-dotenv read:
//!
//! - `NAME=VALUE`, also behind `export`; blank lines and lines that begin with `#` are skipped;
//! - unquoted: up to ` #` or the end of the line, without white space around it;
//! - `'single quoted'`: as it is; `"double quoted"`: with `\n`, `\t`, `\"`, `\\` and `\$`.

/// Variables with the number of their line, or the number of a line that cannot be read and why.
pub(super) type Lines = Vec<Result<(String, String, usize), (usize, &'static str)>>;

pub(super) fn parse(text: &str) -> Lines {
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let said = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    said.map(|(number, line)| match assignment(line) {
        Ok((name, value)) => Ok((name.to_owned(), value, number)),
        Err(reason) => Err((number, reason)),
    })
    .collect()
}

fn assignment(line: &str) -> Result<(&str, String), &'static str> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=').ok_or("expected NAME=VALUE")?;
    let name = name.trim();
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err("the name before `=` may have letters, digits and underscores only");
    }
    Ok((name, value_of(value.trim())?))
}

fn value_of(text: &str) -> Result<String, &'static str> {
    let (value, rest) = match text.chars().next() {
        Some('\'') => {
            let (value, rest) = text[1..].split_once('\'').ok_or(UNCLOSED)?;
            (value.to_owned(), rest)
        }
        Some('"') => double_quoted(&text[1..])?,
        Some('#') => return Ok(String::new()),
        _ => return Ok(text.split(" #").next().unwrap_or(text).trim().to_owned()),
    };
    match rest.trim_start().chars().next() {
        None | Some('#') => Ok(value),
        Some(_) => Err("there is more behind the closing quote"),
    }
}

const UNCLOSED: &str = "the quote is not closed on its line";

/// The text up to the closing quote, and what follows it.
fn double_quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[index + 1..])),
            '\\' => match chars.next().ok_or(UNCLOSED)?.1 {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                c @ ('"' | '\\' | '$') => value.push(c),
                other => value.extend(['\\', other]),
            },
            c => value.push(c),
        }
    }
    Err(UNCLOSED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<String, &'static str> {
        parse(line).remove(0).map(|(_, value, _)| value).map_err(|(_, reason)| reason)
    }

    #[test]
    fn values_are_read_as_people_write_them() {
        let cases = [
            ("A=b", "b"),
            ("export A = b ", "b"),
            ("A=Authorization=Basic dXNlcjp0b2tlbg==", "Authorization=Basic dXNlcjp0b2tlbg=="),
            ("A=p$ss#word # the password", "p$ss#word"),
            ("A='it #is' # so", "it #is"),
            (r#"A="say \"hi\"\n" "#, "say \"hi\"\n"),
            (r#"A="C:\temp""#, "C:\temp"),
            ("A=", ""),
            ("A= # nothing", ""),
        ];
        for (line, expected) in cases {
            assert_eq!(value(line).as_deref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn lines_are_numbered_and_comments_skipped() {
        let lines = parse("# keys\n\nA=1\r\nB=2\n");
        assert_eq!(lines, [Ok(("A".to_owned(), "1".to_owned(), 3)), Ok(("B".to_owned(), "2".to_owned(), 4))]);
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_the_reason() {
        assert_eq!(value("just words"), Err("expected NAME=VALUE"));
        assert_eq!(value("A=\"open"), Err(UNCLOSED));
        assert_eq!(value("A='open"), Err(UNCLOSED));
        assert_eq!(value("A='a' b"), Err("there is more behind the closing quote"));
        assert!(value("A B=c").is_err());
        assert!(value("=c").is_err());
    }
}
