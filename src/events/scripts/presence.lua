-- ARGV: 'beat', 'leave' or 'list', the member, for how long it is present, the most members, the token of the guard or ''
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local longest = 3600000
local function text(number)
  return string.format('%.0f', number)
end
local function tell(what, member)
  -- A user without the permission for the channel is present all the same.
  redis.pcall('PUBLISH', KEYS[1], what .. ' ' .. member)
end
local function keep()
  -- Longer than any member, so that who has left is told of.
  redis.call('PEXPIRE', KEYS[1], text(ARGV[3] + longest))
  redis.call('PEXPIRE', KEYS[2], text(ARGV[3] + longest))
end
local function remove(member)
  redis.call('HDEL', KEYS[2], member)
  if redis.call('ZREM', KEYS[1], member) == 1 then
    tell('left', member)
    return 1
  end
  return 0
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 64)) do
  remove(member)
end
-- Times that the clock gave before it was set back. An hour is the longest that a member is present without a heartbeat.
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now + longest), '+inf', 'LIMIT', 0, 64)) do
  keep()
  redis.call('ZADD', KEYS[1], 'XX', text(now + ARGV[3]), member)
end
if ARGV[1] == 'list' then
  return {KEYS[1], 0, redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now), '+inf', 'LIMIT', 0, ARGV[4])}
end
-- The other guards of the member, each a token and the millisecond until which it holds, those that beat last at the end.
local others, count, until_then = {}, 0, 0
for token, till in string.gmatch(redis.call('HGET', KEYS[2], ARGV[2]) or '', '(%S+) (%d+)') do
  till = tonumber(till)
  if till > now + longest then
    till = now + ARGV[3]
  end
  if till > now and token ~= ARGV[5] then
    count = count + 1
    others[count] = token .. ' ' .. text(till)
    until_then = math.max(until_then, till)
  end
end
local changed = 0
if ARGV[1] == 'leave' then
  -- It needs no memory, and so lets a full Redis take what follows.
  keep()
  if count == 0 then
    changed = remove(ARGV[2])
  else
    redis.call('ZADD', KEYS[1], 'XX', text(until_then), ARGV[2])
    redis.call('HSET', KEYS[2], ARGV[2], table.concat(others, ' '))
  end
  if ARGV[5] ~= '-' then
    redis.call('SET', KEYS[3], '', 'PX', ARGV[3])
  end
elseif redis.call('EXISTS', KEYS[3]) == 0 then
  local known = redis.call('ZSCORE', KEYS[1], ARGV[2])
  if known or redis.call('ZCOUNT', KEYS[1], '(' .. text(now), '+inf') < tonumber(ARGV[4]) then
    if known then
      keep()
    end
    local till = now + ARGV[3]
    changed = redis.call('ZADD', KEYS[1], text(math.max(till, until_then)), ARGV[2])
    others[count + 1] = ARGV[5] .. ' ' .. text(till)
    -- Of more guards than these, the ones that beat last count.
    redis.call('HSET', KEYS[2], ARGV[2], table.concat(others, ' ', math.max(1, count - 62)))
    keep()
    if changed == 1 then
      tell('joined', ARGV[2])
    end
  else
    changed = -1
  end
end
return {KEYS[1], changed, {}}
