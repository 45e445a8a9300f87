-- Builds the globals that scripts see, as those of Redis. It runs once in a new state, with the functions of the host as its
-- argument. Lua 5.1 has no read-only tables, so scripts see empty tables in front of the real ones.
local host = ...
local collectgarbage, coroutine, next, pairs, pcall = collectgarbage, coroutine, next, pairs, pcall
local rawset, select, setmetatable, type, xpcall = rawset, select, setmetatable, type, xpcall

local real_of = {}
local fronts = {}

local function read_only(real)
  local front = setmetatable({}, { __index = real, __newindex = host.refuse, __metatable = false })
  real_of[front] = real
  fronts[#fronts + 1] = front
  return front
end

local function copy(from)
  local to = {}
  for name, value in pairs(from) do to[name] = value end
  return to
end

-- An error of the host as scripts see it.
local function thrown(problem)
  if type(problem) == 'userdata' then return host.thrown(problem) end
  return problem
end

-- As in Redis, `pcall` gives the text of an error reply.
local function caught(ok, ...)
  if ok then return true, ... end
  local problem = thrown((...))
  if type(problem) == 'table' and type(problem.err) == 'string' then problem = problem.err end
  return false, problem
end

local function resumed(ok, ...)
  if ok then return true, ... end
  return false, thrown((...))
end

local globals = {
  _VERSION = _VERSION, __redis__err__handler = host.handler,
  assert = assert, error = error, gcinfo = gcinfo, getmetatable = getmetatable, ipairs = ipairs, load = host.load,
  loadstring = host.loadstring, next = next, rawequal = rawequal, rawget = rawget, select = select,
  setmetatable = setmetatable, tonumber = tonumber, tostring = tostring, type = type, unpack = unpack,
}

-- The host alone decides when memory is collected.
function globals.collectgarbage(option, ...)
  if option == 'stop' or option == 'setpause' or option == 'setstepmul' then return 0 end
  return collectgarbage(option, ...)
end

function globals.pairs(...)
  local from = ...
  local real = real_of[from]
  if real then return function(_, name) return next(real, name) end, from, nil end
  if type(from) ~= 'table' then
    local got = select('#', ...) == 0 and 'no value' or type(from)
    host.bad_argument(1, 'pairs', 'table expected, got ' .. got)
  end
  return next, from, nil
end

function globals.pcall(...)
  return caught(pcall(...))
end

function globals.rawset(to, name, value)
  if real_of[to] then host.refuse_raw() end
  return rawset(to, name, value)
end

function globals.xpcall(call, ...)
  if select('#', ...) == 0 then host.bad_argument(2, 'xpcall', 'value expected') end
  local handler = ...
  return xpcall(call, function(problem)
    -- A handler that the watchdog's error called could not be interrupted itself.
    if host.is_over() then return problem end
    return handler(thrown(problem))
  end)
end

local coroutine_copy = copy(coroutine)
local resume = coroutine.resume
function coroutine_copy.resume(...)
  return resumed(resume(...))
end

local math_copy = copy(math)
math_copy.random, math_copy.randomseed = host.random, host.randomseed

globals.coroutine = read_only(coroutine_copy)
globals.math = read_only(math_copy)
globals.os = read_only({ clock = os.clock })
globals.string = read_only(copy(string))
globals.table = read_only(copy(table))
for name, library in pairs(host.libraries) do globals[name] = read_only(library) end

local of_strings = getmetatable('')
of_strings.__metatable = read_only({ __index = globals.string })

-- Libraries share the globals, without the keys and arguments of scripts. While one is loaded it sees a `redis` of its own
-- and nothing else.
local of_libraries = copy(globals)
local strict = { __index = host.missing }
local loading = setmetatable({ redis = read_only(setmetatable(host.loading_redis, strict)) }, strict)
local behind = { __index = of_libraries, __newindex = host.refuse, __metatable = false }
local library_front = setmetatable({}, behind)
real_of[library_front] = of_libraries
of_libraries._G = library_front
setmetatable(of_libraries, strict)

local front = read_only(globals)
globals._G = front
setmetatable(globals, strict)

-- What functions of C have put into the fronts does not stay.
local function tidied(...)
  for at = 1, #fronts do
    local name = next(fronts[at])
    while name ~= nil do
      rawset(fronts[at], name, nil)
      name = next(fronts[at])
    end
  end
  return ...
end

local function run(script)
  return tidied(xpcall(script, host.handler))
end

local function load_library(code)
  behind.__index = loading
  local ok, problem = xpcall(code, host.handler)
  behind.__index = of_libraries
  return ok, problem
end

local function call_function(call, keys, args)
  return tidied(xpcall(function() return call(keys, args) end, host.handler))
end

return {
  front = front, globals = globals, library_front = library_front,
  run = run, load_library = load_library, call_function = call_function,
}
