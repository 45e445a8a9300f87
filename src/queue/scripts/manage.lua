-- ARGV: a name of the call; 'requeue' or 'remove' and ids; 'limit', a group and its concurrency or ''; 'pause'; 'resume'.
local name, how, changed = ARGV[6], ARGV[7], 0
-- The last calls and their answers, so that a request which arrives again has no effect.
local recent = {}
for of, answer in string.gmatch(call('HGET', TASKS, '#recent') or '', '(%S+)=(%d+)') do
  if of == name then
    return tonumber(answer)
  end
  recent[#recent + 1] = of .. '=' .. answer
end
if how == 'pause' then
  -- A command that a full Redis accepts goes first.
  call('HDEL', TASKS, '#paused')
  changed = call('HSET', TASKS, '#paused', 1)
elseif how == 'resume' then
  changed = call('HDEL', TASKS, '#paused')
  wakes = true
elseif how == 'limit' then
  if ARGV[9] == '' then
    call('HDEL', TASKS, '#limit:' .. ARGV[8])
  else
    call('HSET', TASKS, '#limit:' .. ARGV[8], ARGV[9])
  end
  fill(ARGV[8], 256)
  changed = 1
else
  for at = 8, #ARGV do
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
if call('EXISTS', TASKS) == 1 then
  call('HDEL', TASKS, '#recent')
  table.insert(recent, 1, name .. '=' .. changed)
  call('HSET', TASKS, '#recent', table.concat(recent, ' ', 1, math.min(#recent, 16)))
end
return finish(changed)
