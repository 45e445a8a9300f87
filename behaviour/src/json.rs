use edgecask::command::json::SetIf;
use edgecask::prelude::*;
use edgecask::{Client, Json};
use serde_json::{Value, json};

use crate::Scope;

/// Whether the server has JSON documents. One without them says so.
async fn has_documents(client: &Client, key: &edgecask::Key) -> bool {
    match client.json_type(key, "$").await {
        Ok(_) => true,
        Err(error) => {
            let message = error.message();
            let is_told = message.contains("unknown command") || message.contains("feature json");
            assert!(is_told, "{error}");
            false
        }
    }
}

pub(crate) async fn values_change_at_paths(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    if !has_documents(client, &key).await {
        return;
    }
    let document = json!({"name": "a", "count": 1, "tags": ["x"], "on": true});
    client.json_set(&key, "$", &document).await.unwrap();
    assert_eq!(client.json_numincrby::<f64>(&key, "$.count", 1.5).await.unwrap(), [Some(2.5)]);
    assert_eq!(client.json_strappend(&key, "$.name", json!("bc")).await.unwrap(), [Some(3)]);
    assert_eq!(
        client.json_arrappend(&key, "$.tags", [json!("y"), json!(3)]).await.unwrap(),
        [Some(3)]
    );
    assert_eq!(client.json_toggle(&key, "$.on").await.unwrap(), [Some(false)]);
    client.json_merge(&key, "$", json!({"on": null, "more": {"deep": [1]}})).await.unwrap();
    assert_eq!(client.json_del(&key, "$.tags[0]").await.unwrap(), 1);
    let stored: Option<Json<Vec<Value>>> = client.json_get(&key, ["$"]).await.unwrap();
    let expected = json!({"name": "abc", "count": 2.5, "tags": ["y", 3], "more": {"deep": [1]}});
    assert_eq!(stored, Some(Json(vec![expected])));
    assert_eq!(client.json_del(&key, "$").await.unwrap(), 1);
    assert_eq!(client.exists([&key]).await.unwrap(), 0);
}

pub(crate) async fn paths_find_values(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    if !has_documents(client, &key).await {
        return;
    }
    let document = json!({"items": [{"id": 1, "price": 5}, {"id": 2, "price": 15.5}], "id": 3});
    client.json_set(&key, "$", &document).await.unwrap();
    for (path, values) in [
        ("$..id", json!([3, 1, 2])),
        ("$.items[?(@.price>10)].id", json!([2])),
        ("$.items[-1].id", json!([2])),
        ("$.nosuch", json!([])),
    ] {
        let found: Option<Json<Value>> = client.json_get(&key, [path]).await.unwrap();
        let mut found = found.map(|Json(found)| found).unwrap_or_default();
        let mut values = values;
        // The order of members is the server's own.
        for list in [&mut found, &mut values] {
            if let Some(list) = list.as_array_mut() {
                list.sort_by_key(ToString::to_string);
            }
        }
        assert_eq!(found, values, "{path}");
    }
    assert_eq!(client.json_objlen(&key, "$").await.unwrap(), [Some(2)]);
    assert_eq!(client.json_arrlen(&key, "$.items").await.unwrap(), [Some(2)]);
    let error = client.json_get::<String>(&key, ["$["]).await.unwrap_err();
    assert_eq!(error.kind(), edgecask::ErrorKind::Server);
}

pub(crate) async fn conditions_decide_at_paths(scope: Scope) {
    let (client, key) = (&scope.client, scope.key("k"));
    if !has_documents(client, &key).await {
        return;
    }
    assert!(!client.json_set_if(&key, "$", json!({}), SetIf::Present).await.unwrap());
    assert!(client.json_set_if(&key, "$", json!({"a": 1}), SetIf::Absent).await.unwrap());
    assert!(!client.json_set_if(&key, "$.a", json!(2), SetIf::Absent).await.unwrap());
    assert!(client.json_set_if(&key, "$.b", json!(2), SetIf::Absent).await.unwrap());
    let stored: Option<Json<Vec<Value>>> = client.json_get(&key, ["$"]).await.unwrap();
    assert_eq!(stored, Some(Json(vec![json!({"a": 1, "b": 2})])));
}
