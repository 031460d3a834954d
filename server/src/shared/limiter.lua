-- The sliding window of window.rs, line by line, in one atomic step.
-- KEYS[1] the key's slots: start, last, count, start, last, count, … oldest first (MessagePack)
-- ARGV    now, window, limit, cost (microseconds and whole numbers)
-- returns allowed (1 | 0), used, microseconds until reset, microseconds until a retry
local now, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local limit, cost = tonumber(ARGV[3]), tonumber(ARGV[4])
local step = math.floor((window + 11) / 12)

local slots = {}
local kept = redis.call('GET', KEYS[1])
if kept then
  local readable, found = pcall(cmsgpack.unpack, kept)
  if readable and type(found) == 'table' and #found % 3 == 0 then slots = found end
end
local n = #slots

local set_back = false
if n > 0 and slots[n - 1] - now > window then
  local ahead = slots[n - 1] - now
  for i = 1, n, 3 do
    slots[i] = slots[i] - ahead
    slots[i + 1] = slots[i + 1] - ahead
  end
  set_back = true
end

-- Twice the window and a minute: Redis only tidies up by its own clock, the window is kept by the
-- callers', which may run behind.
local function keep()
  redis.call('SET', KEYS[1], cmsgpack.pack(slots), 'PX', string.format('%d', math.ceil(window / 500) + 60000))
end
local function reset(used)
  if used == 0 then return 0 end
  return slots[#slots - 1] + window - now
end

local at = now
if n > 0 and slots[n - 1] > at then at = slots[n - 1] end
local gone, used = 0, 0
for i = 1, n, 3 do
  if slots[i + 1] + window <= at then gone = i + 2 else used = used + slots[i + 2] end
end

if used + cost > limit then
  if set_back then keep() end
  local missing, freed = used + cost - limit, 0
  for i = gone + 1, n, 3 do
    freed = freed + slots[i + 2]
    if freed >= missing then return {0, used, reset(used), math.max(slots[i + 1] + window - now, 1)} end
  end
  return {0, used, reset(used), window}
end

if cost > 0 then
  local live = {}
  for i = gone + 1, n do live[#live + 1] = slots[i] end
  local m = #live
  if m > 0 and at - live[m - 2] < step then
    live[m - 1] = at
    live[m] = live[m] + cost
  else
    live[m + 1], live[m + 2], live[m + 3] = at, at, cost
  end
  slots = live
end
if cost > 0 or set_back then keep() end
return {1, used + cost, reset(used + cost), 0}
