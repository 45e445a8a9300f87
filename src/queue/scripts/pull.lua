-- ARGV: the token of the pull, the most tasks, the lease, 'again' if the pull was asked for before, the microseconds between two tasks and
-- those of the period of the rate limit, the most bytes; 'list', 'set' or 'none', and the attempts, the poison cap, the time to live
-- and the most bytes of what comes from there. KEYS: the pull, and the list or sorted set.
local token, most, lease = ARGV[6], tonumber(ARGV[7]), ARGV[8]
local source = KEYS[10]
local reply = {text(now), '-1', '0'}

local function hand_out(id, record, payload)
  reply[#reply + 1] = {
    id, record[NUMBER], record[FAILURES], record[ABANDONED], record[ATTEMPTS], record[POISON], record[GROUP], payload,
  }
end

local before = call('GET', KEYS[9])
if before then
  -- There may be more.
  reply[2] = '0'
  for id in string.gmatch(before, '%S+') do
    local record = read(id)
    if record and record[STATE] == 'active' and record[TOKEN] == token then
      hand_out(id, record, call('HGET', PAYLOADS, id) or '')
    end
  end
  return reply
end
if source then
  -- A key of another type is an error before anything is changed.
  call(ARGV[13] == 'list' and 'LLEN' or 'ZCARD', source)
  begin()
end
local tasks = call('HGET', TASKS, '#tasks')
if not tasks or call('HGET', TASKS, '#paused') then
  return reply
end

-- Whatever was evicted beside the tasks is built again, in steps.
local function indexed()
  return call('ZCARD', READY) + call('ZCARD', DELAYED) + call('ZCARD', ACTIVE) + call('ZCARD', DEAD) + call('ZCARD', GROUPED)
end
local repairs = false
local cursor = call('HGET', TASKS, '#repair')
if cursor or tonumber(tasks) ~= indexed() then
  -- A full Redis accepts what begins with a removal.
  call('HDEL', TASKS, '#repair')
  local added = 0
  local page = call('HSCAN', TASKS, cursor or '0', 'COUNT', 500)
  for at = 1, #page[2], 2 do
    local id = page[2][at]
    local record = string.sub(id, 1, 1) ~= '#' and read(id)
    if record then
      if record[STATE] == 'ready' then
        added = added + call('ZADD', READY, 'NX', text(rank(record)), id)
        wakes = wakes or was_empty
      elseif record[STATE] == 'active' then
        added = added + call('ZADD', ACTIVE, 'NX', text(now + lease), id)
      elseif record[STATE] == 'grouped' then
        added = added + call('ZADD', GROUPED, 'NX', 0, grouped_member(id, record))
        -- Those before it may have ended while it was not found.
        fill(string.sub(record[GROUP], 2), 1)
      elseif record[STATE] == 'dead' then
        added = added + call('ZADD', DEAD, 'NX', text(now), id)
      else
        added = added + call('ZADD', DELAYED, 'NX', record[STATE] == 'parent' and NEVER or record[DUE], id)
      end
    end
  end
  added = call('HINCRBY', TASKS, '#repaired', added)
  if page[1] == '0' then
    call('HDEL', TASKS, '#repaired')
    if added == 0 then
      -- All indexes are complete: the count was wrong.
      call('HSET', TASKS, '#tasks', indexed())
    end
  else
    call('HSET', TASKS, '#repair', page[1])
  end
  repairs = page[1] ~= '0' or added > 0
end

-- What has become due, in steps.
for _, id in ipairs(call('ZRANGEBYSCORE', DELAYED, '-inf', text(now), 'LIMIT', 0, 256)) do
  call('ZREM', DELAYED, id)
  local record = read(id)
  if record and record[STATE] == 'delayed' then
    offer(id, record)
  end
end
-- What nobody works on any more.
for _, id in ipairs(call('ZRANGEBYSCORE', ACTIVE, '-inf', text(now), 'LIMIT', 0, 256)) do
  call('ZREM', ACTIVE, id)
  local record = read(id)
  if record and record[STATE] == 'active' then
    record[ABANDONED] = text(record[ABANDONED] + 1)
    record[TOKEN] = '-'
    if tonumber(record[ABANDONED]) >= tonumber(record[POISON]) then
      bury(id, record, 'abandoned')
    else
      give_back(id, record)
    end
  end
end

local micros = time[1] * 1000000 + time[2]
local interval, period = tonumber(ARGV[10]), tonumber(ARGV[11])
local base, limited = micros, false
if interval > 0 then
  base = math.max(micros, tonumber(call('HGET', TASKS, '#rate') or 0))
  if base > micros + period then
    -- The server's clock was ahead, or the rate another one.
    base = micros + period
    call('HSET', TASKS, '#rate', text(base))
  end
  local allowed = math.floor((micros + period - base) / interval)
  limited = allowed < most
  most = math.min(most, allowed)
end
local given, bytes, looked, most_bytes = {}, 0, 0, tonumber(ARGV[12])

local function lease_out(id, record, payload)
  record[STATE] = 'active'
  record[NUMBER] = text(record[NUMBER] + 1)
  record[TOKEN] = token
  write(id, record)
  call('ZADD', ACTIVE, text(now + lease), id)
  given[#given + 1] = id
  bytes = bytes + #payload
  hand_out(id, record, payload)
end

while #given < most and bytes < most_bytes and looked < most + 256 do
  local id = call('ZRANGE', READY, 0, 0)[1]
  if not id then
    break
  end
  looked = looked + 1
  local record = read(id)
  local payload = call('HGET', PAYLOADS, id)
  if not record or record[STATE] ~= 'ready' then
    call('ZREM', READY, id)
  elseif record[EXPIRES] ~= '0' and tonumber(record[EXPIRES]) <= now then
    bury(id, record, 'expired')
  elseif not payload then
    bury(id, record, 'payload-lost')
  elseif #given > 0 and bytes + #payload > most_bytes then
    break
  else
    call('ZREM', READY, id)
    lease_out(id, record, payload)
  end
end
-- What other programs have added.
local seconds = string.format('%.3f', now / 1000)
local too_large = 0
while source and #given < most and bytes < most_bytes and too_large < 16 do
  local payload
  if ARGV[13] == 'list' then
    payload = call('LINDEX', source, -1)
  else
    payload = call('ZRANGEBYSCORE', source, '-inf', seconds, 'LIMIT', 0, 1)[1]
  end
  local is_too_large = payload and #payload > tonumber(ARGV[17])
  if not payload or not is_too_large and #given > 0 and bytes + #payload > most_bytes then
    break
  end
  if ARGV[13] == 'list' then
    call('RPOP', source)
  else
    call('ZREM', source, payload)
  end
  local id = token .. '-' .. text(call('HINCRBY', TASKS, '#seq', 1))
  local record = add(id, payload, ARGV[14], ARGV[15], ARGV[16], '100', '-', '-', 0)
  record[DUE] = text(now)
  if record[TTL] ~= '0' then
    record[EXPIRES] = text(now + record[TTL])
  end
  if is_too_large then
    bury(id, record, 'too-large')
    too_large = too_large + 1
  else
    lease_out(id, record, payload)
  end
end
if #given > 0 then
  call('SET', KEYS[9], table.concat(given, ' '), 'PX', math.max(tonumber(lease), 60000))
  if interval > 0 then
    call('HSET', TASKS, '#rate', text(base + #given * interval))
  end
elseif ARGV[9] == 'again' then
  -- The first request may still be on its way.
  call('DEL', KEYS[9])
  call('SET', KEYS[9], '-', 'PX', 60000)
end

local next = -1
local function sooner(millis)
  if next < 0 or millis < next then
    next = math.max(0, millis)
  end
end
if repairs then
  sooner(0)
end
for _, index in ipairs({DELAYED, ACTIVE}) do
  local first = call('ZRANGE', index, 0, 0, 'WITHSCORES')[2]
  if first and tonumber(first) < tonumber(NEVER) then
    sooner(tonumber(first) - now)
  end
end
local left = call('ZCARD', READY)
if left == 0 then
  wakes = false
end
if source and ARGV[13] == 'list' then
  local length = call('LLEN', source)
  left = left + length
  reply[3] = length == 0 and '1' or '0'
elseif source then
  local first = call('ZRANGE', source, 0, 0, 'WITHSCORES')[2]
  if first and tonumber(first) * 1000 <= now then
    left = left + 1
  elseif first then
    sooner(math.ceil(math.min(tonumber(first) * 1000 - now, 4102444800000)))
  end
end
if left > 0 then
  if limited and #given >= most then
    sooner(math.ceil((base + (#given + 1) * interval - period - micros) / 1000))
  else
    sooner(0)
  end
end
reply[2] = text(next)
return finish(reply)
