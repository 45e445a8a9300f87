-- ARGV: id, amount reserved, lease
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- The first write of a script on a full Redis must be one that frees memory.
redis.call('ZREMRANGEBYSCORE', KEYS[1], -now, now)
local member = ARGV[2] .. ' ' .. ARGV[1]
if not redis.call('ZSCORE', KEYS[1], member) then return 0 end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[3]), member)
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return 1
