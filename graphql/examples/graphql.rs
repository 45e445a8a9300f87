//! Fields of a schema in the cache: `cargo run -p edgecask-graphql --example graphql`. It needs no server.

#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use async_graphql::{
    ComplexObject, Context, EmptySubscription, Object, Request, Schema, SimpleObject,
};
use edgecask::Client;
use edgecask::cache::Cache;
use edgecask_graphql::{FieldCache, Keyed, Rule, Viewer};

#[derive(SimpleObject)]
#[graphql(complex)]
struct User {
    id: u64,
    name: String,
}

#[ComplexObject]
impl User {
    /// It is slow, so it is cached for each object separately.
    async fn posts(&self) -> Vec<String> {
        println!("  resolver: the posts of {}", self.id);
        vec![format!("a post of {}", self.name)]
    }

    /// Its value depends on the user.
    async fn note(&self, ctx: &Context<'_>) -> String {
        let viewer = ctx.data_opt::<Viewer>().cloned().unwrap_or_default();
        format!("{viewer:?} about {}", self.id)
    }
}

struct Query;

#[Object]
impl Query {
    async fn user(&self, id: u64) -> Keyed<User> {
        println!("  resolver: user {id}");
        Keyed::new(id, User { id, name: format!("user {id}") })
    }
}

struct Mutation;

#[Object]
impl Mutation {
    async fn rename(&self, id: u64, name: String) -> Keyed<User> {
        println!("  resolver: user {id} is {name} now");
        Keyed::new(id, User { id, name })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let age = |seconds| Rule::new().max_age(Duration::from_secs(seconds));
    let fields = FieldCache::builder(Cache::new(Client::memory()))
        .rule("Query.user", age(300).tags(["user:{args.id}"]))
        .rule("User.posts", age(60).tags(["posts:{parent}"]))
        .rule("User.note", Rule::new().private())
        .invalidate("rename", ["user:{args.id}"])
        .build()?;
    let schema =
        Schema::build(Query, Mutation, EmptySubscription).extension(fields.clone()).finish();
    for (query, user) in [
        ("{ user(id: 1) { name } }", "ada"),
        ("{ user(id: 1) { name } }", "eve"),
        ("{ user(id: 1) { name posts } }", "ada"),
        ("{ user(id: 1) { note } }", "ada"),
        ("{ user(id: 1) { note } }", "eve"),
        ("mutation { rename(id: 1, name: \"Grace\") { name } }", "ada"),
        ("{ user(id: 1) { name } }", "eve"),
    ] {
        println!("{user}: {query}");
        let response = schema.execute(Request::new(query).data(Viewer::user(user))).await;
        println!("  {} ({:?})", response.data, response.cache_control.value());
    }
    println!("{} hits, {} loads", fields.cache().stats().hits, fields.cache().stats().loads);
    Ok(())
}
