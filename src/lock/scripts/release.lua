local lock, queue, alive, ended = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local token, most, memory = ARGV[1], tonumber(ARGV[2]) or 0, tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = math.floor((clock[1] * 1000000 + clock[2]) / 1000)

local before = redis.call('ZSCORE', ended, token)
if before then return before % 2 end

local kind = redis.call('TYPE', lock).ok
local held, holders = 0, 0
if kind == 'zset' then
  redis.call('ZREMRANGEBYSCORE', lock, '-inf', now)
  held = redis.call('ZREM', lock, token)
  holders = redis.call('ZCARD', lock)
  if holders == 0 then
    kind = 'none'
  elseif held == 1 then
    redis.call('PEXPIREAT', lock, redis.call('ZRANGE', lock, -1, -1, 'WITHSCORES')[2])
  end
elseif kind ~= 'none' and redis.call('GET', lock) == token then
  held = redis.call('DEL', lock)
  kind = 'none'
end

local function forget(waiter)
  redis.call('ZREM', queue, waiter)
  redis.call('ZREM', alive, waiter)
end

forget('x' .. token)
forget('s' .. token)
-- The last bit of the score tells whether it was held.
redis.call('ZADD', ended, string.format('%.0f', now * 2 + held), token)
redis.call('ZREMRANGEBYSCORE', ended, '-inf', string.format('%.0f', (now - memory) * 2))
if redis.call('ZCARD', ended) > 1000 then
  -- Ends of the future are from before the clock was set back.
  redis.call('ZREMRANGEBYSCORE', ended, '(' .. string.format('%.0f', now * 2 + 1), '+inf')
  redis.call('ZREMRANGEBYRANK', ended, 0, -1001)
end
redis.call('PEXPIRE', ended, memory)

-- An exclusive caller does not know how many may share the lock. Who is woken in vain looks once.
local places = 0
if kind ~= 'string' then places = most == 0 and math.huge or most - holders end
local free = kind == 'none'
-- No waiter counts as alive for longer. If one seems to, the clock was set back.
local longest = 60000
-- Each look may find dead waiters alone, which it removes.
for _ = 1, 64 do
  local waiters = redis.call('ZRANGE', queue, 0, 63)
  local any_alive = false
  for _, waiter in ipairs(waiters) do
    local left = (tonumber(redis.call('ZSCORE', alive, waiter) or '0') or 0) - now
    if left <= 0 or left > longest then
      forget(waiter)
    else
      any_alive = true
      local alone = string.sub(waiter, 1, 1) == 'x'
      if alone and not free or not alone and places < 1 then break end
      redis.pcall('PUBLISH', 'edgecask:unlocked:' .. string.sub(waiter, -32, -17), string.sub(waiter, 2))
      if alone then break end
      free = false
      places = places - 1
    end
  end
  if any_alive or #waiters < 64 then break end
end
return held
