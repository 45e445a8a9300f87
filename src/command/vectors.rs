//! Upstash's vector indexes: nearest-neighbour search.

use super::{Command, Execute, ToArg};
use crate::{FromValue, Pairs, Result, Value};

/// The similarity of two vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metric {
    /// Cosine similarity.
    Cosine,
    /// Euclidean distance.
    Euclidean,
    /// Dot product.
    Dot,
}

impl Metric {
    fn word(self) -> &'static str {
        match self {
            Self::Cosine => "COSINE",
            Self::Euclidean => "EUCLIDEAN",
            Self::Dot => "DOT",
        }
    }
}

/// The trade-off of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// Speed.
    Fast,
    /// A balance of both.
    #[default]
    Balanced,
    /// Accuracy.
    Precise,
}

impl Profile {
    fn word(self) -> &'static str {
        match self {
            Self::Fast => "FAST",
            Self::Balanced => "BALANCED",
            Self::Precise => "PRECISE",
        }
    }
}

/// The reply of VECTOR.INFO.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VectorInfo {
    /// The number of dimensions.
    pub dimension: u64,
    /// The metric's name, in capitals.
    pub metric: String,
}

impl FromValue for VectorInfo {
    fn from_value(value: Value) -> Result<Self> {
        let mut info = Self { dimension: 0, metric: String::new() };
        for (name, value) in Pairs::<String, Value>::from_value(value)?.0 {
            match &*name {
                "dimension" => info.dimension = FromValue::from_value(value)?,
                "metric" => info.metric = String::from_value(value)?.to_ascii_uppercase(),
                _ => {}
            }
        }
        Ok(info)
    }
}

fn vector(command: Command, vector: &[f32]) -> Command {
    let command = command.arg("VALUES").arg(vector.len());
    command.args_from(vector.iter().map(f32::to_string))
}

/// The commands on vector indexes, which only Upstash has. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::{command::vectors::{Metric, Profile}, prelude::*};
///
/// # async fn colours(client: Client) -> edgecask::Result<()> {
/// client.vector_create("colours", 3, Metric::Cosine, true).await?;
/// client.vector_add("colours", "red", &[1.0, 0.0, 0.0]).await?;
/// let nearest: Vec<(String, f64)> = client
///     .vector_query("colours", &[0.9, 0.1, 0.0], 5, Profile::Balanced)
///     .await?;
/// # Ok(())
/// # }
/// ```
pub trait VectorCommands: Execute {
    /// Adds a vector, or replaces the one with this id; returns whether it is new. Upstash VECTOR.ADD.
    #[doc(alias = "VECTOR.ADD")]
    fn vector_add(&self, index: impl ToArg, id: impl ToArg, values: &[f32]) -> Self::Reply<bool> {
        self.execute(vector(Command::new("VECTOR.ADD").arg(index).arg(id), values))
    }

    /// The number of vectors. Upstash VECTOR.COUNT.
    #[doc(alias = "VECTOR.COUNT")]
    fn vector_count(&self, index: impl ToArg) -> Self::Reply<u64> {
        self.execute(Command::new("VECTOR.COUNT").arg(index))
    }

    /// Creates an index; returns whether it is new. Without `exists_ok`, an existing index is an error. Upstash
    /// VECTOR.CREATE.
    #[doc(alias = "VECTOR.CREATE")]
    fn vector_create(
        &self,
        index: impl ToArg,
        dimension: u32,
        metric: Metric,
        exists_ok: bool,
    ) -> Self::Reply<bool> {
        let command = Command::new("VECTOR.CREATE").arg(index).arg("DIM").arg(dimension);
        self.execute(command.arg("METRIC").arg(metric.word()).arg_if(exists_ok, "EXISTSOK"))
    }

    /// Deletes a vector; returns whether it was there. Upstash VECTOR.DEL.
    #[doc(alias = "VECTOR.DEL")]
    fn vector_del(&self, index: impl ToArg, id: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("VECTOR.DEL").arg(index).arg(id))
    }

    /// Deletes an index; returns whether it was there. Upstash VECTOR.DROP.
    #[doc(alias = "VECTOR.DROP")]
    fn vector_drop(&self, index: impl ToArg) -> Self::Reply<bool> {
        self.execute(Command::new("VECTOR.DROP").arg(index))
    }

    /// The values of a vector. Upstash VECTOR.GET.
    #[doc(alias = "VECTOR.GET")]
    fn vector_get(&self, index: impl ToArg, id: impl ToArg) -> Self::Reply<Option<Vec<f64>>> {
        self.execute(Command::new("VECTOR.GET").arg(index).arg(id))
    }

    /// The dimension and the metric of an index. Upstash VECTOR.INFO.
    #[doc(alias = "VECTOR.INFO")]
    fn vector_info(&self, index: impl ToArg) -> Self::Reply<Option<VectorInfo>> {
        self.execute(Command::new("VECTOR.INFO").arg(index))
    }

    /// The `top_k` vectors that are nearest, with their scores. Upstash VECTOR.QUERY.
    #[doc(alias = "VECTOR.QUERY")]
    fn vector_query<I: FromValue>(
        &self,
        index: impl ToArg,
        near: &[f32],
        top_k: u32,
        profile: Profile,
    ) -> Self::Reply<Vec<(I, f64)>> {
        let command = Command::new("VECTOR.QUERY").arg(index).arg("TOPK").arg(top_k);
        self.execute(vector(command.arg("PROFILE").arg(profile.word()), near))
    }
}

impl<E: Execute + ?Sized> VectorCommands for E {}
