if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'left', ARGV[1])
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
