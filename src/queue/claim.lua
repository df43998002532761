-- Claims jobs, or finds again what this claim holds already, so that a lost reply costs nothing.
--
-- KEYS 1 queue  2 claim list  3 claims (the index)  4 suspects  5 totals  6 paused  7 landing list
-- ARGV 1 worker  2 sequence number  3 most jobs  4 most bytes  5 "ahead" while another claim is in hand, or "next"
-- Reply: { state, crashes, job, job, ... }, oldest job first; state is "claimed", "empty", "paused" or "stale".
--
-- Promise: a job leaves the queue, the suspects or the landing list only for the claim list, and the claim is in the
-- index as long as its list exists. A suspect is claimed alone, and not ahead: a crash must not be
-- charged to it that another claim caused. A request that comes late, for a claim which has
-- ended or from a worker which has, claims nothing.
local queue, claim, index, suspects, totals, paused, landing = unpack(KEYS)
local worker, seq, most, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local field = worker .. ':' .. ARGV[2]
local entry = redis.call('HGET', index, field)
local last = tonumber(redis.call('HGET', index, worker) or '0')
if not entry and seq <= last then return { 'stale', 0 } end
-- The tombstone of a worker that has left, or was rescued.
if redis.call('TYPE', landing).ok == 'string' then return { 'stale', 0 } end

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local reply = { 'claimed', 0 }
local size, largest, new = 0, 1, 0

local function count(job)
  reply[#reply + 1] = job
  size = size + #job
  largest = math.max(largest, #job)
end

local function take(list, pop, n)
  local jobs = redis.call(pop, list, n)
  if not jobs or #jobs == 0 then return false end
  redis.call('RPUSH', claim, unpack(jobs))
  for _, job in ipairs(jobs) do count(job) end
  new = new + #jobs
  return true
end

local function finish()
  if new > 0 then
    -- A request that comes late, for an older claim that is still open, must not lower the worker's highest number.
    local highest = string.format('%.0f', math.max(seq, last))
    redis.call('HSET', index, field, string.format('%.0f:%d', now, reply[2]), worker, highest)
    redis.call('HINCRBY', totals, 'claimed', new)
  end
  return reply
end

for _, job in ipairs(redis.call('LRANGE', claim, 0, -1)) do count(job) end
local held = #reply > 2
if held and entry then reply[2] = tonumber(string.match(entry, '^%d+:(%d+)')) end
local stop = redis.call('EXISTS', paused) == 1
if reply[2] > 0 or (held and stop) then return reply end
if stop then
  -- What a blocking move brought before the pause goes back, the oldest last: to the end it was taken from.
  for _ = 1, redis.call('LLEN', landing) do redis.call('RPUSH', queue, redis.call('RPOP', landing)) end
  return { 'paused', 0 }
end

local ahead = ARGV[5] == 'ahead'
if ahead and redis.call('LLEN', suspects) > 0 then return { 'empty', 0 } end
-- What a blocking move brought is older than anything in the queue.
take(landing, 'LPOP', most)
if #reply == 2 then
  local suspect = redis.call('RPOP', suspects)
  if suspect then
    local space = string.find(suspect, ' ', 1, true)
    local job = string.sub(suspect, space + 1)
    reply[2] = tonumber(string.sub(suspect, 1, space - 1))
    redis.call('RPUSH', claim, job)
    count(job)
    new = 1
    return finish()
  end
end

-- Steps are sized by the largest job so far, so that a claim passes its bytes by one job at most.
while #reply - 2 < most and (size < bytes or #reply == 2) do
  local room = math.floor((bytes - size) / largest)
  if #reply == 2 then room = 1 end
  if not take(queue, 'RPOP', math.max(1, math.min(500, most - #reply + 2, room))) then break end
end
if #reply > 2 then return finish() end
if ahead then return { 'empty', 0 } end
-- The caller will block now. Its landing list is indexed first, so that a rescuer knows to look there.
redis.call('HSET', index, worker .. ':0', string.format('%.0f:0', now))
return { 'empty', 0 }
