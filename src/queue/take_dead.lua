-- Takes dead letters out of their list; the jobs of those that are retried go to the queue, as they were or edited.
--
-- KEYS 1 dead  2 queue
-- ARGV of each letter in turn: its place, counted from the oldest on as 0; its text; retry | purge; the job
-- Reply: the number taken.
--
-- Promise: a letter that is gone already (another retry, a purge) is passed over; so a repetition takes nothing twice,
-- and nothing is pushed for a letter that is not there. All are cut out in one go over the list: one go for each would
-- hold Redis up where hundreds of thousands are kept.
local CUT = 'rowcast: taken'
-- When older ones were taken a moment ago, a letter has come nearer to their end. One that has come further is left.
local NEAR = 20

local function find(place, letter)
  for at = place, math.max(place - NEAR, 0), -1 do
    if redis.call('LINDEX', KEYS[1], -at - 1) == letter then return -at - 1 end
  end
end

local taken = 0
for at = 1, #ARGV, 4 do
  local found = find(tonumber(ARGV[at]), ARGV[at + 1])
  if found then
    -- First what may fail: where the queue is no list the letter stays as it is.
    if ARGV[at + 2] == 'retry' then redis.call('LPUSH', KEYS[2], ARGV[at + 3]) end
    redis.call('LSET', KEYS[1], found, CUT)
    taken = taken + 1
  end
end
if taken > 0 then redis.call('LREM', KEYS[1], -taken, CUT) end
return taken
