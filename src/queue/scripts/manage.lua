-- ARGV: 'requeue' or 'remove' and ids; 'limit', a group and its concurrency; 'pause'; 'resume'.
local how, changed = ARGV[6], 0
if how == 'pause' then
  -- A command that a full Redis accepts goes first.
  call('HDEL', TASKS, '#paused')
  changed = call('HSET', TASKS, '#paused', 1)
elseif how == 'resume' then
  changed = call('HDEL', TASKS, '#paused')
  wakes = true
elseif how == 'limit' then
  call('HSET', TASKS, '#limit:' .. ARGV[7], ARGV[8])
  fill(ARGV[7], 256)
  changed = 1
else
  for at = 7, #ARGV do
    local id = ARGV[at]
    local record = read(id)
    if record and how == 'remove' and record[STATE] ~= 'active' then
      leave(id, record)
      forget(id)
      if record[PARENT] ~= '-' then
        child_ended(string.sub(record[PARENT], 2), 'gone')
      end
      changed = changed + 1
    elseif record and how == 'requeue' and record[STATE] == 'dead' then
      leave(id, record)
      record[FAILURES] = '0'
      record[ABANDONED] = '0'
      record[REASON] = '-'
      record[TOKEN] = '-'
      if record[CHILDREN] == '0' then
        start(id, record, now)
      else
        record[STATE] = 'parent'
        write(id, record)
        call('ZADD', DELAYED, NEVER, id)
      end
      changed = changed + 1
    end
  end
end
return finish(changed)
