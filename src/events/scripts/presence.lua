-- ARGV: 'beat', 'leave' or 'list', the member, for how long it is present, the most members, until when the caller knows it to be
-- present or ''
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number)
  return string.format('%.0f', number)
end
local function tell(what, member)
  -- A user without the permission for the channel is present all the same.
  redis.pcall('PUBLISH', KEYS[1], what .. ' ' .. member)
end
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 64)) do
  redis.call('ZREM', KEYS[1], member)
  tell('left', member)
end
-- Times that the clock gave before it was set back. An hour is the longest that a member is present without a heartbeat.
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now + 3600000), '+inf', 'LIMIT', 0, 64)) do
  redis.call('PEXPIRE', KEYS[1], text(ARGV[3] + 3600000))
  redis.call('ZADD', KEYS[1], 'XX', text(now + ARGV[3]), member)
end
local changed = 0
local members = {}
if ARGV[1] == 'list' then
  members = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. text(now), '+inf', 'LIMIT', 0, ARGV[4])
elseif ARGV[1] == 'leave' then
  local known = redis.call('ZSCORE', KEYS[1], ARGV[2])
  if known and (ARGV[5] == '' or tonumber(known) <= tonumber(ARGV[5])) then
    changed = redis.call('ZREM', KEYS[1], ARGV[2])
    tell('left', ARGV[2])
  end
else
  local known = redis.call('ZSCORE', KEYS[1], ARGV[2])
  if known or redis.call('ZCOUNT', KEYS[1], '(' .. text(now), '+inf') < tonumber(ARGV[4]) then
    local till = now + ARGV[3]
    if known then
      -- Later than that of an older guard of this name, which may leave now.
      if tonumber(known) >= till and tonumber(known) < till + 1000 then
        till = known + 1
      end
      -- It needs no memory, and so lets a full Redis take the next command.
      redis.call('PEXPIRE', KEYS[1], text(ARGV[3] + 3600000))
    end
    changed = redis.call('ZADD', KEYS[1], text(till), ARGV[2])
    -- Longer than any member, so that who has left is told of.
    redis.call('PEXPIRE', KEYS[1], text(ARGV[3] + 3600000))
    members = {text(till)}
    if changed == 1 then
      tell('joined', ARGV[2])
    end
  else
    changed = -1
  end
end
return {KEYS[1], changed, members}
