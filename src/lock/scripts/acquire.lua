local lock, counter, queue, alive, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local token, ttl, patience = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local exclusive = ARGV[3] == 'x'
local most = tonumber(ARGV[3]) or 0
local clock = redis.call('TIME')
local micros = clock[1] * 1000000 + clock[2]
local now = math.floor(micros / 1000)
local me = (exclusive and 'x' or 's') .. token

if redis.call('ZSCORE', ended, token) then return {-1, 0, -1, 0} end

local kind = redis.call('TYPE', lock).ok
local holders, mine = 0, false
if kind == 'zset' then
  redis.call('ZREMRANGEBYSCORE', lock, '-inf', now)
  holders = redis.call('ZCARD', lock)
  if holders == 0 then kind = 'none' end
  mine = not exclusive and redis.call('ZSCORE', lock, token)
elseif kind ~= 'none' then
  mine = redis.call('GET', lock) == token and exclusive
  holders = 1
end

local function forget(waiter)
  redis.call('ZREM', queue, waiter)
  redis.call('ZREM', alive, waiter)
end

-- No waiter counts as alive for longer. If one seems to, the clock was set back.
local longest = 60000

-- For how many milliseconds a waiter still counts as alive; 0 if it does not.
local function lasts(waiter)
  local left = (tonumber(redis.call('ZSCORE', alive, waiter) or '0') or 0) - now
  return left > 0 and left <= longest and left or 0
end

-- How many more shared holders there may be, as far as the caller knows: an exclusive one does not.
local function room()
  if kind == 'string' then return 0 end
  if most == 0 then return math.huge end
  return most - holders
end

-- Whether no waiter before this one stands in its way; else `first_lasts` is how long the first one does at most.
local first_lasts = -1
local function is_next()
  local ahead = 0
  -- Each look may find dead waiters alone, which it removes.
  for _ = 1, 64 do
    local waiters = redis.call('ZRANGE', queue, ahead, ahead + 63)
    for _, waiter in ipairs(waiters) do
      if waiter == me then return true end
      local left = lasts(waiter)
      if left == 0 then
        forget(waiter)
      elseif exclusive or string.sub(waiter, 1, 1) == 'x' then
        first_lasts = left
        return false
      else
        ahead = ahead + 1
        if ahead >= room() or ahead >= 64 then return false end
      end
    end
    if #waiters < 64 then return true end
  end
  return false
end

-- Tells the waiters who may go on now.
local function wake()
  local places = room()
  local free = kind == 'none'
  for _ = 1, 64 do
    local waiters = redis.call('ZRANGE', queue, 0, 63)
    local any_alive = false
    for _, waiter in ipairs(waiters) do
      if lasts(waiter) == 0 then
        forget(waiter)
      else
        any_alive = true
        local alone = string.sub(waiter, 1, 1) == 'x'
        if alone and not free or not alone and places < 1 then return end
        redis.pcall('PUBLISH', 'edgecask:unlocked:' .. string.sub(waiter, -32, -17), string.sub(waiter, 2))
        if alone then return end
        free = false
        places = places - 1
      end
    end
    if any_alive or #waiters < 64 then return end
  end
end

local may_take = kind == 'none'
if not exclusive and kind == 'zset' then may_take = room() > 0 end
if mine or may_take and is_next() then
  local last = redis.call('GET', counter)
  local fence = tonumber(last or '0') or 0
  local known, counter_ttl = tonumber(ARGV[6]), tonumber(ARGV[8])
  local state = 0
  if not last then state = 1 end
  if fence < known then
    -- A counter that has expired by itself, or would within a tenth of a second, was not lost.
    if last or counter_ttl == 0 or known + (counter_ttl - 100) * 1000 > micros then state = 2 end
    fence = known
  end
  if not (mine and exclusive and state == 0) then
    fence = math.max(fence + 1, tonumber(ARGV[7]) + 1, micros)
    if fence >= 9007199254740991 then return redis.error_reply('ERR the fencing counter is out of range') end
    local text = string.format('%.0f', fence)
    if counter_ttl == 0 then
      redis.call('SET', counter, text)
    else
      redis.call('SET', counter, text, 'PX', ARGV[8])
    end
  end
  if exclusive then
    redis.call('SET', lock, token, 'PX', ttl)
    kind = 'string'
  else
    redis.call('ZADD', lock, now + ttl, token)
    redis.call('PEXPIREAT', lock, redis.call('ZRANGE', lock, -1, -1, 'WITHSCORES')[2])
    kind = 'zset'
    holders = redis.call('ZCARD', lock)
  end
  forget(me)
  if not exclusive then wake() end
  return {1, fence, ttl, state}
end

local left = first_lasts
if kind == 'string' then
  left = redis.call('PTTL', lock)
elseif kind == 'zset' then
  left = redis.call('ZRANGE', lock, 0, 0, 'WITHSCORES')[2] - now
  if first_lasts >= 0 then left = math.min(left, first_lasts) end
end
local happened = 0
if patience > 0 then
  if not redis.call('ZSCORE', queue, me) then
    if redis.call('ZCARD', queue) >= tonumber(ARGV[5]) then
      for _, dead in ipairs({{'-inf', now}, {'(' .. string.format('%.0f', now + longest), '+inf'}}) do
        for _, waiter in ipairs(redis.call('ZRANGEBYSCORE', alive, dead[1], dead[2], 'LIMIT', 0, 1000)) do
          forget(waiter)
        end
      end
    end
    if redis.call('ZCARD', queue) >= tonumber(ARGV[5]) then
      happened = -2
    else
      local last = redis.call('ZRANGE', queue, -1, -1, 'WITHSCORES')[2]
      redis.call('ZADD', queue, string.format('%.0f', math.max((tonumber(last or '0') or 0) + 1, micros)), me)
    end
  end
  if happened == 0 then
    redis.call('ZADD', alive, now + patience, me)
    redis.call('PEXPIRE', queue, 600000)
    redis.call('PEXPIRE', alive, 600000)
  end
end
if may_take then wake() end
return {happened, 0, left, 0}
