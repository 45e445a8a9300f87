local left = redis.call('HGET', KEYS[1], 'left')
if not left then return -1 end
left = tonumber(left)
local part = 'part:' .. ARGV[1]
if left < 1 or redis.call('HEXISTS', KEYS[1], part) == 1 then return left end
redis.call('HSET', KEYS[1], part, '1')
left = redis.call('HINCRBY', KEYS[1], 'left', -1)
if left == 0 then redis.pcall('PUBLISH', ARGV[2], 'open') end
return left
