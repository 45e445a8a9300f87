local held = redis.call('GET', KEYS[2])
if held ~= ARGV[1] then
  if ARGV[4] == '0' then
    return 0
  end
  if held == '=' .. ARGV[1] then
    return 1
  end
  if not held or string.sub(held, 1, 1) ~= '=' then
    redis.call('DEL', KEYS[1])
  end
  return 0
end
if ARGV[3] == '0' then
  redis.call('SET', KEYS[1], ARGV[2])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
if ARGV[4] == '0' then
  redis.call('DEL', KEYS[2])
else
  redis.call('SET', KEYS[2], '=' .. ARGV[1], 'PX', ARGV[4])
end
return 1
