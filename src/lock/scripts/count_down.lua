local left = redis.call('GET', KEYS[1])
if not left then return -1 end
if tonumber(left) < 1 or redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 then return tonumber(left) end
redis.call('SADD', KEYS[2], ARGV[1])
local ttl = redis.call('PTTL', KEYS[1])
if ttl > 0 then redis.call('PEXPIRE', KEYS[2], ttl) end
local now_left = redis.call('DECR', KEYS[1])
if now_left == 0 then redis.pcall('PUBLISH', ARGV[2], 'open') end
return now_left
