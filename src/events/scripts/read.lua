-- ARGV: the epoch and the offset of the last event that the caller has, or '' and 0; its id; the most events, below 0 for their
-- positions alone; the time to live of the position of a history without events, or 0; three digits
local head = redis.call('GET', KEYS[2]) or ''
local epoch, offset = string.match(head, '^(%d+)%-(%d+)')
if not epoch then
  head = ''
end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if newest[1] then
  local its_epoch, its_offset = string.match(newest[1][1], '^(%d+)%-(%d+)$')
  if not epoch or (its_epoch == epoch and tonumber(its_offset) > tonumber(offset)) then
    head, epoch, offset = newest[1][1], its_epoch, its_offset
    local at, event = newest[1][2][1], newest[1][2][2]
    local is_json, content = pcall(cjson.decode, '{' .. tostring(event))
    local id = at == 'event' and is_json and content.id
    if type(id) == 'string' and not string.find(id, '%c') then
      head = head .. ' ' .. id
    end
  end
end
if head == '' and ARGV[5] ~= '0' then
  local time = redis.call('TIME')
  head = time[1] .. string.format('%06d', time[2]) .. ARGV[6] .. '-0'
  -- A stream without entries would refuse a position before its last one.
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], head, 'PX', ARGV[5])
elseif offset == '0' and ARGV[5] ~= '0' then
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
local events = {}
if head ~= '' and ARGV[4] ~= '0' and head ~= ARGV[1] .. '-' .. ARGV[2] .. ' ' .. ARGV[3] then
  epoch = string.match(head, '^%d+')
  local from = epoch == ARGV[1] and ARGV[2] or '0'
  local most = tonumber(ARGV[4])
  events = redis.call('XRANGE', KEYS[1], epoch .. '-' .. from, epoch .. '-18446744073709551615', 'COUNT', math.abs(most))
  if most < 0 then
    for _, entry in ipairs(events) do
      entry[2] = {}
    end
  end
end
return {KEYS[1], head, events}
