local held = redis.call('GET', KEYS[2])
if held and string.sub(held, 1, 1) == '=' then
  held = false
end
local token = false
if held and string.sub(held, -string.len(ARGV[1])) == ARGV[1] then
  token = held
elseif not held or ARGV[3] == 'take' then
  local now = redis.call('TIME')
  token = now[1] .. '.' .. now[2] .. '-' .. ARGV[1]
  redis.call('SET', KEYS[2], token, 'PX', ARGV[2])
end
if ARGV[3] ~= 'look' then
  return {token}
end
local left = 0
if not token then
  left = redis.call('PTTL', KEYS[2])
end
return {token, redis.call('GET', KEYS[1]), left}
