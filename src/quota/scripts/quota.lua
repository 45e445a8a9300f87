-- The beginning of the scripts that count.
local counter, reservations = KEYS[1], KEYS[2]
local LARGEST = 9007199254740991
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end

-- A reservation has its expiry as score; the end of a call has it below zero. What is over lies between both.
local function purge() redis.call('ZREMRANGEBYSCORE', reservations, -now, now) end

local function ends() return redis.call('ZCOUNT', reservations, '-inf', '(0') end

-- Adds a reservation or an end, and removes what is over and the oldest of too many ends.
local function keep(score, member, memory, most_ends)
  redis.call('ZADD', reservations, text(score), member)
  purge()
  if ends() > most_ends then
    redis.call('ZREMRANGEBYSCORE', reservations, '-inf', '(' .. text(-(now + memory)))
    local left = ends()
    if left > most_ends then redis.call('ZREMRANGEBYRANK', reservations, most_ends, left - 1) end
  end
  local left = math.abs(score) - now
  if redis.call('PTTL', reservations) < left then redis.call('PEXPIRE', reservations, text(left)) end
end

-- Whether an end that was pushed out by others may be that of a call which was asked first so long ago.
local function may_have_forgotten(ago, memory, most_ends)
  if ago == 0 or ends() < most_ends then return false end
  local oldest = redis.call('ZRANGE', reservations, most_ends - 1, most_ends - 1, 'WITHSCORES')[2]
  return -oldest - memory >= now - ago
end

-- What the counter has, or nothing if it is not an integer.
local function count_used()
  local stored = redis.call('GET', counter) or '0'
  if not string.find(stored, '^%-?%d+$') then return nil end
  return math.min(math.max(tonumber(stored), 0), LARGEST)
end

local function not_an_integer()
  return redis.error_reply('ERR the counter of the quota is not an integer')
end

-- The period runs from the 'first' or from the 'last' count.
local function set_count(count, period, from)
  local is_new = redis.call('PTTL', counter) < 0
  redis.call('SET', counter, text(count), 'KEEPTTL')
  if period ~= '0' and (is_new or from == 'last') then redis.call('PEXPIRE', counter, period) end
end
