-- Asks several policies at once, and counts a call in all of them or in none.
--
-- KEYS: the deny list, if members are given; then for each policy its keys, and the key of its limit if it has one; then
-- the key that remembers the reply, if a lifetime is given.
-- ARGV: `take`, `add` or `peek`; the time in microseconds, or nothing for the server's clock; the lifetime of the remembered
-- reply in milliseconds, or 0; the number of members; the members; then for each policy nine values:
--   kind, cost, limit, window in milliseconds, what its kind needs beside these, the number of the window, 1 for shadow mode,
--   the field of the limit (`=` for a string), the field of the burst.
--
-- Returns numbers with spaces between them: the time in microseconds, and 1 if the call was admitted, 0 if not, 2 if it was
-- admitted before and its reply is remembered; then for each policy 1 if it has room, its limit, what remains, the microseconds until it is whole again, and until there is room for
-- this call (-1: never). Without policies: -1 if the windows have moved, or -2 and the place of a member on the deny list.

local op, keep, members = ARGV[1], ARGV[3], tonumber(ARGV[4])
local remembered = keep ~= '0' and KEYS[#KEYS]
if remembered then
  local reply = redis.call('GET', remembered)
  if reply then return (string.gsub(reply, ' 1', ' 2', 1)) end
end

local LARGEST = 9007199254740991
local now = tonumber(ARGV[2])
local servers_clock = not now
if servers_clock then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local now_ms = math.floor(now / 1000)

-- Adding 0 takes the sign from a negative 0.
local function text(number) return string.format('%.0f', number + 0) end

local last_key = 0
local function next_key()
  last_key = last_key + 1
  return KEYS[last_key]
end

if members > 0 then
  local found = redis.call('SMISMEMBER', next_key(), unpack(ARGV, 5, 4 + members))
  for place = 1, members do
    if found[place] == 1 then return text(now) .. ' -2 ' .. place end
  end
end

-- A count that is absent is 0. One that is no number is an error, as it is for INCRBY.
local function count(key)
  local value = redis.call('GET', key)
  if not value then return 0 end
  return tonumber(string.match(value, '^%-?%d+$')) + 0
end

-- A limit that is absent or no number is the default.
local function setting(value, default)
  if value and #value <= 15 and string.find(value, '^%d+$') then return tonumber(value) end
  return default
end

-- What an addition to a count comes to: a refund does not go below 0.
local function addition(cost, used)
  if cost < 0 then return -math.min(-cost, math.max(used, 0)) end
  return cost
end

local function increase(key, by, ttl, renew)
  if by == 0 then return end
  redis.call('INCRBY', key, text(by))
  if renew or redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, text(ttl)) end
end

local kinds = {}

kinds.fixed = {
  keys = 1,
  look = function(p)
    p.used = count(p[1])
    p.reset = (p.bucket + 1) * p.window * 1000 - now
    p.retry = p.cost > p.limit and -1 or p.reset
  end,
  left = function(p) return p.limit - p.used end,
  add = function(p)
    local by = addition(p.cost, p.used)
    p.used = p.used + by
    increase(p[1], by, p.window, p.extra == 'renew')
  end,
}

kinds.sliding = {
  keys = 2,
  look = function(p)
    p.used = count(p[1])
    local previous = count(p[2])
    local passed = now_ms % p.window
    -- What `of` calls of the window before weigh so many milliseconds after it.
    local function weight(of, after) return math.floor((1 - after / p.window) * of) end
    p.before = weight(previous, passed)
    p.reset = (p.bucket + 1) * p.window * 1000 - now
    -- The first millisecond at which `of` calls of the window before weigh no more than `room`.
    local function first(of, room)
      if of <= room then return 0 end
      -- One millisecond early, because the weight is rounded too.
      local at = math.max(math.floor(p.window * (1 - (room + 1) / of)) - 1, 0)
      for _ = 1, 3 do
        if weight(of, at) > room then at = at + 1 end
      end
      return at
    end
    local room = p.limit - p.used - p.cost
    if p.cost > p.limit then
      p.retry = -1
    elseif room >= 0 then
      p.retry = math.max(first(previous, room) * 1000 - now + (now_ms - passed) * 1000, 0)
    else
      p.retry = p.reset + first(p.used, p.limit - p.cost) * 1000
    end
  end,
  left = function(p) return p.limit - p.used - p.before end,
  add = function(p)
    local by = addition(p.cost, p.used)
    p.used = p.used + by
    increase(p[1], by, p.window * 2 + 1000)
  end,
}

kinds.bucket = {
  keys = 1,
  look = function(p)
    local refill = tonumber(p.extra)
    local stored = redis.call('HMGET', p[1], 'refilledAt', 'tokens')
    local at, tokens = now_ms, p.limit
    if stored[1] then at, tokens = tonumber(stored[1]) + 0, tonumber(stored[2]) + 0 end
    if now_ms >= at + p.window then
      local refills = math.floor((now_ms - at) / p.window)
      tokens = math.min(p.limit, tokens + refills * refill)
      at = at + refills * p.window
    end
    p.at, p.tokens = at, tokens
    p.reset = (at + p.window) * 1000 - now
    p.retry = -1
    if p.cost <= p.limit then
      local refills = math.max(math.ceil((p.cost - tokens) / refill), 0)
      p.retry = math.max((at + refills * p.window) * 1000 - now, 0)
    end
  end,
  left = function(p) return p.tokens end,
  add = function(p)
    p.tokens = math.min(p.tokens - p.cost, math.max(p.limit, p.tokens))
    local refills = math.max(math.ceil((p.limit - p.tokens) / tonumber(p.extra)), 1)
    redis.call('HSET', p[1], 'refilledAt', text(p.at), 'tokens', text(p.tokens))
    redis.call('PEXPIRE', p[1], text(math.min(refills * p.window, LARGEST)))
  end,
}

-- Generic cell rate algorithm. The key holds a debt and the time at which it was that: each call adds as many units as the
-- period has microseconds, and each microsecond pays as many units as the limit. So all numbers are whole.
kinds.gcra = {
  keys = 1,
  look = function(p)
    local period = p.window * 1000
    -- Without a burst of its own, that is the limit. A limit of 0 admits none.
    local burst = setting(p.burst, tonumber(p.extra) or p.limit)
    burst = p.limit > 0 and math.min(burst, math.floor(LARGEST / period)) or 0
    p.unit, p.most, p.at, p.debt = period, burst * period, now, 0
    local stored = redis.call('GET', p[1])
    if stored then
      local debt, at = string.match(stored, '^(%d+):(%d+)$')
      p.at = math.max(tonumber(at) + 0, now)
      p.debt = math.max(tonumber(debt) - (p.at - at) * p.limit, 0)
    end
    p.rate, p.limit, p.retry = p.limit, burst, -1
    -- After the clock went back, nothing is paid until it is where it was.
    p.ahead = p.at - now
    if p.cost <= burst and p.rate > 0 then
      p.retry = math.max(math.ceil((p.debt + p.cost * period - p.most) / p.rate), 0) + p.ahead
    end
    p.reset = p.rate > 0 and p.debt > 0 and math.ceil(p.debt / p.rate) + p.ahead or 0
  end,
  left = function(p) return math.floor((p.most - p.debt) / p.unit) end,
  add = function(p)
    p.debt = math.min(math.max(p.debt + p.cost * p.unit, 0), LARGEST)
    p.reset = p.rate > 0 and p.debt > 0 and math.ceil(p.debt / p.rate) + p.ahead or 0
    if p.debt == 0 then
      redis.call('DEL', p[1])
    else
      local ttl = p.rate > 0 and math.ceil(p.reset / 1000) + 1 or p.window
      redis.call('SET', p[1], text(p.debt) .. ':' .. text(p.at), 'PX', text(ttl))
    end
  end,
}

-- Leases in a sorted set, by the millisecond at which they return by themselves.
kinds.lease = {
  keys = 1,
  look = function(p)
    p.used = redis.call('ZCOUNT', p[1], '(' .. text(now_ms), '+inf')
    local held = p.extra ~= '' and redis.call('ZSCORE', p[1], p.extra)
    p.held = held and tonumber(held) > now_ms
    p.cost = p.held and 0 or 1
    p.reset, p.retry = 0, 0
    if p.used > 0 then
      local live = redis.call('ZRANGEBYSCORE', p[1], '(' .. text(now_ms), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
      p.reset = live[2] * 1000 - now
      p.retry = p.limit > 0 and p.reset or -1
    end
  end,
  left = function(p) return p.limit - p.used end,
  add = function(p)
    if op == 'add' then return end
    redis.call('ZREMRANGEBYSCORE', p[1], '-inf', text(now_ms))
    redis.call('ZADD', p[1], text(now_ms + p.window), p.extra)
    if redis.call('PTTL', p[1]) < p.window then redis.call('PEXPIRE', p[1], text(p.window)) end
    p.used = p.used + p.cost
  end,
}

local policies, admitted = {}, true
for at = 4 + members, #ARGV - 1, 9 do
  local kind = kinds[ARGV[at + 1]]
  local p = {
    kind = kind, cost = tonumber(ARGV[at + 2]), limit = tonumber(ARGV[at + 3]), window = tonumber(ARGV[at + 4]),
    extra = ARGV[at + 5], bucket = tonumber(ARGV[at + 6]), shadow = ARGV[at + 7] == '1',
  }
  if servers_clock and p.bucket and math.floor(now_ms / p.window) ~= p.bucket then return text(now) .. ' -1' end
  for place = 1, kind.keys do p[place] = next_key() end
  local field, burst = ARGV[at + 8], ARGV[at + 9]
  if field == '=' then
    p.limit = setting(redis.call('GET', next_key()), p.limit)
  elseif field ~= '' or burst ~= '' then
    local key = next_key()
    if field ~= '' then p.limit = setting(redis.call('HGET', key, field), p.limit) end
    if burst ~= '' then p.burst = redis.call('HGET', key, burst) end
  end
  kind.look(p)
  p.room = p.cost <= 0 or p.cost <= kind.left(p)
  if not p.room and not p.shadow then admitted = false end
  policies[#policies + 1] = p
end

local reply = { text(now), op ~= 'take' and '1' or admitted and '1' or '0' }
if op == 'peek' then reply[2] = admitted and '1' or '0' end
for _, p in ipairs(policies) do
  if op == 'add' or op == 'take' and admitted and p.room then p.kind.add(p) end
  local left = math.max(p.kind.left(p), 0)
  for _, number in ipairs({ p.room and 1 or 0, p.limit, left, math.max(p.reset, 0), p.room and 0 or p.retry }) do
    reply[#reply + 1] = text(number)
  end
end
reply = table.concat(reply, ' ')
if remembered and op == 'take' and admitted then redis.call('SET', remembered, reply, 'PX', keep) end
return reply
