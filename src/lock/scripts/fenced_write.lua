local last = redis.call('HGET', KEYS[1], 'fence')
if last then
  last = tonumber(last)
  if not last then
    return redis.error_reply('ERR the stored fencing token is not a number')
  end
  if last > tonumber(ARGV[1]) then
    return last
  end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1])
if ARGV[2] == 'set' then
  redis.call('HSET', KEYS[1], 'value', ARGV[3])
elseif ARGV[2] == 'remove' then
  redis.call('HDEL', KEYS[1], 'value')
end
return 0
