//! The embedded engine against a real Redis: random sequences of commands have to give the same replies and leave the
//! same contents.

use edgecask::prelude::*;
use edgecask::transport::memory::MemoryTransport;
use edgecask::{Client, Error, FromValue, Value};
use edgecask_tests::{RedisServer, number, runner, seed};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::Config;

use crate::documents;

/// One line a form of a command. Words in capitals stand for themselves, words in lower case for something random.
pub(crate) const FORMS: &str = "
APPEND k v
DECR k | DECRBY k i | INCR k | INCRBY k i | INCRBYFLOAT w f | SET w f | GET w | HSET w m f | HINCRBYFLOAT w m f
GET k | GETDEL k | GETSET k v | STRLEN k
GETEX k | GETEX k PERSIST | GETEX k EX t | GETEX k PXAT late | GETEX k EXAT past | GETEX k EX 0
GETRANGE k i i | SETRANGE k n v
MGET k k k | MSET k v k v | MSETNX k v k v | MSET k v k
SET k v | SET k v NX | SET k v XX | SET k v GET | SET k v NX GET | SET k v EX t | SET k v KEEPTTL | SET k v PX t XX
SET k v EXAT past | SET k v EX 0 | SET k v EX -1 | SET k v NX XX | SET k v EX t KEEPTTL | SET k v FOO | SET k v EX
SETEX k t v | SETEX k 0 v | PSETEX k t v | SETNX k v
COPY k k | COPY k k REPLACE | DEL k k | UNLINK k | EXISTS k k k | TOUCH k k | TYPE k
EXPIRE k t | EXPIRE k t NX | EXPIRE k t XX | EXPIREAT k late GT | EXPIREAT k late LT | EXPIRE k -1 | EXPIRE k t NX GT
EXPIREAT k late | PEXPIRE k t | PEXPIREAT k past | EXPIRE k 9223372036854775807 | EXPIRE k x | EXPIRE k t FOO
TTL k | PTTL k | EXPIRETIME k | PEXPIRETIME k | PERSIST k
RENAME k k | RENAMENX k k | KEYS g | SCAN 0 MATCH g COUNT 1000 | SCAN 0 COUNT 0 | SCAN x
HDEL k m m | HEXISTS k m | HGET k m | HGETALL k | HINCRBY k m i | HKEYS k | HLEN k | HMGET k m m
HMSET k m v | HSET k m v m i | HSET k m v m | HSETNX k m v | HSTRLEN k m | HVALS k | HSCAN k 0 MATCH g
HRANDFIELD k 100 | HRANDFIELD k 100 WITHVALUES
LINDEX k i | LINSERT k BEFORE m m | LINSERT k AFTER m m | LLEN k | LPOP k | LPOP k n | RPOP k | RPOP k n | LPOP k -1
LMOVE k k LEFT RIGHT | LMOVE k k RIGHT LEFT | LMOVE k k LEFT UP | RPOPLPUSH k k
LMPOP 2 k k LEFT COUNT n | LMPOP 1 k RIGHT | LMPOP 0 k LEFT | LMPOP 5 k LEFT
LPOS k m | LPOS k m RANK r COUNT n | LPOS k m COUNT 0 MAXLEN n | LPOS k m RANK 0 | LPOS k m COUNT -1
LPUSH k m m m | LPUSHX k m | RPUSH k m m m | RPUSHX k m | LRANGE k i i | LREM k i m | LSET k i m | LTRIM k i i
SADD k m m m | SCARD k | SDIFF k k | SDIFFSTORE k k k | SINTER k k | SINTERSTORE k k k | SUNION k k | SUNIONSTORE k k k
SINTERCARD 2 k k | SINTERCARD 2 k k LIMIT n | SINTERCARD 9 k k | SINTERCARD 0 k | SINTERCARD 1 k LIMIT -1
SISMEMBER k m | SMEMBERS k | SMISMEMBER k m m | SMOVE k k m | SREM k m m | SPOP k 100 | SRANDMEMBER k 100 | SSCAN k 0
ZADD k s m s m s m | ZADD y 0 m 0 m 0 m | ZADD k NX s m | ZADD k XX CH s m | ZADD k GT CH s m | ZADD k LT s m | ZADD k INCR s m
ZADD k NX GT s m | ZADD k INCR s m s m | ZADD k s | ZADD k x m | ZADD k GT LT s m | ZADD k XX NX s m | ZADD k XX INCR s m
ZCARD k | ZCOUNT k b b | ZCOUNT k x b | ZINCRBY k s m | ZLEXCOUNT y l l | ZMSCORE k m m | ZSCORE k m
ZPOPMAX k | ZPOPMAX k n | ZPOPMIN k | ZPOPMIN k n | ZMPOP 2 k k MIN COUNT n | ZMPOP 1 k MAX | ZMPOP 1 k FOO
ZRANGE k i i | ZRANGE k i i REV WITHSCORES | ZRANGE k b b BYSCORE | ZRANGE k b b BYSCORE REV LIMIT n n WITHSCORES
ZRANGE k b b BYSCORE LIMIT -1 n | ZRANGE k i i LIMIT n n | ZRANGE y l l BYLEX | ZRANGE y l l BYLEX REV LIMIT n -1
ZRANGE k i i REV REV | ZRANGE k b b BYSCORE BYSCORE | ZRANGE k b b BYLEX BYSCORE | ZRANGE k i i REV BYLEX
ZRANGE y l l BYLEX WITHSCORES | ZRANGE k x i | ZRANGE k x b BYSCORE | ZRANGE y x l BYLEX
ZRANGESTORE k k i i | ZRANGESTORE k k b b BYSCORE REV | ZRANGESTORE k y l l BYLEX LIMIT n n
ZRANGEBYSCORE k b b | ZRANGEBYSCORE k b b WITHSCORES LIMIT n n | ZREVRANGEBYSCORE k b b LIMIT -1 n | ZRANGEBYLEX y l l | ZRANGEBYLEX y l l LIMIT n n | ZREVRANGEBYLEX y l l
ZREVRANGE k i i | ZREVRANGE k i i WITHSCORES | ZREVRANGE k i i LIMIT n n | ZREVRANGE k i i REV | ZRANGEBYSCORE k b b BYLEX | ZRANGEBYLEX y l l WITHSCORES | SUBSTR k i i
ZRANK k m | ZREVRANK k m | ZREM k m m | ZREMRANGEBYLEX y l l | ZREMRANGEBYRANK k i i | ZREMRANGEBYSCORE k b b | ZSCAN k 0
ZUNION 2 k k | ZUNION 2 k k WEIGHTS s s WITHSCORES | ZUNION 2 k k AGGREGATE MAX WITHSCORES | ZUNION 0 k | ZUNION 2 k
ZINTER 2 k k WITHSCORES | ZINTER 2 k k WEIGHTS s | ZINTER 2 k k AGGREGATE FOO | ZINTER 2 k k AGGREGATE MIN WITHSCORES
ZDIFF 2 k k | ZDIFF 2 k k WITHSCORES | ZDIFF 2 k k WEIGHTS 1 1 | ZINTERCARD 2 k k | ZINTERCARD 2 k k LIMIT n
ZUNIONSTORE k 2 k k | ZUNIONSTORE k 2 k k WITHSCORES | ZINTERSTORE k 2 k k AGGREGATE MAX | ZDIFFSTORE k 2 k k
ZRANDMEMBER k 100 | ZRANDMEMBER k 100 WITHSCORES | ZRANDMEMBER k 100 FOO
PING | ECHO v | GET | GET k k | SCRIPT EXISTS x | PUBLISH k v | SPUBLISH k v | PUBSUB SHARDCHANNELS | PUBSUB SHARDNUMSUB k k | PUBSUB CHANNELS | PUBSUB CHANNELS k | PUBSUB NUMSUB k k | PUBSUB NUMPAT | PUBSUB NOSUCH | FLUSHALL FOO BAR BAZ QUX
";

/// Forms of families whose replies have changed since Redis 7. They are compared with Redis 8.
pub(crate) const FORMS_OF_8: &str = "
XADD k e m v | XADD k e m v m i | XADD k MAXLEN n e m v | XADD k MAXLEN ~ n e m v | XADD k MINID e e m v | XADD k NOMKSTREAM e m v
XADD k MAXLEN = n LIMIT 10 e m v | XADD k MAXLEN = n LIMIT 0 e m v | XADD k LIMIT 5 e m v | XADD k LIMIT 0 e m v | XADD k e m | XADD k MAXLEN x e m v | XADD k MAXLEN n MINID e e m v
XADD k MAXLEN ~ n LIMIT -1 e m v | XADD k e m v m | XADD k e | XADD k e m v | XADD k e m v | XADD k e m v | XADD k e m v
XDEL k e e | XLEN k | XTRIM k MAXLEN n | XTRIM k MINID e | XTRIM k MAXLEN ~ n LIMIT 5 | XTRIM k MAXLEN n LIMIT 0 | XTRIM k MAXLEN ~ n LIMIT 0 | XTRIM k FOO n | XTRIM k MAXLEN n FOO
XRANGE k e e | XRANGE k e e COUNT n | XREVRANGE k e e | XREVRANGE k e e COUNT n | XRANGE k - + | XREVRANGE k + - | XRANGE k e e FOO
XREAD STREAMS k e | XREAD COUNT n STREAMS k k e e | XREAD STREAMS k | XREAD STREAMS k + | XREAD COUNT n STREAMS k | XREAD FOO STREAMS k e
XREAD GROUP gr co STREAMS k e | XREAD NOACK STREAMS k e | XREAD STREAMS k k e | XREAD COUNT x STREAMS k e | XREAD STREAMS k $
XGROUP CREATE k gr e | XGROUP CREATE k gr e MKSTREAM | XGROUP CREATE k gr $ MKSTREAM ENTRIESREAD n | XGROUP CREATE k gr e FOO
XGROUP SETID k gr e | XGROUP SETID k gr $ | XGROUP SETID k gr e ENTRIESREAD n | XGROUP DESTROY k gr | XGROUP CREATECONSUMER k gr co
XGROUP DELCONSUMER k gr co | XGROUP FOO k | XGROUP CREATE k | XGROUP DESTROY k | XGROUP CREATE k gr 0 MKSTREAM
XREADGROUP GROUP gr co STREAMS k > | XREADGROUP GROUP gr co COUNT n STREAMS k > | XREADGROUP GROUP gr co NOACK STREAMS k >
XREADGROUP GROUP gr co STREAMS k e | XREADGROUP GROUP gr co COUNT n STREAMS k 0 | XREADGROUP GROUP gr co STREAMS k k > 0
XREADGROUP GROUP gr co STREAMS k $ | XREADGROUP GROUP gr co STREAMS k + | XREADGROUP GROUP gr co STREAMS k k > | XREADGROUP COUNT 1 STREAMS k k k >
XACK k gr e e | XACK k gr e | XPENDING k gr | XPENDING k gr - + n | XPENDING k gr e e n co | XPENDING k gr IDLE idle - + n | XPENDING k gr IDLE 0 - + n co
XPENDING k gr - | XPENDING k gr e e n co FOO | XPENDING k gr IDLE 0 - +
XCLAIM k gr co 0 e e | XCLAIM k gr co idle e | XCLAIM k gr co 0 e JUSTID | XCLAIM k gr co 0 e FORCE | XCLAIM k gr co 0 e RETRYCOUNT n FORCE JUSTID
XCLAIM k gr co 0 e LASTID e | XCLAIM k gr co x e | XCLAIM k gr co 0 e FOO | XCLAIM k gr co 0 e IDLE idle | XCLAIM k gr co 0 e TIME 1
XAUTOCLAIM k gr co 0 e | XAUTOCLAIM k gr co 0 0 COUNT n | XAUTOCLAIM k gr co idle 0 | XAUTOCLAIM k gr co 0 0 JUSTID | XAUTOCLAIM k gr co x 0
XAUTOCLAIM k gr co 0 0 FOO | XINFO STREAM k | XINFO STREAM k FULL | XINFO STREAM k FULL COUNT n | XINFO GROUPS k | XINFO CONSUMERS k gr | XINFO FOO
XINFO STREAM k FOO | XINFO STREAM | XSETID k e | XSETID k e ENTRIESADDED n MAXDELETEDID e | XSETID k e ENTRIESADDED n | XSETID k e FOO 1
SETBIT k o 1 | SETBIT k o 0 | SETBIT k o i | GETBIT k o | BITCOUNT k | BITCOUNT k i i | BITCOUNT k i i BIT | BITCOUNT k i i BYTE | BITCOUNT k i
BITCOUNT k i i FOO | BITPOS k 0 | BITPOS k 1 | BITPOS k i | BITPOS k 0 i | BITPOS k 1 i i | BITPOS k 0 i i BIT | BITPOS k 1 i i BYTE | BITPOS k 1 i i FOO
BITPOS k 0 i i BIT x | BITOP AND k k k | BITOP OR k k k k | BITOP XOR k k k | BITOP NOT k k | BITOP NOT k k k | BITOP FOO k k
ZADD q s m | ZRANK q m WITHSCORE | ZREVRANK q m WITHSCORE | ZRANK q m FOO | ZRANK q m WITHSCORE x | ZRANK k m
BITFIELD k GET bf o | BITFIELD k SET bf o i | BITFIELD k INCRBY bf o i | BITFIELD k OVERFLOW SAT INCRBY bf o i GET bf o
BITFIELD k OVERFLOW FAIL INCRBY bf o i SET bf o i | BITFIELD k OVERFLOW SAT SET bf o i | BITFIELD k SET bf o i INCRBY bf o i | BITFIELD k
BITFIELD k OVERFLOW FOO GET bf o | BITFIELD k GET bf | BITFIELD k FOO | BITFIELD_RO k GET bf o GET bf o | BITFIELD_RO k SET bf o 1
HSET a m v m v | HSET a m 5 | HINCRBY a m i | HINCRBYFLOAT a float f | HSETNX a m v | HDEL a m | HGETALL a | HLEN a | DEL a | SET a v | RENAME a a | COPY a a REPLACE
HEXPIRE a t FIELDS 2 m m | HEXPIRE a t NX FIELDS 1 m | HEXPIRE a t XX FIELDS 1 m | HEXPIRE a t GT FIELDS 1 m | HEXPIRE a t LT FIELDS 1 m | HEXPIRE a 0 FIELDS 1 m
HPEXPIRE a t FIELDS 1 m | HEXPIREAT a late FIELDS 1 m | HPEXPIREAT a late FIELDS 1 m | HEXPIRE a -1 FIELDS 1 m | HEXPIRE a x FIELDS 1 m | HEXPIRE a t FOO 1 m
HEXPIRE a t FIELDS 0 m | HEXPIRE a t FIELDS 2 m | HEXPIRE a t FIELDS 1 m m | HEXPIRE a t NX FOO 1 m | HEXPIREAT a past FIELDS 1 m | HEXPIRE a 9223372036854775807 FIELDS 1 m
HTTL a FIELDS 2 m m | HPTTL a FIELDS 1 m | HEXPIRETIME a FIELDS 1 m | HPEXPIRETIME a FIELDS 1 m | HPERSIST a FIELDS 2 m m | HTTL a FIELDS 0 m | HTTL a FOO 1 m
HGETDEL a FIELDS 2 m m | HGETDEL a FIELDS 0 m | HGETDEL a FOO 1 m | HGETEX a FIELDS 1 m | HGETEX a EX t FIELDS 1 m | HGETEX a PERSIST FIELDS 2 m m | HGETEX a PX 0 FIELDS 1 m
HGETEX a PXAT past FIELDS 1 m | HGETEX a EX FIELDS 1 m | HGETEX a FOO FIELDS 1 m | HGETEX a EX t PX t FIELDS 1 m | HSETEX a FIELDS 1 m v | HSETEX a EX t FIELDS 2 m v m v
HSETEX a FNX FIELDS 1 m v | HSETEX a FXX KEEPTTL FIELDS 1 m v | HSETEX a KEEPTTL FIELDS 1 m v | HSETEX a FNX FXX FIELDS 1 m v | HSETEX a EX t KEEPTTL FIELDS 1 m v
HSETEX a FIELDS 2 m v | HSETEX a FIELDS 0 m v | HSETEX a PXAT past FIELDS 1 m v | HSETEX a FOO FIELDS 1 m v
RPUSH q m m | RPUSH q m | ZADD q s m s m | DEL q | BLPOP q q wait | BRPOP q wait | BLMOVE q q LEFT RIGHT wait | BRPOPLPUSH q q wait | BLMPOP wait 2 q q LEFT COUNT n
BZPOPMIN q q wait | BZPOPMAX q wait | BZMPOP wait 1 q MAX COUNT n | BLPOP q x | BLPOP q -1 | BLMOVE q q LEFT UP wait | BZMPOP x 1 q MIN | BLMPOP wait 0 q LEFT
XREAD BLOCK 1 STREAMS k $ | XREAD BLOCK 1 STREAMS k e | XREAD BLOCK x STREAMS k e | XREAD BLOCK -1 STREAMS k e | XREADGROUP GROUP gr co BLOCK 1 STREAMS k >
PFADD h m | PFADD h m v | PFADD h v v v v v | PFADD h | PFCOUNT h | PFCOUNT h h | PFMERGE h h h | PFMERGE h | PFCOUNT k | PFMERGE h k
XSETID k 9-9 | SET k v | SET k v | SET h v | DEL h | DEL k | TYPE k | COPY k k REPLACE | RENAME k k
";

/// What looks at values of several types, compared with Redis 8 in sequences of its own.
const SORTING: &str = "
SET ob v | SET ob wide | DEL ob | RPUSH ob v wide | SADD ob m | SADD ob wide i | HSETNX ob m v | HSETNX ob m wide | ZADD ob s m | ZADD ob s wide
OBJECT ENCODING ob | OBJECT ENCODING ob | OBJECT ENCODING ob | OBJECT REFCOUNT ob | OBJECT IDLETIME nosuch | OBJECT FREQ ob | OBJECT HELP | OBJECT FOO | OBJECT ENCODING
RPUSH sl se se se | RPUSH sl se | SADD ss se se se | ZADD sz s se s se | SET sw v | SET sw se | HSET sh m se m se | DEL sl | DEL ss sz
SORT sk | SORT sk DESC | SORT sk ASC LIMIT i n | SORT sk ALPHA | SORT sk DESC ALPHA | SORT sk ALPHA LIMIT n n | SORT_RO sk | SORT_RO sk DESC LIMIT n i
SORT sk BY u_* | SORT sk BY u_* DESC LIMIT n n | SORT sk BY o_*->a | SORT sk BY o_*->a DESC GET # GET o_*->b | SORT sl BY u_* ALPHA | SORT sl BY o_*->a ALPHA DESC
SORT sn BY x | SORT sn BY x DESC | SORT sn BY x LIMIT n n | SORT sn BY x DESC LIMIT i n GET # | SORT sk GET u_* | SORT sk GET u_* GET # GET x GET o_*-> | SORT sk ALPHA GET u_*
SORT sk STORE sl | SORT sk ALPHA STORE sk | SORT sk ALPHA GET u_* STORE sk | SORT ss BY x STORE sl | SORT ss BY x DESC STORE sl | SORT sn BY x LIMIT n n STORE sz
SORT_RO sk STORE sl | SORT k | SORT sw | SORT sk LIMIT x 1 | SORT sk LIMIT 1 | SORT sk BY | SORT sk GET | SORT sk FOO | SORT sk STORE | SORT sk LIMIT i i ALPHA
RPUSH k v | MEMORY USAGE nosuch | MEMORY USAGE k SAMPLES x | MEMORY USAGE k SAMPLES -1 | MEMORY USAGE k FOO 1 | MEMORY USAGE k SAMPLES | MEMORY FOO | MEMORY USAGE
COMMAND FOO | COMMAND COUNT x | COMMAND LIST FOO | COMMAND LIST FILTERBY FOO x | COMMAND LIST FILTERBY PATTERN GETR* | COMMAND GETKEYS | COMMAND GETKEYS GET | COMMAND GETKEYS NOSUCH k
COMMAND GETKEYS MSET k v k v | COMMAND GETKEYS PING | COMMAND GETKEYS XREAD COUNT 2 STREAMS k k 1 1 | COMMAND INFO NOSUCH | COMMAND DOCS NOSUCH | COMMAND HELP x
CONFIG FOO | CONFIG GET | CONFIG SET FOO 1 | CONFIG SET maxmemory | CONFIG GET proto-max-bulk-len | CONFIG GET maxmemory-pol* | CONFIG RESETSTAT
CLIENT FOO | CLIENT ID x | CLIENT SETINFO FOO x | CLIENT LIST FOO | CLIENT LIST TYPE foo | CLIENT GETNAME x | CLIENT LIST ID x
SLOWLOG LEN x | SLOWLOG FOO | SLOWLOG GET x | SLOWLOG GET -2 | SLOWLOG GET 0 | SLOWLOG GET 1 2 | SLOWLOG RESET | SLOWLOG HELP
LATENCY LATEST | LATENCY HISTORY command | LATENCY RESET | LATENCY RESET command | LATENCY FOO | LATENCY HISTORY | LATENCY HISTOGRAM nosuch | LATENCY GRAPH command
SET sub v | SET sub wide | SET sub text | SET sub text | LCS sub sub | LCS sub sub LEN | LCS sub sub IDX | LCS sub sub IDX WITHMATCHLEN | LCS sub sub IDX MINMATCHLEN i
LCS sub sub LEN IDX | LCS sub sub FOO | LCS sub sl | LCS sub sub MINMATCHLEN | LCS sub sub LEN MINMATCHLEN n WITHMATCHLEN
SET k v | XADD k 1-1 m v
";

/// Places, compared with Redis 8 in sequences of their own.
pub(crate) const PLACES: &str = "
GEOADD pk lon lat m | GEOADD pk lon lat m lon lat m lon lat m | GEOADD pk NX lon lat m | GEOADD pk XX CH lon lat m | GEOADD pk CH lon lat m lon lat m
GEOADD pk lon lat m lon lat m lon lat m | GEOADD pk NX XX lon lat m | GEOADD pk lon lat | GEOADD pk lon x m | GEOADD pk 181 lat m | GEOADD pk lon 86 m | GEOADD pk CH NX CH
GEOADD pk lon lat m lon lat m lon lat m lon lat m | ZREM pk m | DEL pk | SET k v | GEOADD k lon lat m
GEOPOS pk m m | GEOPOS pk | GEOPOS k m | GEOHASH pk m m | GEOHASH pk | GEOHASH k m | GEODIST pk m m | GEODIST pk m m unit | GEODIST pk m m x | GEODIST pk m m km x | GEODIST k m m
GEOSEARCH pk FROMMEMBER m BYRADIUS far unit ASC | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit DESC WITHDIST WITHCOORD WITHHASH
GEOSEARCH pk FROMLONLAT lon lat BYBOX far far unit | GEOSEARCH pk FROMLONLAT lon lat BYBOX far far unit ASC WITHDIST | GEOSEARCH pk FROMMEMBER m BYBOX far far unit WITHCOORD
GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit COUNT n | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit COUNT n ANY | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit COUNT n DESC WITHDIST
GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit ANY | GEOSEARCH pk FROMLONLAT lon lat FROMMEMBER m BYRADIUS far unit | GEOSEARCH pk BYRADIUS far unit BYBOX far far unit WITHDIST
GEOSEARCH pk BYRADIUS far unit WITHDIST WITHCOORD WITHHASH | GEOSEARCH pk FROMLONLAT lon lat ASC DESC WITHDIST | GEOSEARCH k FROMLONLAT lon lat BYRADIUS far unit
GEOSEARCH pk FROMLONLAT lon lat BYRADIUS x unit | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS -1 unit | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far x | GEOSEARCH pk FROMLONLAT lon lat BYBOX far -1 km
GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit STORE pk | GEOSEARCH pk FROMLONLAT lon lat BYRADIUS far unit COUNT x | GEOSEARCH pk FROMLONLAT x lat BYRADIUS far unit
GEOSEARCHSTORE pk pk FROMLONLAT lon lat BYRADIUS far unit | GEOSEARCHSTORE pk pk FROMMEMBER m BYBOX far far unit COUNT n | GEOSEARCHSTORE k pk FROMLONLAT lon lat BYRADIUS far unit STOREDIST
GEOSEARCHSTORE pk pk FROMLONLAT lon lat BYRADIUS far unit WITHDIST | GEOSEARCHSTORE pk pk FROMLONLAT lon lat BYRADIUS far unit COUNT n ANY
GEORADIUS pk lon lat far unit | GEORADIUS pk lon lat far unit WITHDIST ASC COUNT n | GEORADIUS pk lon lat far unit STORE pk | GEORADIUS pk lon lat far unit STOREDIST k
GEORADIUS pk lon lat far unit STORE pk WITHDIST | GEORADIUS pk lon lat far unit STORE | GEORADIUS_RO pk lon lat far unit STORE pk | GEORADIUS_RO pk lon lat far unit WITHCOORD
GEORADIUSBYMEMBER pk m far unit DESC | GEORADIUSBYMEMBER pk m far unit STORE pk | GEORADIUSBYMEMBER_RO pk m far unit WITHHASH | GEORADIUSBYMEMBER_RO pk m far unit BYBOX far far unit
GEORADIUSBYMEMBER pk m far x | GEORADIUS pk lon lat x km | GEORADIUS pk lon lat far unit COUNT n ANY ASC
";

/// Something random of each kind. Small sets of values, so that commands meet each other's keys and members.
fn word(form: &'static str) -> BoxedStrategy<Vec<u8>> {
    let text =
        |words: &'static [&'static str]| select(words).prop_map(|word| word.as_bytes().to_vec());
    match form {
        "k" => text(&["k1", "k2", "k3", "k4"]).boxed(),
        // Large numbers have as many digits as the machine's long double.
        "w" => text(&["w1", "w2"]).boxed(),
        // Ranges by member have a meaning only where all scores are equal.
        "y" => text(&["y1", "y2"]).boxed(),
        "m" => text(&["a", "b", "c", "d", "", "10"]).boxed(),
        "v" => prop_oneof![
            text(&["", "0", "7", "-3", "1.5", "9223372036854775807", "hello", "nan", "+1", "01"]),
            prop::collection::vec(any::<u8>(), 0..20),
        ]
        .boxed(),
        "i" => text(&[
            "0",
            "1",
            "2",
            "-1",
            "-2",
            "-100",
            "100",
            "9223372036854775807",
            "-9223372036854775808",
            "x",
            "1.0",
            " 1",
        ])
        .boxed(),
        // The least i64 as a rank is a bug of Redis 7.0.
        "r" => text(&["1", "2", "-1", "-2", "100", "x"]).boxed(),
        "n" => text(&["0", "1", "2", "3", "100", "-1"]).boxed(),
        "f" => text(&["0.1", "0.2", "-1.5", "3", "1e3", "x", "", "10.25"]).boxed(),
        "s" => text(&["0", "-0", "1", "2", "-1.5", "1e3", "inf", "-inf", "0.5"]).boxed(),
        "b" => text(&["0", "1", "(1", "2", "(2", "-inf", "+inf", "(0.5", "-1.5"]).boxed(),
        "l" => text(&["-", "+", "[a", "(a", "[b", "(c", "[", "["]).boxed(),
        "g" => text(&["*", "k*", "?1", "[ab]", "[^a]*", "k[1-3]", "", "\\k1"]).boxed(),
        "t" => text(&["5000", "10000000", "20000000"]).boxed(),
        "late" => text(&["33177117420000", "33177117420"]).boxed(),
        "past" => Just(b"1".to_vec()).boxed(),
        "e" => text(&[
            "1-1",
            "1-2",
            "1-3",
            "2-1",
            "2-2",
            "3-1",
            "3",
            "4-0",
            "5-*",
            "1-*",
            "0",
            "0-0",
            "0-1",
            "7",
            "(1-1",
            "(3",
            "-",
            "+",
            "x",
            "1-x",
            "",
            "18446744073709551615-18446744073709551615",
            "01-1",
            "1-1-1",
            "9-1",
            "10-1",
            "11-1",
            "12-1",
        ])
        .boxed(),
        "o" => text(&[
            "0",
            "1",
            "7",
            "8",
            "13",
            "40",
            "100",
            "-1",
            "x",
            "#0",
            "#1",
            "#3",
            "4294967296",
            "9223372036854775807",
        ])
        .boxed(),
        "bf" => text(&["u1", "u8", "i8", "i5", "u63", "i64", "u64", "i65", "i0", "x", "u7", "i16"])
            .boxed(),
        "pk" => text(&["p1", "p2"]).boxed(),
        "lon" => prop_oneof![
            8 => (-180_000_000..=180_000_000_i32).prop_map(millionths),
            4 => (-2_000_000..=2_000_000_i32).prop_map(millionths),
            1 => text(&["180", "-180", "0", "179.9999", "-179.9999", "90"]),
        ]
        .boxed(),
        "lat" => prop_oneof![
            8 => (-85_051_128..=85_051_128_i32).prop_map(millionths),
            4 => (-2_000_000..=2_000_000_i32).prop_map(millionths),
            1 => text(&["85.05112878", "-85.05112878", "0", "45", "-66.5", "80.5"]),
        ]
        .boxed(),
        "unit" => text(&["m", "km", "ft", "mi", "KM"]).boxed(),
        "far" => text(&["0", "1", "100.5", "5000", "300000", "2e6", "12000", "1e9"]).boxed(),
        "ob" => text(&["ob1", "ob2"]).boxed(),
        "sl" => text(&["sl1", "sl2"]).boxed(),
        "ss" => Just(b"ss".to_vec()).boxed(),
        "sz" => Just(b"sz".to_vec()).boxed(),
        "sk" => text(&["sl1", "sl2", "ss", "sz"]).boxed(),
        // What has an order of its own.
        "sn" => text(&["sl1", "sl2", "sz"]).boxed(),
        "se" => text(&["1", "2", "10", "x", "", "1.5", "-3", "1e3", "inf"]).boxed(),
        "sw" => text(&["u_1", "u_2", "u_10", "u_x", "u_"]).boxed(),
        "sh" => text(&["o_1", "o_2", "o_10", "o_x", "o_"]).boxed(),
        "sub" => text(&["sub1", "sub2"]).boxed(),
        "text" => prop::collection::vec(select(b"abc".to_vec()), 0..30).boxed(),
        // Around the lengths at which Redis takes another encoding.
        "wide" => select(vec![20, 44, 45, 64, 65]).prop_map(|length| vec![b'x'; length]).boxed(),
        "q" => text(&["q1", "q2"]).boxed(),
        "wait" => text(&["0.001", "0.002"]).boxed(),
        "a" => text(&["a1", "a2"]).boxed(),
        "h" => text(&["h1", "h2"]).boxed(),
        "gr" => text(&["g1", "g2"]).boxed(),
        "co" => text(&["c1", "c2"]).boxed(),
        "idle" => Just(b"100000000".to_vec()).boxed(),
        "x" => Just(b"x".to_vec()).boxed(),
        word if word.starts_with("json-") => documents::word(word),
        fixed => Just(fixed.as_bytes().to_vec()).boxed(),
    }
}

fn millionths(number: i32) -> Vec<u8> {
    format!("{:.6}", f64::from(number) / 1e6).into_bytes()
}

pub(crate) fn command(forms: &'static str) -> impl Strategy<Value = Command> {
    let forms: Vec<&'static str> =
        forms.split(['|', '\n']).map(str::trim).filter(|form| !form.is_empty()).collect();
    select(forms).prop_flat_map(|form| {
        let mut words = form.split(' ');
        let name = words.next().unwrap_or_default();
        let args: Vec<_> = words.map(word).collect();
        args.prop_map(move |args| Command::new(name).args_from(args))
    })
}

/// A reply in a form that does not depend on what Redis leaves open: order without meaning, digits beyond a float's
/// precision, the time that passed between the two servers.
fn normal(command: &Command, reply: Result<Value, Error>) -> Result<Value, String> {
    let name = command.name();
    let value = reply.map_err(|error| error.message().to_owned())?;
    Ok(match name {
        "KEYS" | "SMEMBERS" | "SDIFF" | "SINTER" | "SUNION" | "HKEYS" | "HVALS" | "SPOP"
        | "SRANDMEMBER" => sorted(value, 1),
        "HGETALL" => sorted(value, 2),
        "HRANDFIELD" | "ZRANDMEMBER" => {
            sorted(value, if command.args().len() == 3 { 2 } else { 1 })
        }
        "SCAN" | "SSCAN" => page(value, 1),
        "HSCAN" | "ZSCAN" => page(value, 2),
        "TTL" | "EXPIRETIME" | "HTTL" | "HEXPIRETIME" => about(value, 1),
        "PTTL" | "PEXPIRETIME" | "HPTTL" | "HPEXPIRETIME" => about(value, 1000),
        "GET" if command.get(0).is_some_and(|key| key.starts_with(b"w")) => floats(value),
        "XPENDING" | "XINFO" => times(value),
        "BZPOPMIN" | "BZPOPMAX" | "BZMPOP" => floats(value),
        name if name.starts_with("GEO") => floats(value),
        "JSON.GET" if command.args().len() > 2 => documents::members_in_order(value),
        "INCRBYFLOAT" | "HINCRBYFLOAT" | "ZSCORE" | "ZINCRBY" | "ZADD" | "ZMSCORE" | "ZPOPMIN"
        | "ZPOPMAX" | "ZMPOP" | "ZRANGE" | "ZRANGEBYSCORE" | "ZREVRANGE" | "ZREVRANGEBYSCORE"
        | "ZRANK" | "ZREVRANK" | "ZUNION" | "ZINTER" | "ZDIFF" => floats(value),
        _ => value,
    })
}

/// Replies about streams without what depends on the time, or on the radix tree of Redis.
fn times(value: Value) -> Value {
    const OWN: [&str; 6] =
        ["radix-tree-keys", "radix-tree-nodes", "idle", "inactive", "seen-time", "active-time"];
    let now = edgecask::platform::unix_millis() as i64;
    let mut skips = false;
    match value {
        Value::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| {
                    let named = item
                        .as_bytes()
                        .is_some_and(|name| OWN.iter().any(|own| own.as_bytes() == name));
                    if std::mem::replace(&mut skips, named) { Value::Nil } else { times(item) }
                })
                .collect(),
        ),
        // An idle time, or the time of a delivery.
        Value::Integer(number) if (now - number).abs() < 60_000 => Value::Integer(-1),
        Value::Integer(number) if (100..60_000).contains(&number) => Value::Integer(0),
        Value::Integer(number) if (100_000_000..100_060_000).contains(&number) => {
            Value::Integer(100_000_000)
        }
        other => other,
    }
}

fn floats(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(floats).collect()),
        Value::Bulk(text) => {
            let number = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<f64>().ok());
            // 0 and -0 are one score.
            number.map_or(Value::Bulk(text), |number| Value::bulk(format!("{:.9e}", number + 0.0)))
        }
        other => other,
    }
}

/// A time as the one of the few that the sequences set, which are far from each other: two servers are asked one after
/// the other.
fn about(value: Value, unit: i64) -> Value {
    if let Value::Array(items) = value {
        return Value::Array(items.into_iter().map(|item| about(item, unit)).collect());
    }
    let Value::Integer(number) = value else { return value };
    let now = edgecask::platform::unix_millis() as i64 / 1000;
    let set = [5000, 10_000_000, 20_000_000, 5, 10_000, 20_000]
        .into_iter()
        .chain([33_177_117_420_000, 33_177_117_420]);
    let near = |seconds: i64| (number / unit - seconds).abs() <= 60;
    set.into_iter()
        .find(|seconds| near(*seconds) || near(now + seconds) || near(seconds - now))
        .map_or(Value::Integer(number), Value::Integer)
}

fn sorted(value: Value, width: usize) -> Value {
    let Value::Array(items) = value else { return value };
    let mut groups: Vec<Vec<Value>> =
        floats(Value::Array(items)).pipe_items().chunks(width).map(<[Value]>::to_vec).collect();
    groups.sort_by_key(|group| group.first().and_then(|item| item.as_bytes().map(<[u8]>::to_vec)));
    Value::Array(groups.concat())
}

fn page(value: Value, width: usize) -> Value {
    let Value::Array(mut items) = value else { return value };
    let last = items.pop().unwrap_or_default();
    items.push(sorted(last, width));
    Value::Array(items)
}

trait PipeItems {
    fn pipe_items(self) -> Vec<Value>;
}

impl PipeItems for Value {
    fn pipe_items(self) -> Vec<Value> {
        match self {
            Value::Array(items) => items,
            other => vec![other],
        }
    }
}

/// Everything that a server holds, read by commands that the sequences do not share a bug with.
pub(crate) async fn contents(client: &Client) -> Vec<(String, String, String)> {
    let mut keys: Vec<Vec<u8>> = client.keys("*").await.unwrap();
    keys.sort();
    let mut contents = Vec::new();
    for key in keys {
        let kind = client.key_type(&key).await.unwrap();
        let command = match kind.as_str() {
            // The engine keeps them in another form.
            "string" if key.starts_with(b"h") => Command::new("PFCOUNT").arg(&key),
            "string" => Command::new("GET").arg(&key),
            "list" => Command::new("LRANGE").arg(&key).arg(0).arg(-1),
            "hash" => Command::new("HGETALL").arg(&key),
            "set" => Command::new("SMEMBERS").arg(&key),
            "stream" => Command::new("XINFO").arg("STREAM").arg(&key).arg("FULL"),
            "ReJSON-RL" => Command::new("JSON.GET").arg(&key),
            _ => Command::new("ZRANGE").arg(&key).arg(0).arg(-1).arg("WITHSCORES"),
        };
        let value = client.send(&command).await;
        let left = client.send(&Command::new("TTL").arg(&key)).await.map(|left| about(left, 1));
        let value = normal(&command, value)
            .map(|value| Value::Array(vec![value, left.unwrap_or_default()]));
        contents.push((key.escape_ascii().to_string(), kind, shown(&value)));
    }
    contents
}

pub(crate) fn shown(reply: &Result<Value, String>) -> String {
    fn text(value: &Value) -> String {
        match value {
            Value::Array(items) => {
                format!("[{}]", items.iter().map(text).collect::<Vec<_>>().join(", "))
            }
            Value::Integer(number) => number.to_string(),
            other => other.as_bytes().map_or("nil".to_owned(), |bytes| {
                format!("{:?}", bytes.escape_ascii().to_string())
            }),
        }
    }
    reply.as_ref().map_or_else(|error| format!("error {error:?}"), text)
}

fn line(command: &Command) -> String {
    let args = command.args().map(|arg| format!("{:?}", arg.escape_ascii().to_string()));
    std::iter::once(command.name().to_owned()).chain(args).collect::<Vec<_>>().join(" ")
}

#[test]
fn random_sequences_give_the_same_replies_and_contents() {
    compare(&RedisServer::start(), FORMS);
}

#[test]
fn random_sequences_give_what_redis_8_gives() {
    if let Some(redis) = RedisServer::redis8() {
        compare(&redis, FORMS_OF_8);
    }
}

#[test]
fn random_sequences_of_places_give_what_redis_8_gives() {
    if let Some(redis) = RedisServer::redis8() {
        compare(&redis, PLACES);
    }
}

#[test]
fn random_sequences_of_sorting_give_what_redis_8_gives() {
    if let Some(redis) = RedisServer::redis8() {
        compare(&redis, SORTING);
    }
}

#[test]
fn random_sequences_of_documents_give_what_redis_8_gives() {
    if let Some(redis) = RedisServer::redis8() {
        compare(&redis, documents::FORMS);
    }
}

#[test]
fn random_paths_find_what_they_find_in_redis_8() {
    if let Some(redis) = RedisServer::redis8() {
        compare(&redis, documents::PATHS);
    }
}

fn compare(redis: &RedisServer, forms: &'static str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let real = redis.client();
    // A time that is over is noticed in steps of the server's own clock, which is ten times a second by default.
    runtime.block_on(real.config_set("hz", 500)).unwrap();
    let config = Config {
        cases: number("PROPTEST_CASES").unwrap_or(400) as u32,
        max_shrink_iters: 5_000,
        failure_persistence: None,
        ..Config::default()
    };
    let sequences = prop::collection::vec(command(forms), 1..60);
    let result = runner(config, seed()).run(&sequences, |commands| {
        runtime.block_on(async {
            let engine = Client::memory();
            real.flushall().await.unwrap();
            let mut history = Vec::new();
            for command in &commands {
                let ours = normal(command, engine.send(command).await);
                let theirs = normal(command, real.send(command).await);
                history.push(format!("{} -> {}", line(command), shown(&theirs)));
                prop_assert_eq!(shown(&ours), shown(&theirs), "after\n{}", history.join("\n"));
            }
            prop_assert_eq!(
                contents(&engine).await,
                contents(&real).await,
                "after\n{}",
                history.join("\n")
            );
            Ok(())
        })
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}

#[test]
fn every_command_of_the_engine_is_in_a_form_or_tested_elsewhere() {
    // DBSIZE counts what has expired until somebody looks, in Redis alone.
    let elsewhere = [
        "RANDOMKEY",
        "DBSIZE",
        "FLUSHDB",
        "INFO",
        "TIME",
        "EVAL",
        "EVAL_RO",
        "EVALSHA",
        "EVALSHA_RO",
        "FCALL",
        "FCALL_RO",
        "FUNCTION",
        "DELEX",
        "DIGEST",
        // Of Redis 8.2.
        "XDELEX",
        "XACKDEL",
        // In dump.rs and snapshots.rs.
        "DUMP",
        "RESTORE",
        "SAVE",
        "BGSAVE",
        "LASTSAVE",
        // Connections to a real Redis are shared, so these are allowed in pipelines alone.
        "WAIT",
        "WAITAOF",
    ];
    for name in MemoryTransport::commands() {
        let mut words = [FORMS, FORMS_OF_8, SORTING, PLACES, documents::FORMS]
            .into_iter()
            .flat_map(str::split_whitespace);
        let in_form = words.any(|word| word == name);
        assert!(in_form || elsewhere.contains(&name), "{name} is not compared with a real Redis");
    }
}

#[tokio::test]
async fn a_reply_is_what_a_transaction_gives() {
    let redis = RedisServer::start();
    let commands = [
        Command::new("SET").arg("k").arg("v"),
        Command::new("INCR").arg("k"),
        Command::new("GET").arg("k"),
    ];
    let mut shown = Vec::new();
    for client in [redis.client(), Client::memory()] {
        let results = client.send_transaction(&commands).await.unwrap();
        let results: Vec<_> = results
            .into_iter()
            .map(|result| result.map(|value| Option::<String>::from_value(value).unwrap()))
            .map(|result| result.map_err(|error| error.to_string()))
            .collect();
        shown.push(results);
    }
    assert_eq!(shown[0], shown[1]);
}

#[tokio::test]
async fn waiting_for_replicas_gives_what_redis_gives_without_any() {
    let redis = RedisServer::redis8();
    let real = redis.as_ref().map(RedisServer::client);
    let Some(real) = real else { return };
    let mut commands = Vec::new();
    for line in ["WAIT 0 0", "WAIT 1 1", "WAIT x 1", "WAIT 0 x", "WAIT 0 -1", "WAIT 0"]
        .into_iter()
        .chain(["WAITAOF 0 1 1", "WAITAOF 1 0 0", "WAITAOF 2 0 0", "WAITAOF 0 -1 0"])
        .chain(["WAITAOF 0 0 x", "WAITAOF x 0 0", "WAITAOF 0 0"])
    {
        let mut words = line.split(' ');
        commands.push(Command::new(words.next().unwrap()).args_from(words));
    }
    for command in &commands {
        let mut replies = Vec::new();
        for client in [&real, &Client::memory()] {
            let batch = [Command::new("SET").arg("k").arg("v"), command.clone()];
            let reply = client.send_pipeline(&batch).await.unwrap().pop().unwrap();
            replies.push(shown(&reply.map_err(|error| error.message().to_owned())));
        }
        assert_eq!(replies[1], replies[0], "{}", line(command));
    }
}
