//! Fields of a schema in the cache, on the embedded engine.

#![allow(clippy::print_stdout, reason = "the seed is shown with a test that fails")]

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_graphql::{
    ComplexObject, Context, EmptySubscription, Object, Request, Response, Schema, SimpleObject,
    Union,
};
use edgecask::cache::Cache;
use edgecask::prelude::*;
use edgecask_graphql::{FieldCache, Keyed, Rule, Viewer};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, SimpleObject)]
#[graphql(complex)]
struct User {
    id: u64,
    name: String,
    score: f64,
}

#[derive(Clone, SimpleObject)]
struct Post {
    number: u64,
    title: String,
}

#[derive(Union)]
enum Found {
    User(User),
    Post(Post),
}

#[derive(Default)]
struct State {
    users: BTreeMap<u64, User>,
    posts: BTreeMap<u64, Vec<Post>>,
    is_broken: bool,
    /// How often each resolver ran.
    calls: HashMap<&'static str, u64>,
}

#[derive(Clone, Default)]
struct Db(Arc<Mutex<State>>);

impl Db {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics with it")
    }

    fn call(&self, name: &'static str) -> MutexGuard<'_, State> {
        let mut state = self.state();
        *state.calls.entry(name).or_default() += 1;
        state
    }

    fn calls(&self, name: &str) -> u64 {
        self.state().calls.get(name).copied().unwrap_or_default()
    }

    fn add_user(&self, id: u64) {
        let user = User { id, name: format!("name {id}"), score: 0.1 + id as f64 / 3.0 };
        self.state().users.insert(id, user);
    }
}

fn viewer(ctx: &Context<'_>) -> String {
    ctx.data_opt::<Asking>().map(|asking| asking.0.clone()).unwrap_or_default()
}

/// Who asks, for the resolvers.
struct Asking(String);

fn keyed(user: &User) -> Keyed<User> {
    Keyed::new(user.id, user.clone())
}

#[ComplexObject]
impl User {
    async fn posts(&self, ctx: &Context<'_>, #[graphql(default = 10)] first: usize) -> Vec<Post> {
        let state = ctx.data_unchecked::<Db>().call("posts");
        state.posts.get(&self.id).into_iter().flatten().take(first).cloned().collect()
    }

    async fn email(&self, ctx: &Context<'_>) -> String {
        // Awaited, so that requests run into each other.
        tokio::task::yield_now().await;
        format!("the email of {} for {}", self.id, viewer(ctx))
    }

    async fn broken(&self, ctx: &Context<'_>) -> async_graphql::Result<Option<u64>> {
        match ctx.data_unchecked::<Db>().call("broken").is_broken {
            true => Err("it is broken".into()),
            false => Ok(Some(self.id)),
        }
    }

    /// An error that no result shows.
    async fn warned(&self, ctx: &Context<'_>) -> Option<u64> {
        if ctx.data_unchecked::<Db>().state().is_broken {
            let error =
                async_graphql::Error::new("it is warned of").into_server_error(ctx.item.pos);
            ctx.add_error(ctx.set_error_path(error));
        }
        Some(self.id)
    }
}

struct Query;

#[Object]
impl Query {
    async fn user(&self, ctx: &Context<'_>, id: u64) -> Option<Keyed<User>> {
        ctx.data_unchecked::<Db>().call("user").users.get(&id).map(keyed)
    }

    async fn users(&self, ctx: &Context<'_>) -> Vec<Keyed<User>> {
        ctx.data_unchecked::<Db>().call("users").users.values().map(keyed).collect()
    }

    async fn me(&self, ctx: &Context<'_>) -> Option<Keyed<User>> {
        let id = viewer(ctx).parse().ok()?;
        tokio::task::yield_now().await;
        ctx.data_unchecked::<Db>().call("me").users.get(&id).map(keyed)
    }

    async fn found(&self, ctx: &Context<'_>) -> Vec<Found> {
        let state = ctx.data_unchecked::<Db>().call("found");
        let users = state.users.values().cloned().map(Found::User);
        users.chain(state.posts.values().flatten().cloned().map(Found::Post)).collect()
    }

    async fn now(&self, ctx: &Context<'_>) -> u64 {
        *ctx.data_unchecked::<Db>().call("now").calls.get("now").expect("it is called")
    }

    #[graphql(cache_control(max_age = 20, private))]
    async fn annotated(&self, ctx: &Context<'_>) -> String {
        drop(ctx.data_unchecked::<Db>().call("annotated"));
        viewer(ctx)
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn rename(
        &self,
        ctx: &Context<'_>,
        id: Option<u64>,
        name: String,
    ) -> Option<Keyed<User>> {
        let mut state = ctx.data_unchecked::<Db>().call("rename");
        let user = state.users.get_mut(&id?)?;
        user.name = name;
        Some(keyed(user))
    }
}

type TestSchema = Schema<Query, Mutation, EmptySubscription>;

struct Test {
    db: Db,
    fields: FieldCache,
    cached: TestSchema,
    plain: TestSchema,
}

impl Test {
    fn new() -> Self {
        Self::with(|builder| builder)
    }

    fn with(more: impl FnOnce(edgecask_graphql::Builder) -> edgecask_graphql::Builder) -> Self {
        let db = Db::default();
        (1..=3).for_each(|id| db.add_user(id));
        let age = || Rule::new().max_age(HOUR);
        let builder = FieldCache::builder(Cache::new(Client::memory()))
            .rule("Query.user", age().tags(["user:{args.id}"]))
            .rule("Query.users", age().tags(["users"]))
            .rule("Query.me", age().private().tags(["me:{viewer}"]))
            .rule("Query.found", age().tags(["found"]))
            .rule("User", age().tags(["user:{result.id}"]))
            .rule("User.posts", Rule::new().max_age(HOUR / 2).tags(["posts:{parent}"]))
            .rule("User.email", Rule::new().private())
            .rule("Post", Rule::new().inherit_max_age())
            .invalidate("rename", ["user:{args.id}"]);
        let fields = more(builder).build().expect("the rules are right");
        let schema = || Schema::build(Query, Mutation, EmptySubscription).data(db.clone());
        let (plain, cached) = (schema().finish(), schema().extension(fields.clone()).finish());
        Self { db, fields, cached, plain }
    }

    async fn ask(&self, query: &str, user: &str) -> Response {
        self.cached.execute(request(query, user)).await
    }

    async fn data(&self, query: &str, user: &str) -> String {
        let response = self.ask(query, user).await;
        assert!(response.is_ok(), "{query}: {:?}", response.errors);
        response.data.to_string()
    }

    async fn invalidate(&self, tags: impl IntoIterator<Item = String>) {
        self.fields.cache().invalidate_tags(tags).await.expect("the engine answers");
    }

    fn hits(&self) -> u64 {
        self.fields.cache().stats().hits
    }
}

fn request(query: &str, user: &str) -> Request {
    Request::new(query).data(Asking(user.to_owned())).data(Viewer::user(user))
}

#[tokio::test]
async fn a_field_is_resolved_once_for_all_ways_to_ask_for_it() {
    let test = Test::new();
    let first = test.data("{ user(id: 1) { id name score } }", "1").await;
    let variables =
        async_graphql::Variables::from_json(serde_json::json!({ "id": 1, "no": false }));
    for query in [
        "{ user(id: 1) { score id name } }",
        "query($id: Int!) { user(id: $id) { id ...{ name score } } }",
        "query($no: Boolean!) { user(id: 1) { id name score email @include(if: $no) } }",
    ] {
        let response = test.cached.execute(request(query, "2").variables(variables.clone())).await;
        assert_eq!(response.data.into_json().expect("JSON")["user"]["name"], "name 1", "{query}");
    }
    let alias = test.data("{ it: user(id: 1) { id name score } }", "3").await;
    assert_eq!(alias, first.replace("user", "it"));
    assert_eq!(test.db.calls("user"), 1);
    // Other fields, arguments and aliases are other values.
    for other in [
        "{ user(id: 1) { id } }",
        "{ user(id: 2) { id name score } }",
        "{ user(id: 1) { id n: name score } }",
    ] {
        test.data(other, "1").await;
    }
    assert_eq!(test.db.calls("user"), 4);
    assert_eq!(
        test.data("{ user(id: 1) { id ...F } } fragment F on User { n: name }", "1").await,
        "{user: {id: 1, n: \"name 1\"}}"
    );
}

#[tokio::test]
async fn a_private_value_is_of_one_user() {
    let test = Arc::new(Test::new());
    let asking = (0..200).map(|number| {
        let test = Arc::clone(&test);
        tokio::spawn(async move {
            let user = (number % 2 + 1).to_string();
            let data = test.data("{ me { id email } user(id: 3) { id email } }", &user).await;
            assert!(data.contains(&format!("the email of {user} for {user}")), "{user}: {data}");
            assert!(data.contains(&format!("the email of 3 for {user}")), "{user}: {data}");
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        asked.await.expect("it got its own");
    }
    // For each user, one load learns the tags of its result, and one stores.
    assert_eq!((test.db.calls("me"), test.db.calls("user")), (4, 2));
    // A request without a viewer has no user.
    for user in ["", ""] {
        assert!(test.data("{ user(id: 3) { id email } }", user).await.contains("for \""));
    }
    assert_eq!(test.db.calls("user"), 4);
    let nobody = Request::new("{ user(id: 3) { id email } }");
    assert!(test.cached.execute(nobody).await.is_ok());
    assert_eq!(test.db.calls("user"), 5);
}

#[tokio::test]
async fn a_partition_shares_nothing() {
    let test = Test::new();
    for tenant in ["acme", "umbrella", "acme"] {
        let viewer = Viewer::anonymous().within(tenant);
        let request = Request::new("{ user(id: 1) { id } }").data(viewer);
        assert!(test.cached.execute(request).await.is_ok());
    }
    assert_eq!((test.db.calls("user"), test.hits()), (2, 1));
}

#[tokio::test]
async fn an_invalidation_reaches_all_that_holds_a_value() {
    let test = Test::new();
    let query = "{ users { id name posts { title } } }";
    // The tags of results are learned by the first load; the second one stores.
    for _ in 0..3 {
        test.data(query, "1").await;
    }
    assert_eq!(test.db.calls("users"), 2);
    test.db.state().posts.insert(2, vec![Post { number: 1, title: "new".to_owned() }]);
    test.invalidate(["posts:2".to_owned()]).await;
    assert!(test.data(query, "1").await.contains("new"));
    assert_eq!((test.db.calls("users"), test.db.calls("posts")), (3, 4));
    test.data(query, "1").await;
    assert_eq!(test.db.calls("users"), 3);

    let renamed = test.data("mutation { rename(id: 3, name: \"Eve\") { id } }", "1").await;
    assert_eq!(renamed, "{rename: {id: 3}}");
    assert!(test.data(query, "1").await.contains("Eve"));
    let refused = test.ask("mutation { rename(name: \"Mallory\") { id } }", "1").await;
    assert_eq!((refused.errors.len(), test.db.calls("rename")), (1, 1));
    // A mutation is never cached, nor is what is selected of it.
    for _ in 0..2 {
        test.data("mutation { rename(id: 1, name: \"Ada\") { id posts { title } } }", "1").await;
    }
    assert_eq!((test.db.calls("rename"), test.db.calls("posts")), (3, 6));
}

#[tokio::test]
async fn fields_of_keyed_objects_are_cached_by_themselves() {
    let test = Test::new();
    test.db.state().posts.insert(1, vec![Post { number: 1, title: "one".to_owned() }]);
    let first = test.data("{ user(id: 1) { id posts { title } } }", "1").await;
    // The same object, in another place of another query.
    assert_eq!(test.data("{ me { id posts { title } } }", "1").await, first.replace("user", "me"));
    assert_eq!(test.db.calls("posts"), 1);
    // The place alone names nothing: objects of a list change their places.
    let of_users = test.data("{ users { name posts { title } } }", "1").await;
    assert_eq!(of_users.matches("one").count(), 1);
    assert_eq!(test.db.calls("posts"), 3);
}

#[tokio::test]
async fn errors_and_parts_are_not_cached() {
    let test = Test::new();
    test.db.state().is_broken = true;
    for query in ["{ user(id: 1) { id broken } }", "{ user(id: 1) { id warned } }"] {
        let calls = test.db.calls("user");
        for _ in 0..2 {
            let response = test.ask(query, "1").await;
            assert_eq!(response.errors.len(), 1, "{query}");
            assert_eq!(response.cache_control.value().as_deref(), Some("no-cache"));
        }
        assert_eq!(test.db.calls("user"), calls + 2, "{query}");
    }
    test.db.state().is_broken = false;
    for _ in 0..2 {
        assert!(test.data("{ user(id: 1) { id broken } }", "1").await.contains("broken: 1"));
    }
    assert_eq!(test.db.calls("user"), 5);
}

#[tokio::test]
async fn what_nobody_allows_is_not_cached() {
    let test = Test::new();
    // No rule; a tag that cannot be written, since the id is not selected; introspection.
    for query in ["{ now }", "{ me { name } }", "{ found { ... on User { name } } }"] {
        let first = test.data(query, "1").await;
        assert_eq!(test.data(query, "1").await == first, query != "{ now }");
    }
    assert_eq!((test.db.calls("now"), test.db.calls("me"), test.db.calls("found")), (2, 2, 2));
    for _ in 0..2 {
        let types = test
            .data(
                "{ __typename __schema { queryType { name } } user(id: 1) { __typename id } }",
                "1",
            )
            .await;
        assert!(
            types.contains("queryType: {name: \"Query\"}")
                && types.contains("__typename: \"User\"")
        );
    }
    assert_eq!(test.db.calls("user"), 1);
}

#[tokio::test]
async fn a_union_is_cached_with_the_tags_of_its_types() {
    let test = Test::new();
    let query = "{ found { ... on User { id name } ... on Post { title } } }";
    for _ in 0..3 {
        test.data(query, "1").await;
    }
    assert_eq!(test.db.calls("found"), 2);
    test.invalidate(["user:2".to_owned()]).await;
    test.data(query, "1").await;
    assert_eq!(test.db.calls("found"), 3);
    // What is no user has no id: nothing says how to invalidate it.
    test.db.state().posts.insert(1, vec![Post { number: 1, title: "one".to_owned() }]);
    test.invalidate(["found".to_owned()]).await;
    for _ in 0..2 {
        assert!(test.data(query, "1").await.contains("one"));
    }
    assert_eq!(test.db.calls("found"), 5);
}

#[tokio::test]
async fn the_policy_of_a_request_is_the_strictest_of_its_fields() {
    let test = Test::new();
    for (query, expected) in [
        ("{ user(id: 1) { id name } }", "max-age=3600"),
        ("{ user(id: 1) { id posts { title } } }", "max-age=1800"),
        ("{ user(id: 1) { id email } }", "max-age=3600, private"),
        (
            "{ a: user(id: 1) { id } ...F } fragment F on Query { me { id } }",
            "max-age=3600, private",
        ),
        ("{ annotated user(id: 1) { id } }", "max-age=20, private"),
        ("{ user(id: 1) { id } now }", "no-cache"),
    ] {
        let policy = test.ask(query, "1").await.cache_control.value();
        assert_eq!(policy.as_deref(), Some(expected), "{query}");
    }
    // An entry lives no longer than its policy.
    let client = test.fields.cache().client();
    let keys: Vec<String> = client.keys("graphql:*Query.annotated*").await.expect("it answers");
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].starts_with("graphql:user=1:Query.annotated:"), "{keys:?}");
    let left: i64 = client.execute(Command::new("PTTL").arg(&*keys[0])).await.expect("it answers");
    assert!((1..=20_000).contains(&left), "{left}");
}

#[tokio::test]
async fn rules_that_fit_no_schema_cache_nothing() {
    let test = Test::with(|builder| builder.rule("User.emial", Rule::new().private()));
    for _ in 0..2 {
        test.data("{ user(id: 1) { id } }", "1").await;
    }
    assert_eq!(test.db.calls("user"), 2);
    let cache = || FieldCache::builder(Cache::new(Client::memory()));
    for wrong in ["", "a.b.c", ".a", "a."] {
        assert!(cache().rule(wrong, Rule::new()).build().is_err(), "{wrong}");
    }
    assert!(cache().rule("A", Rule::new()).rule("A", Rule::new()).build().is_err());
    assert!(cache().rule("A", Rule::new().tags(["{id}"])).build().is_err());
    assert!(cache().invalidate("a", ["{result.id}"]).build().is_err());
}

#[tokio::test]
async fn random_requests_are_answered_as_without_a_cache() {
    let seed = std::env::var("EDGECASK_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed
        .unwrap_or_else(|| std::time::UNIX_EPOCH.elapsed().map_or(1, |now| now.as_nanos() as u64));
    println!("EDGECASK_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let test = Test::new();
    let mut answered = 0;
    let requests = std::env::var("EDGECASK_TEST_CASES").ok().and_then(|count| count.parse().ok());
    let requests: u64 = requests.unwrap_or(2000);
    for number in 0..requests {
        if dice.roll(10) == 0 {
            write(&test, &mut dice, number).await;
        }
        let user = ["1", "2", "3", ""][dice.roll(4) as usize];
        let query = query(&mut dice);
        let cached = test.ask(&query, user).await;
        let plain = test.plain.execute(request(&query, user)).await;
        answered += u64::from(cached.data != async_graphql::Value::Null);
        let seen = |response: Response| {
            let mut errors: Vec<_> =
                response.errors.iter().map(|error| format!("{error:?}")).collect();
            errors.sort();
            (response.data.into_json().expect("JSON"), errors)
        };
        assert_eq!(seen(cached), seen(plain), "seed {seed}, {number}, user '{user}': {query}");
    }
    let stats = test.fields.cache().stats();
    assert!(answered > requests / 10 * 9, "{answered}");
    assert!(stats.hits > requests / 5 && stats.loads > requests / 10, "{stats:?}");
}

/// Random numbers (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides
    }
}

/// Changes something, and invalidates what the change is about.
async fn write(test: &Test, dice: &mut Dice, number: u64) {
    let id = dice.roll(5) + 1;
    let tags = match dice.roll(5) {
        0 => {
            // The same users in another order of places: one goes, one comes.
            let is_there = test.db.state().users.remove(&id).is_some();
            if !is_there {
                test.db.add_user(id);
            }
            vec![format!("user:{id}"), format!("me:{id}"), "users".to_owned(), "found".to_owned()]
        }
        1 => {
            if let Some(user) = test.db.state().users.get_mut(&id) {
                user.name = format!("name {number}");
                user.score = 1.0 / (number + 1) as f64;
            }
            vec![format!("user:{id}")]
        }
        2 => {
            let post = Post { number, title: format!("post {number} of {id}") };
            test.db.state().posts.entry(id).or_default().insert(0, post);
            vec![format!("posts:{id}"), "found".to_owned()]
        }
        3 => {
            test.db.state().posts.remove(&id);
            vec![format!("posts:{id}"), "found".to_owned()]
        }
        _ => {
            let mut state = test.db.state();
            state.is_broken = !state.is_broken;
            (1..=5).map(|id| format!("user:{id}")).collect()
        }
    };
    test.invalidate(tags).await;
}

fn query(dice: &mut Dice) -> String {
    let roots: Vec<_> = (0..dice.roll(2) + 1)
        .map(|number| {
            let field = match dice.roll(5) {
                0 | 1 => format!("user(id: {})", dice.roll(5) + 1),
                2 => "users".to_owned(),
                3 => "me".to_owned(),
                _ => {
                    let user = of_user(dice);
                    return format!("r{number}: found {{ __typename ... on User {{ {user} }} ... on Post {{ number title }} }}");
                }
            };
            format!("r{number}: {field} {{ {} }}", of_user(dice))
        })
        .collect();
    format!(
        "query($yes: Boolean! = false) {{ {} ...Name @skip(if: false) ... on Query @include(if: $yes) {{ no: __typename }} }} fragment Name on Query {{ __typename }}",
        roots.join(" ")
    )
}

fn of_user(dice: &mut Dice) -> String {
    let mut fields = vec![if dice.roll(5) == 0 { "key: id" } else { "id" }.to_owned()];
    if dice.roll(8) == 0 {
        fields.clear();
        fields.push("id: name".to_owned());
    }
    for _ in 0..dice.roll(3) {
        fields.push(match dice.roll(8) {
            0 => "name".to_owned(),
            1 => "n: name".to_owned(),
            2 => "score".to_owned(),
            3 => "email".to_owned(),
            4 => format!("p: posts(first: {}) {{ title }}", dice.roll(2) + 1),
            5 => "... on User { q: posts { number } }".to_owned(),
            6 => "broken".to_owned(),
            _ => format!("s: score @skip(if: {})", dice.roll(2) == 0),
        });
    }
    // One response key may mean one field only.
    fields.sort();
    fields.dedup_by_key(|field| {
        field.split_once(':').map_or(field.clone(), |(key, _)| key.to_owned())
    });
    fields.join(" ")
}
