-- ARGV: token, last slot known to the caller, slot, 'run' or 'skip', 'overlap', 'alone' or 'wait', lease, floor, 'now' or 'floor', records kept,
-- then four texts for each record: reason, from, to, count
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function text(number)
  return string.format('%.0f', number)
end
local function record(reason, from, to, count)
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[9], '*', 'reason', reason, 'from', from, 'to', to, 'count', count)
end
local state = redis.call('HGETALL', KEYS[1])
local last = false
local runs = {}
for at = 1, #state, 2 do
  if state[at] == 'last' then
    last = state[at + 1]
  elseif string.sub(state[at], 1, 4) == 'run:' then
    runs[#runs + 1] = {string.sub(state[at], 5), state[at + 1]}
  end
end
if not last then
  local from = ARGV[7]
  if ARGV[8] == 'now' then
    from = text(math.max(now, tonumber(from)))
  end
  redis.call('HSET', KEYS[1], 'last', from)
  record('begun', from, from, '0')
  return {'begun', from, text(now)}
end
if last ~= ARGV[2] then
  if last == ARGV[3] then
    local run = redis.call('HGET', KEYS[1], 'run:' .. last)
    if run and string.match(run, '^%S+ (.*)$') == ARGV[1] then
      return {'started', last, text(now)}
    end
  end
  return {'moved', last, text(now)}
end
if tonumber(ARGV[3]) > now then
  return {'early', last, text(now)}
end
local alone = true
for at = 1, #runs do
  local slot, run = runs[at][1], runs[at][2]
  if tonumber(string.match(run, '^%S+')) <= now then
    redis.call('HDEL', KEYS[1], 'run:' .. slot)
    record('abandoned', slot, slot, '1')
  else
    alone = false
  end
end
if not alone and ARGV[4] == 'run' and ARGV[5] == 'wait' then
  return {'busy', last, text(now)}
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
