-- Claims jobs, or finds again what this claim holds already, so that a lost reply costs nothing.
--
-- KEYS 1 queue  2 claim list  3 claims (the index)  4 suspects  5 totals  6 paused  7 landing list  8 highest id
-- ARGV 1 worker  2 sequence number  3 most jobs  4 most bytes  5 "ahead" while another claim is in hand, or "next"
--      6 table
-- Reply: { state, crashes }; state is "claimed", "empty", "paused" or "stale". The jobs are in the claim list, oldest
-- first: the caller reads them from there, which spares them the way through this script.
--
-- Promise: a job leaves the queue, the suspects or the landing list only for the claim list, and the claim is in the
-- index as long as its list exists. Suspects are claimed apart from other jobs, and not ahead: a crash must not be
-- charged to them that another claim caused. Those with one crash are claimed several at a time, so that the crash of a
-- large claim holds nobody up for long; those with more alone, so that the next crash condemns no neighbour. A request
-- that comes late, for a claim which has ended or from a worker which has, claims nothing. The index says of each claim
-- the highest id that was settled when it was made: the rows that will come of it get higher ones.
local queue, claim, index, suspects, totals, paused, landing, highest = unpack(KEYS)
local worker, seq, most, bytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local ahead = ARGV[5] == 'ahead'
local field = worker .. ':' .. ARGV[2]
local entry = redis.call('HGET', index, field)
local last = tonumber(redis.call('HGET', index, worker) or '0')
if not entry and seq <= last then return { 'stale', 0 } end
-- The tombstone of a worker that has left, or was rescued.
if redis.call('TYPE', landing).ok == 'string' then return { 'stale', 0 } end

-- A key of a wrong type must stop the script here, not halfway.
for _, list in ipairs({ queue, suspects, landing }) do redis.call('LLEN', list) end
redis.call('HLEN', totals)
-- An id of another table would say nothing.
local settled, of = string.match(redis.call('GET', highest) or '', '^(%d+) (.*)$')
local low = of == ARGV[6] and settled or '0'

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local held = redis.call('LLEN', claim)
local crashes = 0
if held > 0 and entry then crashes = tonumber(string.match(entry, '^%d+:(%d+)')) end

local stop = redis.call('EXISTS', paused) == 1
if crashes > 0 or (held > 0 and stop) then return { 'claimed', crashes } end
if stop then
  -- What a blocking move brought before the pause goes back, the oldest last: to the end it was taken from.
  for _ = 1, redis.call('LLEN', landing) do redis.call('RPUSH', queue, redis.call('RPOP', landing)) end
  return { 'paused', 0 }
end
if ahead and held == 0 and redis.call('LLEN', suspects) > 0 then return { 'empty', 0 } end

local new, size, largest = 0, 0, 1
-- The root of what a claim takes at most by default: then it costs as many claims to find the group of the job that
-- crashes its workers as to find the job in its group.
local together = math.min(most, 64)

local function take(list, pop, n)
  local jobs = redis.call(pop, list, n)
  if not jobs or #jobs == 0 then return false end
  redis.call('RPUSH', claim, unpack(jobs))
  for _, job in ipairs(jobs) do
    size = size + #job
    largest = math.max(largest, #job)
  end
  new = new + #jobs
  return true
end

local function finish()
  if new > 0 then
    -- A request that comes late, for an older claim that is still open, must not lower the worker's highest number.
    local number = string.format('%.0f', math.max(seq, last))
    redis.call('HSET', index, field, string.format('%.0f:%d:%s', now, crashes, low), worker, number)
    redis.call('HINCRBY', totals, 'claimed', new)
  end
  return { 'claimed', crashes }
end

-- The oldest suspect, and how many workers have crashed on it. What is none must stop the script before it has moved
-- any, and is not reached with others.
local function oldest_suspect()
  local text = redis.call('LINDEX', suspects, -1)
  if not text then return end
  local charged, job = string.match(text, '^(%d+) (.*)$')
  if not job and new == 0 then error('the list of suspects holds what is none: ' .. string.sub(text, 1, 40)) end
  return charged and tonumber(charged), job
end

-- What a blocking move brought is older than anything in the queue.
if held < most then take(landing, 'LPOP', most - held) end
if held + new == 0 then
  local charged, job = oldest_suspect()
  while job and (new == 0 or (charged == 1 and crashes == 1 and new < together and size + #job <= bytes)) do
    redis.call('RPOP', suspects)
    redis.call('RPUSH', claim, job)
    new, size, crashes = new + 1, size + #job, charged
    charged, job = oldest_suspect()
  end
  if new > 0 then return finish() end

  -- Under load the jobs are copied from list to list inside Redis, unsorted, from the end they are taken from; they
  -- leave the queue once the copy is known to be no larger than allowed. Otherwise it is dropped again. Redis looks at
  -- some jobs to say how large the queue is, so what is copied is seldom too much, and never much too much.
  local waiting = redis.call('LLEN', queue)
  local full = math.min(most, waiting)
  if full >= 64 then
    local each = redis.call('MEMORY', 'USAGE', queue) / waiting
    full = math.min(full, math.floor(bytes / each))
  end
  if full >= 64 then
    redis.call('SORT', queue, 'BY', 'nosort', 'DESC', 'LIMIT', 0, full, 'STORE', claim)
    if redis.call('MEMORY', 'USAGE', claim, 'SAMPLES', 0) <= bytes then
      redis.call('LTRIM', queue, 0, -full - 1)
      new = full
      return finish()
    end
    redis.call('DEL', claim)
  end
end

-- Steps are sized by the largest job so far, so that a claim passes its bytes by one job at most.
while held + new < most and (size < bytes or held + new == 0) do
  local room = math.floor((bytes - size) / largest)
  if new == 0 then room = 1 end
  if not take(queue, 'RPOP', math.max(1, math.min(500, most - held - new, room))) then break end
end
if held + new > 0 then return finish() end
-- The caller will block now. Its landing list is indexed first, so that a rescuer knows to look there.
if not ahead then redis.call('HSET', index, worker .. ':0', string.format('%.0f:0', now)) end
return { 'empty', 0 }
