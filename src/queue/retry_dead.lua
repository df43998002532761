-- Moves dead letters back to their queue.
--
-- KEYS 1 dead  2 queue
-- ARGV letter and raw job of each in turn
-- Reply: the number moved.
--
-- Promise: a letter that is gone already (another retry, a purge) is passed over; so a repetition moves nothing twice.
local moved = 0
for at = 1, #ARGV, 2 do
  if redis.call('LREM', KEYS[1], -1, ARGV[at]) == 1 then
    redis.call('LPUSH', KEYS[2], ARGV[at + 1])
    moved = moved + 1
  end
end
return moved
