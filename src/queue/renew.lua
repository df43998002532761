-- Takes or renews a worker's lease, with what the worker says of itself.
--
-- KEYS 1 lease  2 workers
-- ARGV 1 worker  2 milliseconds  then field and value in turn
-- Reply: nothing of use.
--
-- Promise: it is done when memory is out as well. A worker without a lease claims nothing, and then a full Redis
-- could never be drained.
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[1])
return 1
