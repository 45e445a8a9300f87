-- ARGV: id, amount reserved, amount used, period, 'first' or 'last', for how long the end is remembered, the most ends, how many
-- milliseconds ago it was asked first
local id, actual, memory = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[6])
local most_ends, ago = tonumber(ARGV[7]), tonumber(ARGV[8])
local function remember(how) keep(-(now + memory), how .. id, memory, most_ends) end

-- The first write of a script on a full Redis must be one that frees memory.
purge()
for how, answer in pairs({['held '] = 1, ['late '] = 0}) do
  if redis.call('ZSCORE', reservations, how .. id) then
    remember(how)
    return answer
  end
end
local used = count_used()
if not used then return not_an_integer() end
local held = redis.call('ZREM', reservations, ARGV[2] .. ' ' .. id)
if held == 0 and may_have_forgotten(ago, memory, most_ends) then return -1 end
remember(held == 1 and 'held ' or 'late ')
local after = math.min(used + actual, LARGEST)
if after > used then set_count(after, ARGV[4], ARGV[5]) end
return held
