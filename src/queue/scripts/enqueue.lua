-- ARGV: the most tasks, then for each task: id, payload, '+' and its delay or '@' and its time, priority, attempts, poison cap, time to
-- live, group, parent, time to live of its deduplication key. KEYS: the deduplication keys.
begin()
local epoch = (call('HGET', TASKS, '#epoch') or '') .. ' '
local plans, kinds, others, taken, children, parents = {}, {}, {}, {}, {}, {}

-- The task that a deduplication key was given to.
local function holder_of(key)
  local value = taken[key] or call('GET', key) or ''
  return string.sub(value, 1, #epoch) == epoch and string.sub(value, #epoch + 1)
end

local new = 0
-- Whether a task is this parent, or waits for it.
local function is_above(id, parent)
  while parent and parent ~= '-' do
    if parent == '=' .. id then
      return true
    end
    parent = parents[string.sub(parent, 2)]
  end
  return false
end

for at = 7, #ARGV, 10 do
  local id, parent = ARGV[at], ARGV[at + 8]
  local plan = {at = at, id = id, kind = 'new', other = id, key = key_of(ARGV[at + 9])}
  local holder = plan.key and holder_of(plan.key)
  local record = not kinds[id] and read(id)
  local is_child = parent ~= '-' and kinds[string.sub(parent, 2)] == 'new'
  if record and is_child then
    parents[id] = record[PARENT]
  end
  if kinds[id] or record or is_remembered(id) then
    plan.kind = 'known'
    if is_child and parents[id] and parents[id] ~= parent then
      if parents[id] ~= '-' or record and record[CHILDREN] ~= '0' or is_above(id, parent) then
        return {'taken', id}
      end
      -- A task that the queue has already becomes a child.
      plan.parent = parent
      parents[id] = parent
      children[parent] = (children[parent] or 0) + 1
    end
  elseif parent ~= '-' and kinds[string.sub(parent, 2)] ~= 'new' then
    plan.kind = 'duplicate'
    plan.other = others[string.sub(parent, 2)] or id
  elseif holder and holder ~= id then
    plan.kind = 'duplicate'
    plan.other = holder
  else
    new = new + 1
    if plan.key then
      taken[plan.key] = epoch .. id
    end
    parents[id] = parent
    if parent ~= '-' then
      children[parent] = (children[parent] or 0) + 1
    end
  end
  kinds[id] = kinds[id] or plan.kind
  others[id] = others[id] or plan.other
  plans[#plans + 1] = plan
end
local live = call('HGET', TASKS, '#tasks') - call('ZCARD', DEAD)
if new > 0 and live + new > tonumber(ARGV[6]) then
  return {'full', text(live)}
end
local reply = {'ok', text(now)}
for _, plan in ipairs(plans) do
  if plan.kind == 'new' then
    local at, id = plan.at, plan.id
    local pending = children['=' .. id] or 0
    local record = add(
      id, ARGV[at + 1], ARGV[at + 4], ARGV[at + 5], ARGV[at + 6], ARGV[at + 3], ARGV[at + 7], ARGV[at + 8], pending
    )
    if plan.key then
      call('SET', plan.key, epoch .. id, 'PX', ARGV[at + 9])
    end
    local due = tonumber(string.sub(ARGV[at + 2], 2))
    if string.sub(ARGV[at + 2], 1, 1) == '+' then
      due = now + due
    end
    if pending > 0 then
      write(id, record)
      call('ZADD', DELAYED, NEVER, id)
    else
      start(id, record, math.max(due, now))
    end
  end
  reply[#reply + 1] = plan.kind
  reply[#reply + 1] = plan.other
end
for _, plan in ipairs(plans) do
  if plan.parent then
    local record = read(plan.id)
    record[PARENT] = plan.parent
    write(plan.id, record)
    if record[STATE] == 'dead' then
      child_ended(string.sub(plan.parent, 2), 'dead')
    end
  end
end
return finish(reply)
