local there = redis.call('DUMP', KEYS[1])
if not there then
  return 1
end
if there ~= ARGV[1] then
  return 0
end
redis.call('UNLINK', KEYS[1])
return 1
