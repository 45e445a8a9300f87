-- ARGV: mode, amount, most, period, 'first' or 'last', id, lease, for how long an end is remembered, the most reservations, the most
-- ends, how many milliseconds ago it was asked first
local counter, reservations = KEYS[1], KEYS[2]
local mode, amount, most, id = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[6]
local memory, most_ends, ago = tonumber(ARGV[8]), tonumber(ARGV[10]), tonumber(ARGV[11])
local LARGEST = 9007199254740991
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function text(number) return string.format('%.0f', number) end
-- What is over lies in this range: a reservation has its expiry as score, the end of a call has it below zero.
local function purge() redis.call('ZREMRANGEBYSCORE', reservations, -now, now) end
-- The first write of a script on a full Redis must be one that frees memory.
if mode == 'add' then purge() end

local reserved, count = 0, 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', reservations, '(' .. now, '+inf')) do
  reserved = reserved + (tonumber(string.match(member, '^%d+')) or 0)
  count = count + 1
end
local stored = redis.call('GET', counter) or '0'
if not string.find(stored, '^%-?%d+$') then
  return redis.error_reply('ERR the counter of the quota is not an integer')
end
local used = math.min(math.max(tonumber(stored), 0), LARGEST)
local function answer(what)
  return {what, used, reserved, redis.call('PTTL', counter)}
end
local function ends() return redis.call('ZCOUNT', reservations, '-inf', '(0') end
local function keep(score, member)
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
local function remember(how) keep(-(now + memory), how .. id) end
local function knows(how) return redis.call('ZSCORE', reservations, how .. id) end
-- What was asked before may arrive late, when there is room.
local function refuse(why)
  if ago > 0 then remember('late ') end
  return answer(why)
end

if mode == 'look' then return answer('taken') end
if knows('taken ') then return answer('taken') end
if knows('held ') or knows('late ') then return answer('ended') end
local member = ARGV[2] .. ' ' .. id
local is_held = tonumber(redis.call('ZSCORE', reservations, member) or 0) > now
if mode == 'reserve' and is_held then
  keep(now + ARGV[7], member)
  if ago > 0 then remember('asked ') end
  return answer('taken')
end
if knows('asked ') then return answer('ended') end
-- An end that was pushed out by others may be that of this call.
if ago > 0 and ends() >= most_ends then
  local oldest = redis.call('ZRANGE', reservations, most_ends - 1, most_ends - 1, 'WITHSCORES')[2]
  if -oldest - memory >= now - ago then return answer('forgotten') end
end
if mode == 'reserve' then
  if count >= tonumber(ARGV[9]) then return refuse('full') end
  if used + reserved + amount > most then return refuse('exceeded') end
  keep(now + ARGV[7], member)
  if ago > 0 then remember('asked ') end
  reserved = reserved + amount
  return answer('taken')
end
local after = math.max(used + amount, 0)
if amount > 0 and (mode == 'take' and used + reserved + amount > most or after > LARGEST) then
  return refuse('exceeded')
end
if after == used then return answer('taken') end
remember('taken ')
local is_new = redis.call('PTTL', counter) < 0
redis.call('SET', counter, text(after), 'KEEPTTL')
used = after
if ARGV[4] ~= '0' and (is_new or ARGV[5] == 'last') then redis.call('PEXPIRE', counter, ARGV[4]) end
return answer('taken')
