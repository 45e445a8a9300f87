local there = redis.call('DUMP', KEYS[1])
if there == ARGV[1] then
  return 1
end
if there and ARGV[4] ~= '1' and there ~= ARGV[3] then
  return 0
end
redis.call('RESTORE', KEYS[1], ARGV[2], ARGV[1], 'REPLACE')
return 1
