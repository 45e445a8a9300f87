local run = redis.call('HGET', KEYS[1], 'run:' .. ARGV[2])
if not run or string.match(run, '^%S+ (.*)$') ~= ARGV[1] then
  return 0
end
redis.call('HDEL', KEYS[1], 'run:' .. ARGV[2])
if ARGV[3] == 'failed' then
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[4], '*', 'reason', 'failed', 'from', ARGV[2], 'to', ARGV[2], 'count', '1')
end
return 1
