-- ARGV: the event without its first brace, events kept or 0, time to live of the history, of the position and of the id, the last
-- position that the caller knows or '', three digits, the id
local seen = redis.call('GET', KEYS[3])
if seen then
  return {seen, 1}
end
local position = ''
local frame = '{"edgecask":1,' .. ARGV[1]
if ARGV[2] ~= '0' then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
  local epoch, offset, before = string.match(redis.call('GET', KEYS[2]) or '', '^(%d+)%-(%d+) ?(.*)$')
  if newest[1] then
    local its_epoch, its_offset = string.match(newest[1][1], '^(%d+)%-(%d+)$')
    if not epoch or (its_epoch == epoch and tonumber(its_offset) > tonumber(offset)) then
      epoch, offset, before = its_epoch, its_offset, ''
      local at, event = newest[1][2][1], newest[1][2][2]
      local is_json, content = pcall(cjson.decode, '{' .. tostring(event))
      local id = at == 'event' and is_json and content.id
      if type(id) == 'string' and not string.find(id, '%c') then
        before = id
      end
    end
  end
  local known_epoch, known_offset = string.match(ARGV[6], '^(%d+)%-(%d+)$')
  if not epoch or (epoch == known_epoch and tonumber(offset) < tonumber(known_offset)) then
    local time = redis.call('TIME')
    epoch = time[1] .. string.format('%06d', time[2]) .. ARGV[7]
    offset, before = 0, ''
    redis.call('DEL', KEYS[1])
  end
  offset = string.format('%.0f', offset + 1)
  position = epoch .. '-' .. offset
  redis.call('XADD', KEYS[1], 'MAXLEN', ARGV[2], position, 'event', ARGV[1], 'after', before)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  redis.call('SET', KEYS[2], position .. ' ' .. ARGV[8], 'PX', ARGV[4])
  -- An id has no control characters.
  local after = before ~= '' and '"after":"' .. string.gsub(before, '[\\"]', '\\%0') .. '",' or ''
  frame = '{"edgecask":1,"epoch":"' .. epoch .. '","offset":' .. offset .. ',' .. after .. ARGV[1]
end
redis.call('SET', KEYS[3], position, 'PX', ARGV[5])
local told = redis.pcall('PUBLISH', KEYS[1], frame)
if type(told) == 'table' and told.err then
  if position == '' then
    redis.call('DEL', KEYS[3])
  end
  return {position, 2}
end
return {position, 0}
