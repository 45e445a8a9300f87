//! Interfaces, lists with gaps, subscriptions, and a Redis that is away.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_graphql::{
    Context, EmptyMutation, Interface, Object, Request, Schema, SimpleObject, Subscription,
};
use edgecask::cache::Cache;
use edgecask::{Client, ErrorKind};
use edgecask_graphql::{FieldCache, Rule, Viewer};
use futures_util::{Stream, StreamExt, stream};

#[derive(Interface)]
#[graphql(field(name = "id", ty = "&u64"))]
enum Node {
    Book(Book),
    Author(Author),
}

#[derive(SimpleObject)]
struct Book {
    id: u64,
    title: String,
}

#[derive(SimpleObject)]
struct Author {
    id: u64,
    name: String,
}

/// How often a resolver ran.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU64>);

impl Calls {
    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

fn call(ctx: &Context<'_>) -> u64 {
    ctx.data_unchecked::<Calls>().0.fetch_add(1, Ordering::SeqCst)
}

struct Query;

#[Object]
impl Query {
    async fn node(&self, ctx: &Context<'_>, id: u64) -> Node {
        call(ctx);
        match id % 2 {
            0 => Node::Book(Book { id, title: format!("title {id}") }),
            _ => Node::Author(Author { id, name: format!("name {id}") }),
        }
    }

    /// A list with gaps.
    async fn shelf(&self, ctx: &Context<'_>) -> Vec<Option<Book>> {
        call(ctx);
        vec![Some(Book { id: 2, title: "title 2".to_owned() }), None]
    }

    /// There is none.
    async fn lost(&self, ctx: &Context<'_>) -> Option<Book> {
        call(ctx);
        None
    }

    /// A list of numbers, one of which cannot be given.
    async fn figures(&self, ctx: &Context<'_>) -> Vec<Option<Figure>> {
        call(ctx);
        vec![Some(Figure(1)), Some(Figure(0))]
    }
}

struct Figure(u64);

#[Object]
impl Figure {
    async fn inverse(&self) -> async_graphql::Result<Option<f64>> {
        match self.0 {
            0 => Err("0 has no inverse".into()),
            number => Ok(Some(1.0 / number as f64)),
        }
    }
}

struct Events;

#[Subscription]
impl Events {
    async fn counted(&self, ctx: &Context<'_>) -> impl Stream<Item = Book> {
        let calls = ctx.data_unchecked::<Calls>().clone();
        stream::iter(0..3).map(move |id| {
            calls.0.fetch_add(1, Ordering::SeqCst);
            Book { id, title: format!("title {id}") }
        })
    }
}

struct Test {
    calls: Calls,
    fields: FieldCache,
    schema: Schema<Query, EmptyMutation, Events>,
}

impl Test {
    fn over(client: Client) -> Self {
        let age = || Rule::new().max_age(Duration::from_secs(60));
        let fields = FieldCache::builder(Cache::new(client))
            .rule("Query.node", age().tags(["node:{args.id}"]))
            .rule("Query.shelf", age().tags(["shelf"]))
            .rule("Query.lost", age().tags(["lost"]))
            .rule("Query.figures", age().tags(["figures"]))
            .rule("Events.counted", age())
            .rule("Book", Rule::new().inherit_max_age())
            .rule("Figure", Rule::new().inherit_max_age())
            .build();
        let (fields, calls) = (fields.expect("the rules are right"), Calls::default());
        let schema = Schema::build(Query, EmptyMutation, Events);
        let schema = schema.data(calls.clone()).extension(fields.clone()).finish();
        Self { calls, fields, schema }
    }

    async fn data(&self, query: &str) -> String {
        let response = self.schema.execute(query).await;
        assert!(response.is_ok(), "{query}: {:?}", response.errors);
        response.data.to_string()
    }
}

#[tokio::test]
async fn an_interface_is_cached_by_what_is_selected_of_its_types() {
    let test = Test::over(Client::memory());
    let query = |id: u64| {
        format!(
            "{{ it: node(id: {id}) {{ id __typename ...B ... on Author {{ name }} }} }} fragment B on Book {{ t: title }}"
        )
    };
    for (id, expected) in [
        (1, r#"{it: {id: 1, __typename: "Author", name: "name 1"}}"#),
        (2, r#"{it: {id: 2, __typename: "Book", t: "title 2"}}"#),
    ] {
        for _ in 0..3 {
            assert_eq!(test.data(&query(id)).await, expected);
        }
    }
    assert_eq!(test.calls.get(), 2);
    // What is selected by the interface alone is another value.
    assert_eq!(test.data("{ node(id: 1) { id } }").await, "{node: {id: 1}}");
    assert_eq!(test.calls.get(), 3);
    test.fields.cache().invalidate_tags(["node:1"]).await.expect("the engine answers");
    for id in [1, 2] {
        test.data(&query(id)).await;
    }
    assert_eq!(test.calls.get(), 4, "the other one is there still");
}

/// Otherwise a selection by the type would show values that the rule of the interface keeps for one user.
#[tokio::test]
async fn a_rule_of_an_interface_holds_for_the_types_behind_it() {
    let age = || Rule::new().max_age(Duration::from_secs(60));
    let fields = FieldCache::builder(Cache::new(Client::memory()))
        .rule("Query.node", age())
        .rule("Query.shelf", age())
        .rule("Book", Rule::new().inherit_max_age())
        .rule("Node.id", Rule::new().private().tags(["ids"]))
        .build()
        .expect("the rules are right");
    let calls = Calls::default();
    let schema = Schema::build(Query, EmptyMutation, Events);
    let schema = schema.data(calls.clone()).extension(fields.clone()).finish();
    let queries =
        ["{ node(id: 1) { id } }", "{ node(id: 1) { ... on Author { id } } }", "{ shelf { id } }"];
    for (at, query) in (0..).zip(queries) {
        for user in ["ada", "eve", "ada", ""] {
            let response = schema.execute(Request::new(query).data(Viewer::user(user))).await;
            let policy = response.cache_control.value();
            assert_eq!(policy.as_deref(), Some("max-age=60, private"), "{query}");
        }
        assert_eq!(calls.get(), 3 * (at + 1), "one for each user, and for nobody: {query}");
    }
    fields.cache().invalidate_tags(["ids"]).await.expect("the engine answers");
    for query in queries {
        schema.execute(Request::new(query).data(Viewer::user("ada"))).await;
    }
    assert_eq!(calls.get(), 12, "all of them had the tag");
    // What the rule does not name is everybody's.
    for user in ["ada", "eve"] {
        let request = Request::new("{ shelf { title } }").data(Viewer::user(user));
        assert!(schema.execute(request).await.is_ok());
    }
    assert_eq!(calls.get(), 13);
}

#[tokio::test]
async fn gaps_are_values_and_errors_are_none() {
    let test = Test::over(Client::memory());
    for _ in 0..3 {
        assert_eq!(test.data("{ shelf { id } }").await, "{shelf: [{id: 2}, null]}");
        assert_eq!(test.data("{ lost { id } }").await, "{lost: null}");
    }
    assert_eq!(test.calls.get(), 2, "null is cached as any value");
    // Of a list in which one field failed nothing is cached, though the rest has values.
    let plain = Schema::build(Query, EmptyMutation, Events).data(Calls::default()).finish();
    let plain = plain.execute("{ figures { inverse } }").await;
    assert!(plain.data.to_string().contains("inverse: 1"), "the rest has values");
    for number in 1..=2 {
        let response = test.schema.execute("{ figures { inverse } }").await;
        assert_eq!(response.data, plain.data);
        assert_eq!((response.errors.len(), test.calls.get()), (1, 2 + number));
    }
}

#[tokio::test]
async fn subscriptions_are_not_cached() {
    let test = Test::over(Client::memory());
    for number in 1..=2 {
        let events =
            test.schema.execute_stream(Request::new("subscription { counted { id title } }"));
        let events: Vec<_> = events.map(|event| event.data.to_string()).collect().await;
        assert_eq!(events.len(), 3);
        assert_eq!(events[2], r#"{counted: {id: 2, title: "title 2"}}"#);
        assert_eq!(test.calls.get(), 3 * number);
    }
    let stats = test.fields.cache().stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (0, 0, 0));
}

/// Counts the warnings of this thread.
struct Warnings(Arc<AtomicU64>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn without_redis_resolvers_answer_and_one_warning_is_logged() {
    let warnings = Arc::new(AtomicU64::new(0));
    let _logged = tracing::subscriber::set_default(Warnings(Arc::clone(&warnings)));
    // No server listens on this port any more.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let url = format!("redis://{}", port.expect("a port is free"));
    let test = Test::over(Client::tcp(&url).expect("a good URL"));
    for number in 1..=5 {
        assert_eq!(test.data("{ node(id: 1) { id } }").await, "{node: {id: 1}}");
        assert_eq!(test.data("{ shelf { id } }").await, "{shelf: [{id: 2}, null]}");
        assert_eq!(test.calls.get(), 2 * number, "every request is resolved");
    }
    assert_eq!(warnings.load(Ordering::SeqCst), 1, "one outage");
    assert!(test.fields.cache().stats().errors > 0);
    let ping = test.fields.cache().client().send(&edgecask::Command::new("PING")).await;
    assert_eq!(ping.map_err(|error| error.kind()), Err(ErrorKind::Connect));
}
