//! Positions on the globe, and searches by distance.

use super::sorted_sets::ZAddOptions;
use super::{Arguments, Command, Execute, ToArg};
use crate::{FromValue, Result, Value};

/// A unit of length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum GeoUnit {
    /// Metres.
    #[default]
    Metres,
    /// Kilometres.
    Kilometres,
    /// Miles.
    Miles,
    /// Feet.
    Feet,
}

impl ToArg for GeoUnit {
    fn write_to(&self, args: &mut Arguments) {
        match self {
            Self::Metres => "M",
            Self::Kilometres => "KM",
            Self::Miles => "MI",
            Self::Feet => "FT",
        }
        .write_to(args);
    }
}

/// A position, in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GeoPoint {
    /// From -180 to 180.
    pub longitude: f64,
    /// From -85.05112878 to 85.05112878.
    pub latitude: f64,
}

impl GeoPoint {
    /// The position with this longitude and latitude, in Redis's order.
    pub fn new(longitude: f64, latitude: f64) -> Self {
        Self { longitude, latitude }
    }
}

impl FromValue for GeoPoint {
    fn from_value(value: Value) -> Result<Self> {
        let (longitude, latitude) = <(f64, f64)>::from_value(value)?;
        Ok(Self { longitude, latitude })
    }
}

/// A search of GEOSEARCH.
///
/// ```
/// use edgecask::command::geo::{GeoPoint, GeoSearch, GeoUnit};
///
/// let nearby = GeoSearch::around(GeoPoint::new(13.4, 52.5)).radius(5.0, GeoUnit::Kilometres).nearest(10);
/// let like_home = GeoSearch::around_member("home").rectangle(2.0, 1.0, GeoUnit::Miles);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GeoSearch {
    from: Arguments,
    by: Arguments,
    order: Option<&'static str>,
    count: Option<(u64, bool)>,
}

impl GeoSearch {
    fn from(from: Arguments) -> Self {
        let by = Arguments::new(["BYRADIUS", "0", "M"]);
        Self { from, by, order: None, count: None }
    }

    /// Around this position; [`radius`](Self::radius) or [`rectangle`](Self::rectangle) sets the area.
    pub fn around(center: GeoPoint) -> Self {
        let mut from = Arguments::new(["FROMLONLAT"]);
        from.extend([center.longitude, center.latitude]);
        Self::from(from)
    }

    /// Around a member's position.
    pub fn around_member(member: impl ToArg) -> Self {
        let mut from = Arguments::new(["FROMMEMBER"]);
        from.extend([member]);
        Self::from(from)
    }

    /// Within this distance.
    #[must_use]
    pub fn radius(mut self, radius: f64, unit: GeoUnit) -> Self {
        self.by = Arguments::new(["BYRADIUS"]);
        self.by.extend([radius]);
        self.by.extend([unit]);
        self
    }

    /// Within a rectangle of this width and height, along the axes.
    #[must_use]
    pub fn rectangle(mut self, width: f64, height: f64, unit: GeoUnit) -> Self {
        self.by = Arguments::new(["BYBOX"]);
        self.by.extend([width, height]);
        self.by.extend([unit]);
        self
    }

    /// The nearest first (`ASC`).
    #[must_use]
    pub fn asc(mut self) -> Self {
        self.order = Some("ASC");
        self
    }

    /// The farthest first (`DESC`).
    #[must_use]
    pub fn desc(mut self) -> Self {
        self.order = Some("DESC");
        self
    }

    /// The nearest ones, at most this many (`COUNT`).
    #[must_use]
    pub fn nearest(mut self, count: u64) -> Self {
        self.count = Some((count, false));
        self
    }

    /// The first ones that are found, at most this many (`COUNT … ANY`). This is faster.
    #[must_use]
    pub fn any(mut self, count: u64) -> Self {
        self.count = Some((count, true));
        self
    }

    fn append(&self, command: Command) -> Command {
        let command = command.args_from(self.from.iter()).args_from(self.by.iter());
        let command = self.order.into_iter().fold(command, Command::arg);
        match self.count {
            Some((count, any)) => command.arg("COUNT").arg(count).arg_if(any, "ANY"),
            None => command,
        }
    }
}

/// A member that GEOSEARCH found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GeoFound<M> {
    /// The member.
    pub member: M,
    /// Its distance, in the unit of the search.
    pub distance: f64,
    /// Its position.
    pub point: GeoPoint,
}

impl<M: FromValue> FromValue for GeoFound<M> {
    fn from_value(value: Value) -> Result<Self> {
        let (member, distance, point) = FromValue::from_value(value)?;
        Ok(Self { member, distance, point })
    }
}

/// The commands on positions, which are members of a sorted set. Each is one command and one round trip.
///
/// ```no_run
/// use edgecask::command::geo::{GeoPoint, GeoSearch, GeoUnit};
/// use edgecask::prelude::*;
///
/// # async fn shops(client: Client) -> edgecask::Result<()> {
/// client.geoadd("shops", [(GeoPoint::new(13.36, 52.52), "north"), (GeoPoint::new(13.4, 52.45), "south")]).await?;
/// let apart = client.geodist("shops", "north", "south", GeoUnit::Kilometres).await?;
/// let search = GeoSearch::around_member("north").radius(20.0, GeoUnit::Kilometres).asc();
/// for shop in client.geosearch_with::<String>("shops", &search).await? {
///     println!("{} is {:.1} km away", shop.member, shop.distance);
/// }
/// # Ok(())
/// # }
/// ```
pub trait GeoCommands: Execute {
    /// Adds or moves members, and returns how many are new. [Redis GEOADD](https://redis.io/docs/latest/commands/geoadd/).
    #[doc(alias = "GEOADD")]
    fn geoadd(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = (GeoPoint, impl ToArg)>,
    ) -> Self::Reply<u64> {
        self.geoadd_with(key, ZAddOptions::new(), members)
    }

    /// Adds or moves members as the options say (`NX`, `XX`, `CH`). [Redis GEOADD](https://redis.io/docs/latest/commands/geoadd/).
    #[doc(alias = "GEOADD")]
    fn geoadd_with(
        &self,
        key: impl ToArg,
        options: ZAddOptions,
        members: impl IntoIterator<Item = (GeoPoint, impl ToArg)>,
    ) -> Self::Reply<u64> {
        let command = options.append(Command::new("GEOADD").arg(key));
        self.execute(members.into_iter().fold(command, |command, (point, member)| {
            command.arg(point.longitude).arg(point.latitude).arg(member)
        }))
    }

    /// The distance between two members; `None` if one is absent. [Redis
    /// GEODIST](https://redis.io/docs/latest/commands/geodist/).
    #[doc(alias = "GEODIST")]
    fn geodist(
        &self,
        key: impl ToArg,
        one: impl ToArg,
        other: impl ToArg,
        unit: GeoUnit,
    ) -> Self::Reply<Option<f64>> {
        self.execute(Command::new("GEODIST").arg(key).arg(one).arg(other).arg(unit))
    }

    /// The geohashes of members, in the form of geohash.org. [Redis
    /// GEOHASH](https://redis.io/docs/latest/commands/geohash/).
    #[doc(alias = "GEOHASH")]
    fn geohash(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<String>>> {
        self.execute(Command::new("GEOHASH").arg(key).args_from(members))
    }

    /// The positions of members. [Redis GEOPOS](https://redis.io/docs/latest/commands/geopos/).
    #[doc(alias = "GEOPOS")]
    fn geopos(
        &self,
        key: impl ToArg,
        members: impl IntoIterator<Item = impl ToArg>,
    ) -> Self::Reply<Vec<Option<GeoPoint>>> {
        self.execute(Command::new("GEOPOS").arg(key).args_from(members))
    }

    /// The members within a distance of a position. [Redis GEORADIUS](https://redis.io/docs/latest/commands/georadius/),
    /// which [`GeoCommands::geosearch`] has replaced.
    #[doc(alias = "GEORADIUS")]
    fn georadius<M: FromValue>(
        &self,
        key: impl ToArg,
        center: GeoPoint,
        radius: f64,
        unit: GeoUnit,
    ) -> Self::Reply<Vec<M>> {
        self.execute(radius_command("GEORADIUS", key, center, radius, unit))
    }

    /// As [`GeoCommands::georadius`], for replicas and read-only tokens. [Redis GEORADIUS_RO](https://redis.io/docs/latest/commands/georadius_ro/).
    #[doc(alias = "GEORADIUS_RO")]
    fn georadius_ro<M: FromValue>(
        &self,
        key: impl ToArg,
        center: GeoPoint,
        radius: f64,
        unit: GeoUnit,
    ) -> Self::Reply<Vec<M>> {
        self.execute(radius_command("GEORADIUS_RO", key, center, radius, unit))
    }

    /// The members within a distance of another member. [Redis GEORADIUSBYMEMBER](https://redis.io/docs/latest/commands/georadiusbymember/), which [`GeoCommands::geosearch`] has replaced.
    #[doc(alias = "GEORADIUSBYMEMBER")]
    fn georadiusbymember<M: FromValue>(
        &self,
        key: impl ToArg,
        member: impl ToArg,
        radius: f64,
        unit: GeoUnit,
    ) -> Self::Reply<Vec<M>> {
        self.execute(Command::new("GEORADIUSBYMEMBER").arg(key).arg(member).arg(radius).arg(unit))
    }

    /// As [`GeoCommands::georadiusbymember`], for replicas and read-only tokens. [Redis GEORADIUSBYMEMBER_RO](https://redis.io/docs/latest/commands/georadiusbymember_ro/).
    #[doc(alias = "GEORADIUSBYMEMBER_RO")]
    fn georadiusbymember_ro<M: FromValue>(
        &self,
        key: impl ToArg,
        member: impl ToArg,
        radius: f64,
        unit: GeoUnit,
    ) -> Self::Reply<Vec<M>> {
        let command = Command::new("GEORADIUSBYMEMBER_RO").arg(key).arg(member);
        self.execute(command.arg(radius).arg(unit))
    }

    /// The members that a search finds. [Redis GEOSEARCH](https://redis.io/docs/latest/commands/geosearch/).
    #[doc(alias = "GEOSEARCH")]
    fn geosearch<M: FromValue>(&self, key: impl ToArg, search: &GeoSearch) -> Self::Reply<Vec<M>> {
        self.execute(search.append(Command::new("GEOSEARCH").arg(key)))
    }

    /// As [`GeoCommands::geosearch`], with distances and positions. [Redis
    /// GEOSEARCH](https://redis.io/docs/latest/commands/geosearch/).
    #[doc(alias = "GEOSEARCH")]
    fn geosearch_with<M: FromValue>(
        &self,
        key: impl ToArg,
        search: &GeoSearch,
    ) -> Self::Reply<Vec<GeoFound<M>>> {
        let command = search.append(Command::new("GEOSEARCH").arg(key));
        self.execute(command.arg("WITHDIST").arg("WITHCOORD"))
    }

    /// Stores the members that a search finds in `from` under `to`, with distances as scores if asked for, and returns
    /// their number. [Redis GEOSEARCHSTORE](https://redis.io/docs/latest/commands/geosearchstore/).
    #[doc(alias = "GEOSEARCHSTORE")]
    fn geosearchstore(
        &self,
        to: impl ToArg,
        from: impl ToArg,
        search: &GeoSearch,
        store_distances: bool,
    ) -> Self::Reply<u64> {
        let command = search.append(Command::new("GEOSEARCHSTORE").arg(to).arg(from));
        self.execute(command.arg_if(store_distances, "STOREDIST"))
    }
}

impl<E: Execute + ?Sized> GeoCommands for E {}

fn radius_command(
    name: &'static str,
    key: impl ToArg,
    center: GeoPoint,
    radius: f64,
    unit: GeoUnit,
) -> Command {
    let command = Command::new(name).arg(key).arg(center.longitude).arg(center.latitude);
    command.arg(radius).arg(unit)
}
