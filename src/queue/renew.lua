-- Takes or renews a worker's lease, with what the worker says of itself, and writes down which queues it knows.
--
-- KEYS 1 lease  2 names of all workers  3 queues that any worker has known
-- ARGV 1 worker  2 milliseconds  3 how many fields and values come next  then field and value in turn, then queue and
--      table in turn
-- Reply: 1.
--
-- A script, because it must run when memory is out: a worker without a lease claims nothing, and a full Redis could
-- never be drained. A lease takes a kilobyte.
local fields = tonumber(ARGV[3])
redis.call('HSET', KEYS[1], unpack(ARGV, 4, 3 + fields))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
for at = 4 + fields, #ARGV, 2 do
  redis.call('HSET', KEYS[3], ARGV[at], ARGV[at + 1])
end
return 1
