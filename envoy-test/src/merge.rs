//! Changing a part of a JSON document.

use serde_json::Value;

/// JSON Merge Patch (RFC 7396): objects are merged, a null removes, everything else replaces.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(&key);
        } else {
            merge(target.entry(key).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn merges_like_rfc_7396() {
        let mut target = json!({"a": {"b": 1, "c": 2}, "d": [1], "e": 5});
        super::merge(&mut target, json!({"a": {"b": 3, "x": {"y": null}}, "d": [2], "e": null}));
        assert_eq!(target, json!({"a": {"b": 3, "c": 2, "x": {}}, "d": [2]}));
    }
}
