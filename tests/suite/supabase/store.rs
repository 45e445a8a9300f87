//! Records in a table, and what one tenant reaches of them.

use edgecask::store::{ConversationConfig, ConversationScope, MemoryStore, Store};
use edgecask::supabase::{SupabaseStore, TenantStore};
use edgecask::{Error, ErrorKind};
use serde_json::{Value, json};

use super::scripted::Scripted;

fn kind(error: edgecask::BoxError) -> ErrorKind {
    error.downcast_ref::<Error>().map(Error::kind).unwrap()
}

#[tokio::test]
async fn a_record_is_a_row_with_the_parts_of_its_id() {
    let http = Scripted::answering([
        Ok((201, "")),
        Ok((200, r#"[{"record":{"tenantId":"acme","model":"m","added":[1]}}]"#)),
        Ok((200, "[]")),
        Ok((200, r#"[{"tenant_id":"acme"}]"#)),
        Ok((200, r#"[{"record":{"tenantId":"globex"}}]"#)),
    ]);
    let supabase = http.client();
    let store: SupabaseStore<ConversationConfig> =
        SupabaseStore::new(&supabase, "conversation_configs", ["tenant_id", "user_id"]);
    let (default, user) =
        (ConversationScope::tenant("acme"), ConversationScope::user("acme", "ada"));

    let mut config = ConversationConfig::new(default.clone());
    config.model = Some("m".to_owned());
    store.set(&config).await.unwrap();
    config.extra.insert("added".to_owned(), json!([1]));
    assert_eq!(store.get(&default).await.unwrap(), Some(config));
    assert_eq!(store.get(&user).await.unwrap(), None);
    assert!(store.delete(&user).await.unwrap());
    let error = store.get(&default).await.unwrap_err();
    assert_eq!(kind(error), ErrorKind::Protocol, "a record of another tenant is no answer");

    let asked = http.asked();
    let written: Vec<_> = asked.iter().map(|asked| (&*asked.method, asked.query())).collect();
    let of = |user: &str| format!("tenant_id=eq.acme&user_id=eq.{user}");
    assert_eq!(
        written,
        [
            ("POST", "on_conflict=tenant_id,user_id".to_owned()),
            ("GET", format!("select=record&{}", of(""))),
            ("GET", format!("select=record&{}", of("ada"))),
            ("DELETE", format!("select=tenant_id&{}", of("ada"))),
            ("GET", format!("select=record&{}", of(""))),
        ]
    );
    let body: Value = serde_json::from_str(&asked[0].body).unwrap();
    let record = json!({ "tenantId": "acme", "model": "m" });
    assert_eq!(body, json!({ "tenant_id": "acme", "user_id": "", "record": record }));
    assert_eq!(asked[0].header("prefer"), Some("resolution=merge-duplicates"));

    for id in [ConversationScope::tenant(""), ConversationScope::user("acme", "")] {
        assert_eq!(kind(store.get(&id).await.unwrap_err()), ErrorKind::InvalidInput);
    }
    assert!(http.asked().is_empty());
}

#[tokio::test]
async fn a_tenant_reaches_its_own_records_alone() {
    let scopes = || [("a", None), ("a", Some("u")), ("b", None), ("ab", Some("u"))].into_iter();
    let scope = |(tenant, user): (&str, Option<&str>)| match user {
        None => ConversationScope::tenant(tenant),
        Some(user) => ConversationScope::user(tenant, user),
    };
    let all = MemoryStore::from_records(scopes().map(scope).map(ConversationConfig::new));
    let mine = TenantStore::new(all, "a").unwrap();
    for (tenant, user) in scopes() {
        let id = scope((tenant, user));
        let is_mine = tenant == "a";
        assert_eq!(mine.get(&id).await.unwrap().is_some(), is_mine);
        let written = mine.set(&ConversationConfig::new(id.clone())).await;
        assert_eq!(written.err().map(kind), (!is_mine).then_some(ErrorKind::Unauthorized));
        let deleted = mine.delete(&id).await;
        assert_eq!(deleted.err().map(kind), (!is_mine).then_some(ErrorKind::Unauthorized));
    }
    let nobody = TenantStore::new(MemoryStore::<ConversationConfig>::new(), "").unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::Unauthorized);
}
