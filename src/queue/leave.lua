-- Takes a worker out of a queue's index: it has left in order, or all its claims are rescued.
--
-- KEYS 1 landing list  2 claims (the index)  3 queue
-- ARGV 1 worker
-- Reply: the number of landed jobs that were returned to the queue. They were never counted as claimed.
--
-- Promise: nothing that this worker still has on its way can take a job any more. The landing list becomes a
-- tombstone, a string: a blocking move onto it fails and leaves the job in the queue, and a claim finds it stale. It
-- stands for a day, longer than any connection keeps a request that nobody waits for.
local landing, index, queue = unpack(KEYS)
local count = 0
-- A key of a wrong type must stop the script here, not halfway.
redis.call('LLEN', queue)
redis.call('HLEN', index)
if redis.call('TYPE', landing).ok == 'list' then
  while true do
    local job = redis.call('RPOP', landing)
    if not job then break end
    redis.call('RPUSH', queue, job)
    count = count + 1
  end
end
redis.call('HDEL', index, ARGV[1], ARGV[1] .. ':0')
redis.call('SET', landing, 'gone', 'EX', 86400)
return count
