local ttl = redis.call('PTTL', KEYS[1])
if ttl == -2 then
  return {ttl}
end
local size = redis.pcall(ARGV[1], KEYS[1])
if type(size) == 'table' then
  return {ttl, redis.call('TYPE', KEYS[1]).ok}
end
local elements, bytes = size, 0
if ARGV[1] == 'STRLEN' then
  elements, bytes = 1, size
elseif size > tonumber(ARGV[4]) then
  return {ttl, size, 0}
else
  local usage = redis.pcall('MEMORY', 'USAGE', KEYS[1], 'SAMPLES', '0')
  if type(usage) == 'number' then
    bytes = usage
  end
end
if elements > tonumber(ARGV[2]) or bytes > tonumber(ARGV[3]) then
  return {ttl, elements, bytes}
end
return {ttl, elements, bytes, redis.call(ARGV[5], KEYS[1], unpack(ARGV, 6))}
