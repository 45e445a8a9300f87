//! What the client does around a request: identity, retries, limits, errors.

use edgecask::layer::RequestBudget;
use edgecask::platform::BoxFuture;
use edgecask::supabase::{Count, Filter, Order, Supabase, SupabaseOptions, Upsert};
use edgecask::transport::rest::{HttpClient, HttpRequest, HttpResponse};
use edgecask::{Error, ErrorKind, Outcome, Result};
use serde_json::{Value, json};

use super::scripted::Scripted;

fn lost() -> Error {
    Error::new(ErrorKind::Disconnected, "the connection was lost")
}

#[tokio::test]
async fn a_user_never_asks_with_the_rights_of_the_key() {
    let http = Scripted::answering([Ok((200, "[]")), Ok((200, "[]")), Ok((200, "[]"))]);
    let supabase = http.client();
    let rows = |client: Supabase| async move { client.from("t").select("*").rows::<Value>().await };
    rows(supabase.clone()).await.unwrap();
    rows(supabase.with_access_token("a.user.jwt")).await.unwrap();
    supabase.from("t").select("*").access_token("other").rows::<Value>().await.unwrap();
    let asked = http.asked();
    let bearers: Vec<_> = asked.iter().map(|asked| asked.header("authorization")).collect();
    assert_eq!(
        bearers,
        [Some("Bearer the-service-key"), Some("Bearer a.user.jwt"), Some("Bearer other")]
    );
    assert!(asked.iter().all(|asked| asked.header("apikey") == Some("the-service-key")));

    for bad in ["", "  ", "two words", "line\nbreak", "ü"] {
        let error = rows(supabase.with_access_token(bad)).await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::InvalidInput, Outcome::NotSent));
    }
    assert!(http.asked().is_empty(), "nothing was sent in the key's name");
}

#[tokio::test]
async fn names_and_values_cannot_become_parameters() {
    let http = Scripted::answering((0..3).map(|_| Ok((200, "[]"))));
    let supabase = http.client();
    let query =
        supabase.from("t?select=x&a=b#c").select("*&limit=9").eq("a=eq.1&b", "1&or=(c.eq.2)");
    query.rows::<Value>().await.unwrap();
    let asked = http.asked();
    let url: reqwest::Url = asked[0].url.parse().unwrap();
    assert_eq!(url.path(), "/rest/v1/t%3Fselect%3Dx%26a%3Db%23c");
    let pairs: Vec<_> = url.query_pairs().into_owned().collect();
    assert_eq!(
        pairs,
        [
            ("select".to_owned(), "*&limit=9".to_owned()),
            (r#""a=eq"."1&b""#.to_owned(), "eq.1&or=(c.eq.2)".to_owned())
        ]
    );
    for table in ["..", "../auth/v1/admin", "", "a/b"] {
        let error = supabase.from(table).select("*").rows::<Value>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{table}");
    }
    for argument in ["select", "or", "a.b", "limit", ""] {
        let arguments = json!({ argument: 1 });
        let error = supabase.rpc_get("f", &arguments).json::<Value>().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{argument}");
    }
    let error = supabase.from("t").select("*").schema("a\r\nx: y").execute().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let group = [Filter::eq("a", "1),or=(b"), !Filter::within("c", [r#"x",y"#])];
    supabase.from("t").select("*").or(group).rows::<Value>().await.unwrap();
    let asked = http.asked();
    let url: reqwest::Url = asked[0].url.parse().unwrap();
    let or = url.query_pairs().find(|(key, _)| key == "or").unwrap().1.into_owned();
    assert_eq!(or, r#"(a.eq."1),or=(b",c.not.in.("x\",y"))"#);
}

#[tokio::test]
async fn embedded_tables_have_their_own_order_and_part() {
    let http = Scripted::answering([Ok((200, "[]")), Ok((200, "id\n1\n")), Ok((200, "[]"))]);
    let authors = http.client().from("authors");
    let query = authors
        .select("*, books(*, \"or\"(*))")
        .limit(5)
        .order_in("books", "title", Order::ascending())
        .order("name", Order::descending())
        .order_in("books", "id", Order::ascending().nulls_first())
        .limit_in("books.or", 3)
        .range_in("books", 2..=4)
        .or_in("books", [Filter::eq("title", "a),or=(b"), Filter::gt("id", 1)]);
    query.rows::<Value>().await.unwrap();
    let asked = http.asked();
    let mut query: Vec<_> = asked[0].query().split('&').map(str::to_owned).collect();
    query.sort();
    assert_eq!(
        query,
        [
            "books.limit=3",
            "books.offset=2",
            "books.or.limit=3",
            r#"books.or=(title.eq."a),or=(b",id.gt.1)"#,
            "books.order=title.asc,id.asc.nullsfirst",
            "limit=5",
            "order=name.desc",
            r#"select=*,books(*,"or"(*))"#,
        ]
    );

    assert_eq!(authors.select("id").csv().await.unwrap(), "id\n1\n");
    let error = authors.select("id").strip_nulls().csv().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    authors.delete().eq("id", 1).max_affected(1).execute().await.unwrap();
    let asked = http.asked();
    assert_eq!(asked.len(), 2, "what cannot be CSV was not sent");
    assert_eq!(asked[0].header("accept"), Some("text/csv"));
    assert_eq!(asked[1].header("prefer"), Some("handling=strict, max-affected=1"));
    let error = authors.select("*").limit_in("", 1).rows::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[tokio::test]
async fn only_what_is_safe_is_sent_again() {
    let row = json!({ "id": 1 });
    let unsafe_writes: [fn(&Supabase, &Value) -> edgecask::supabase::Query; 5] = [
        |client, row| client.from("t").insert(row),
        |client, row| client.from("t").upsert(row, Upsert::new()),
        |client, row| client.from("t").update(row).eq("id", 1),
        |client, _| client.from("t").delete().eq("id", 1),
        |client, row| client.rpc("f", row),
    ];
    let not_connected = || Error::new(ErrorKind::Connect, "refused");
    let no_database = r#"{"code":"PGRST002","message":"no schema cache"}"#;
    for write in unsafe_writes {
        // The answer was lost: the write may have been carried out.
        let http = Scripted::answering([Err(lost()), Ok((201, ""))]);
        let error = write(&http.client(), &row).execute().await.unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (ErrorKind::Disconnected, Outcome::Unknown));
        assert_eq!(http.asked().len(), 1);
        // It was certainly not.
        let http =
            Scripted::answering([Err(not_connected()), Ok((503, no_database)), Ok((201, ""))]);
        write(&http.client(), &row).execute().await.unwrap();
        assert_eq!(http.asked().len(), 3);
        // The caller says that it does not matter.
        let http = Scripted::answering([Err(lost()), Ok((502, "<html>")), Ok((201, ""))]);
        write(&http.client(), &row).idempotent().execute().await.unwrap();
        assert_eq!(http.asked().len(), 3);
        // The server refused it.
        let http = Scripted::answering([Ok((409, r#"{"code":"23505","message":"m"}"#))]);
        let error = write(&http.client(), &row).idempotent().execute().await.unwrap_err();
        assert_eq!((error.code(), http.asked().len()), (Some("23505"), 1));
    }
    let reads: [fn(&Supabase) -> edgecask::supabase::Query; 2] =
        [|client| client.from("t").select("*"), |client| client.rpc_get("f", &())];
    for read in reads {
        let http = Scripted::answering([Err(lost()), Ok((503, "busy")), Ok((206, "[]"))]);
        let page = read(&http.client()).count(Count::Exact).page::<Value>().await.unwrap();
        assert_eq!((page.count, page.rows.len(), http.asked().len()), (Some(7), 0, 3));
        let http = Scripted::answering([Err(lost()), Err(lost()), Err(lost()), Ok((200, "[]"))]);
        let error = read(&http.client()).rows::<Value>().await.unwrap_err();
        assert_eq!((error.attempts(), http.asked().len()), (3, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn everything_has_a_limit() {
    let http = Scripted::default();
    let error = http.client().from("t").select("*").rows::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Timeout, 3));
    let error = http.client().from("t").delete().eq("id", 1).execute().await.unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (ErrorKind::Timeout, Outcome::Unknown));
    assert_eq!(http.asked().len(), 4);

    let http = Scripted::answering([Ok((200, "[1,2,3,4,5,6,7,8,9]"))]);
    let small = http.with(|options| options.max_response_bytes(10).max_url_bytes(100));
    let error = small.from("t").select("*").rows::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    let many = small.from("t").select("*").within("id", 0..100);
    assert_eq!(many.rows::<Value>().await.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(http.asked().len(), 1);

    let http = Scripted::answering([Ok((200, "[]")), Ok((200, "[]"))]);
    let budget = RequestBudget::new().requests(1).start();
    let limited = http.client().http_layer(budget.clone());
    limited.from("t").select("*").rows::<Value>().await.unwrap();
    let error = limited.from("t").select("*").rows::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), budget.left()), (ErrorKind::BudgetSpent, 0));
}

/// A client of a user's that knows only how to post.
#[derive(Debug)]
struct PostsOnly(Scripted);

impl HttpClient for PostsOnly {
    fn post(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse>> {
        self.0.post(request)
    }
}

#[tokio::test]
async fn a_layer_that_can_only_post_is_not_passed_by() {
    let http = Scripted::answering([Ok((201, ""))]);
    let options = SupabaseOptions::new("https://example.supabase.co", "key");
    let supabase = Supabase::with_options(options.http_client(PostsOnly(http.clone()))).unwrap();
    supabase.from("t").insert(&json!({})).execute().await.unwrap();
    let error = supabase.from("t").select("*").rows::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), http.asked().len()), (ErrorKind::Unsupported, 1));
}

#[tokio::test]
async fn errors_and_debug_output_hold_no_value_key_or_token() {
    let bodies = [
        r#"{"code":"23505","message":"duplicate Hidden-value1 the-service-key","details":"Key (name)=(stored-value) exists"}"#,
        r#"{"code":"22P02","message":"invalid input syntax for type uuid: \"stored-value\""}"#,
        r#"{"code":"P0001","message":"hidden-value2 and hidden-value3 and a.user.jwt","hint":"try hidden-value4 or 1234567"}"#,
        r#"{"message":"hidden-value1"}"#,
        "<p>hidden-value1 the-service-key a.user.jwt</p>",
        r#"[{"a":"hidden-value1"}]"#,
    ];
    for body in bodies {
        let status = if body.starts_with('[') { 200 } else { 400 };
        let http = Scripted::answering([Ok((status, body))]);
        let query = http
            .client()
            .with_access_token("a.user.jwt")
            .from("people")
            .update(
                &json!({ "name": "hidden-value1", "more": [{ "n": 1_234_567 }, "hidden-value4"] }),
            )
            .eq("name", "Hidden-value1")
            .or([
                Filter::within("name", ["hidden-value2"]),
                Filter::contains("tags", ["hidden-value3"]),
            ]);
        let shown = format!("{query:?}");
        let error = query.rows::<u8>().await.unwrap_err();
        assert!(error.to_string().starts_with("PATCH people: "), "{error}");
        let shown = format!("{shown} {error} {error:?}");
        for secret in ["idden-value", "1234567", "stored-value", "service-key", "user.jwt"] {
            assert!(!shown.contains(secret), "{secret} in {shown}");
        }
    }
}

#[tokio::test]
async fn a_write_returns_what_it_is_asked_for() {
    let http = Scripted::answering((0..4).map(|_| Ok((200, r#"[{"id":1}]"#))));
    let table = http.client().from("t");
    table.insert(&json!([{ "b": 1 }, { "a\"b": 2, "b": 3 }])).execute().await.unwrap();
    table.insert(&json!({ "id": 1 })).rows::<Value>().await.unwrap();
    table.update(&json!({ "id": 1 })).select(" id, \"a b\" ").rows::<Value>().await.unwrap();
    let row = table.select("*").maybe_single::<Value>().await.unwrap();
    assert_eq!(row, Some(json!({ "id": 1 })));
    let asked = http.asked();
    let query = |at: usize| asked[at].query();
    assert_eq!((query(0), asked[0].header("prefer")), (r#"columns="b","a\"b""#.to_owned(), None));
    assert_eq!(
        (&*query(1), asked[1].header("prefer")),
        ("select=*", Some("return=representation"))
    );
    assert_eq!((&*query(2), &*asked[2].method), (r#"select=id,"a b""#, "PATCH"));
    assert_eq!((&*asked[2].body, &*asked[3].body), (r#"{"id":1}"#, ""));

    let http = Scripted::answering([Ok((200, "[1,2]"))]);
    let error = http.client().from("t").select("*").maybe_single::<u8>().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Type, Some("PGRST116")));
}
