-- Returns what a blocking move brought for a worker that will not claim again.
--
-- KEYS 1 landing list  2 claims (the index)  3 queue
-- ARGV 1 worker  2 "forget" to drop the worker from the index as well
-- Reply: the number of jobs returned. They were never counted as claimed.
--
-- Promise: the index forgets a worker only when told that no move of it can still be on its way.
local landing, index, queue = unpack(KEYS)
local count = 0
while true do
  local job = redis.call('RPOP', landing)
  if not job then break end
  redis.call('RPUSH', queue, job)
  count = count + 1
end
if ARGV[2] == 'forget' then redis.call('HDEL', index, ARGV[1], ARGV[1] .. ':0') end
return count
