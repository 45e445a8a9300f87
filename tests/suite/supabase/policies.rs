//! The stores on a real PostgreSQL with the migrations of `supabase/migrations/`, through a server that is compatible with
//! PostgREST: what is written comes back, and no tenant reaches another's rows, with and without a cache.
//!
//! `EDGECASK_TEST_CASES=10000` makes as many random sessions.

use std::collections::HashMap;
use std::path::Path;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use edgecask::cache::Ttl;
use edgecask::store::{
    CachingStore, ConversationConfig, ConversationScope, LlmPolicy, Record, Store, StoreConfig,
    create_conversation_config_store, create_llm_policy_store,
};
use edgecask::supabase::{
    Count, Filter, Order, Supabase, SupabaseOptions, SupabaseStore, TenantStore, Upsert,
};
use edgecask::systems::copilot::{
    ContextId, ConversationContext, ConversationPath, ExecutionContext, ExecutionId, PathId,
};
use edgecask::{BoxError, Client, Error, ErrorKind, Keyspace};
use edgecask_tests::{Dice, Postgrest, seeds};
use serde_json::{Value, json};

fn token(claims: &Value, secret: &str) -> String {
    let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let signed = [part(br#"{"alg":"HS256","typ":"JWT"}"#), part(claims.to_string().as_bytes())];
    let signed = signed.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", part(hmac::sign(&key, signed.as_bytes()).as_ref()))
}

fn of_role(claims: Value) -> String {
    token(&claims, Postgrest::SECRET)
}

fn of_tenant(tenant: &str) -> String {
    of_role(json!({ "role": "authenticated", "app_metadata": { "tenant_id": tenant } }))
}

/// Claims that name no tenant where one is looked for.
fn without_tenant() -> [String; 4] {
    [
        json!({ "role": "authenticated" }),
        json!({ "role": "authenticated", "app_metadata": {} }),
        json!({ "role": "authenticated", "app_metadata": { "tenant_id": null } }),
        json!({ "role": "authenticated", "tenant_id": "t0", "user_metadata": { "tenant_id": "t0" } }),
    ]
    .map(of_role)
}

fn kind(error: &BoxError) -> Option<ErrorKind> {
    error.downcast_ref::<Error>().map(Error::kind)
}

fn configs(supabase: &Supabase) -> SupabaseStore<ConversationConfig> {
    SupabaseStore::new(supabase, "conversation_configs", ["tenant_id", "user_id"])
}

/// The store with the cache that all share.
fn cached(supabase: &Supabase, redis: &Client) -> CachingStore<ConversationConfig> {
    let config = StoreConfig::new().backing(configs(supabase)).client(redis.clone());
    let keyspace = Keyspace::new(["copilot", "conv", "config"]).unwrap();
    CachingStore::new(config, keyspace, Some(Ttl::seconds(60))).unwrap()
}

#[tokio::test]
async fn tenants_are_kept_apart_by_a_real_database() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let migrations = root.join("../supabase/migrations");
    let mut files = vec![root.join("suite/supabase/platform.sql")];
    let mut found: Vec<_> =
        std::fs::read_dir(migrations).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    files.extend(found);
    let files: Vec<_> = files.iter().map(|file| file.as_path()).collect();
    let server = match Postgrest::start(&files) {
        Ok(server) => server,
        Err(what_to_do) => return eprintln!("{what_to_do}"),
    };
    let service = of_role(json!({ "role": "service_role" }));
    let options = SupabaseOptions::new(server.url(), service).path("");
    let supabase = Supabase::with_options(options).unwrap();

    every_table_is_closed(&server);
    what_is_written_comes_back(&supabase).await;
    what_belongs_to_conversations_comes_back(&supabase).await;
    refusals_have_their_kind(&supabase).await;
    values_are_what_they_are(&supabase).await;
    sessions(&supabase).await;
}

fn every_table_is_closed(server: &Postgrest) {
    let tables = server.sql(
        "select relname, relrowsecurity and relforcerowsecurity, \
         (select string_agg(distinct p.cmd || array_to_string(p.roles, ','), ' ' order by p.cmd || array_to_string(p.roles, ',')) \
            from pg_policies p where p.schemaname = 'public' and p.tablename = relname), \
         (select bool_or(a.attname = 'tenant_id') from pg_index i join pg_attribute a \
            on a.attrelid = i.indrelid and a.attnum = i.indkey[0] where i.indrelid = c.oid), \
         has_table_privilege('anon', c.oid, 'select, insert, update, delete') \
         from pg_class c where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1",
    );
    let policies =
        "DELETEauthenticated INSERTauthenticated SELECTauthenticated UPDATEauthenticated";
    let names = [
        "conversation_configs",
        "conversation_contexts",
        "conversation_paths",
        "conversations",
        "execution_contexts",
        "tenant_llm_policies",
    ];
    let expected = names.map(|name| format!("{name}|t|{policies}|t|f"));
    assert_eq!(tables.lines().collect::<Vec<_>>(), expected);
}

async fn what_belongs_to_conversations_comes_back(supabase: &Supabase) {
    async fn comes_back<R: Record + PartialEq + std::fmt::Debug>(
        supabase: &Supabase,
        table: &str,
        columns: &[&str],
        record: R,
    ) {
        let of = |tenant| {
            let user = supabase.with_access_token(of_tenant(tenant));
            SupabaseStore::<R>::new(&user, table, columns.iter().copied())
        };
        of("acme").set(&record).await.unwrap();
        of("acme").set(&record).await.unwrap();
        assert_eq!(of("acme").get(&record.id()).await.unwrap().as_ref(), Some(&record), "{table}");
        assert!(of("globex").get(&record.id()).await.unwrap().is_none(), "{table}");
    }

    let context = ConversationContext::new(ContextId::new("acme", "c1"));
    comes_back(supabase, "conversation_contexts", &["tenant_id", "conversation_id"], context).await;
    let path = ConversationPath::new(PathId::new("acme", "p1"), "c1");
    comes_back(supabase, "conversation_paths", &["tenant_id", "path_id"], path).await;
    let (now, later) = ("2026-11-28T10:00:00.000Z", "2026-11-28T10:30:00.000Z");
    let sandbox = ExecutionContext::new(ExecutionId::new("acme", "c1", "p1"), "s1", now, later);
    let columns = ["tenant_id", "conversation_id", "path_id"];
    comes_back(supabase, "execution_contexts", &columns, sandbox).await;
}

async fn what_is_written_comes_back(supabase: &Supabase) {
    let redis = Client::memory();
    let user = supabase.with_access_token(of_tenant("acme"));
    let backing = SupabaseStore::new(&user, "tenant_llm_policies", ["tenant_id"]);
    let config = StoreConfig::new().backing(backing).client(redis.clone());
    let policies = create_llm_policy_store(config).unwrap();
    let acme = "acme".to_owned();
    assert_eq!(policies.get(&acme).await.unwrap(), None);
    let mut policy = LlmPolicy::new("acme");
    policy.default_model = Some(r#"a "model", or\two"#.to_owned());
    policy.extra.insert("unknown".to_owned(), json!({ "n": [1, null] }));
    for tokens in [100, 200] {
        policy.max_output_tokens = Some(tokens);
        policies.set(&policy).await.unwrap();
        assert_eq!(policies.get(&acme).await.unwrap().as_ref(), Some(&policy));
        assert_eq!(policies.get(&acme).await.unwrap().as_ref(), Some(&policy), "from the cache");
    }
    assert!(policies.delete(&acme).await.unwrap() && !policies.delete(&acme).await.unwrap());
    assert_eq!(policies.get(&acme).await.unwrap(), None);

    let config = StoreConfig::new().backing(configs(&user)).client(redis);
    let configs = create_conversation_config_store(config).unwrap();
    let mut default = ConversationConfig::new(ConversationScope::tenant("acme"));
    default.model = Some("m".to_owned());
    let mut own = ConversationConfig::new(ConversationScope::user("acme", "ada"));
    own.temperature = Some(0.5);
    configs.set(&default).await.unwrap();
    configs.set(&own).await.unwrap();
    let effective = configs.effective("acme", "ada").await.unwrap();
    assert_eq!(effective, Some(own.or(default.clone())));
    assert_eq!(configs.effective("acme", "bob").await.unwrap(), Some(default));
    assert!(configs.delete(&ConversationScope::tenant("acme")).await.unwrap());
    assert!(configs.delete(&ConversationScope::user("acme", "ada")).await.unwrap());
}

async fn refusals_have_their_kind(supabase: &Supabase) {
    let row = json!({ "tenant_id": "acme", "record": { "tenantId": "acme" } });
    let table = |token: &str| supabase.with_access_token(token).from("tenant_llm_policies");
    let acme = of_tenant("acme");
    let error = table(&of_tenant("other")).insert(&row).execute().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("42501")));
    let forged = token(
        &json!({ "role": "authenticated", "app_metadata": { "tenant_id": "acme" } }),
        "another secret, of 32 bytes or more",
    );
    let error = table(&forged).select("*").rows::<Value>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let anonymous = of_role(json!({ "role": "anon" }));
    let error = table(&anonymous).select("*").rows::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Unauthorized, Some("42501")));

    let inserted = table(&acme).insert(&row).select("tenant_id").single::<Value>().await.unwrap();
    assert_eq!(inserted, json!({ "tenant_id": "acme" }));
    let error = table(&acme).insert(&row).execute().await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (ErrorKind::Server, Some("23505")));
    assert!(!error.to_string().contains("acme"), "{error}");
    let moved = json!({ "tenant_id": "other", "record": { "tenantId": "other" } });
    let error = table(&acme).update(&moved).eq("tenant_id", "acme").execute().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "a row cannot be given to another tenant");
    let posing = json!({ "record": { "tenantId": "other" } });
    let error = table(&acme).update(&posing).eq("tenant_id", "acme").execute().await.unwrap_err();
    assert_eq!(error.code(), Some("23514"), "a record is of its row's tenant");
    let nobody = table(&acme).select("*").eq("tenant_id", "x").single::<Value>().await.unwrap_err();
    assert_eq!((nobody.kind(), nobody.code()), (ErrorKind::NotFound, Some("PGRST116")));
    let error = supabase.from("no_such_table").select("*").rows::<Value>().await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Server, Some(404)));
    table(&acme).delete().eq("tenant_id", "acme").execute().await.unwrap();
}

async fn values_are_what_they_are(supabase: &Supabase) {
    let user = supabase.with_access_token(of_tenant("acme"));
    let table = user.from("conversation_configs");
    let names = [
        "a,b",
        "say \"hi\"",
        "back\\slash",
        "(x)",
        "x),or=(user_id.eq.a",
        "{y}",
        " edge ",
        "null",
        "a.b:c",
        "ü&z=1+2%",
        "plain",
        "\"quoted\"",
        "x\\\",y",
    ];
    // One by one: the server of this test, other than PostgREST, does not read the quotes of the parameter `columns`, which
    // comes with an array.
    for name in names {
        let record = json!({ "tenantId": "acme", "tags": [name] });
        let row = json!({ "tenant_id": "acme", "user_id": name, "record": record });
        let upsert = Upsert::new().on_conflict(["tenant_id", "user_id"]);
        table.upsert(&row, upsert).execute().await.unwrap();
    }
    for name in names {
        let filters = [
            Filter::eq("user_id", name),
            Filter::within("user_id", [name, "nobody"]),
            Filter::any([Filter::eq("user_id", name), Filter::eq("user_id", "nobody")]),
            Filter::any([Filter::all([Filter::within("user_id", ["nobody,", name])])]),
            Filter::contains("record", json!({ "tags": [name] })),
            !Filter::within("user_id", names.into_iter().filter(|other| *other != name)),
        ];
        for filter in filters {
            let found = table.select("user_id").filter(filter.clone()).rows::<Value>().await;
            assert_eq!(found.unwrap(), [json!({ "user_id": name })], "{filter:?}");
        }
    }
    let page =
        table.select("user_id").count(Count::Exact).range(0..=4).page::<Value>().await.unwrap();
    assert_eq!((page.rows.len(), page.count), (5, Some(13)));
    assert_eq!(table.select("*").count(Count::Exact).head().await.unwrap(), Some(13));
    for (filter, expected) in [
        (Filter::like_any_of("user_id", ["a,%", "pla_n"]), &["a,b", "plain"][..]),
        (Filter::ilike_all_of("user_id", ["%PLAIN%", "p%"]), &["plain"]),
        (Filter::regex_match("user_id", "^(plain|null)$"), &["null", "plain"]),
        (Filter::regex_imatch("user_id", "^PLAIN$"), &["plain"]),
        (!Filter::is_distinct("user_id", "plain"), &["plain"]),
    ] {
        let query = table.select("user_id").filter(filter.clone());
        let found = query.order("user_id", Order::ascending()).rows::<Value>().await;
        let expected: Vec<_> = expected.iter().map(|name| json!({ "user_id": name })).collect();
        assert_eq!(found.unwrap(), expected, "{filter:?}");
    }
    let csv = table.select("user_id").eq("user_id", "plain").csv().await.unwrap();
    assert_eq!(csv.trim_end(), "user_id\nplain");
    table.delete().eq("tenant_id", "acme").execute().await.unwrap();
}

/// Sessions of tenants, of users without a tenant and of a service share a cache and a database. A model knows what each may
/// see.
async fn sessions(supabase: &Supabase) {
    const TENANTS: u64 = 4;
    const USERS: u64 = 3;
    let redis = Client::memory();
    let tokens: Vec<_> = (0..TENANTS).map(|tenant| of_tenant(&format!("t{tenant}"))).collect();
    let nobodies = without_tenant();
    let mut model = HashMap::<ConversationScope, ConversationConfig>::new();
    let (mut own_rows, mut refused) = (0, 0);
    for seed in seeds(150) {
        let dice = Dice::new(seed);
        let mut tenant = dice.roll(TENANTS);
        let kind_of_session = dice.roll(10);
        for step in 0..1 + dice.roll(5) {
            let wanted = if dice.roll(2) == 0 { tenant } else { dice.roll(TENANTS) };
            let id = match dice.roll(USERS + 1) {
                0 => ConversationScope::tenant(format!("t{wanted}")),
                user => ConversationScope::user(format!("t{wanted}"), format!("u{user}")),
            };
            let mut record = ConversationConfig::new(id.clone());
            record.system_prompt = Some(format!("of t{wanted}, in session {seed}"));
            let expected = model.get(&id).cloned();
            match kind_of_session {
                // A service passes the policies by, and leaves in the cache what it saw.
                0 => {
                    let store = cached(supabase, &redis);
                    assert_eq!(store.get(&id).await.unwrap(), expected, "{seed}: {id:?}");
                    if dice.roll(3) == 0 {
                        store.set(&record).await.unwrap();
                        model.insert(id, record);
                    }
                }
                // A user whose token names no tenant.
                1 => {
                    assert!(TenantStore::new((), "").is_err());
                    let token = &nobodies[dice.roll(4) as usize];
                    let direct = configs(&supabase.with_access_token(token));
                    assert_eq!(direct.get(&id).await.unwrap(), None, "{seed}: {id:?}");
                    let error = direct.set(&record).await.unwrap_err();
                    assert_eq!(kind(&error), Some(ErrorKind::Unauthorized), "{seed}: {error}");
                    assert!(!direct.delete(&id).await.unwrap(), "{seed}: {id:?}");
                    refused += 1;
                }
                session => {
                    // Some sessions go on as another tenant.
                    if session == 2 && step == 2 {
                        tenant = dice.roll(TENANTS);
                    }
                    let user = supabase.with_access_token(&tokens[tenant as usize]);
                    let is_own = wanted == tenant;
                    let expected = expected.filter(|_| is_own);
                    let direct = configs(&user);
                    let view =
                        TenantStore::new(cached(&user, &redis), format!("t{tenant}")).unwrap();
                    assert_eq!(direct.get(&id).await.unwrap(), expected, "{seed}: {id:?}");
                    assert_eq!(view.get(&id).await.unwrap(), expected, "{seed}: {id:?}");
                    own_rows += u32::from(expected.is_some());
                    match (dice.roll(3), is_own) {
                        (0, true) => {
                            view.set(&record).await.unwrap();
                            model.insert(id, record);
                        }
                        (1, true) => {
                            assert_eq!(view.delete(&id).await.unwrap(), expected.is_some());
                            model.remove(&id);
                        }
                        (0, false) => {
                            for error in [direct.set(&record).await, view.set(&record).await] {
                                let error = error.unwrap_err();
                                assert_eq!(kind(&error), Some(ErrorKind::Unauthorized), "{error}");
                            }
                            refused += 1;
                        }
                        (1, false) => {
                            assert!(!direct.delete(&id).await.unwrap(), "{seed}: {id:?}");
                            assert!(view.delete(&id).await.is_err(), "{seed}: {id:?}");
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    // Nobody changed or deleted what is another's.
    for (id, record) in &model {
        assert_eq!(configs(supabase).get(id).await.unwrap().as_ref(), Some(record));
    }
    assert!(own_rows > 0 && refused > 0, "{own_rows} rows, {refused} refused");
}
