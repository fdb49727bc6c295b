//! HTML in which a forgotten escape is an error of the compiler: text that is not a literal in our source can only be
//! written as a value, and values are escaped.

/// Text that is HTML already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Html(String);

/// A value that can stand in a page, escaped where it must be.
pub(super) trait Show {
    fn show(&self, out: &mut Html);
}

/// Writes into an [`Html`]: literals as they are, values between parentheses escaped.
///
/// A literal with a value in an attribute must quote it: `"<a href=\"" (link) "\">"`.
macro_rules! html {
    ($out:expr; $($part:tt)*) => {{ $( $crate::http::html::html!(@part $out, $part); )* }};
    (@part $out:expr, ($value:expr)) => { $crate::http::html::Show::show(&$value, &mut *$out) };
    (@part $out:expr, $literal:literal) => { $out.markup($literal) };
}
pub(super) use html;

// === impl Html ===

impl Html {
    /// Markup of our own: only text that lives as long as the program qualifies.
    pub(super) fn markup(&mut self, literal: &'static str) {
        self.0.push_str(literal);
    }

    fn text(&mut self, text: &str) {
        for letter in text.chars() {
            match letter {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                '\n' | '\t' => self.0.push(letter),
                // Characters that HTML does not allow.
                letter if letter.is_control() => self.0.push('\u{fffd}'),
                letter => self.0.push(letter),
            }
        }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

// === impl Show ===

impl Show for str {
    fn show(&self, out: &mut Html) {
        out.text(self);
    }
}

impl Show for String {
    fn show(&self, out: &mut Html) {
        out.text(self);
    }
}

impl Show for u64 {
    fn show(&self, out: &mut Html) {
        out.0.push_str(&self.to_string());
    }
}

impl Show for Html {
    fn show(&self, out: &mut Html) {
        out.0.push_str(&self.0);
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn show(&self, out: &mut Html) {
        (**self).show(out);
    }
}

/// None shows nothing.
impl<T: Show> Show for Option<T> {
    fn show(&self, out: &mut Html) {
        if let Some(value) = self {
            value.show(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_and_literals_are_not() {
        let mut out = Html::default();
        let hostile = "<script>alert('1')</script>\" onload=\"x&y\u{0}\u{1b}";
        html!(&mut out; "<td title=\"" (hostile) "\">" (Some(7_u64)) (None::<String>) "</td>");
        let expected = "<td title=\"&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot; \
                        onload=&quot;x&amp;y\u{fffd}\u{fffd}\">7</td>";
        assert_eq!(out.clone().into_string(), expected);
        let mut page = Html::default();
        html!(&mut page; (out));
        assert_eq!(page.into_string(), expected, "what is HTML already is not escaped again");
    }
}
