-- ARGV: id, amount reserved, amount used, period, 'first' or 'last', for how long the end is remembered, the most ends, how many
-- milliseconds ago it was asked first
local counter, reservations = KEYS[1], KEYS[2]
local id, actual, memory = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[6])
local most_ends, ago = tonumber(ARGV[7]), tonumber(ARGV[8])
local LARGEST = 9007199254740991
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end
local function ends() return redis.call('ZCOUNT', reservations, '-inf', '(0') end
-- The first write of a script on a full Redis must be one that frees memory.
redis.call('ZREMRANGEBYSCORE', reservations, -now, now)
for how, answer in pairs({['held '] = 1, ['late '] = 0}) do
  if redis.call('ZSCORE', reservations, how .. id) then
    redis.call('ZADD', reservations, text(-(now + memory)), how .. id)
    return answer
  end
end
local stored = redis.call('GET', counter) or '0'
if not string.find(stored, '^%-?%d+$') then
  return redis.error_reply('ERR the counter of the quota is not an integer')
end
local used = math.min(math.max(tonumber(stored), 0), LARGEST)
local held = redis.call('ZREM', reservations, ARGV[2] .. ' ' .. id)
-- An end that was pushed out by others may be that of this call.
if held == 0 and ago > 0 and ends() >= most_ends then
  local oldest = redis.call('ZRANGE', reservations, most_ends - 1, most_ends - 1, 'WITHSCORES')[2]
  if -oldest - memory >= now - ago then return -1 end
end
redis.call('ZADD', reservations, text(-(now + memory)), (held == 1 and 'held ' or 'late ') .. id)
if ends() > most_ends then
  redis.call('ZREMRANGEBYSCORE', reservations, '-inf', '(' .. text(-(now + memory)))
  local left = ends()
  if left > most_ends then redis.call('ZREMRANGEBYRANK', reservations, most_ends, left - 1) end
end
if redis.call('PTTL', reservations) < memory then redis.call('PEXPIRE', reservations, ARGV[6]) end
local after = math.min(used + actual, LARGEST)
if after > used then
  local is_new = redis.call('PTTL', counter) < 0
  redis.call('SET', counter, text(after), 'KEEPTTL')
  if ARGV[4] ~= '0' and (is_new or ARGV[5] == 'last') then redis.call('PEXPIRE', counter, ARGV[4]) end
end
return held
