//! Places on the earth as scores of a sorted set: Redis's geohash of 52 bits, distances, and the areas that a search visits.
//!
//! A geohash halves longitude and latitude in turn. Places that are near to each other mostly have scores that are near to
//! each other, and the members of one area are a range of scores.

use std::ops::Range;

/// How many bits of a score each coordinate has.
const STEPS: u32 = 26;
const LONGITUDES: Span = Span { min: -180.0, max: 180.0 };
/// The poles have no place on the square map that the hash halves.
const LATITUDES: Span = Span { min: -85.051_128_78, max: 85.051_128_78 };
const EARTH_RADIUS_METERS: f64 = 6_372_797.560_856;
/// Half of the map's side.
const MAP_METERS: f64 = 20_037_726.37;

#[derive(Clone, Copy)]
struct Span {
    min: f64,
    max: f64,
}

impl Span {
    fn holds(self, value: f64) -> bool {
        (self.min..=self.max).contains(&value)
    }

    /// The number of the part, of `2^steps` equal ones, that a value is in.
    fn part(self, value: f64, steps: u32) -> u32 {
        ((value - self.min) / (self.max - self.min) * (1_u64 << steps) as f64) as u32
    }

    /// The ends of a part.
    fn ends(self, part: u32, steps: u32) -> Self {
        let parts = (1_u64 << steps) as f64;
        let at = |part: f64| self.min + part / parts * (self.max - self.min);
        Self { min: at(f64::from(part)), max: at(f64::from(part) + 1.0) }
    }

    fn middle(self) -> f64 {
        (self.min + self.max) / 2.0
    }
}

/// A place in degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub(super) longitude: f64,
    pub(super) latitude: f64,
}

impl Place {
    /// `None` outside the map.
    pub(super) fn new(longitude: f64, latitude: f64) -> Option<Self> {
        let place = Self { longitude, latitude };
        (LONGITUDES.holds(longitude) && LATITUDES.holds(latitude)).then_some(place)
    }

    pub(super) fn score(self) -> f64 {
        Cell::of(self, STEPS).bits() as f64
    }

    /// The middle of the cell that a score stands for.
    pub(super) fn of_score(score: f64) -> Self {
        let (longitudes, latitudes) = Cell::from_bits(score as u64, STEPS).area();
        // A cell at the edge of the map begins where the map ends.
        Self {
            longitude: longitudes.middle().clamp(LONGITUDES.min, LONGITUDES.max),
            latitude: latitudes.middle().clamp(LATITUDES.min, LATITUDES.max),
        }
    }

    /// The geohash in its usual text of 11 characters, whose latitudes reach to the poles. The last character has no bits.
    pub(super) fn geohash(self) -> String {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let latitudes = Span { min: -90.0, max: 90.0 };
        let cell = Cell {
            x: LONGITUDES.part(self.longitude, STEPS),
            y: latitudes.part(self.latitude, STEPS),
            steps: STEPS,
        };
        let bits = cell.bits();
        let letter = |at: u32| match 52_u32.checked_sub((at + 1) * 5) {
            Some(shift) => ALPHABET[(bits >> shift & 31) as usize],
            None => ALPHABET[0],
        };
        (0..11).map(|at| char::from(letter(at))).collect()
    }

    /// The distance in meters on a great circle, by the haversine formula.
    pub(super) fn distance(self, other: Self) -> f64 {
        let half_turn = (other.longitude.to_radians() - self.longitude.to_radians()) / 2.0;
        let sine = half_turn.sin();
        let (north, south) = (other.latitude.to_radians(), self.latitude.to_radians());
        if sine == 0.0 {
            return EARTH_RADIUS_METERS * (north - south).abs();
        }
        let rise = ((north - south) / 2.0).sin();
        let chord = rise * rise + south.cos() * north.cos() * sine * sine;
        2.0 * EARTH_RADIUS_METERS * chord.sqrt().asin()
    }
}

/// A cell of the map that is halved `steps` times in both directions.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Cell {
    x: u32,
    y: u32,
    steps: u32,
}

impl Cell {
    fn of(place: Place, steps: u32) -> Self {
        Self {
            x: LONGITUDES.part(place.longitude, steps),
            y: LATITUDES.part(place.latitude, steps),
            steps,
        }
    }

    fn from_bits(bits: u64, steps: u32) -> Self {
        Self { x: every_second_bit(bits >> 1), y: every_second_bit(bits), steps }
    }

    fn bits(self) -> u64 {
        spread(self.y) | spread(self.x) << 1
    }

    fn area(self) -> (Span, Span) {
        (LONGITUDES.ends(self.x, self.steps), LATITUDES.ends(self.y, self.steps))
    }

    /// The cell next to this one. Both directions wrap.
    fn neighbor(self, x: i32, y: i32) -> Self {
        let mask = ((1_u64 << self.steps) - 1) as u32;
        let move_by = |from: u32, by: i32| from.wrapping_add_signed(by) & mask;
        // A coordinate that does not move keeps its bit beyond the map's edge.
        let x = if x == 0 { self.x } else { move_by(self.x, x) };
        let y = if y == 0 { self.y } else { move_by(self.y, y) };
        Self { x, y, ..self }
    }

    fn scores(self) -> Range<f64> {
        let shift = 2 * (STEPS - self.steps);
        let bits = self.bits();
        (bits << shift) as f64..((bits + 1) << shift) as f64
    }
}

/// Puts a zero before each bit.
fn spread(number: u32) -> u64 {
    [(16, 0x0000_FFFF_0000_FFFF), (8, 0x00FF_00FF_00FF_00FF), (4, 0x0F0F_0F0F_0F0F_0F0F)]
        .into_iter()
        .chain([(2, 0x3333_3333_3333_3333), (1, 0x5555_5555_5555_5555)])
        .fold(u64::from(number), |bits, (shift, mask): (u32, u64)| (bits | bits << shift) & mask)
}

fn every_second_bit(bits: u64) -> u32 {
    (0..32).fold(0, |number, at| number | ((bits >> (2 * at) & 1) as u32) << at)
}

/// The shape that a search covers, in meters.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    Circle { radius: f64 },
    Rectangle { width: f64, height: f64 },
}

impl Shape {
    /// The distance of a place from the middle, if it is inside.
    pub(super) fn distance_inside(self, middle: Place, place: Place) -> Option<f64> {
        match self {
            Self::Circle { radius } => {
                Some(middle.distance(place)).filter(|distance| *distance <= radius)
            }
            Self::Rectangle { width, height } => {
                let north = EARTH_RADIUS_METERS
                    * (middle.latitude.to_radians() - place.latitude.to_radians()).abs();
                let east =
                    place.distance(Place { longitude: middle.longitude, latitude: place.latitude });
                (north <= height / 2.0 && east <= width / 2.0).then(|| middle.distance(place))
            }
        }
    }

    /// The longitudes and latitudes that it reaches.
    fn bounds(self, middle: Place) -> (Span, Span) {
        let (width, height) = match self {
            Self::Circle { radius } => (radius, radius),
            Self::Rectangle { width, height } => (width / 2.0, height / 2.0),
        };
        let degrees = |radians: f64| radians / 1_f64.to_radians();
        let latitude = degrees(height / EARTH_RADIUS_METERS);
        // The side that is nearer to a pole covers more degrees.
        let side = if middle.latitude < 0.0 { -latitude } else { latitude };
        let shrink = (middle.latitude + side).to_radians().cos();
        let longitude = degrees(width / EARTH_RADIUS_METERS / shrink);
        let around = |at: f64, by: f64| Span { min: at - by, max: at + by };
        (around(middle.longitude, longitude), around(middle.latitude, latitude))
    }

    /// How often the map is halved so that a cell and its neighbors mostly cover the shape.
    fn steps(self, middle: Place) -> u32 {
        let mut reach = match self {
            Self::Circle { radius } => radius,
            Self::Rectangle { width, height } => {
                (width / 2.0 * (width / 2.0) + height / 2.0 * (height / 2.0)).sqrt()
            }
        };
        if reach == 0.0 {
            return STEPS;
        }
        let mut steps = 1_i32;
        while reach < MAP_METERS {
            reach *= 2.0;
            steps += 1;
        }
        steps -= 2;
        // Cells are narrower towards the poles.
        steps -= i32::from(middle.latitude.abs() > 66.0) + i32::from(middle.latitude.abs() > 80.0);
        steps.clamp(1, STEPS as i32) as u32
    }

    /// The ranges of scores that may be inside, in the order in which Redis visits them.
    pub(super) fn ranges(self, middle: Place) -> Vec<Range<f64>> {
        let (longitudes, latitudes) = self.bounds(middle);
        let mut steps = self.steps(middle);
        let mut cell = Cell::of(middle, steps);
        let is_too_small = |cell: Cell| {
            cell.neighbor(0, 1).area().1.max < latitudes.max
                || cell.neighbor(0, -1).area().1.min > latitudes.min
                || cell.neighbor(1, 0).area().0.max < longitudes.max
                || cell.neighbor(-1, 0).area().0.min > longitudes.min
        };
        if steps > 1 && is_too_small(cell) {
            steps -= 1;
            cell = Cell::of(middle, steps);
        }
        let (of_x, of_y) = cell.area();
        let is_useless = |x: i32, y: i32| {
            steps >= 2
                && ((y < 0 && of_y.min < latitudes.min)
                    || (y > 0 && of_y.max > latitudes.max)
                    || (x < 0 && of_x.min < longitudes.min)
                    || (x > 0 && of_x.max > longitudes.max))
        };
        let around =
            [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)].into_iter();
        let neighbors =
            around.filter(|(x, y)| !is_useless(*x, *y)).map(|(x, y)| cell.neighbor(x, y));
        let mut cells: Vec<Cell> = std::iter::once(cell).chain(neighbors).collect();
        // On a map of few cells, one cell is a neighbor on both sides.
        cells.dedup();
        cells.into_iter().map(Cell::scores).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_spread_and_found_again() {
        for number in [0, 1, 2, 0x3FF_FFFF, 0x400_0000, u32::MAX] {
            assert_eq!(every_second_bit(spread(number)), number);
        }
    }

    #[test]
    fn the_places_of_the_documentation_of_redis_have_its_hashes() {
        let palermo = Place::new(13.361_389, 38.115_556).expect("on the map");
        let catania = Place::new(15.087_269, 37.502_669).expect("on the map");
        assert_eq!(palermo.score(), 3_479_099_956_230_698.0);
        assert_eq!(catania.score(), 3_479_447_370_796_909.0);
        assert_eq!(Place::of_score(palermo.score()).geohash(), "sqc8b49rny0");
        let far = Place::of_score(palermo.score()).distance(Place::of_score(catania.score()));
        assert_eq!(format!("{far:.4}"), "166274.1516");
        assert_eq!(Place::new(0.0, 86.0), None);
    }
}
