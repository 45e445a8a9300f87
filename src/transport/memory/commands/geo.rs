//! Places in sorted sets. Compared with Redis 8.

use bytes::Bytes;
use indexmap::IndexMap;

use super::replies::length;
use super::sorted_sets::show;
use crate::transport::memory::args::{Args, syntax};
use crate::transport::memory::engine::{Handler, on_keys};
use crate::transport::memory::geo::{Place, Shape};
use crate::transport::memory::keyspace::Keyspace;
use crate::transport::memory::sorted_set::{ScoreRange, SortedSet};
use crate::{Error, Result, Value};

pub(super) const HANDLERS: &[Handler] = on_keys![
    "GEOADD" -5 geoadd,
    "GEODIST" -4 geodist,
    "GEOHASH" -2 |db, args| {
        each(db, args, |place| Value::bulk(place.geohash()))
    },
    "GEOPOS" -2 |db, args| each(db, args, show_place),
    "GEORADIUS" -6 |db, args| search(db, args, Form::Radius { by_member: false, stores: true }),
    "GEORADIUSBYMEMBER" -5 |db, args| {
        search(db, args, Form::Radius { by_member: true, stores: true })
    },
    "GEORADIUSBYMEMBER_RO" -5 |db, args| {
        search(db, args, Form::Radius { by_member: true, stores: false })
    },
    "GEORADIUS_RO" -6 |db, args| search(db, args, Form::Radius { by_member: false, stores: false }),
    "GEOSEARCH" -7 |db, args| search(db, args, Form::Search),
    "GEOSEARCHSTORE" -8 |db, args| search(db, args, Form::SearchAndStore),
];

/// A longitude and a latitude at a position.
fn place(args: Args<'_>, at: usize) -> Result<Place> {
    let (longitude, latitude) = (args.float(at)?, args.float(at + 1)?);
    Place::new(longitude, latitude).ok_or_else(|| {
        Error::server(&format!("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}"))
    })
}

/// How many meters a unit has.
fn unit(args: Args<'_>, at: usize) -> Result<f64> {
    match args.word(at).as_str() {
        "M" => Ok(1.0),
        "KM" => Ok(1000.0),
        "FT" => Ok(0.3048),
        "MI" => Ok(1609.34),
        _ => Err(Error::server("ERR unsupported unit provided. please use M, KM, FT, MI")),
    }
}

fn meters(args: Args<'_>, at: usize, name: &str) -> Result<f64> {
    args.float(at).map_err(|_| Error::server(&format!("ERR need numeric {name}")))
}

fn show_place(place: Place) -> Value {
    Value::Array([place.longitude, place.latitude].map(show).to_vec())
}

fn show_distance(distance: f64) -> Value {
    Value::bulk(format!("{distance:.4}"))
}

fn geoadd(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let (mut nx, mut xx, mut changed, mut at) = (false, false, false, 1);
    loop {
        match args.word(at).as_str() {
            "NX" => nx = true,
            "XX" => xx = true,
            "CH" => changed = true,
            _ => break,
        }
        at += 1;
    }
    if at >= args.len() || !(args.len() - at).is_multiple_of(3) || nx && xx {
        return Err(syntax());
    }
    let mut members = Vec::new();
    for at in (at..args.len()).step_by(3) {
        members.push((args.bytes(at + 2)?, place(args, at)?.score()));
    }
    db.update::<SortedSet, _>(args.at(0)?, |set| {
        let (mut added, mut moved) = (0, 0);
        for (member, score) in members {
            match set.score(&member) {
                Some(_) if nx => continue,
                Some(old) => moved += usize::from(old != score),
                None if xx => continue,
                None => added += 1,
            }
            set.insert(member, score);
        }
        Ok(length(if changed { added + moved } else { added }))
    })
}

/// The reply for each member that a command names; nil for one that is not there.
fn each(db: &Keyspace, args: Args<'_>, show: fn(Place) -> Value) -> Result<Value> {
    let set = db.read::<SortedSet>(args.at(0)?)?;
    let score = |member| set.and_then(|set| set.score(member));
    let shown = args
        .from(1)
        .map(|member| score(member).map_or(Value::Nil, |score| show(Place::of_score(score))));
    Ok(Value::Array(shown.collect()))
}

fn geodist(db: &mut Keyspace, args: Args<'_>) -> Result<Value> {
    let unit = match args.len() {
        3 => 1.0,
        4 => unit(args, 3)?,
        _ => return Err(syntax()),
    };
    let Some(set) = db.read::<SortedSet>(args.at(0)?)? else { return Ok(Value::Nil) };
    let (Some(from), Some(to)) = (set.score(args.at(1)?), set.score(args.at(2)?)) else {
        return Ok(Value::Nil);
    };
    Ok(show_distance(Place::of_score(from).distance(Place::of_score(to)) / unit))
}

/// A command that searches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Radius { by_member: bool, stores: bool },
    Search,
    SearchAndStore,
}

#[derive(Default)]
struct Options<'a> {
    with_distance: bool,
    with_hash: bool,
    with_place: bool,
    any: bool,
    /// Whether the nearest come first.
    nearest_first: Option<bool>,
    count: usize,
    store: Option<&'a [u8]>,
    stores_distance: bool,
    /// The middle was named; it is known if the key exists.
    has_middle: bool,
    middle: Option<Place>,
    shape: Option<Shape>,
    /// How many meters the unit of the shape has.
    unit: f64,
}

impl<'a> Options<'a> {
    fn set_member(&mut self, set: Option<&SortedSet>, member: &[u8]) -> Result<()> {
        self.has_middle = true;
        if let Some(set) = set {
            let score = set
                .score(member)
                .ok_or_else(|| Error::server("ERR could not decode requested zset member"))?;
            self.middle = Some(Place::of_score(score));
        }
        Ok(())
    }

    fn set_place(&mut self, args: Args<'_>, at: usize) -> Result<()> {
        self.has_middle = true;
        self.middle = Some(place(args, at)?);
        Ok(())
    }

    fn set_circle(&mut self, args: Args<'_>, at: usize) -> Result<()> {
        let radius = meters(args, at, "radius")?;
        if radius < 0.0 {
            return Err(Error::server("ERR radius cannot be negative"));
        }
        self.unit = unit(args, at + 1)?;
        self.shape = Some(Shape::Circle { radius: radius * self.unit });
        Ok(())
    }

    fn set_rectangle(&mut self, args: Args<'_>, at: usize) -> Result<()> {
        let (width, height) = (meters(args, at, "width")?, meters(args, at + 1, "height")?);
        if width < 0.0 || height < 0.0 {
            return Err(Error::server("ERR height or width cannot be negative"));
        }
        self.unit = unit(args, at + 2)?;
        self.shape =
            Some(Shape::Rectangle { width: width * self.unit, height: height * self.unit });
        Ok(())
    }

    fn parse(args: Args<'a>, set: Option<&SortedSet>, form: Form) -> Result<Self> {
        let mut options = Self { unit: 1.0, ..Self::default() };
        let mut at = match form {
            Form::Radius { by_member: false, .. } => {
                options.set_place(args, 1)?;
                options.set_circle(args, 3)?;
                5
            }
            Form::Radius { by_member: true, .. } => {
                options.set_member(set, args.at(1)?)?;
                if set.is_some() {
                    options.set_circle(args, 2)?;
                }
                4
            }
            Form::Search => 1,
            Form::SearchAndStore => {
                options.store = Some(args.at(0)?);
                2
            }
        };
        let searches = !matches!(form, Form::Radius { .. });
        let stores = matches!(form, Form::Radius { stores: true, .. });
        let (mut is_place, mut is_member) = (false, false);
        let (mut is_circle, mut is_rectangle) = (false, false);
        while at < args.len() {
            let left = args.len() - at - 1;
            match args.word(at).as_str() {
                "WITHDIST" => options.with_distance = true,
                "WITHHASH" => options.with_hash = true,
                "WITHCOORD" => options.with_place = true,
                "ANY" => options.any = true,
                "ASC" => options.nearest_first = Some(true),
                "DESC" => options.nearest_first = Some(false),
                "COUNT" if left >= 1 => {
                    at += 1;
                    options.count = usize::try_from(args.int(at)?)
                        .ok()
                        .filter(|count| *count > 0)
                        .ok_or_else(|| Error::server("ERR COUNT must be > 0"))?;
                }
                word @ ("STORE" | "STOREDIST") if stores && left >= 1 => {
                    options.stores_distance = word == "STOREDIST";
                    at += 1;
                    options.store = Some(args.at(at)?);
                }
                "STOREDIST" if form == Form::SearchAndStore => options.stores_distance = true,
                "FROMMEMBER" if searches && left >= 1 && !is_place => {
                    is_member = true;
                    at += 1;
                    options.set_member(set, args.at(at)?)?;
                }
                "FROMLONLAT" if searches && left >= 2 && !is_member => {
                    is_place = true;
                    options.set_place(args, at + 1)?;
                    at += 2;
                }
                "BYRADIUS" if searches && left >= 2 && !is_rectangle => {
                    is_circle = true;
                    options.set_circle(args, at + 1)?;
                    at += 2;
                }
                "BYBOX" if searches && left >= 3 && !is_circle => {
                    is_rectangle = true;
                    options.set_rectangle(args, at + 1)?;
                    at += 3;
                }
                _ => return Err(syntax()),
            }
            at += 1;
        }
        options.check(args, form)?;
        Ok(options)
    }

    fn check(&self, args: Args<'_>, form: Form) -> Result<()> {
        let name = args.command().name();
        let searches = !matches!(form, Form::Radius { .. });
        if self.store.is_some() && (self.with_distance || self.with_hash || self.with_place) {
            let what = if searches { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(Error::server(&format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        if searches && !self.has_middle {
            return Err(Error::server(&format!(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}"
            )));
        }
        if searches && self.shape.is_none() {
            return Err(Error::server(&format!(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for {name}"
            )));
        }
        if self.any && self.count == 0 {
            return Err(Error::server("ERR the ANY argument requires COUNT argument"));
        }
        Ok(())
    }

    /// What is inside the shape, in the order and number that the options say.
    fn find(&self, set: &SortedSet) -> Vec<Found> {
        let (Some(middle), Some(shape)) = (self.middle, self.shape) else { return Vec::new() };
        let limit = if self.any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        'ranges: for range in shape.ranges(middle) {
            let ranks = set.ranks_by_score(&ScoreRange::half_open(range));
            for (member, score) in set.by_rank(ranks) {
                if found.len() >= limit {
                    break 'ranges;
                }
                let place = Place::of_score(score);
                if let Some(distance) = shape.distance_inside(middle, place) {
                    found.push(Found { member, score, place, distance });
                }
            }
        }
        let by_count = (self.count > 0 && !self.any).then_some(true);
        match self.nearest_first.or(by_count) {
            Some(true) => found.sort_by(|left, right| left.distance.total_cmp(&right.distance)),
            Some(false) => found.sort_by(|left, right| right.distance.total_cmp(&left.distance)),
            None => {}
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }

    fn show(&self, found: Found) -> Value {
        let mut parts = vec![Value::Bulk(found.member)];
        if self.with_distance {
            parts.push(show_distance(found.distance / self.unit));
        }
        if self.with_hash {
            parts.push(Value::Integer(found.score as i64));
        }
        if self.with_place {
            parts.push(show_place(found.place));
        }
        match parts.len() {
            1 => parts.remove(0),
            _ => Value::Array(parts),
        }
    }
}

struct Found {
    member: Bytes,
    score: f64,
    place: Place,
    distance: f64,
}

fn search(db: &mut Keyspace, args: Args<'_>, form: Form) -> Result<Value> {
    let key = args.at(usize::from(form == Form::SearchAndStore))?;
    let set = db.read::<SortedSet>(key)?;
    let options = Options::parse(args, set, form)?;
    let found = set.map(|set| options.find(set)).unwrap_or_default();
    let Some(target) = options.store else {
        return Ok(Value::Array(found.into_iter().map(|found| options.show(found)).collect()));
    };
    let score = |found: &Found| match options.stores_distance {
        true => found.distance / options.unit,
        false => found.score,
    };
    let stored: IndexMap<Bytes, f64> =
        found.into_iter().map(|found| (found.member.clone(), score(&found))).collect();
    let stored = SortedSet::from(stored);
    let count = length(stored.len());
    db.put_collection(target, stored);
    Ok(count)
}
