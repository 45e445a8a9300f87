-- What the scripts of a queue share; each of them continues this text.
-- KEYS: tasks, payloads, ready, delayed, active, dead, grouped, done, and those of the script.
-- ARGV: the concurrency of a group, the most dead letters, the channel of the wake-ups, for how many milliseconds and of how many tasks
-- the end is remembered, and those of the script.
local TASKS, PAYLOADS, READY, DELAYED, ACTIVE, DEAD, GROUPED, DONE = unpack(KEYS, 1, 8)
-- The fields of a task's record.
local STATE, NUMBER, FAILURES, ABANDONED, ATTEMPTS, POISON, TTL, EXPIRES, PRIORITY, SEQ, DUE, CHILDREN, TOKEN, GROUP, PARENT, REASON, ERROR =
  1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17
local RECORD = '^' .. string.rep('(%S+) ', 16) .. '(.*)$'
local NEVER = '9007199254740991'
local call = redis.call
local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local was_empty = call('ZCARD', READY) == 0
local wakes = false
local next_key = 9

-- The key of a result, a progress or a deduplication key. One without a time to live has none.
local function key_of(ttl)
  if ttl ~= '0' then
    next_key = next_key + 1
    return KEYS[next_key - 1]
  end
end

local function text(number)
  return string.format('%.0f', number)
end

local function read(id)
  local record = {string.match(call('HGET', TASKS, id) or '', RECORD)}
  return record[ERROR] and record
end

local function write(id, record)
  call('HSET', TASKS, id, table.concat(record, ' '))
end

-- Where a task stands among those that are ready: higher priorities first, then the order of arrival.
local function rank(record)
  return (255 - record[PRIORITY]) * 17592186044416 + record[SEQ]
end

local function grouped_member(id, record)
  return string.sub(record[GROUP], 2) .. '\1' .. string.format('%016.0f', rank(record)) .. '\1' .. id
end

local function make_ready(id, record)
  record[STATE] = 'ready'
  write(id, record)
  call('ZADD', READY, text(rank(record)), id)
  wakes = wakes or was_empty
end

local function limit_of(group)
  return tonumber(call('HGET', TASKS, '#limit:' .. group) or ARGV[1])
end

-- Makes a task ready, or lets it wait for its group.
local function offer(id, record)
  if record[GROUP] ~= '-' then
    local group = string.sub(record[GROUP], 2)
    if tonumber(call('HGET', TASKS, '#used:' .. group) or 0) >= limit_of(group) then
      record[STATE] = 'grouped'
      write(id, record)
      call('ZADD', GROUPED, 0, grouped_member(id, record))
      return
    end
    call('HINCRBY', TASKS, '#used:' .. group, 1)
  end
  make_ready(id, record)
end

-- Makes the next tasks of a group ready, at most so many.
local function fill(group, most)
  local used = tonumber(call('HGET', TASKS, '#used:' .. group) or 0)
  local limit = limit_of(group)
  while used < limit and most > 0 do
    local member = call('ZRANGEBYLEX', GROUPED, '[' .. group .. '\1', '(' .. group .. '\2', 'LIMIT', 0, 1)[1]
    if not member then
      return
    end
    call('ZREM', GROUPED, member)
    local id = string.match(member, '^[^\1]*\1[^\1]*\1(.*)$')
    local record = read(id)
    if record and record[STATE] == 'grouped' then
      used = call('HINCRBY', TASKS, '#used:' .. group, 1)
      make_ready(id, record)
    end
    most = most - 1
  end
end

local function vacate(record)
  if record[GROUP] ~= '-' then
    local group = string.sub(record[GROUP], 2)
    if call('HINCRBY', TASKS, '#used:' .. group, -1) <= 0 then
      call('HDEL', TASKS, '#used:' .. group)
    end
    fill(group, 10)
  end
end

-- Takes a task out of where it waits or is worked on.
local function leave(id, record)
  local state = record[STATE]
  if state == 'ready' then
    call('ZREM', READY, id)
    vacate(record)
  elseif state == 'active' then
    call('ZREM', ACTIVE, id)
    vacate(record)
  elseif state == 'grouped' then
    call('ZREM', GROUPED, grouped_member(id, record))
  elseif state == 'dead' then
    call('ZREM', DEAD, id)
  else
    call('ZREM', DELAYED, id)
  end
end

local function delay(id, record, due)
  record[STATE] = 'delayed'
  record[DUE] = text(due)
  write(id, record)
  call('ZADD', DELAYED, record[DUE], id)
  wakes = wakes or call('ZRANGE', DELAYED, 0, 0)[1] == id
end

local function start(id, record, due)
  if record[TTL] ~= '0' then
    record[EXPIRES] = text(due + record[TTL])
  end
  if due > now then
    delay(id, record, due)
  else
    record[DUE] = text(due)
    offer(id, record)
  end
end

-- The task of an active record goes back to its place. It keeps the place in its group.
local function give_back(id, record, token)
  call('ZREM', ACTIVE, id)
  record[TOKEN] = token or '-'
  make_ready(id, record)
end

local function forget(id)
  if call('HDEL', TASKS, id) == 1 then
    call('HINCRBY', TASKS, '#tasks', -1)
  end
  call('HDEL', PAYLOADS, id)
end

-- Begins a queue that is new, or whose tasks were evicted: then the other keys speak of tasks that are gone.
local function begin()
  if not call('HGET', TASKS, '#tasks') then
    -- Deduplication keys of another epoch are those of tasks that are gone.
    call('HSET', TASKS, '#tasks', 0, '#seq', text(now), '#epoch', text(time[1] * 1000000 + time[2]))
    call('UNLINK', PAYLOADS, READY, DELAYED, ACTIVE, DEAD, GROUPED)
    was_empty = true
  end
end

-- Adds a task that is nowhere yet; returns its record.
local function add(id, payload, attempts, poison, ttl, priority, group, parent, children)
  call('HINCRBY', TASKS, '#tasks', 1)
  call('HSET', PAYLOADS, id, payload)
  local seq = text(call('HINCRBY', TASKS, '#seq', 1))
  return {'parent', '0', '0', '0', attempts, poison, ttl, '0', priority, seq, '0', text(children), '-', group, parent, '-', ''}
end

local bury

-- A child is 'done', 'dead', or 'gone': removed or dropped, so that its parent does not wait for it any more.
local function child_ended(id, how)
  local record = read(id)
  if not record then
    return
  end
  if how ~= 'done' then
    if how == 'gone' then
      record[CHILDREN] = text(math.max(0, record[CHILDREN] - 1))
      write(id, record)
    end
    if record[STATE] == 'parent' then
      bury(id, record, 'child')
    end
    return
  end
  record[CHILDREN] = text(math.max(0, record[CHILDREN] - 1))
  if record[CHILDREN] == '0' and record[STATE] == 'parent' then
    leave(id, record)
    start(id, record, now)
  else
    write(id, record)
  end
end

function bury(id, record, reason)
  leave(id, record)
  record[STATE] = 'dead'
  record[REASON] = reason
  write(id, record)
  call('ZADD', DEAD, text(now), id)
  if record[PARENT] ~= '-' then
    child_ended(string.sub(record[PARENT], 2), 'dead')
  end
  for _ = 1, 2 do
    local oldest = call('ZCARD', DEAD) > tonumber(ARGV[2]) and call('ZRANGE', DEAD, 0, 0)[1]
    if oldest then
      local of = read(oldest)
      call('ZREM', DEAD, oldest)
      forget(oldest)
      if of and of[PARENT] ~= '-' then
        child_ended(string.sub(of[PARENT], 2), 'gone')
      end
    end
  end
end

-- A part of a delivery's number and of its token, for the score of its end.
local function mark(token, number)
  return number % 64 * 16 + (tonumber(string.sub(token, 1, 1), 16) or 0)
end

local function is_remembered(id)
  local ended = call('ZSCORE', DONE, id)
  return ended and tonumber(ended) >= (now - ARGV[4]) * 1024
end

-- The end of a task is remembered: when, and by which delivery.
local function remember(id, record)
  call('ZADD', DONE, text(now * 1024 + mark(record[TOKEN], record[NUMBER])), id)
  for _ = 1, 2 do
    local oldest = call('ZRANGE', DONE, 0, 0, 'WITHSCORES')
    if oldest[1] and (tonumber(oldest[2]) < (now - ARGV[4]) * 1024 or call('ZCARD', DONE) > tonumber(ARGV[5])) then
      call('ZREM', DONE, oldest[1])
    end
  end
end

local function finish(reply)
  if wakes then
    call('PUBLISH', ARGV[3], 'ready')
  end
  return reply
end

