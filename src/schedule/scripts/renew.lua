local run = redis.call('HGET', KEYS[1], 'run:' .. ARGV[2])
if not run or string.match(run, '^%S+ (.*)$') ~= ARGV[1] then
  return 0
end
local time = redis.call('TIME')
local untilThen = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[3]
-- A Redis that is full takes HSET after a write that frees memory only.
redis.call('HDEL', KEYS[1], 'run:' .. ARGV[2])
redis.call('HSET', KEYS[1], 'run:' .. ARGV[2], string.format('%.0f', untilThen) .. ' ' .. ARGV[1])
return 1
