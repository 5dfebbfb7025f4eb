//! The fields that resolution cases have: a case with another one says something that nobody here understands.
//!
//! Kept apart from the types, which would read past what they don't know.

use serde_json::Value;

/// Every path, with its fields. `*` stands for the items of a list and for the values of a map.
const KNOWN: [(&str, &[&str]); 16] = [
    (
        "",
        &[
            "id",
            "title",
            "scope",
            "server_name",
            "world",
            "expect",
            "spec_expect",
            "agrees_with_spec",
            "policy",
            "followups",
            "notes",
            "note",
            "origin",
            "spec_revision_note",
            "cache",
        ],
    ),
    ("world", &["dns", "http", "tcp"]),
    ("world.dns.*", &["name", "type", "answer", "rcode", "ttl"]),
    ("world.dns.*.answer.*", &["priority", "weight", "port", "target"]),
    (
        "world.http.*",
        &["url", "connect", "status", "headers", "body", "body_base64", "body_gen", "then"],
    ),
    ("world.http.*.body_gen", &["prefix", "repeat", "count", "suffix", "then"]),
    ("world.tcp.*", &["ip", "port", "connect"]),
    (
        "expect",
        &[
            "ok",
            "error",
            "destinations",
            "destinations_order",
            "host_header",
            "tls_name",
            "sni",
            "steps",
            "http_requests",
            "http_forbidden",
            "http_requests_max",
            "dns_queries",
            "one_of",
            "distribution",
            "concurrency",
            "request_result",
            "network_io",
            "compare",
            "cached",
            "bounded_memory",
            "note",
            "notes",
            "dns_note",
        ],
    ),
    ("expect.destinations.*", &["ip", "port", "srv_priority", "srv_weight"]),
    ("expect.dns_queries", &["must", "must_not"]),
    ("expect.distribution", &["first", "tolerance", "trials"]),
    ("expect.concurrency", &["parallel_calls", "cancel_first", "http_requests_total"]),
    ("expect.request_result", &["ok", "error", "via", "note"]),
    ("expect.request_result.via", &["ip", "port"]),
    ("followups.*", &["advance_s", "world_change", "server_name", "expect", "note", "notes"]),
    ("followups.*.world_change", &["dns", "http", "tcp"]),
];

/// The first field that is not known, as a path; None: all are.
pub(super) fn unknown(case: &Value) -> Option<String> {
    walk(case, "", "")
}

fn walk(value: &Value, path: &str, alias: &str) -> Option<String> {
    let below = |key: &str, base: &str| {
        if base.is_empty() { key.to_owned() } else { format!("{base}.{key}") }
    };
    match value {
        Value::Object(fields) => {
            let known = KNOWN.iter().find(|(place, _)| *place == alias).map(|(_, fields)| *fields);
            fields.iter().find_map(|(key, value)| {
                let here = below(key, path);
                match known {
                    Some(known) if !known.contains(&key.as_str()) => Some(here),
                    _ => walk(value, &here, stands_for(&below(key, alias))),
                }
            })
        }
        Value::Array(items) => {
            let alias = below("*", alias);
            let alias = stands_for(&alias);
            items
                .iter()
                .enumerate()
                .find_map(|(index, item)| walk(item, &below(&index.to_string(), path), alias))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// The path whose fields apply: an expectation has the same ones wherever it stands, and so has a world.
fn stands_for(path: &str) -> &str {
    for (from, to) in [
        ("spec_expect", "expect"),
        ("expect.one_of.*", "expect"),
        ("followups.*.expect", "expect"),
        ("followups.*.world_change.dns", "world.dns"),
        ("followups.*.world_change.http", "world.http"),
        ("followups.*.world_change.tcp", "world.tcp"),
    ] {
        if path == from {
            return to;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::unknown;

    #[test]
    fn known_fields_pass_wherever_they_may_stand() {
        let case = json!({
            "world": {"dns": [{"name": "a", "answer": [{"port": 1}]}], "http": [{"headers": {"Any": "x"}}]},
            "expect": {"one_of": [{"ok": true}], "distribution": {"first": {"192.0.2.1:1": 1}}},
            "spec_expect": {"steps": "1"},
            "followups": [{"world_change": {"http": [{"url": "x"}]}, "expect": {"sni": null}}],
        });
        assert_eq!(unknown(&case), None);
    }

    #[test]
    fn an_unknown_field_is_named_by_its_path() {
        for (case, path) in [
            (json!({"x": 1}), "x"),
            (json!({"world": {"dns": [{"delay": 1}]}}), "world.dns.0.delay"),
            (json!({"expect": {"one_of": [{"ok": true}, {"x": 1}]}}), "expect.one_of.1.x"),
            (json!({"spec_expect": {"x": 1}}), "spec_expect.x"),
            (json!({"followups": [{"expect": {"x": 1}}]}), "followups.0.expect.x"),
            (
                json!({"followups": [{"world_change": {"dns": [{"x": 1}]}}]}),
                "followups.0.world_change.dns.0.x",
            ),
        ] {
            assert_eq!(unknown(&case).as_deref(), Some(path));
        }
    }
}
