local version = redis.call('GET', KEYS[1])
if not version or ARGV[3] == 'renew' then
  local persists = redis.call('TTL', KEYS[1]) == -1
  local now = redis.call('TIME')
  version = now[1] .. '.' .. now[2] .. '-' .. ARGV[1]
  redis.call('SET', KEYS[1], version, 'EX', ARGV[2])
  if persists then
    redis.call('PERSIST', KEYS[1])
  end
end
if ARGV[4] == 'persist' then
  redis.call('PERSIST', KEYS[1])
elseif ARGV[4] ~= '0' then
  local left = redis.call('TTL', KEYS[1])
  if left >= 0 and left < tonumber(ARGV[4]) then
    redis.call('EXPIRE', KEYS[1], ARGV[4])
  end
end
return version
