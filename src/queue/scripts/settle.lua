-- ARGV: for each delivery: 'ack', 'nack', 'reject' or 'release', id, number, token, delay, error, time to live of its result, result.
-- KEYS: the keys of the results.
local reply = {}
for at = 6, #ARGV, 8 do
  local how, id, number, token = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
  local result = key_of(ARGV[at + 6])
  local record = read(id)
  local mine = record and record[TOKEN] == token and record[NUMBER] == number
  local done = not record and call('ZSCORE', DONE, id)
  local answer = 'lost'
  if done and how == 'ack' and done % 1024 == mark(token, number) then
    answer = 'done'
  elseif mine and record[STATE] ~= 'active' then
    -- The same request has arrived before.
    answer = record[STATE]
  elseif mine and how == 'ack' then
    leave(id, record)
    forget(id)
    remember(id, record)
    if result then
      call('SET', result, ARGV[at + 7], 'PX', ARGV[at + 6])
    end
    if record[PARENT] ~= '-' then
      child_ended(string.sub(record[PARENT], 2), 'done')
    end
    answer = 'done'
  elseif mine and how == 'release' then
    -- The token stays, so that the same request is known when it arrives again.
    give_back(id, record, token)
    answer = 'ready'
  elseif mine then
    record[ERROR] = ARGV[at + 5]
    record[FAILURES] = text(record[FAILURES] + 1)
    if how == 'reject' then
      bury(id, record, 'rejected')
    elseif tonumber(record[FAILURES]) >= tonumber(record[ATTEMPTS]) then
      bury(id, record, 'failed')
    else
      leave(id, record)
      start(id, record, now + ARGV[at + 4])
    end
    answer = record[STATE]
  end
  reply[#reply + 1] = answer
end
return finish(reply)
