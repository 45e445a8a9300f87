-- ARGV: the lease, 'exactly' or 'at least', then for each delivery: id, number, token, time to live of its progress, progress. KEYS: the keys of the progress.
local reply = {}
for at = 8, #ARGV, 5 do
  local id = ARGV[at]
  local key = key_of(ARGV[at + 3])
  local record = read(id)
  if record and record[STATE] == 'active' and record[TOKEN] == ARGV[at + 2] and record[NUMBER] == ARGV[at + 1] then
    local ends = now + ARGV[6]
    if ARGV[7] == 'at least' then
      ends = math.max(ends, tonumber(call('ZSCORE', ACTIVE, id) or 0))
    end
    -- A full Redis accepts what begins with a removal.
    call('ZREM', ACTIVE, id)
    call('ZADD', ACTIVE, text(ends), id)
    if key then
      call('SET', key, ARGV[at + 4], 'PX', ARGV[at + 3])
    end
    reply[#reply + 1] = 1
  else
    reply[#reply + 1] = 0
  end
end
return finish(reply)
