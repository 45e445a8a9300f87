local held = redis.call('GET', KEYS[1])
if not held or string.sub(held, 1, 1) == '=' then
  return 0
end
if string.sub(held, -string.len(ARGV[1])) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])
