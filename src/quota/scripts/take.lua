-- ARGV: mode, amount, most, period, 'first' or 'last', id, lease, for how long an end is remembered, the most reservations, the most
-- ends, how many milliseconds ago it was asked first
local mode, amount, most, id = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[6]
local memory, most_ends, ago = tonumber(ARGV[8]), tonumber(ARGV[10]), tonumber(ARGV[11])

-- The first write of a script on a full Redis must be one that frees memory.
if mode == 'add' then purge() end

local reserved, count = 0, 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', reservations, '(' .. now, '+inf')) do
  reserved = reserved + (tonumber(string.match(member, '^%d+')) or 0)
  count = count + 1
end
local used = count_used()
if not used then return not_an_integer() end
local function answer(what)
  return {what, used, reserved, redis.call('PTTL', counter)}
end
local function remember(how) keep(-(now + memory), how .. id, memory, most_ends) end
local function knows(how) return redis.call('ZSCORE', reservations, how .. id) end
-- What was asked before may arrive late, when there is room.
local function refuse(why)
  if ago > 0 then remember('late ') end
  return answer(why)
end
local member = ARGV[2] .. ' ' .. id
local function hold()
  keep(now + ARGV[7], member, memory, most_ends)
  if ago > 0 then remember('asked ') end
  return answer('taken')
end

if mode == 'look' or knows('taken ') then return answer('taken') end
if knows('held ') or knows('late ') then return answer('ended') end
local is_held = tonumber(redis.call('ZSCORE', reservations, member) or 0) > now
if mode == 'reserve' and is_held then return hold() end
if knows('asked ') then return answer('ended') end
if may_have_forgotten(ago, memory, most_ends) then return answer('forgotten') end
if mode == 'reserve' then
  if count >= tonumber(ARGV[9]) then return refuse('full') end
  if used + reserved + amount > most then return refuse('exceeded') end
  reserved = reserved + amount
  return hold()
end
local after = math.max(used + amount, 0)
if amount > 0 and (mode == 'take' and used + reserved + amount > most or after > LARGEST) then
  return refuse('exceeded')
end
if after ~= used then
  remember('taken ')
  set_count(after, ARGV[4], ARGV[5])
  used = after
end
return answer('taken')
