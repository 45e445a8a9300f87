-- ARGV: token, last slot known to the caller, slot, 'pass' or 'wait', most runs at once, lease, floor, 'now' or the time at
-- which a new state begins, records kept, grace or '', then from, to and count of the slots before that were missed, if any
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
local runs = 0
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
      runs = runs + 1
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
    -- A Redis that is full takes HSET after a write that frees memory only.
    redis.call('HDEL', KEYS[1], 'run:' .. ARGV[3])
    redis.call('HSET', KEYS[1], 'run:' .. ARGV[3], text(now + ARGV[6]) .. ' ' .. ARGV[1])
    answer = 'started'
  end
  return {answer, text(last), text(now)}
end
local slot = tonumber(ARGV[3])
if slot > now then
  return {'early', text(last), text(now)}
end
local busy = runs >= tonumber(ARGV[5])
if busy and ARGV[4] == 'wait' then
  return {'busy', text(last), text(now)}
end
local from, to, count = ARGV[11], ARGV[12], ARGV[13]
local late = ARGV[10] ~= '' and now - slot > tonumber(ARGV[10])
if late then
  if not from then
    from, count = ARGV[3], '1'
  elseif count ~= '' then
    count = text(tonumber(count) + 1)
  end
  to = ARGV[3]
end
if from then
  record('missed', from, to, count)
end
redis.call('HSET', KEYS[1], 'last', ARGV[3])
if late then
  return {'skipped', ARGV[3], text(now)}
end
if busy then
  record('overlap', ARGV[3], ARGV[3], '1')
  return {'skipped', ARGV[3], text(now)}
end
redis.call('HSET', KEYS[1], 'run:' .. ARGV[3], text(now + ARGV[6]) .. ' ' .. ARGV[1])
return {'started', ARGV[3], text(now)}
