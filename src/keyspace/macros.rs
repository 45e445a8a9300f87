/// Declares keyspaces: a module with a function for each, and the constant `DECLARATIONS` of all.
///
/// ```text
/// keyspaces! {
///     /// Documentation of the module.
///     pub mod name, owner: "the owner's name" {
///         /// Documentation of the keyspace.
///         name(identifier: Type, …) => RedisType<Record>, "pattern:{identifier}" except "word", ttl, keep 100;
///         …
///     }
/// }
/// ```
///
/// - The Redis type is one of [`types`](crate::keyspace::types), such as `Hash<Record>` or `Json<Record>`.
/// - Each identifier is a [`KeyPart`](crate::KeyPart), and takes up a whole part of the pattern. It is escaped as in a
///   [`Keyspace`](crate::Keyspace).
/// - `except "word" | "other"` names words that no identifier may be, because another keyspace has the word in its pattern:
///   `"inbox:{user}" except "system"` beside `"inbox:system"`. A call with that identifier is an error. It can be left out.
/// - The time to live is `ttl: 5 minutes`, set by each write; `ttl: 30 days renewed on activity`, set by reads too;
///   `ttl: 1 hour from creation`, set by the first write; or `forever`. The units are seconds, minutes, hours and days, in the plural or not.
/// - `keep 100` is the most items of a list: a push drops surplus items at the other end. It can be left out.
///
/// The names of records are resolved in the module around the declaration. See [`keyspace`](crate::keyspace) for an
/// example.
///
/// A pattern that does not name its identifiers does not compile, and neither do two that can name the same key:
///
/// ```compile_fail
/// edgecask::keyspaces! {
///     pub mod shop, owner: "shop" {
///         item(id: u64) => Json<String>, "shop:{id}", forever;
///         offers() => Json<String>, "shop:offers", forever;
///     }
/// }
/// ```
#[macro_export]
macro_rules! keyspaces {
    (
        $(#[$meta:meta])*
        $vis:vis mod $module:ident, owner: $owner:literal {
            $(
                $(#[doc = $doc:literal])*
                $name:ident($($part:ident: $part_type:ty),* $(,)?) =>
                    $type:ident<$record:ty>, $pattern:literal $(except $($word:literal)|+)?,
                    $ttl:ident $(: $number:literal $unit:ident $($rule:ident)*)? $(, keep $keep:literal)?;
            )+
        }
    ) => {
        $(#[$meta])*
        $vis mod $module {
            #[allow(unused_imports, reason = "records and identifiers may need no import")]
            use super::*;

            /// All keyspaces of this module.
            pub const DECLARATIONS: &[$crate::keyspace::Declaration] = &[$(
                $crate::keyspaces!(@declaration
                    $name $type<$record> $pattern [$($($word)+)?] [$($keep)?]
                    ($crate::keyspaces!(@ttl $ttl $(: $number $unit $($rule)*)?))
                    ($owner, ::core::concat!($($doc, "\n"),*))
                ),
            )+];

            const _: () = ::core::assert!(
                $crate::keyspace::expansion::are_distinct(DECLARATIONS),
                "two patterns can name the same key",
            );

            $(
                $(#[doc = $doc])*
                #[doc = ""]
                #[doc = ::core::concat!("The key is `", $pattern, "`.")]
                #[doc = ""]
                #[doc = "# Errors"]
                #[doc = "`ErrorKind::InvalidInput` if an identifier is empty, or the key over 32 KB."]
                pub fn $name($($part: $part_type),*) -> $crate::Result<$crate::keyspace::types::$type<$record>> {
                    const _: () = ::core::assert!(
                        $crate::keyspace::expansion::names_parts($pattern, &[$(::core::stringify!($part)),*]),
                        "the pattern's identifiers are those of the function, in this order",
                    );
                    const DECLARATION: &$crate::keyspace::Declaration = &$crate::keyspaces!(@declaration
                        $name $type<$record> $pattern [$($($word)+)?] [$($keep)?]
                        ($crate::keyspaces!(@ttl $ttl $(: $number $unit $($rule)*)?))
                        ($owner, ::core::concat!($($doc, "\n"),*))
                    );
                    let key = $crate::keyspace::expansion::key(DECLARATION, &[$(&$part),*])?;
                    ::core::result::Result::Ok($crate::keyspace::types::$type::new(key, DECLARATION))
                }
            )+
        }
    };

    (@declaration
        $name:ident $type:ident<$record:ty> $pattern:literal [$($word:literal)*] [$($keep:literal)?] ($ttl:expr) ($owner:literal, $doc:expr)
    ) => {
        $crate::keyspace::Declaration::new(
            (::core::stringify!($name), $pattern),
            ($crate::keyspace::types::$type::<$record>::REDIS_TYPE, ::core::stringify!($record)),
            $ttl,
            ($owner, $doc),
        )
        .decoded_by($crate::keyspace::types::$type::<$record>::decodes)
        .described_by($crate::keyspace::types::$type::<$record>::ENCODING, {
            #[allow(unused_imports, reason = "for records that tell no schema")]
            use $crate::keyspace::expansion::NoSchema as _;
            $crate::keyspace::expansion::SchemaOf::<$record>::SCHEMA
        })
        $(.keep($keep))?
        .except(&[$($word),*])
    };

    (@ttl forever) => { $crate::keyspace::KeyTtl::Forever };
    (@ttl ttl: $number:literal $unit:ident) => {
        $crate::keyspace::KeyTtl::OnWrite($crate::keyspaces!(@duration $number $unit))
    };
    (@ttl ttl: $number:literal $unit:ident renewed on activity) => {
        $crate::keyspace::KeyTtl::OnActivity($crate::keyspaces!(@duration $number $unit))
    };
    (@ttl ttl: $number:literal $unit:ident from creation) => {
        $crate::keyspace::KeyTtl::FromCreation($crate::keyspaces!(@duration $number $unit))
    };
    (@duration $number:literal second) => { $crate::keyspaces!(@duration $number seconds) };
    (@duration $number:literal minute) => { $crate::keyspaces!(@duration $number minutes) };
    (@duration $number:literal hour) => { $crate::keyspaces!(@duration $number hours) };
    (@duration $number:literal day) => { $crate::keyspaces!(@duration $number days) };
    (@duration $number:literal seconds) => { ::core::time::Duration::from_secs($number) };
    (@duration $number:literal minutes) => { ::core::time::Duration::from_secs($number * 60) };
    (@duration $number:literal hours) => { ::core::time::Duration::from_secs($number * 3600) };
    (@duration $number:literal days) => { ::core::time::Duration::from_secs($number * 86_400) };
}

/// Fails to compile if keyspaces of several modules can name the same key. [`keyspaces!`](crate::keyspaces) itself checks
/// one module.
///
/// ```
/// # edgecask::keyspaces! { mod shop, owner: "shop" { item(id: u64) => Json<String>, "shop:{id}", forever; } }
/// # edgecask::keyspaces! { mod stock, owner: "stock" { count(id: u64) => Counter<i64>, "stock:{id}", forever; } }
/// edgecask::keyspaces_distinct!(shop::DECLARATIONS, stock::DECLARATIONS);
/// # fn main() {}
/// ```
///
/// ```compile_fail
/// # edgecask::keyspaces! { mod shop, owner: "shop" { item(id: u64) => Json<String>, "shop:{id}", forever; } }
/// # edgecask::keyspaces! { mod stock, owner: "stock" { count() => Counter<i64>, "shop:count", forever; } }
/// edgecask::keyspaces_distinct!(shop::DECLARATIONS, stock::DECLARATIONS);
/// # fn main() {}
/// ```
///
/// [`SchemaCheck::new`](crate::keyspace::check::SchemaCheck::new) names the two at run time.
#[macro_export]
macro_rules! keyspaces_distinct {
    ($($declarations:expr),+ $(,)?) => {
        const _: () = ::core::assert!(
            $crate::keyspace::expansion::modules_are_distinct(&[$($declarations),+]),
            "two patterns of these modules can name the same key",
        );
    };
}
