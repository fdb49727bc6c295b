//! Writes TOML from JSON, which differ only in their tables. (The crate `toml` would need one more feature for it, and
//! with that everything that reads TOML would be built twice.)

use serde_json::Value;

/// A TOML document out of a JSON object: a line for each of its keys.
pub(super) fn document(table: &Value) -> String {
    let fields = table.as_object().into_iter().flatten();
    fields.filter(|(_, value)| !value.is_null()).map(|field| pair(field) + "\n").collect()
}

fn inline(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let pairs: Vec<String> = fields.iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn pair((key, value): (&String, &Value)) -> String {
    format!("{} = {}", Value::from(key.as_str()), inline(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_written_reads_as_it_was() {
        let value = json!({
            "package": [{ "name": "a \"quoted\" \\ name\n", "features": [] }, { "name": "é" }],
            "profile": { "dev": { "debug": false, "package": { "*": { "opt-level": 3 } } } },
        });
        assert_eq!(toml::from_str::<Value>(&document(&value)).unwrap(), value);
    }

    #[test]
    fn what_is_absent_is_not_written() {
        assert_eq!(document(&json!({ "patch": null, "version": 4 })), "\"version\" = 4\n");
    }
}
