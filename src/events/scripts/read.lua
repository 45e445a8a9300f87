-- ARGV: the epoch and the offset of the last event that the caller has, or '' and 0; its id; the most events; the time to live
-- of the position of a history without events, or 0; three digits
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
  events = redis.call('XRANGE', KEYS[1], epoch .. '-' .. from, epoch .. '-18446744073709551615', 'COUNT', ARGV[4])
end
return {KEYS[1], head, events}
