-- ARGV: token, last slot known to the caller, slot, 'run' or 'skip', 'overlap', 'alone' or 'wait', lease, floor,
-- 'now' or the time at which a new state begins, records kept, then four texts for each record: reason, from, to, count
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local floor = tonumber(ARGV[7])
local function text(number)
  return string.format('%.0f', number)
end
local function record(reason, from, to, count)
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[9], '*', 'reason', reason, 'from', from, 'to', to, 'count', count)
end
local state = redis.call('HGETALL', KEYS[1])
local last, begun = false, 0
local alone = true
local mine = false
for at = 1, #state, 2 do
  local field, value = state[at], state[at + 1]
  if field == 'last' then
    last = tonumber(value)
  elseif field == 'begun' then
    begun = tonumber(value)
  elseif string.sub(field, 1, 4) == 'run:' then
    local slot = string.sub(field, 5)
    if slot == ARGV[3] and string.match(value, '^%S+ (.*)$') == ARGV[1] then
      mine = true
    elseif tonumber(string.match(value, '^%S+')) <= now then
      redis.call('HDEL', KEYS[1], field)
      record('abandoned', slot, slot, '1')
    else
      alone = false
    end
  end
end
local answer = 'moved'
if not last then
  last = floor
  if ARGV[8] ~= 'now' then
    last = math.max(tonumber(ARGV[8]), floor)
  elseif now > floor then
    last = now
  end
  begun = last
  redis.call('HSET', KEYS[1], 'last', text(last), 'begun', text(begun))
  record('begun', text(last), text(last), '0')
  answer = 'begun'
elseif last < floor then
  record('state-lost', text(last), text(floor), '')
  last = floor
  redis.call('HSET', KEYS[1], 'last', text(last))
end
if floor > 0 and floor < begun then
  record('state-lost', text(floor + 1), text(begun), '')
  redis.call('HSET', KEYS[1], 'begun', text(floor))
end
if answer == 'begun' or last ~= tonumber(ARGV[2]) then
  if mine and last == tonumber(ARGV[3]) then
    redis.call('HSET', KEYS[1], 'run:' .. ARGV[3], text(now + ARGV[6]) .. ' ' .. ARGV[1])
    answer = 'started'
  end
  return {answer, text(last), text(now)}
end
if tonumber(ARGV[3]) > now then
  return {'early', text(last), text(now)}
end
if not alone and ARGV[4] == 'run' and ARGV[5] == 'wait' then
  return {'busy', text(last), text(now)}
end
for at = 10, #ARGV, 4 do
  record(ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3])
end
redis.call('HSET', KEYS[1], 'last', ARGV[3])
if ARGV[4] == 'skip' then
  return {'skipped', ARGV[3], text(now)}
end
if not alone and ARGV[5] == 'alone' then
  record('overlap', ARGV[3], ARGV[3], '1')
  return {'skipped', ARGV[3], text(now)}
end
redis.call('HSET', KEYS[1], 'run:' .. ARGV[3], text(now + ARGV[6]) .. ' ' .. ARGV[1])
return {'started', ARGV[3], text(now)}
