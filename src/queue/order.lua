-- Gives an order to a supervisor, for as long as it counts.
--
-- KEYS 1 orders of the supervisor
-- ARGV 1 order  2 milliseconds
-- Reply: 1.
--
-- By this server's clock alone, because whoever asks and whoever takes may be on machines whose clocks differ.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], math.max(ARGV[2], redis.call('PTTL', KEYS[1])))
return 1
