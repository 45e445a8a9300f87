-- ARGV: the token of the pull. KEYS: the pull.
local before = call('GET', KEYS[9]) or ''
local given_back = 0
for id in string.gmatch(before, '%S+') do
  local record = read(id)
  if record and record[STATE] == 'active' and record[TOKEN] == ARGV[6] then
    give_back(id, record)
    given_back = given_back + 1
  end
end
call('DEL', KEYS[9])
call('SET', KEYS[9], '-', 'PX', 60000)
return finish(given_back)
